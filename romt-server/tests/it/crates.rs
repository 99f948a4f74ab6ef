//! What clients see of the crate files.

use std::{
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use crate::support::{Mirror, ask, content, get, key};
use romt_core::{Sha256Digest, full::leaving};
use romt_server::ServerOptions;

const SERDE: &str = "/crates/se/rd/serde/serde-1.0.0.crate";
const LARGE: &str = "/crates/la/rg/large/large-1.0.0.crate";

#[tokio::test]
async fn j07_what_config_json_expands_to_is_served() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for (path, size) in [
        ("/crates/1/a/a-1.0.0.crate", 10),
        ("/crates/2/ab/ab-1.0.0.crate", 20),
        ("/crates/3/a/abc/abc-1.0.0.crate", 30),
        ("/crates/3/a/aux/aux-1.0.0.crate", 40),
        ("/crates/my/cr/MyCrate/MyCrate-1.0.0+b1.crate", 1000),
        ("/crates/My/Cr/MyCrate/MyCrate-1.0.0%2Bb1.crate", 1000),
        ("/crates/MyCrate/MyCrate-1.0.0+b1.crate", 1000),
        ("/crates/serde/serde-1.0.0.crate", 5000),
        (LARGE, 3_000_000),
    ] {
        // From the store, and from memory.
        for _ in 0..2 {
            let reply = get(&router, path).await;
            assert_eq!(reply.status, 200, "{path}");
            assert_eq!(reply.body, content(size), "{path}");
            let digest = Sha256Digest::of(&reply.body);
            assert_eq!(reply.header("etag"), format!("\"{digest}\""));
        }
    }
}

#[tokio::test]
async fn crates_are_immutable_octets() {
    let router = Mirror::sample().router();
    for path in [SERDE, LARGE] {
        let reply = get(&router, path).await;
        assert_eq!(reply.header("content-type"), "application/octet-stream");
        assert_eq!(
            reply.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(reply.header("accept-ranges"), "bytes");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert!(!reply.headers.contains_key("content-encoding"));

        let head = ask(&router, "HEAD", path, &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.headers, reply.headers);

        let tag = reply.header("etag");
        let same = ask(&router, "GET", path, &[("if-none-match", tag)]).await;
        assert_eq!((same.status, same.body.len()), (304, 0));
    }
}

#[tokio::test]
async fn hostile_h16_only_crates_can_be_named() {
    let mirror = Mirror::sample();
    for inside in [
        ".romt/lock",
        "crates/config.toml",
        "crates/se/rd/serde/.part",
    ] {
        mirror.store.set(inside, "secret");
    }
    let router = mirror.router();
    for path in [
        "/.romt/lock",
        "/crates/config.toml",
        "/crates/se/rd/serde/.part",
        "/crates/se/rd/serde/",
        "/crates/se/rd/serde",
        "/crates/SE/RD/serde/serde-1.0.0.crate",
        "/crates/se/rd/Serde/serde-1.0.0.crate",
        "/crates/se/rd/Serde/Serde-1.0.0.crate",
        "/crates/xx/xx/serde/serde-1.0.0.crate",
        "/crates/x/se/rd/serde/serde-1.0.0.crate",
        "/crates/serde/serde-1.0.0.crate.",
        "/crates/serde/serde-1.0.0.crate%20",
        "/crates/serde/serde-1.0.0.crate::$DATA",
        "/crates/serde/serde-1.0.crate",
        "/crates/serde/serde-01.0.0.crate",
        "/crates/serde/serde-v1.0.0.crate",
        "/crates/serde/serde-.crate",
        "/crates/serde/SERDE~1.CRA",
        "/crates/NUL/NUL",
        "/crates/3/a/=aux",
        "/crates/-/--1.0.0.crate",
        "/crates/serde/serde-2.0.0.crate",
        "/git/config",
        "/index/../crates",
        "/favicon.ico",
    ] {
        let status = get(&router, path).await.status;
        assert!(matches!(status, 404 | 400), "{path}: {status}");
    }
}

#[tokio::test]
async fn hostile_h08_ranges() {
    let router = Mirror::sample().router();
    for (path, size) in [(SERDE, 5000_usize), (LARGE, 3_000_000)] {
        let whole = content(size);
        let last = size - 1;
        for (range, first, end) in [
            ("bytes=0-99".to_owned(), 0, 100),
            ("bytes=100-".to_owned(), 100, size),
            ("bytes=-100".to_owned(), size - 100, size),
            (format!("bytes=10-{}", size * 2), 10, size),
            (format!("bytes={last}-{last}"), last, size),
            ("bytes=-99999999999999999999".to_owned(), 0, size),
        ] {
            let reply = ask(&router, "GET", path, &[("range", &range)]).await;
            assert_eq!(reply.status, 206, "{range}");
            assert_eq!(reply.body, whole[first..end], "{range}");
            let shown = format!("bytes {first}-{}/{size}", end - 1);
            assert_eq!(reply.header("content-range"), shown);
            assert_eq!(reply.header("content-length"), (end - first).to_string());
        }
        for range in [format!("bytes={size}-"), "bytes=-0".to_owned()] {
            let reply = ask(&router, "GET", path, &[("range", &range)]).await;
            assert_eq!(reply.status, 416, "{range}");
            assert_eq!(reply.header("content-range"), format!("bytes */{size}"));
        }
        let thousand = format!("bytes={}", "0-,".repeat(1000));
        for range in [
            "bytes=0-1,3-4",
            &thousand,
            "bytes=9-1",
            "lines=1-2",
            "bytes=x",
        ] {
            let reply = ask(&router, "GET", path, &[("range", range)]).await;
            assert_eq!((reply.status, reply.body.len()), (200, size));
        }
        let head = ask(&router, "HEAD", path, &[("range", "bytes=0-1")]).await;
        assert_eq!(head.status, 200);
    }
}

#[tokio::test]
async fn ranges_of_another_state_of_the_file_get_the_whole() {
    let router = Mirror::sample().router();
    let tag = get(&router, SERDE).await.header("etag").to_owned();
    for (if_range, status) in [
        (tag.as_str(), 206),
        ("\"other\"", 200),
        ("W/\"other\"", 200),
        ("Sat, 21 Nov 2026 00:00:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=0-1"), ("if-range", if_range)];
        assert_eq!(ask(&router, "GET", SERDE, &headers).await.status, status);
    }
}

