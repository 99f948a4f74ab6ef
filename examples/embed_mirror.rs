//! A mirror within a program of your own.
//!
//! Run with `cargo run -p romt-examples --bin embed_mirror`.
//!
//! It needs no network: the upstream is a directory that it makes first. With
//! `HttpSource` instead of `PathSource`, the same lines mirror crates.io.

#![expect(clippy::print_stdout, reason = "the programs here talk to people")]

use std::{error::Error, fs, io, path::Path, sync::Arc};

use romt_core::{CrateRequest, Mirror, Sha256Digest, SyncOptions, SyncOutcome, Upstream};
use romt_index::{SnapshotIndex, SparseIndex};
use romt_store::{FsStore, PathSource};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let upstream = directory.path().join("upstream");
    make_upstream(&upstream)?;
    let outcome = mirror(&upstream, &directory.path().join("mirror")).await?;
    println!("fetched {} crates", outcome.fetched);
    for failure in &outcome.failed {
        println!("{} is held back: {}", failure.label, failure.reason);
    }
    if let Some(publication) = &outcome.publication {
        println!("the mirror shows {} crates", publication.crates);
    }
    Ok(())
}

/// Mirrors `hello` and all that it needs from one directory into another.
async fn mirror(from: &Path, to: &Path) -> Result<SyncOutcome, Box<dyn Error>> {
    // Where bytes come from: the index, and the crates that it leads to.
    let source = Arc::new(PathSource::new(from));
    // Where bytes live, and the index that clients are shown.
    let store = Arc::new(FsStore::create(to)?);
    let mirror = Mirror::new(store.clone(), Arc::new(SnapshotIndex::new(store.clone())));
    // The cache makes the next run ask only what has changed.
    let index = SparseIndex::new(source.clone()).with_cache(store);
    let upstream = Upstream::new(Arc::new(index), source);
    let selection = ["hello@1".parse::<CrateRequest>()?].into_iter().collect();
    let options = SyncOptions::default();
    // In place of `()`, pass something that shows the progress.
    let synced = mirror.sync(&upstream, &selection, &options, Arc::new(()));
    Ok(synced.await?)
}

/// A registry with one crate, as a directory.
fn make_upstream(root: &Path) -> io::Result<()> {
    let bytes = b"a .crate file is a compressed tar archive; this one is not";
    let digest = Sha256Digest::of(bytes);
    let write = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, bytes)
    };
    let line = format!(
        r#"{{"name":"hello","vers":"1.0.0","deps":[],"features":{{}},"cksum":"{digest}","yanked":false}}"#
    );
    write("config.json", br#"{"dl":"crates/{crate}-{version}.crate"}"#)?;
    write("he/ll/hello", line.as_bytes())?;
    write("crates/hello-1.0.0.crate", bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_run_fetches_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        make_upstream(&from).unwrap();
        let first = mirror(&from, &to).await.unwrap();
        assert_eq!((first.fetched, first.present), (1, 0));
        let second = mirror(&from, &to).await.unwrap();
        assert_eq!((second.fetched, second.present), (0, 1));
        assert_eq!(second.publication, None);
    }
}
