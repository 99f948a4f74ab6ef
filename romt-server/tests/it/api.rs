//! What cargo asks beside the index.

use std::sync::atomic::Ordering;

use crate::support::{Mirror, Reply, Running, ask, get, statuses};
use romt_server::Limits;
use serde_json::Value;

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.header("content-type"), "application/json");
    serde_json::from_slice(&reply.body).unwrap()
}

fn names(reply: &Reply) -> Vec<String> {
    let found = json(reply);
    let crates = found["crates"].as_array().unwrap().iter();
    crates
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn j34_a_search_finds_names() {
    let router = Mirror::sample().router();
    let reply = get(&router, "/api/v1/crates?q=my%63rate&per_page=10").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), "no-cache");
    let expected = serde_json::json!({
        "crates": [{ "name": "MyCrate", "max_version": "1.0.0+b1", "description": null }],
        "meta": { "total": 1 },
    });
    assert_eq!(json(&reply), expected);
    let reply = get(&router, "/api/v1/crates?q=A&per_page=2").await;
    assert_eq!(names(&reply), ["a", "ab"], "the name itself first");
    assert_eq!(json(&reply)["meta"]["total"], 6);
    let reply = get(&router, "/api/v1/crates?q=a&per_page=2&page=3").await;
    assert_eq!(names(&reply), ["large", "MyCrate"]);
    for odd in [
        "?q=nothing",
        "?q=%00%ff%0a",
        "?q=%3Cscript%3E",
        "?per_page=0&page=99",
    ] {
        let reply = get(&router, &format!("/api/v1/crates{odd}")).await;
        assert_eq!((reply.status, names(&reply).len()), (200, 0), "{odd}");
    }
    assert_eq!(names(&get(&router, "/api/v1/crates").await).len(), 7);
    let head = ask(&router, "HEAD", "/api/v1/crates?q=a", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn names_are_listed_once_for_each_state() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    let asked = || mirror.index.catalogued.load(Ordering::Relaxed);
    assert_eq!(names(&get(&router, "/api/v1/crates?q=new").await).len(), 0);
    mirror.publish("New_one", "1.0.0", b"x");
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(get(&router, "/api/v1/crates?q=serde").await.status, 200);
    }
    let most = 2 + begun.elapsed().as_secs();
    assert!(asked() <= most, "{} and not {most}", asked());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let found = names(&get(&router, "/api/v1/crates?q=new-one").await);
    assert_eq!(found, ["New_one"]);
    // What was withdrawn since is not shown, whatever the list says.
    mirror.index.remove("serde");
    assert_eq!(
        names(&get(&router, "/api/v1/crates?q=serde").await).len(),
        0
    );
}

#[tokio::test]
async fn an_index_that_cannot_tell_is_searched_in_vain() {
    let mirror = Mirror::sample();
    let mut served = mirror.served();
    served.catalog = None;
    let router = romt_server::router(served, &romt_server::ServerOptions::default());
    let reply = get(&router, "/api/v1/crates?q=a").await;
    assert_eq!((reply.status, names(&reply).len()), (200, 0));
}

#[tokio::test]
async fn what_would_change_a_registry_is_refused_in_words() {
    let router = Mirror::sample().router();
    for (method, path) in [
        ("PUT", "/api/v1/crates/new"),
        ("DELETE", "/api/v1/crates/serde/1.0.0/yank"),
        ("PUT", "/api/v1/crates/serde/1.0.0/unyank"),
        ("PUT", "/api/v1/crates/serde/owners"),
    ] {
        let reply = ask(&router, method, path, &[]).await;
        assert_eq!(reply.status, 405, "{path}");
        assert_eq!(reply.header("allow"), "GET, HEAD");
        let detail = json(&reply)["errors"][0]["detail"].clone();
        assert!(
            detail.as_str().unwrap().contains("only be read"),
            "{detail}"
        );
    }
    for path in [
        "/api/v1/crates/serde/owners",
        "/api/",
        "/api/v1/me",
        "/api/v2/crates",
    ] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(json(&reply)["errors"][0]["detail"].is_string());
    }
}

#[tokio::test]
async fn who_sends_a_crate_gets_to_read_the_refusal() {
    let server = Running::start(Mirror::sample().router(), Limits::default()).await;
    let body = "x".repeat(3_000_000);
    let request = format!(
        "PUT /api/v1/crates/new HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // What comes after it is not another request.
    let second = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = server.raw(request + second).await;
    assert_eq!(statuses(&answer), ["405"], "{answer}");
    assert!(answer.contains("only be read"), "{answer}");
}

#[tokio::test]
async fn who_asks_before_sending_a_crate_need_not_send_it() {
    let server = Running::start(Mirror::sample().router(), Limits::default()).await;
    let request = "PUT /api/v1/crates/new HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\
                   Expect: 100-continue\r\n\r\n";
    let answer = server.raw(request).await;
    assert_eq!(statuses(&answer), ["405"], "{answer}");
}

#[tokio::test]
async fn hostile_h10_a_body_that_never_comes_is_not_waited_for() {
    let server = Running::start(Mirror::sample().router(), Limits::default()).await;
    let begun = std::time::Instant::now();
    let request = "PUT /api/v1/crates/new HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
    let answer = server.raw(request).await;
    assert_eq!(statuses(&answer), ["405"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}
