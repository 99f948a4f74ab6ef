//! Mirror a toolchain from your own code.
//!
//! Run with `cargo run -p romt-examples --bin mirror_toolchain`.
//!
//! The upstream here is a store in memory with one small release in it. A real one is
//! an `HttpSource` at the `/dist/` of a distribution server, and its signatures are
//! checked: `SignaturePolicy::Required(Arc::new(OpenPgp::rust_release()?))`.

#![expect(clippy::print_stdout, reason = "the programs here talk to people")]

use std::{error::Error, sync::Arc};

use romt_core::{
    DistLayout, Key, PartAt, Sha256Digest, Source, Store, StoreExt as _,
    dist::{DistMirror, DistOptions, SignaturePolicy},
    toolchain::{TargetChoice, ToolchainSpec},
};
use romt_store::{MemoryStore, StoreSource};

const COMPILER: &str = "2026-03-05/rustc-1.94.0-x86_64-unknown-linux-gnu.tar.xz";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shown = mirror(upstream().await?).await?;
    println!("the mirror shows {shown}");
    Ok(())
}

/// Brings a release of `upstream` into a mirror, and lets rustup find it there.
async fn mirror(upstream: Arc<dyn Source>) -> Result<String, Box<dyn Error>> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mirror = DistMirror::new(store.clone(), DistLayout::new(PartAt::Directory));
    let options = DistOptions::new(SignaturePolicy::Ignored);
    let mut session = mirror.session(options, Arc::new(()));

    let spec: ToolchainSpec = "stable".parse()?;
    let name = spec.as_name().ok_or("it has a wildcard")?;
    let release = session.fetch(&*upstream, &name).await?;
    let targets = TargetChoice::parse_all(&["linux"])?;
    let targets = session.targets(&release, &targets).await?;
    let wanted = session.to_fetch(&release, &targets);
    let outcome = session.download(upstream, &wanted).await?;
    println!("{} components were fetched", outcome.fetched);
    session.keep(&release).await?;
    session.publish(&release.canonical_name()).await?;

    let shown: Key = "dist/channel-rust-stable.toml".parse()?;
    store.head(&shown).await?;
    Ok(release.manifest.ident())
}

/// A distribution server with one release.
async fn upstream() -> Result<Arc<dyn Source>, Box<dyn Error>> {
    let store = MemoryStore::new();
    let compiler = b"this would be a compiler";
    store.put(&COMPILER.parse()?, compiler.as_slice()).await?;
    let digest = Sha256Digest::of(compiler);
    let manifest = format!(
        r#"manifest-version = "2"
date = "2026-03-05"

[pkg.rust]
version = "1.94.0 (0123456 2026-03-02)"

[pkg.rustc]
version = "1.94.0 (0123456 2026-03-02)"

[pkg.rustc.target.x86_64-unknown-linux-gnu]
available = true
xz_url = "https://example.com/dist/{COMPILER}"
xz_hash = "{digest}"
"#
    );
    let beside = format!(
        "{}  channel-rust-stable.toml\n",
        Sha256Digest::of(&manifest)
    );
    let key: Key = "channel-rust-stable.toml".parse()?;
    store.put(&key, manifest.into_bytes()).await?;
    let key: Key = "channel-rust-stable.toml.sha256".parse()?;
    store.put(&key, beside.into_bytes()).await?;
    Ok(Arc::new(StoreSource::new(Arc::new(store), None)))
}
