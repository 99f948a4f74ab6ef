//! HTTP/2 as honest clients use it, and its limits on time.

use std::time::{Duration, Instant};

use crate::support::{Mirror, content};
use crate::tls_support::{Certificate, Client, read};
use futures::future::join_all;
use romt_server::Limits;

const LARGE: &str = "/crates/la/rg/large/large-1.0.0.crate";

fn large(size: usize) -> Mirror {
    let mirror = Mirror::sample();
    mirror.publish("large", "1.0.0", &content(size));
    mirror
}

#[tokio::test]
async fn a_hundred_requests_go_over_one_connection() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    // As curl, which cargo uses, has it.
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(10 << 20)
        .initial_connection_window_size(1000 << 20);
    let mut client = Client::with(&server, &certificate, &builder).await;
    // From then on it knows how many it may have at a time.
    client.get("/healthz").await.unwrap();
    let answers = join_all((0..300).map(|number| {
        let mut client = Client {
            send: client.send.clone(),
            connection: tokio::spawn(async { Ok(()) }),
        };
        async move {
            let path = ["/index/se/rd/serde", LARGE, "/index/no/ne/none"][number % 3];
            (number % 3, client.get(path).await.unwrap())
        }
    }));
    let large = content(3_000_000);
    for (kind, (status, body)) in answers.await {
        assert_eq!(status, [200, 200, 404][kind]);
        if kind == 1 {
            assert_eq!(body, large);
        }
    }
    assert_eq!(server.outcome().await.connections, 1);
}

#[tokio::test]
async fn answers_are_those_of_http1_without_its_own_headers() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let mut client = Client::connect(&server, &certificate).await;
    let answer = client.ask("/index/se/rd/serde", &[]).await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert!(!answer.headers().contains_key("server"));
    let headers = [("if-none-match", tag.as_str())];
    let same = client.ask("/index/se/rd/serde", &headers).await.unwrap();
    assert_eq!(same.status(), 304);
    let part = client
        .ask(LARGE, &[("range", "bytes=10-19")])
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(&read(part).await.unwrap()[..], &content(20)[10..]);
    // An answer that ends a connection of HTTP/1.1 ends nothing here.
    let bad = client.ask("/a%2fb", &[]).await.unwrap();
    assert_eq!(bad.status(), 400);
    assert!(!bad.headers().contains_key("connection"));
    assert_eq!(client.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn hostile_h07_hosts_are_hosts_over_http2() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let mut client = Client::connect(&server, &certificate).await;
    let twice = [("host", "a"), ("host", "b")];
    assert_eq!(client.ask("/healthz", &twice).await.unwrap().status(), 400);
    let bad = [("host", "a/b")];
    assert_eq!(client.ask("/healthz", &bad).await.unwrap().status(), 400);
}

#[tokio::test]
async fn hostile_h10_an_answer_that_is_not_read_ends_the_connection() {
    let certificate = Certificate::new();
    let limits = Limits::default().with_minimum_rate(Duration::from_millis(500), 1024);
    let server = certificate.serve(large(20_000_000).router(), limits).await;
    let mut client = Client::connect(&server, &certificate).await;
    // The window is never opened again, while the connection is busy with others.
    let unread = client.ask(LARGE, &[]).await.unwrap();
    let start = Instant::now();
    while client.get("/index/se/rd/serde").await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        start.elapsed() > Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
    drop(unread);
}

#[tokio::test]
async fn hostile_h13_zero_windows_end_the_connection() {
    let certificate = Certificate::new();
    let limits = Limits::default().with_minimum_rate(Duration::from_millis(500), 1024);
    let server = certificate.serve(Mirror::sample().router(), limits).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let mut client = Client::with(&server, &certificate, &builder).await;
    let start = Instant::now();
    let mut unread = Vec::new();
    for _ in 0..50 {
        unread.push(client.ask(LARGE, &[]).await.unwrap());
    }
    let end = tokio::time::timeout(Duration::from_secs(10), &mut client.connection).await;
    assert!(end.is_ok(), "the connection is closed");
    assert!(start.elapsed() > Duration::from_millis(450));
}

