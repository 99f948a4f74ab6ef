//! What monitors and operators see, and what proxies say.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{FakeIndex, Mirror, Running, content, get, statuses};
use crate::tls_support::{Certificate, Client};
use romt_server::{
    AccessFormat, AccessLog, FrontOptions, HostPolicy, Limits, LogQueue, ServerOptions,
    TrustedProxies,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n")
}

/// A place for log lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An access log to be read.
struct Log {
    lines: Lines,
    queue: LogQueue,
}

impl Log {
    fn new() -> Self {
        let lines = Lines::default();
        let queue = LogQueue::new(lines.clone()).unwrap();
        Self { lines, queue }
    }

    fn front(&self, format: AccessFormat) -> FrontOptions {
        FrontOptions::default().with_access_log(AccessLog::new(format, self.queue.clone()))
    }

    fn text(&self) -> String {
        self.queue.finish();
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn hostile_h19_log_lines_stay_lines() {
    let log = Log::new();
    let front = log.front(AccessFormat::Text);
    let server = Running::start(Mirror::sample().router(), front).await;
    let agent = "User-Agent: ${jndi:ldap://x}\r\nAuthorization: secret\r\n";
    server.raw(request("/a%0d%0aX%1b[2J", "")).await;
    server
        .raw(request("/index/se/rd/serde?token=secret", agent))
        .await;
    server.raw(request("/index/se/rd/serde", "")).await;
    server.outcome().await;
    let text = log.text();
    assert!(!text.contains(['\x1b', '\r']), "{text:?}");
    assert!(!text.contains("jndi") && !text.contains("secret"), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains(" method=GET path=/a%0d%0aX%1b[2J version=1.1 status=400 bytes="));
    assert!(lines[0].contains(" id="), "{text}");
    assert!(lines[1].contains(" peer=127.0.0.1 "), "{text}");
    assert!(lines[2].contains(" path=/index/se/rd/serde version=1.1 status=200 bytes="));
    assert!(!lines[2].contains(" id="), "{text}");
}

#[tokio::test]
async fn a_line_is_written_when_the_answer_has_been_sent() {
    let mirror = Mirror::default();
    mirror.publish("large", "1.0.0", &content(20_000_000));
    let log = Log::new();
    let server = Running::start(mirror.router(), log.front(AccessFormat::Json)).await;
    let path = "/crates/la/rg/large/large-1.0.0.crate";
    let whole = server.raw(request(path, "")).await;
    assert!(whole.len() > 20_000_000);
    // One that is given up has a line too, with what was taken of it.
    let mut stream = server.connect().await;
    stream
        .write_all(request(path, "").as_bytes())
        .await
        .unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).await.unwrap();
    drop(stream);
    server.outcome().await;
    let text = log.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["bytes"], 20_000_000);
    assert!(lines[1]["bytes"].as_u64().unwrap() < 20_000_000, "{text}");
    assert_eq!(lines[1]["status"], 200);
}

#[tokio::test]
async fn trouble_has_an_id_that_the_log_repeats() {
    let mirror = Mirror::sample();
    mirror
        .store
        .set(&crate::support::key("serde", "1.0.0"), "damage");
    let log = Log::new();
    let server = Running::start(mirror.router(), log.front(AccessFormat::Text)).await;
    let answer = server
        .raw(request("/crates/se/rd/serde/serde-1.0.0.crate", ""))
        .await;
    let (_, id) = answer.rsplit_once("(id ").unwrap();
    let id = id.trim_end().trim_end_matches(')');
    assert_eq!(id.len(), 8, "{answer}");
    server.outcome().await;
    assert!(log.text().contains("status=503 "), "{answer}");
    assert!(log.text().contains(&format!(" id={id}\n")), "{answer}");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let certificate = Certificate::new();
    let front = FrontOptions::default().with_tls(certificate.tls());
    let options = ServerOptions::default().with_telemetry(front.telemetry.clone());
    let router = romt_server::router(Mirror::sample().served(), &options);
    let server = Running::start(router, front).await;
    let mut client = Client::connect(&server, &certificate).await;
    for path in [
        "/index/se/rd/serde",
        "/index/se/rd/serde",
        "/index/no/ne/none",
        "/crates/a/a-1.0.0.crate",
    ] {
        client.get(path).await.unwrap();
    }
    server.raw("GET / HTTP/1.1\r\n\r\n").await;
    server.raw("\x16junkjunk").await;
    let (status, page) = client.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let page = String::from_utf8(page.to_vec()).unwrap();
    for line in [
        "romt_requests_total{route=\"index\",status=\"200\"} 2",
        "romt_requests_total{route=\"index\",status=\"404\"} 1",
        "romt_requests_total{route=\"crates\",status=\"200\"} 1",
        "romt_response_bytes_total{route=\"crates\"} 10",
        "romt_http2_requests_total 5",
        "romt_requests_in_progress 1",
        "romt_request_duration_seconds_count 4",
        "romt_connections 1",
        "romt_connections_total 3",
        "romt_tls_handshake_failures_total 1",
        "romt_cache_lookups_total{cache=\"index\",result=\"hit\"} 1",
        "romt_ready 1",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} in {page}");
    }
    // Nothing of what was asked for.
    assert!(!page.contains("serde"), "{page}");
}