#[tokio::test]
async fn j15_damaged_crates_are_never_sent() {
    let mirror = Mirror::sample();
    mirror.store.set(&key("serde", "1.0.0"), content(4999));
    mirror.store.set(&key("large", "1.0.0"), content(2_999_999));
    let router = mirror.router();
    for path in [SERDE, LARGE] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.header("retry-after"), "5");
        assert!(reply.body.len() < 100);
    }
    mirror.publish("serde", "1.0.0", &content(5000));
    assert_eq!(get(&router, SERDE).await.status, 200);
}

#[tokio::test]
async fn crates_that_are_not_listed_are_served_as_they_are() {
    let mirror = Mirror::sample();
    mirror.store.set(&key("serde", "2.0.0"), "unlisted");
    let router = mirror.router();
    let reply = get(&router, "/crates/se/rd/serde/serde-2.0.0.crate").await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"unlisted"[..]));
    assert!(reply.header("etag").starts_with("\"v"));
    // It was compared with nothing, so nobody is to rely on it for a year.
    assert_eq!(reply.header("cache-control"), "no-cache");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cold_crate_is_checked_once_for_all_who_ask() {
    const CLIENTS: u64 = 40;
    let mirror = Mirror::default();
    let names: Vec<String> = (0..24).map(|n| format!("crate{n}")).collect();
    let sizes = [1000, 400_000];
    for (name, size) in names.iter().zip(sizes.iter().cycle()) {
        mirror.publish(name, "1.0.0", &content(*size));
    }
    mirror.store.jitter.store(30, Ordering::Relaxed);
    let router = mirror.router();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (router, mut names) = (router.clone(), names.clone());
            // Not all begin with the same one.
            names.rotate_left(usize::try_from(client % 3).unwrap());
            tokio::spawn(async move {
                for name in names {
                    let path = format!("/crates/{name}/{name}-1.0.0.crate");
                    let reply = get(&router, &path).await;
                    assert_eq!(reply.status, 200, "{path}");
                    assert!(sizes.contains(&reply.body.len()), "{path}");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    // Small ones are read once; large ones to check them, and by each client.
    let reads = 12 + 12 * (1 + CLIENTS);
    assert_eq!(mirror.store.reads.load(Ordering::Relaxed), reads);
}

#[tokio::test]
async fn crates_in_memory_need_no_store_for_a_while() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for _ in 0..100 {
        assert_eq!(get(&router, SERDE).await.status, 200);
    }
    assert_eq!(mirror.store.reads.load(Ordering::Relaxed), 1);
    assert!(mirror.store.heads.load(Ordering::Relaxed) <= 2);
}

#[tokio::test]
async fn what_becomes_of_a_crate_is_noticed() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for path in [SERDE, LARGE] {
        assert_eq!(get(&router, path).await.status, 200);
    }
    mirror.store.remove(&key("large", "1.0.0"));
    mirror.store.set(&key("serde", "1.0.0"), "damage");
    // A large file is not in memory, so its absence is seen at once.
    assert_eq!(get(&router, LARGE).await.status, 404);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&router, LARGE).await.status, 404);
    assert_eq!(get(&router, SERDE).await.status, 503);
    mirror.store.remove(&key("serde", "1.0.0"));
    assert_eq!(get(&router, SERDE).await.status, 404);
}

