//! What happens on the wire: framing, time limits, the end.

use std::time::{Duration, Instant};

use crate::support::{Mirror, Running, content, read_to_end, statuses};
use romt_server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SECOND: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

#[tokio::test]
async fn j12_upgrade_headers_are_ignored() {
    let server = Running::sample().await;
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    let request = get("/index/se/rd/serde", upgrade) + SECOND;
    let answer = server.raw(request).await;
    // The connection goes on as it was.
    assert_eq!(statuses(&answer), ["200", "200"], "{answer}");
}

#[tokio::test]
async fn answers_304_have_no_length() {
    let server = Running::sample().await;
    let request = get("/index/se/rd/serde", "If-None-Match: *\r\n") + SECOND;
    let answer = server.raw(request).await.to_lowercase();
    let (first, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(first.starts_with("http/1.1 304"), "{first}");
    assert!(!first.contains("content-length"), "{first}");
    assert!(!first.contains("server:"), "{first}");
    assert!(rest.starts_with("http/1.1 200"), "{rest}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Running::sample().await;
    let request = get("/index/se/rd/serde", "").repeat(500) + SECOND;
    let answer = server.raw(request).await;
    assert_eq!(statuses(&answer).len(), 501);
    assert!(answer.ends_with("ok\n"));
}

#[tokio::test]
async fn hostile_h05_forms_that_are_no_path() {
    let server = Running::sample().await;
    for (target, status) in [
        ("GET *", "400"),
        ("GET a:80", "400"),
        ("CONNECT a:80", "405"),
        ("OPTIONS *", "405"),
        ("GET index", "400"),
        ("GET http://b/healthz", "200"),
    ] {
        let request = format!("{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = server.raw(request).await;
        assert_eq!(statuses(&answer), [status], "{target}: {answer}");
    }
}

#[tokio::test]
async fn hostile_h03_h07_broken_heads_are_400() {
    let server = Running::sample().await;
    for request in [
        "GET /healthz HTTP/1.1\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        get("/a\0b", ""),
        get("/a\rb", ""),
        get("/a b", ""),
        get("/a\u{1b}b", ""),
        get("/a\u{e9}b", ""),
        get("/\\etc", ""),
        get("/healthz", "no colon\r\n"),
        get("/healthz", "X: a\0b\r\n"),
        get("/healthz", "X: a\r\n folded\r\n"),
        "junk\r\n\r\n".to_owned(),
        "GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let answer = server.raw(request.clone() + SECOND).await;
        assert_eq!(
            statuses(&answer).first(),
            Some(&"400"),
            "{request:?}: {answer}"
        );
        assert!(!answer.contains("ok\n"), "{request:?}");
    }
}

#[tokio::test]
async fn hostile_h04_h11_large_heads_are_refused() {
    let server = Running::sample().await;
    let megabyte = "q".repeat(1 << 20);
    for (request, allowed) in [
        (get(&format!("/?{}", "q".repeat(9000)), ""), ["414", "414"]),
        (get(&format!("/?{megabyte}"), ""), ["414", "431"]),
        (get("/", &"A: b\r\n".repeat(10_000)), ["431", "400"]),
        (get("/", &"A: b\r\n".repeat(101)), ["431", "400"]),
        (get("/", &format!("A: {megabyte}\r\n")), ["431", "400"]),
    ] {
        let answer = server.raw(request).await;
        // The close may overtake the answer while the client still sends.
        let status = statuses(&answer).first().copied().unwrap_or(allowed[0]);
        assert!(allowed.contains(&status), "{status}");
    }
    assert_eq!(statuses(&server.raw(SECOND).await), ["200"]);
}

#[tokio::test]
async fn hostile_h12_nothing_is_smuggled() {
    let server = Running::sample().await;
    for framing in [
        format!("Content-Length: {}\r\n", SECOND.len()),
        "Transfer-Encoding: chunked\r\n".into(),
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n".into(),
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n".into(),
        "Content-Length: 0\r\nContent-Length: 5\r\n".into(),
        "Content-Length: +5\r\n".into(),
        "Content-Length: 0x5\r\n".into(),
        "Content-Length: -1\r\n".into(),
        "Content-Length: 5, 5\r\n".into(),
        "Content-Length: 99999999999999999999\r\n".into(),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n".into(),
        "Transfer-Encoding:\x0bchunked\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
    ] {
        for head in ["GET /healthz", "HEAD /healthz", "POST /healthz"] {
            for body in ["", "0\r\n\r\n", "0;junk\n\n"] {
                let request = format!("{head} HTTP/1.1\r\nHost: a\r\n{framing}\r\n{body}{SECOND}");
                let answer = server.raw(&request).await;
                let statuses = statuses(&answer);
                assert_eq!(statuses.len(), 1, "{request:?}: {answer}");
                assert!(
                    matches!(statuses[0], "400" | "405"),
                    "{request:?}: {answer}"
                );
                assert!(!answer.contains("ok\n"), "{request:?}: {answer}");
            }
        }
    }
    let old = format!(
        "GET /healthz HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SECOND}"
    );
    assert_eq!(statuses(&server.raw(old).await).len(), 1);
}

/// How long the server keeps a connection on which `bytes` are sent, one piece
/// each 50 ms.
async fn lasts(server: &Running, pieces: &[&str]) -> Duration {
    let mut stream = server.connect().await;
    let start = Instant::now();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        for piece in pieces {
            if writer.write_all(piece.as_bytes()).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut buffer = Vec::new();
        let _ = reader.read_to_end(&mut buffer).await;
    };
    tokio::select! {
        () = write => {}
        () = read => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    start.elapsed()
}

#[tokio::test]
async fn hostile_h10_slow_clients_are_closed() {
    let limits = Limits::default()
        .with_head_timeout(Duration::from_millis(400))
        .with_idle_timeout(Duration::from_millis(1200));
    let server = Running::start(Mirror::sample().router(), limits).await;
    let drip: Vec<String> = get("/", "").chars().map(String::from).collect();
    let drip: Vec<&str> = drip.iter().map(String::as_str).collect();
    let whole = get("/healthz", "");
    for (pieces, least, most) in [
        // No byte at all.
        (vec![], 350, 900),
        // A byte now and then.
        (drip.clone(), 350, 1000),
        // Idle after a request.
        (vec![whole.as_str()], 1150, 2000),
        // A slow second request.
        ([vec![whole.as_str()], drip].concat(), 350, 1100),
    ] {
        let lasted = lasts(&server, &pieces).await;
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        assert!((least..most).contains(&lasted), "{lasted:?} for {pieces:?}");
    }
}

#[tokio::test]
async fn hostile_h10_slow_readers_are_closed() {
    let mirror = Mirror::default();
    mirror.publish("large", "1.0.0", &content(50_000_000));
    let limits = Limits::default().with_minimum_rate(Duration::from_secs(1), 1024 * 1024);
    let server = Running::start(mirror.router(), limits).await;
    let mut stream = server.connect().await;
    let request = get("/crates/la/rg/large/large-1.0.0.crate", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    // What was on its way arrives, then nothing.
    let received = read_to_end(&mut stream).await.len();
    assert!(received < 50_000_000, "{received}");
}

#[tokio::test]
async fn readers_who_read_are_served_however_long_it_takes() {
    let mirror = Mirror::default();
    mirror.publish("large", "1.0.0", &content(20_000_000));
    let limits = Limits::default().with_minimum_rate(Duration::from_millis(200), 1024);
    let server = Running::start(mirror.router(), limits).await;
    let mut stream = server.connect().await;
    let request = get(
        "/crates/la/rg/large/large-1.0.0.crate",
        "Connection: close\r\n",
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut received, mut buffer) = (0, vec![0; 1_000_000]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        received += read;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(received > 20_000_000);
}

#[tokio::test]
async fn hostile_h23_one_address_cannot_take_everything() {
    let limits = Limits::default().with_connections(10, 3);
    let server = Running::start(Mirror::sample().router(), limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream
            .write_all(get("/healthz", "").as_bytes())
            .await
            .unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    assert_eq!(statuses(&server.raw("").await), ["503"]);
    held.pop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(statuses(&server.raw(SECOND).await), ["200"]);
    drop(held);
    let outcome = server.outcome().await;
    assert_eq!((outcome.connections, outcome.refused), (4, 1));
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let server = Running::sample().await;
    let answer = server.raw(get("/crates/panic/panic-1.0.0.crate", "")).await;
    assert_eq!(answer, "");
    assert_eq!(statuses(&server.raw(SECOND).await), ["200"]);
    assert_eq!(server.outcome().await.panicked, 1);
}

#[tokio::test]
async fn the_end_waits_for_answers_but_not_for_the_idle() {
    let mirror = Mirror::default();
    mirror.publish("large", "1.0.0", &content(20_000_000));
    let mut server = Running::start(mirror.router(), Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(get("/healthz", "").as_bytes())
        .await
        .unwrap();
    let fresh = server.connect().await;
    let mut busy = server.connect().await;
    let request = get("/crates/la/rg/large/large-1.0.0.crate", "");
    busy.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    busy.read_exact(&mut start).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    server.stop();
    assert_eq!(statuses(&read_to_end(&mut idle).await), ["200"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rest = read_to_end(&mut busy).await;
    assert!(rest.len() > 20_000_000);
    let outcome = server.outcome().await;
    assert_eq!((outcome.connections, outcome.aborted), (3, 0));
    drop(fresh);
}

#[tokio::test]
async fn the_end_comes_at_last() {
    let mirror = Mirror::default();
    mirror.publish("large", "1.0.0", &content(50_000_000));
    let limits = Limits::default().with_drain_timeout(Duration::from_millis(300));
    let server = Running::start(mirror.router(), limits).await;
    let mut stuck = server.connect().await;
    let request = get("/crates/la/rg/large/large-1.0.0.crate", "");
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stuck.read_exact(&mut start).await.unwrap();
    assert_eq!(server.outcome().await.aborted, 1);
}