#[tokio::test]
async fn readers_who_read_slowly_but_surely_are_served() {
    let certificate = Certificate::new();
    let limits = Limits::default().with_minimum_rate(Duration::from_millis(300), 1024);
    let server = certificate.serve(large(2_000_000).router(), limits).await;
    let mut client = Client::connect(&server, &certificate).await;
    let mut body = client.ask(LARGE, &[]).await.unwrap().into_body();
    let (mut received, mut owed) = (0, 0);
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        received += piece.len();
        owed += piece.len();
        if owed >= 16_000 {
            owed = 0;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert_eq!(received, 2_000_000);
}

#[tokio::test]
async fn hostile_h10_idle_connections_are_told_goodbye() {
    let certificate = Certificate::new();
    let limits = Limits::default()
        .with_head_timeout(Duration::from_millis(300))
        .with_idle_timeout(Duration::from_millis(800));
    let server = certificate.serve(Mirror::sample().router(), limits).await;
    for (asks, least) in [(false, 250), (true, 750)] {
        let mut client = Client::connect(&server, &certificate).await;
        let start = Instant::now();
        if asks {
            client.get("/healthz").await.unwrap();
        }
        let end = tokio::time::timeout(Duration::from_secs(10), client.connection).await;
        // A goodbye is no error.
        assert!(end.unwrap().unwrap().is_ok());
        let lasted = start.elapsed();
        assert!(lasted >= Duration::from_millis(least), "{lasted:?}");
        assert!(lasted < Duration::from_millis(least + 1500), "{lasted:?}");
    }
}

#[tokio::test]
async fn the_end_waits_for_answers_over_http2() {
    let certificate = Certificate::new();
    let mut server = certificate
        .serve(large(20_000_000).router(), Limits::default())
        .await;
    let idle = Client::connect(&server, &certificate).await;
    let mut client = Client::connect(&server, &certificate).await;
    let begun = client.ask(LARGE, &[]).await.unwrap();
    server.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), idle.connection).await;
    assert!(ended.is_ok(), "the idle are not waited for");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(read(begun).await.unwrap().len(), 20_000_000);
    assert_eq!(server.outcome().await.aborted, 0);
}

#[tokio::test]
async fn a_panic_ends_one_request_of_a_connection() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let mut client = Client::connect(&server, &certificate).await;
    let other = client.ask(LARGE, &[]).await.unwrap();
    assert!(client.get("/crates/panic/panic-1.0.0.crate").await.is_err());
    assert_eq!(read(other).await.unwrap().len(), 3_000_000);
    assert_eq!(client.get("/healthz").await.unwrap().0, 200);
    assert_eq!(server.outcome().await.panicked, 1);
}

#[tokio::test]
async fn hostile_h23_one_address_cannot_take_all_requests() {
    let certificate = Certificate::new();
    let limits = Limits::default().with_requests(100, 10);
    let server = certificate.serve(large(20_000_000).router(), limits).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(10_000_000);
    let mut client = Client::with(&server, &certificate, &builder).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(client.ask(LARGE, &[]).await.unwrap());
    }
    let refused = client.ask("/healthz", &[]).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    held.pop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn who_is_refused_over_http2_gets_to_send_what_is_little() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let client = Client::connect(&server, &certificate).await;
    for (method, path, status) in [
        ("PUT", "/index/se/rd/serde", 405),
        ("POST", "/index/se/rd/serde", 405),
        ("POST", "/api/v1/crates", 405),
        ("GET", "/none", 400),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .body(())
            .unwrap();
        let mut sender = client.send.clone().ready().await.unwrap();
        let (answer, mut body) = sender.send_request(request, false).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Whoever has his request taken back while he sends does not look for an answer.
        body.send_data("x".repeat(100).into(), true)
            .expect("it was not taken back");
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert!(!read(answer).await.unwrap().is_empty());
    }
}
