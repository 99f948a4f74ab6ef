//! What is told of toolchains that are here in part.

use std::{fmt::Write as _, sync::Arc};

use romt_core::{Sha256Digest, Store, StoreExt as _, toolchain::TargetName};
use romt_store::MemoryStore;

use super::toolchains::{Toolchains, look};

const LINUX: &str = "x86_64-unknown-linux-gnu";
const WASM: &str = "wasm32-wasip1";

async fn put(store: &Arc<dyn Store>, key: &str, text: impl Into<Vec<u8>>) {
    let key = key.parse().unwrap();
    store.put(&key, text.into()).await.unwrap();
}

/// A manifest of this release; `files` of its archives are here.
async fn release(store: &Arc<dyn Store>, full: &str, date: &str, files: &[&str]) -> String {
    let mut text = format!(
        "manifest-version = \"2\"\ndate = \"{date}\"\n[pkg.rust]\nversion = \"{full} (x)\"\n"
    );
    for (component, target) in [("rustc", LINUX), ("rust-std", LINUX), ("rust-std", WASM)] {
        let stem = format!("{component}-{target}");
        let file = format!("{stem}.tar.xz");
        let hash = Sha256Digest::of(&file);
        let url = format!("https://dist.example/dist/{date}/{stem}");
        let _ = write!(
            text,
            "\n[pkg.{component}.target.{target}]\navailable = true\n\
             url = \"{url}.tar.gz\"\nhash = \"{hash}\"\nxz_url = \"{url}.tar.xz\"\nxz_hash = \"{hash}\"\n"
        );
        if files.contains(&file.as_str()) {
            put(store, &format!("dist/{date}/{file}"), "x").await;
        }
    }
    text
}

async fn looked(store: &Arc<dyn Store>) -> Arc<Toolchains> {
    look(store.clone()).await.unwrap()
}

#[tokio::test]
async fn releases_are_told_once_under_all_their_names() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (rustc, std, wasm) = (
        format!("rustc-{LINUX}.tar.xz"),
        format!("rust-std-{LINUX}.tar.xz"),
        format!("rust-std-{WASM}.tar.xz"),
    );
    let files = [rustc.as_str(), &std, &wasm];
    let new = release(&store, "1.94.0", "2026-03-05", &files).await;
    let old = release(&store, "1.93.1", "2026-02-12", &files[..2]).await;
    let night = release(&store, "1.96.0-nightly", "2026-03-08", &files[2..]).await;
    for (name, text) in [
        ("stable", &new),
        ("1.94", &new),
        ("1.94.0", &new),
        ("1.93", &old),
        ("1.93.1", &old),
        ("nightly", &night),
    ] {
        put(
            &store,
            &format!("dist/channel-rust-{name}.toml"),
            text.as_str(),
        )
        .await;
    }
    put(&store, "dist/2026-03-05/channel-rust-stable.toml", new).await;
    put(&store, "dist/2026-03-08/channel-rust-nightly.toml", night).await;
    // None of these is a release.
    put(&store, "dist/channel-rust-beta.toml", "<html>").await;
    put(&store, "dist/channel-rust--b-.toml", "").await;
    put(&store, "dist/2026-03-05/x/channel-rust-stable.toml", "").await;

    let found = looked(&store).await;
    let names: Vec<String> = found.releases.iter().map(|it| it.names.join(" ")).collect();
    assert_eq!(
        names,
        [
            "stable 1.94 1.94.0 stable-2026-03-05",
            "nightly nightly-2026-03-08",
            "1.93 1.93.1",
        ]
    );
    let of = |place: usize| {
        let release = &found.releases[place];
        let names = |all: &[TargetName]| {
            let names: Vec<&str> = all.iter().map(TargetName::as_str).collect();
            names.join(" ")
        };
        (names(&release.hosts), names(&release.targets))
    };
    assert_eq!(of(0), (LINUX.into(), WASM.into()));
    assert_eq!(of(1), (String::new(), WASM.into()));
    assert_eq!(of(2), (LINUX.into(), String::new()));
    assert!(found.older.is_empty() && found.unnamed == 0 && found.rustup.is_none());
    assert_eq!(found.releases[1].version, "1.96.0-nightly");
}

#[tokio::test]
async fn a_thousand_nightlies_are_not_all_told_of() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for day in 0..1000 {
        let date = format!(
            "{}-{:02}-{:02}",
            2000 + day / 336,
            day / 28 % 12 + 1,
            day % 28 + 1
        );
        let text = release(&store, "1.96.0-nightly", &date, &[]).await;
        put(
            &store,
            &format!("dist/{date}/channel-rust-nightly.toml"),
            text,
        )
        .await;
    }
    let found = looked(&store).await;
    assert_eq!(found.releases.len(), 16);
    assert_eq!(found.releases[0].name(), "nightly-2002-12-20");
    assert_eq!(
        found.releases.iter().filter(|it| it.has_commands).count(),
        3
    );
    assert_eq!(found.older.len(), 400);
    assert_eq!(found.unnamed, 1000 - 416);
}

#[tokio::test]
async fn installers_are_told_with_their_digests() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for key in [
        "rustup/dist/x86_64-unknown-linux-gnu/rustup-init",
        "rustup/dist/x86_64-unknown-linux-gnu/rustup-init.sha256",
        "rustup/dist/x86_64-pc-windows-msvc/rustup-init.exe",
        // None of these is one.
        "rustup/dist/x86_64-pc-windows-msvc/rustup-init",
        "rustup/dist/rustup-init",
        "rustup/dist/a-b/c/rustup-init",
    ] {
        put(&store, key, "x").await;
    }
    put(&store, "rustup/release-stable.toml", "junk").await;
    let found = looked(&store).await;
    let rustup = found.rustup.as_ref().unwrap();
    assert_eq!(rustup.version, None);
    let paths: Vec<_> = rustup
        .installers
        .iter()
        .map(|it| (&*it.path, it.has_digest))
        .collect();
    assert_eq!(
        paths,
        [
            ("rustup/dist/x86_64-pc-windows-msvc/rustup-init.exe", false),
            ("rustup/dist/x86_64-unknown-linux-gnu/rustup-init", true),
        ]
    );
    let pointer = "schema-version = '1'\nversion = '1.29.0'\n";
    put(&store, "rustup/release-stable.toml", pointer).await;
    let found = looked(&store).await;
    let version = found.rustup.as_ref().unwrap().version.unwrap();
    assert_eq!(version.to_string(), "1.29.0");
}
