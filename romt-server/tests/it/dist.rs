//! What rustup sees of toolchains and of itself.

use std::sync::atomic::Ordering;

use romt_core::{MirrorLayout, Sha256Digest};
use romt_server::{Limits, ServedMirror};
use tempfile::TempDir;

use crate::support::{Mirror, Running, ask, content, get};

const STABLE: &str = "dist/channel-rust-stable.toml";
const COMPONENT: &str = "dist/2026-01-02/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz";
const INSTALLER: &str = "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init";
const CURRENT_INSTALLER: &str = "rustup/dist/x86_64-unknown-linux-gnu/rustup-init";
const POINTER: &str = "rustup/release-stable.toml";
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A mirror of a toolchain and of rustup, without crates.
fn toolchains() -> Mirror {
    let mirror = Mirror::default();
    for (key, size) in [
        (STABLE, 1000),
        ("dist/2026-01-02/channel-rust-stable.toml", 1000),
        (COMPONENT, 200_000),
        (INSTALLER, 5000),
        (CURRENT_INSTALLER, 5000),
        (POINTER, 40),
    ] {
        mirror.store.set(key, content(size));
    }
    mirror
        .store
        .set(format!("{COMPONENT}.sha256").as_str(), "x");
    mirror.store.set(format!("{STABLE}.asc").as_str(), "signed");
    mirror
}

fn path(key: &str) -> String {
    format!("/{key}")
}