#[tokio::test]
async fn a_server_is_ready_once_there_is_something_and_until_it_ends() {
    let empty = Mirror {
        index: Arc::new(FakeIndex::unpublished()),
        ..Mirror::default()
    };
    let router = empty.router();
    assert_eq!(get(&router, "/healthz").await.status, 200);
    let reply = get(&router, "/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(&reply.body[..], b"nothing is published yet\n");
    empty.store.set("dist/channel-rust-stable.toml", "x");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&router, "/readyz").await.status, 200);

    let front = FrontOptions::default().with_drain_delay(Duration::from_millis(700));
    let options = ServerOptions::default().with_telemetry(front.telemetry.clone());
    let router = romt_server::router(Mirror::sample().served(), &options);
    let mut server = Running::start(router, front).await;
    assert_eq!(statuses(&server.raw(request("/readyz", "")).await), ["200"]);
    server.stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // It says that it will end, and still serves.
    assert_eq!(statuses(&server.raw(request("/readyz", "")).await), ["503"]);
    assert_eq!(
        statuses(&server.raw(request("/index/se/rd/serde", "")).await),
        ["200"]
    );
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    );
    server.outcome().await;
}

const SPOOFED: &str = "X-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                       X-Forwarded-Host: front.example\r\n";

#[tokio::test]
async fn hostile_h22_the_word_of_a_proxy_counts_only_if_it_is_trusted() {
    for is_trusted in [false, true] {
        let log = Log::new();
        let network = if is_trusted {
            "127.0.0.0/8"
        } else {
            "10.0.0.0/8"
        };
        let proxies = TrustedProxies::new([network.parse().unwrap()]);
        let front = log.front(AccessFormat::Text).with_proxies(proxies);
        let server = Running::start(Mirror::sample().router(), front).await;
        let answer = server.raw(request("/index/config.json", SPOOFED)).await;
        let base = if is_trusted {
            "https://front.example/crates/"
        } else {
            "http://a/crates/"
        };
        assert!(answer.contains(base), "{answer}");
        let bad = request("/index/config.json", "X-Forwarded-Host: a/b\r\n");
        let status = if is_trusted { "400" } else { "200" };
        assert_eq!(statuses(&server.raw(bad).await), [status]);
        server.outcome().await;
        let peer = if is_trusted {
            "peer=203.0.113.9 "
        } else {
            "peer=127.0.0.1 "
        };
        assert!(log.text().contains(peer), "{}", log.text());
    }
}

#[tokio::test]
async fn hostile_h22_a_proxy_cannot_open_what_is_for_this_machine() {
    let address = "127.0.0.1:80".parse().unwrap();
    for (base, status) in [(None, "403"), (Some("https://front.example"), "200")] {
        let mut options =
            ServerOptions::default().with_allowed_hosts(HostPolicy::for_address(&address));
        if let Some(base) = base {
            options = options.with_base_url(base.parse().unwrap());
        }
        let router = romt_server::router(Mirror::sample().served(), &options);
        let proxies = TrustedProxies::new(["127.0.0.1".parse().unwrap()]);
        let front = FrontOptions::default().with_proxies(proxies);
        let server = Running::start(router, front).await;
        let answer = server.raw(request("/index/config.json", SPOOFED)).await;
        assert_eq!(statuses(&answer), [status], "{answer}");
    }
}

#[tokio::test]
async fn all_clients_of_a_proxy_are_not_one_address() {
    let proxies = TrustedProxies::new(["127.0.0.1".parse().unwrap()]);
    let front = FrontOptions::from(Limits::default().with_connections(10, 2)).with_proxies(proxies);
    let server = Running::start(Mirror::sample().router(), front).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(server.connect().await);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        statuses(&server.raw(request("/healthz", "")).await),
        ["200"]
    );
}