/// What is believed for a second of a large file is not what it is any more.
#[tokio::test]
async fn a_crate_that_was_replaced_is_sent_as_it_is_now() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    assert_eq!(get(&router, LARGE).await.status, 200);
    let other = content(2_000_000);
    mirror.publish("large", "1.0.0", &other);
    for _ in 0..2 {
        let reply = get(&router, LARGE).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == other, "it is the old one, or neither");
    }
    mirror.publish("large", "1.0.0", &content(1_000_000));
    let reply = ask(&router, "GET", LARGE, &[("range", "bytes=1500000-")]).await;
    assert_eq!(reply.status, 416);
}

/// R10: who read the index just before can have the crate just after.
#[tokio::test]
async fn what_was_deleted_a_moment_ago_can_still_be_had() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    assert_eq!(get(&router, SERDE).await.status, 200);
    let [name, version] = ["serde", "1.0.0"];
    let now = SystemTime::now();
    let [_, before] = leaving(&name.parse().unwrap(), &version.parse().unwrap(), now);
    mirror.store.set(before.as_str(), content(5000));
    mirror.store.remove(&key(name, version));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let reply = get(&router, SERDE).await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, "no-cache")
    );
    assert_eq!(reply.body, content(5000));
    // One that is not in memory is missed only when it is to be sent.
    assert_eq!(get(&router, LARGE).await.status, 200);
    let [after, _] = leaving(&"large".parse().unwrap(), &version.parse().unwrap(), now);
    mirror.store.set(after.as_str(), content(3_000_000));
    mirror.store.remove(&key("large", version));
    assert!(get(&router, LARGE).await.body == content(3_000_000));
    // What comes to its place is what there is.
    mirror.publish(name, version, &content(6000));
    assert_eq!(get(&router, SERDE).await.body, content(6000));
    mirror.store.remove(&key(name, version));
    mirror.store.remove(before.as_str());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&router, SERDE).await.status, 404);
}

#[tokio::test]
async fn everything_works_without_memory() {
    let mirror = Mirror::sample();
    let options = ServerOptions::default().with_cache_bytes(0);
    let router = romt_server::router(mirror.served(), &options);
    for _ in 0..2 {
        assert_eq!(get(&router, SERDE).await.body, content(5000));
        assert_eq!(get(&router, LARGE).await.body, content(3_000_000));
        assert_eq!(get(&router, "/index/se/rd/serde").await.status, 200);
    }
}
