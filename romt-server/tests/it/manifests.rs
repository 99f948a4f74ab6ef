//! A manifest and its digest are of one generation, whatever happens between the
//! two requests.

use std::{net::IpAddr, sync::atomic::Ordering, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use http_body_util::BodyExt as _;
use romt_core::Sha256Digest;
use romt_server::Peer;
use tower::ServiceExt as _;

use crate::support::{Mirror, ask, get};

const MANIFEST: &str = "dist/channel-rust-nightly.toml";

/// What the peer at `address` is given at `path`.
async fn given(router: &Router, address: &str, path: &str) -> (u16, String) {
    let address: IpAddr = address.parse().unwrap();
    let request = Request::get(path)
        .header("host", "mirror.example:8000")
        .extension(Peer(address))
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn digest(router: &Router, address: &str) -> String {
    let (status, line) = given(router, address, &format!("/{MANIFEST}.sha256")).await;
    assert_eq!(status, 200);
    line
}

async fn manifest(router: &Router, address: &str) -> String {
    let (status, text) = given(router, address, &format!("/{MANIFEST}")).await;
    assert_eq!(status, 200);
    text
}

fn line_of(text: &str) -> String {
    let digest = Sha256Digest::of(text);
    format!("{digest} *channel-rust-nightly.toml\n")
}

#[tokio::test(start_paused = true)]
async fn j37_a_peer_is_given_what_it_was_told_of() {
    let mirror = Mirror::default();
    let router = mirror.router();
    mirror.store.set(MANIFEST, "one");
    assert_eq!(digest(&router, "192.0.2.1").await, line_of("one"));

    mirror.store.set(MANIFEST, "two, longer");
    // Who was told nothing gets what is there, and so does a later question.
    assert_eq!(manifest(&router, "192.0.2.2").await, "two, longer");
    assert_eq!(digest(&router, "192.0.2.3").await, line_of("two, longer"));
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(manifest(&router, "192.0.2.1").await, "one");
    // The same host, as a socket for both families spells it.
    assert_eq!(manifest(&router, "::ffff:192.0.2.1").await, "one");
    assert_eq!(manifest(&router, "192.0.2.3").await, "two, longer");

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(manifest(&router, "192.0.2.1").await, "two, longer");
}

#[tokio::test(start_paused = true)]
async fn the_latest_answer_counts() {
    let mirror = Mirror::default();
    let router = mirror.router();
    mirror.store.set(MANIFEST, "one");
    assert_eq!(digest(&router, "192.0.2.1").await, line_of("one"));
    mirror.store.set(MANIFEST, "two");
    assert_eq!(digest(&router, "192.0.2.1").await, line_of("two"));
    mirror.store.set(MANIFEST, "three");
    assert_eq!(manifest(&router, "192.0.2.1").await, "two");
    // It may ask twice, and from the middle on.
    assert_eq!(manifest(&router, "192.0.2.1").await, "two");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_of_outlives_its_removal() {
    let mirror = Mirror::default();
    let router = mirror.router();
    mirror.store.set(MANIFEST, "one");
    assert_eq!(digest(&router, "192.0.2.1").await, line_of("one"));
    mirror.store.remove(MANIFEST);
    assert_eq!(manifest(&router, "192.0.2.1").await, "one");
    for path in [format!("/{MANIFEST}"), format!("/{MANIFEST}.sha256")] {
        assert_eq!(given(&router, "192.0.2.2", &path).await.0, 404);
    }
}

#[tokio::test]
async fn a_stale_digest_beside_a_manifest_is_never_shown() {
    let mirror = Mirror::default();
    let router = mirror.router();
    let stale = format!("{MANIFEST}.sha256");
    mirror.store.set(&stale, line_of("stale"));
    assert_eq!(get(&router, &format!("/{stale}")).await.status, 404);
    mirror.store.set(MANIFEST, "one");
    let told = get(&router, &format!("/{stale}")).await;
    assert_eq!(told.body, line_of("one"));
    assert_eq!(told.header("content-length"), told.body.len().to_string());
}

#[tokio::test]
async fn a_manifest_is_read_once_for_all_who_ask_for_its_digest() {
    let mirror = Mirror::default();
    mirror.store.set(MANIFEST, vec![b'x'; 1_000_000]);
    mirror.store.jitter.store(20, Ordering::Relaxed);
    let router = mirror.router();
    let path = format!("/{MANIFEST}.sha256");
    let all = (0..50).map(|_| get(&router, &path));
    for told in futures::future::join_all(all).await {
        assert_eq!(told.status, 200);
    }
    assert_eq!(mirror.store.reads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_too_large_for_a_manifest_is_none() {
    let mirror = Mirror::default();
    let router = mirror.router();
    mirror.store.set(MANIFEST, vec![b'x'; (16 << 20) + 1]);
    for path in [format!("/{MANIFEST}"), format!("/{MANIFEST}.sha256")] {
        assert_eq!(get(&router, &path).await.status, 503, "{path}");
    }
    mirror.store.set(MANIFEST, vec![b'x'; 16 << 20]);
    let whole = ask(&router, "GET", &format!("/{MANIFEST}"), &[]).await;
    assert_eq!((whole.status, whole.body.len()), (200, 16 << 20));
}

#[tokio::test]
async fn many_large_manifests_are_served_one_after_the_other() {
    let mirror = Mirror::default();
    let router = mirror.router();
    for day in 10..20_u8 {
        let key = format!("dist/2026-01-{day}/channel-rust-nightly.toml");
        mirror.store.set(&key, vec![day; 10 << 20]);
        let path = format!("/{key}.sha256");
        let (status, told) = given(&router, "192.0.2.1", &path).await;
        let digest = Sha256Digest::of(vec![day; 10 << 20]).to_string();
        assert_eq!((status, &told[..64]), (200, &*digest));
    }
    // The first had to make room, and is read again.
    let reads = mirror.store.reads.load(Ordering::Relaxed);
    let first = "/dist/2026-01-10/channel-rust-nightly.toml.sha256";
    assert_eq!(given(&router, "192.0.2.1", first).await.0, 200);
    assert_eq!(mirror.store.reads.load(Ordering::Relaxed), reads + 1);
    let last = "/dist/2026-01-19/channel-rust-nightly.toml.sha256";
    assert_eq!(given(&router, "192.0.2.1", last).await.0, 200);
    assert_eq!(mirror.store.reads.load(Ordering::Relaxed), reads + 1);
}
