//! Mirrors that not everybody may read.

use std::{fs, path::PathBuf, time::Duration};

use crate::support::{Mirror, Reply, Running, ask, statuses};
use axum::Router;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use romt_server::{Limits, ServerOptions, Tokens, new_token};
use tempfile::TempDir;

struct Closed {
    dir: TempDir,
    router: Router,
    token: String,
}

impl Closed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let token = new_token(&path, &"ci".parse().unwrap(), None)
            .unwrap()
            .token;
        let tokens = Tokens::open(&path).unwrap();
        let options = ServerOptions::default().with_tokens(tokens);
        let router = romt_server::router(Mirror::sample().served(), &options);
        Self { dir, router, token }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    async fn get(&self, path: &str, credentials: &str) -> Reply {
        ask(&self.router, "GET", path, &[("authorization", credentials)]).await
    }
}

#[tokio::test]
async fn nothing_can_be_read_without_a_token() {
    let closed = Closed::new();
    for path in [
        "/index/config.json",
        "/index/se/rd/serde",
        "/crates/se/rd/serde/serde-1.0.0.crate",
        "/dist/channel-rust-stable.toml.sha256",
        "/rustup/release-stable.toml",
        "/git/crates.io-index/info/refs?service=git-upload-pack",
        "/api/v1/crates?q=serde",
        "/metrics",
        "/",
        "/none",
        "/%2e%2e/none",
        "//healthz",
        "/healthz/",
    ] {
        let reply = closed.get(path, "").await;
        assert_eq!(reply.status, 401, "{path}");
        assert!(
            reply.header("www-authenticate").starts_with("Basic "),
            "{path}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
        let reply = ask(&closed.router, "POST", path, &[]).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(closed.get(path, "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn cargo_reads_why_it_needs_a_token_even_while_it_sends_a_crate() {
    let closed = Closed::new();
    let reply = closed.get("/api/v1/crates?q=serde", "").await;
    assert_eq!(reply.status, 401);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let detail = body["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("a token is needed"), "{detail}");
    assert!(detail.contains("(id "), "{detail}");
    let server = Running::start(closed.router.clone(), Limits::default()).await;
    let body = "x".repeat(3_000_000);
    let request = format!(
        "PUT /api/v1/crates/new HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let second = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = server.raw(request + second).await;
    assert_eq!(statuses(&answer), ["401"], "{answer}");
    assert!(answer.contains("this token is not valid"), "{answer}");
}

#[tokio::test]
async fn no_cache_on_the_way_hands_on_what_needs_a_token() {
    let closed = Closed::new();
    let path = "/crates/se/rd/serde/serde-1.0.0.crate";
    let whole = closed.get(path, &closed.token).await;
    let etag = whole.header("etag").to_owned();
    let headers = [("authorization", &*closed.token), ("if-none-match", &etag)];
    let same = ask(&closed.router, "GET", path, &headers).await;
    assert_eq!((whole.status, same.status), (200, 304));
    for reply in [whole, same] {
        let keep = reply.header("cache-control");
        assert_eq!(keep, "private, max-age=31536000, immutable");
    }
    let open = ask(&Mirror::sample().router(), "GET", path, &[]).await;
    assert!(open.header("cache-control").starts_with("public"));
}

#[tokio::test]
async fn f3_a_token_opens_everything_however_it_comes() {
    let closed = Closed::new();
    let token = &closed.token;
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    for credentials in [
        token.clone(),
        format!("Bearer {token}"),
        basic(format!("anybody:{token}")),
        basic(format!("{token}:")),
    ] {
        for path in ["/index/config.json", "/index/se/rd/serde", "/metrics", "/"] {
            assert_eq!(closed.get(path, &credentials).await.status, 200, "{path}");
        }
    }
    let config = closed.get("/index/config.json", token).await;
    let config: serde_json::Value = serde_json::from_slice(&config.body).unwrap();
    assert_eq!(config["auth-required"], true);
    // In the address it is no token.
    let query = format!("/index/config.json?token={token}");
    assert_eq!(closed.get(&query, "").await.status, 401);
    let open = Mirror::sample().router();
    let config = ask(&open, "GET", "/index/config.json", &[]).await;
    let config: serde_json::Value = serde_json::from_slice(&config.body).unwrap();
    assert!(config.get("auth-required").is_none());
}

#[tokio::test]
async fn hostile_h21_wrong_tokens_are_counted() {
    let closed = Closed::new();
    let near = format!("{}x", &closed.token[..closed.token.len() - 1]);
    for number in 0..12 {
        let wrong = [&near, "romt_", "Basic !", "Bearer a b", "x"][number % 5];
        let reply = closed.get("/index/config.json", wrong).await;
        let expected = if number < 10 { 401 } else { 429 };
        assert_eq!(reply.status, expected, "{number}");
    }
    // Who has a token is not locked out by his neighbour, and who has none is told so.
    assert_eq!(
        closed.get("/index/config.json", &closed.token).await.status,
        200
    );
    assert_eq!(closed.get("/index/config.json", "").await.status, 401);
    let page = closed.get("/metrics", &closed.token).await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.contains("\nromt_token_failures_total 12\n"), "{page}");
}

#[tokio::test]
async fn tokens_are_taken_in_and_taken_back_while_the_server_runs() {
    let closed = Closed::new();
    let status = |credentials: String| {
        let closed = &closed;
        async move { closed.get("/index/config.json", &credentials).await.status }
    };
    let new = new_token(&closed.path(), &"new".parse().unwrap(), None)
        .unwrap()
        .token;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(status(new.clone()).await, 200);
    // A file that cannot be used changes nothing.
    let text = fs::read_to_string(closed.path()).unwrap();
    fs::write(closed.path(), "junk").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(status(new.clone()).await, 200);
    let kept: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("new "))
        .collect();
    fs::write(closed.path(), kept.join("\n")).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(status(closed.token.clone()).await, 401);
    assert_eq!(status(new.clone()).await, 200);
    fs::remove_file(closed.path()).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(status(new).await, 401);
}

#[tokio::test]
async fn an_expired_token_is_none() {
    let closed = Closed::new();
    let expired = new_token(
        &closed.path(),
        &"old".parse().unwrap(),
        "2020-01-01".parse().ok(),
    );
    let expired = expired.unwrap().token;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(closed.get("/index/config.json", &expired).await.status, 401);
}

#[tokio::test]
async fn each_address_has_failures_of_its_own() {
    let closed = Closed::new();
    let server = Running::start(closed.router.clone(), Limits::default()).await;
    let ask = |header: &str| format!("GET /index/config.json HTTP/1.1\r\nHost: a\r\n{header}\r\n");
    let wrong = ask("Authorization: x\r\n").repeat(11) + &ask("Connection: close\r\n");
    let answer = server.raw(wrong).await;
    let mut expected = vec!["401"; 10];
    expected.extend(["429", "401"]);
    assert_eq!(statuses(&answer), expected, "{answer}");
    assert!(!answer.contains("Authorization"), "{answer}");
}

#[tokio::test]
async fn people_are_told_where_their_token_goes() {
    let closed = Closed::new();
    let headers = |accept| [("authorization", &*closed.token), ("accept", accept)];
    let page = ask(&closed.router, "GET", "/", &headers("text/html")).await;
    let text = ask(&closed.router, "GET", "/", &headers("text/plain")).await;
    for reply in [page, text] {
        let said = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(said.contains("global-credential-providers"), "{said}");
        assert!(!said.contains(&closed.token), "{said}");
        assert!(said.contains("TOKEN"), "{said}");
    }
    let open = ask(
        &Mirror::sample().router(),
        "GET",
        "/",
        &headers("text/html"),
    )
    .await;
    assert!(!String::from_utf8_lossy(&open.body).contains("TOKEN"));
}
