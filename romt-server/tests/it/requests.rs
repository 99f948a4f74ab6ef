//! Which requests are answered at all.

use crate::support::{Mirror, ask, get};
use romt_server::{HostPolicy, ServerOptions};

const SERDE: &str = "/index/se/rd/serde";

#[tokio::test]
async fn hostile_h01_no_path_climbs() {
    let router = Mirror::sample().router();
    for path in [
        "/../../etc/passwd",
        "/crates/../..",
        "//etc",
        "/./x",
        "/crates//serde",
    ] {
        assert_eq!(get(&router, path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn hostile_h02_encoded_separators_are_refused() {
    let router = Mirror::sample().router();
    for path in ["/%2e%2e%2fx", "/a%2fb", "/a%5cb", "/%2e%2e/x", "/x%c0%ae"] {
        assert_eq!(get(&router, path).await.status, 400, "{path}");
    }
    for path in ["/%252e%252e/x", "/index/se/rd/serde;x"] {
        assert_eq!(get(&router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn hostile_h03_control_bytes_are_refused() {
    let router = Mirror::sample().router();
    for path in ["/a%00", "/a%0d%0ab", "/a%1b"] {
        assert_eq!(get(&router, path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn hostile_h04_long_targets_are_refused() {
    let router = Mirror::sample().router();
    for path in [
        format!("/{}", "a/".repeat(5000)),
        format!("/?{}", "q".repeat(9000)),
    ] {
        assert_eq!(get(&router, &path).await.status, 414);
    }
}

#[tokio::test]
async fn hostile_h06_only_get_and_head() {
    let router = Mirror::sample().router();
    for method in ["PUT", "POST", "DELETE", "PATCH", "TRACE", "OPTIONS", "JUNK"] {
        for path in ["/", SERDE, "/index/config.json", "/no"] {
            let reply = ask(&router, method, path, &[]).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn hostile_h07_hosts_are_hosts() {
    let router = Mirror::sample().router();
    let long = "a".repeat(300);
    let longest = "a".repeat(10_000);
    for (host, status) in [
        ("", 400),
        ("a b", 400),
        ("a\"b", 400),
        ("user@host", 400),
        ("host/path", 400),
        ("host:port", 400),
        (long.as_str(), 400),
        (longest.as_str(), 431),
        ("mirror.example", 200),
        ("[::1]:80", 200),
    ] {
        let reply = ask(&router, "GET", "/index/config.json", &[("host", host)]).await;
        assert_eq!(reply.status, status, "{host}");
    }
    let twice = [("host", "a"), ("host", "a")];
    assert_eq!(ask(&router, "GET", SERDE, &twice).await.status, 400);
}

#[tokio::test]
async fn hostile_h07_loopback_servers_have_loopback_names() {
    let address = "127.0.0.1:80".parse().unwrap();
    let options = ServerOptions::default()
        .with_allowed_hosts(HostPolicy::for_address(&address))
        .with_base_url("https://front.example".parse().unwrap());
    let router = romt_server::router(Mirror::sample().served(), &options);
    for (host, status) in [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("front.example", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("192.168.0.1", 403),
    ] {
        let reply = ask(&router, "GET", SERDE, &[("host", host)]).await;
        assert_eq!(reply.status, status, "{host}");
    }
    let foreign = "http://evil.example/index/se/rd/serde";
    let headers = [("host", "localhost")];
    assert_eq!(ask(&router, "GET", foreign, &headers).await.status, 403);
    let everywhere = "0.0.0.0:80".parse().unwrap();
    assert_eq!(HostPolicy::for_address(&everywhere), HostPolicy::Any);
}

#[tokio::test]
async fn hostile_h05_absolute_targets_are_served_by_their_path() {
    let router = Mirror::sample().router();
    let reply = get(&router, "http://other.example/index/config.json").await;
    assert_eq!(reply.status, 200);
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains("http://other.example/crates/"), "{text}");
    let reply = get(&router, "http://u:p@other.example/index/config.json").await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn hostile_h20_h22_headers_of_proxies_and_browsers_change_nothing() {
    let router = Mirror::sample().router();
    let plain = get(&router, "/index/config.json").await;
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example"),
        ("x-original-url", "/healthz"),
        ("x-http-method-override", "DELETE"),
        ("origin", "http://evil.example"),
    ];
    let reply = ask(&router, "GET", "/index/config.json", &headers).await;
    assert_eq!(reply.body, plain.body);
    assert_eq!(reply.headers, plain.headers);
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}
