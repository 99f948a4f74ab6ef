//! Addresses of the servers that were there before.

use crate::support::{Mirror, ask, content, get};

#[tokio::test]
async fn statement_58_the_sparse_index_of_romt_for_python_is_the_published_one() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for below in [
        "config.json",
        "1/a",
        "3/a/abc",
        "my/cr/mycrate",
        "se/rd/serde",
    ] {
        let old = get(&router, &format!("/crates-index/{below}")).await;
        let new = get(&router, &format!("/index/{below}")).await;
        assert_eq!(old.status, 200, "{below}");
        assert_eq!((&old.body, &old.headers), (&new.body, &new.headers));
        let path = format!("/crates-index/{below}");
        let head = ask(&router, "HEAD", &path, &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{below}");
        assert_eq!(head.headers, old.headers);
    }
    for absent in [
        "no/-s/no-such",
        "my/cr/MyCrate",
        "",
        "1",
        ".git/config",
        "config.json/x",
    ] {
        let reply = get(&router, &format!("/crates-index/{absent}")).await;
        assert_eq!(reply.status, 404, "{absent}");
    }
    let climbs = get(&router, "/crates-index/../crates").await;
    assert_eq!(climbs.status, 400);
}

#[tokio::test]
async fn statement_59_every_spelling_of_a_crate_is_the_same_file() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for (path, size) in [
        ("/crates/a/1.0.0/download", 10),
        ("/crates/1/a/1.0.0/a-1.0.0.crate", 10),
        ("/crates/2/ab/1.0.0/ab-1.0.0.crate", 20),
        ("/crates/3/a/abc/1.0.0/abc-1.0.0.crate", 30),
        ("/crates/3/a/aux/1.0.0/aux-1.0.0.crate", 40),
        ("/crates/aux/1.0.0/download", 40),
        (
            "/crates/My/Cr/MyCrate/1.0.0+b1/MyCrate-1.0.0+b1.crate",
            1000,
        ),
        (
            "/crates/my/cr/MyCrate/1.0.0%2Bb1/MyCrate-1.0.0%2bb1.crate",
            1000,
        ),
        ("/crates/MyCrate/1.0.0+b1/download", 1000),
        ("/crates/MyCrate/1.0.0%2Bb1/download", 1000),
        ("/crates/MyCrate/MyCrate-1.0.0%2Bb1.crate", 1000),
        ("/api/v1/crates/MyCrate/1.0.0+b1/download", 1000),
        ("/crates/se/rd/serde/1.0.0/serde-1.0.0.crate", 5000),
        ("/crates/large/1.0.0/download", 3_000_000),
    ] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.body, content(size), "{path}");
        assert_eq!(reply.header("content-type"), "application/octet-stream");
    }
    for path in [
        "/crates/mycrate/1.0.0+b1/download",
        "/crates/my/cr/mycrate/1.0.0+b1/mycrate-1.0.0+b1.crate",
        "/crates/Serde/Serde-1.0.0.crate",
        "/crates/serde/1.0.1/download",
        "/crates/serde/1.0/download",
        "/crates/serde/1.0.0/download/",
        "/crates/serde/1.0.0",
        "/crates/se/rd/serde/1.0.0/serde-1.0.1.crate",
        "/crates/se/rd/serde/1.0.0/",
    ] {
        assert_eq!(get(&router, path).await.status, 404, "{path}");
    }
    // A blank is no plus.
    let blank = get(&router, "/crates/MyCrate/1.0.0%20b1/download").await;
    assert_eq!(blank.status, 400);
}

#[tokio::test]
async fn statement_60_heads_have_a_length_and_a_time() {
    let scene = tempfile::tempdir().unwrap();
    let manifest = scene
        .path()
        .join("dist/2026-01-02/channel-rust-nightly.toml");
    let installer = scene
        .path()
        .join("rustup/dist/x86_64-unknown-linux-gnu/rustup-init");
    let serde = scene.path().join("crates/se/rd/serde/serde-1.0.0.crate");
    for (file, time) in [
        (&manifest, 0),
        (&installer, 86_400),
        (&serde, 1_700_000_000),
    ] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "content").unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(time).unwrap();
    }
    std::fs::create_dir(scene.path().join(".romt")).unwrap();
    let mirror = romt_server::ServedMirror::open(scene.path()).await.unwrap();
    let router = romt_server::router(mirror, &romt_server::ServerOptions::default());
    for (path, time) in [
        (
            "/dist/2026-01-02/channel-rust-nightly.toml",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ),
        (
            "/rustup/dist/x86_64-unknown-linux-gnu/rustup-init",
            "Fri, 02 Jan 1970 00:00:00 GMT",
        ),
        (
            "/crates/serde/serde-1.0.0.crate",
            "Tue, 14 Nov 2023 22:13:20 GMT",
        ),
    ] {
        for method in ["HEAD", "GET"] {
            let reply = ask(&router, method, path, &[]).await;
            assert_eq!(reply.status, 200, "{path}");
            assert_eq!(reply.header("content-length"), "7", "{path}");
            assert_eq!(reply.header("last-modified"), time, "{path}");
        }
    }
}