#[tokio::test]
async fn what_changes_is_asked_for_anew_and_the_rest_is_kept() {
    let router = toolchains().router();
    for (key, kind, keep) in [
        (STABLE, "application/toml", "no-cache"),
        (
            "dist/2026-01-02/channel-rust-stable.toml",
            "application/toml",
            "no-cache",
        ),
        (COMPONENT, "application/x-xz", FOREVER),
        (INSTALLER, "application/octet-stream", FOREVER),
        (CURRENT_INSTALLER, "application/octet-stream", "no-cache"),
        (POINTER, "application/toml", "no-cache"),
        (
            &format!("{COMPONENT}.sha256"),
            "text/plain; charset=utf-8",
            "no-cache",
        ),
        (
            &format!("{STABLE}.asc"),
            "application/pgp-signature",
            "no-cache",
        ),
        (
            &format!("{STABLE}.sha256"),
            "text/plain; charset=utf-8",
            "no-cache",
        ),
    ] {
        let encodings = [("accept-encoding", "gzip, deflate, zstd")];
        let reply = ask(&router, "GET", &path(key), &encodings).await;
        assert_eq!(reply.status, 200, "{key}");
        assert_eq!(reply.header("content-type"), kind, "{key}");
        assert_eq!(reply.header("cache-control"), keep, "{key}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert!(!reply.headers.contains_key("content-encoding"), "{key}");

        let head = ask(&router, "HEAD", &path(key), &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{key}");
        assert_eq!(head.headers, reply.headers, "{key}");

        let tag = [("if-none-match", reply.header("etag"))];
        let same = ask(&router, "GET", &path(key), &tag).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{key}");
    }
}

#[tokio::test]
async fn j39_a_broken_off_download_goes_on() {
    let router = toolchains().router();
    let whole = content(200_000);
    let asked = [("range", "bytes=150000-")];
    let rest = ask(&router, "GET", &path(COMPONENT), &asked).await;
    assert_eq!(rest.status, 206);
    assert_eq!(rest.header("content-range"), "bytes 150000-199999/200000");
    assert_eq!(rest.header("content-length"), "50000");
    assert_eq!(rest.body, whole[150_000..]);

    let past = ask(
        &router,
        "GET",
        &path(COMPONENT),
        &[("range", "bytes=200000-")],
    )
    .await;
    assert_eq!((past.status, past.body.len()), (416, 0));
    assert_eq!(past.header("content-range"), "bytes */200000");

    let stale = [("range", "bytes=1-"), ("if-range", "\"another\"")];
    let again = ask(&router, "GET", &path(COMPONENT), &stale).await;
    assert_eq!((again.status, again.body.len()), (200, 200_000));

    let manifest = ask(&router, "GET", &path(STABLE), &[("range", "bytes=10-19")]).await;
    assert_eq!((manifest.status, &*manifest.body), (206, &whole[10..20]));
}

/// Between the look at a file and the reading of it, a run puts another one there.
#[tokio::test]
async fn what_is_replaced_meanwhile_is_sent_as_it_is_now() {
    for (range, status) in [
        (None, 200),
        (Some("bytes=-100"), 206),
        (Some("bytes=4000-"), 416),
    ] {
        let mirror = toolchains();
        let router = mirror.router();
        mirror.store.moves.store(3, Ordering::Relaxed);
        let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        let reply = ask(&router, "GET", &path(CURRENT_INSTALLER), &headers).await;
        assert_eq!(reply.status, status, "{range:?}");
        let now = &content(5000)[..625];
        match status {
            200 => assert_eq!(reply.body, now),
            206 => assert_eq!(reply.body, now[525..]),
            // At the second look it had half its length.
            _ => assert_eq!(reply.header("content-range"), "bytes */2500"),
        }
    }
    // One that never rests is given up.
    let mirror = toolchains();
    mirror.store.moves.store(u64::MAX, Ordering::Relaxed);
    let reply = get(&mirror.router(), &path(CURRENT_INSTALLER)).await;
    assert_eq!(reply.status, 503);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_nothing_is_listed() {
    let router = toolchains().router();
    for missing in [
        "/dist/channel-rust-beta.toml",
        "/dist/channel-rust-beta.toml.sha256",
        "/dist/channel-rust-stable",
        "/dist/rust-1.95.0-x86_64-unknown-linux-gnu.tar.gz",
        "/dist/2026-01-03/channel-rust-nightly.toml.sha256",
        "/dist/2026-01-02/",
        "/dist/",
        "/dist",
        "/rustup",
        "/rustup/",
        "/rustup/dist/x86_64-unknown-linux-gnu/",
        "/rustup/archive/1.28.0/x86_64-unknown-linux-gnu/rustup-init",
    ] {
        let reply = get(&router, missing).await;
        assert_eq!(reply.status, 404, "{missing}");
        assert_eq!(reply.body, "not in this mirror\n", "{missing}");
    }
}

#[tokio::test]
async fn a_slash_too_many_is_overlooked() {
    let router = toolchains().router();
    for doubled in [
        format!("//{STABLE}"),
        format!("//{STABLE}.sha256"),
        format!("//{COMPONENT}"),
        POINTER.replace("rustup/", "/rustup//"),
        CURRENT_INSTALLER.replace("rustup/", "/rustup//"),
    ] {
        assert_eq!(get(&router, &doubled).await.status, 200, "{doubled}");
    }
}

#[tokio::test]
async fn hostile_h06_toolchains_are_only_read() {
    let mirror = toolchains();
    let router = mirror.router();
    for method in ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        for key in [STABLE, COMPONENT, POINTER] {
            let reply = ask(&router, method, &path(key), &[]).await;
            assert_eq!(reply.status, 405, "{method} {key}");
            assert_eq!(reply.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn hostile_h16_what_else_lies_beside_toolchains_cannot_be_had() {
    let mirror = toolchains();
    let beside = [
        "dist/.channel-rust-stable.toml.tmp",
        "dist/2026-01-02/.rustc.tar.xz.tmp",
        "dist/2026-01-02/notes.txt",
        "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init.part",
        "rustup/.romt/lock",
    ];
    for key in beside {
        mirror.store.set(key, "secret");
    }
    let router = mirror.router();
    for key in beside {
        assert_eq!(get(&router, &path(key)).await.status, 404, "{key}");
    }
    for path in [
        "/dist/../.romt/lock",
        "/dist/2026-01-02/../../crates/config.toml",
        "/dist/%2e%2e/x",
        "/rustup/archive/%2e%2e%2f%2e%2e/x/rustup-init",
        "//dist/2026-01-02/./rustc.tar.xz",
    ] {
        assert_eq!(get(&router, path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_directory_of_toolchains_alone_is_a_mirror() {
    let directory = TempDir::new().unwrap();
    let day = directory.path().join("dist/2026-01-02");
    std::fs::create_dir_all(&day).unwrap();
    assert!(ServedMirror::open(directory.path()).await.is_err());
    std::fs::write(directory.path().join(STABLE), "manifest").unwrap();
    std::fs::write(directory.path().join(COMPONENT), "archive").unwrap();

    let mirror = ServedMirror::open(directory.path()).await.unwrap();
    assert!(mirror.is_published().await.unwrap());
    assert_eq!(mirror.layout, MirrorLayout::default());
    let router = romt_server::router(mirror, &romt_server::ServerOptions::default());
    assert_eq!(get(&router, &path(COMPONENT)).await.body, "archive");
    let digest = get(&router, &format!("/{STABLE}.sha256")).await;
    let expected = Sha256Digest::of("manifest");
    let line = format!("{expected} *channel-rust-stable.toml\n");
    assert_eq!(digest.body, line);
    assert_eq!(get(&router, "/index/se/rd/serde").await.status, 404);
    assert_eq!(get(&router, "/index/config.json").await.status, 200);
}

#[cfg(unix)]
#[tokio::test]
async fn hostile_h17_links_among_toolchains_are_not_followed() {
    let directory = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::fs::create_dir_all(directory.path().join("dist/2026-01-02")).unwrap();
    for key in [STABLE, COMPONENT] {
        let link = directory.path().join(key);
        std::os::unix::fs::symlink(outside.path().join("secret"), link).unwrap();
    }
    let mirror = ServedMirror::open(directory.path()).await.unwrap();
    let router = romt_server::router(mirror, &romt_server::ServerOptions::default());
    for key in [STABLE, COMPONENT] {
        assert_eq!(get(&router, &path(key)).await.status, 404, "{key}");
        let digest = get(&router, &format!("/{key}.sha256")).await;
        assert_eq!(digest.status, 404, "{key}");
    }
}

#[tokio::test]
async fn on_the_wire_the_peer_is_who_connects() {
    let mirror = toolchains();
    let server = Running::start(mirror.router(), Limits::default()).await;
    let request =
        |key: &str| format!("GET /{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let told = server.raw(request(&format!("{STABLE}.sha256"))).await;
    mirror.store.set(STABLE, "another");
    // Another connection, as rustup makes it.
    let given = server.raw(request(STABLE)).await;
    let digest = Sha256Digest::of(content(1000)).to_string();
    assert!(told.contains(&digest), "{told}");
    assert!(given.contains(&format!("etag: \"{digest}\"")), "{given}");
    assert!(!given.ends_with("another"));
}
