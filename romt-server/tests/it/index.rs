//! What clients see of the index.

use std::io::Read as _;

use crate::support::{FakeIndex, Mirror, ask, get};
use romt_server::ServerOptions;

#[tokio::test]
async fn j06_config_json_points_to_where_the_client_asks() {
    let router = Mirror::sample().router();
    let conditional = [("if-none-match", "*")];
    let reply = ask(&router, "GET", "/index/config.json", &conditional).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        r#"{"api":"http://mirror.example:8000","dl":"http://mirror.example:8000/crates/{lowerprefix}/{crate}/{crate}-{version}.crate"}"#
    );
    assert_eq!(reply.header("cache-control"), "no-cache");
    assert_eq!(reply.header("vary"), "host");
    assert!(!reply.headers.contains_key("etag"));
}

#[tokio::test]
async fn a_base_url_overrides_the_host() {
    let base = "https://crates.example/rust/".parse().unwrap();
    let options = ServerOptions::default().with_base_url(base);
    let router = romt_server::router(Mirror::sample().served(), &options);
    let reply = get(&router, "/index/config.json").await;
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains(r#""dl":"https://crates.example/rust/crates/{lowerprefix}/"#));
    assert!(text.contains(r#""api":"https://crates.example/rust","#));
    let page = get(&router, "/").await;
    let text = std::str::from_utf8(&page.body).unwrap();
    assert!(text.contains("\"sparse+https://crates.example/rust/index/\""));
}

#[tokio::test]
async fn files_of_names_of_every_length_are_found() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for (path, name) in [
        ("/index/1/a", "a"),
        ("/index/2/ab", "ab"),
        ("/index/3/a/abc", "abc"),
        ("/index/3/a/aux", "aux"),
        ("/index/my/cr/mycrate", "MyCrate"),
        ("/index/se/rd/serde", "serde"),
    ] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.body, mirror.index.get(name), "{path}");
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    }
}

#[tokio::test]
async fn j08_what_is_absent_is_404_and_nothing_else() {
    let router = Mirror::sample().router();
    for path in [
        "/index/no/-s/no-such",
        "/index/no/_s/no_such",
        "/index/my/cr/MyCrate",
        "/index/My/Cr/mycrate",
        "/index/serde",
        "/index/",
        "/index",
        "/index/12/34/1234",
        "/index/config.toml",
    ] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.body.len() < 100, "{path}");
    }
}

#[tokio::test]
async fn an_index_that_was_never_published_has_no_crates() {
    let mut mirror = Mirror::sample();
    mirror.index = FakeIndex::unpublished().into();
    let router = mirror.router();
    assert_eq!(get(&router, "/index/se/rd/serde").await.status, 404);
    assert_eq!(get(&router, "/index/config.json").await.status, 200);
}

#[tokio::test]
async fn j09_tags_change_exactly_with_the_bytes() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    let path = "/index/se/rd/serde";
    let first = get(&router, path).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("\"sha256-"));
    assert_eq!(get(&router, path).await.header("etag"), tag);

    for list in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let reply = ask(&router, "GET", path, &[("if-none-match", &list)]).await;
        assert_eq!(reply.status, 304, "{list}");
        assert!(reply.body.is_empty());
        assert_eq!(reply.header("etag"), tag);
        assert!(!reply.headers.contains_key("content-length"));
    }

    let old = mirror.index.get("serde");
    mirror.index.set("serde", [&old[..], b"{}\n"].concat());
    let reply = ask(&router, "GET", path, &[("if-none-match", &tag)]).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.header("etag"), tag);
    assert_eq!(reply.body, mirror.index.get("serde"));

    mirror.index.set("serde", old);
    assert_eq!(get(&router, path).await.header("etag"), tag);
    mirror.index.remove("serde");
    assert_eq!(get(&router, path).await.status, 404);
}

#[tokio::test]
async fn j11_gzip_decodes_to_the_same_bytes_under_the_same_tag() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    let path = "/index/se/rd/serde";
    let plain = get(&router, path).await;
    let accepting = [("accept-encoding", "deflate, gzip")];
    let packed = ask(&router, "GET", path, &accepting).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("etag"), plain.header("etag"));
    assert_eq!(packed.header("vary"), "accept-encoding");
    assert_eq!(
        packed.header("content-length"),
        packed.body.len().to_string()
    );
    assert!(packed.body.len() < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let router = Mirror::sample().router();
    for path in ["/index/se/rd/serde", "/index/config.json", "/healthz", "/"] {
        let full = get(&router, path).await;
        let head = ask(&router, "HEAD", path, &[]).await;
        assert_eq!(head.status, 200);
        assert!(head.body.is_empty());
        assert_eq!(head.headers, full.headers, "{path}");
    }
    assert_eq!(get(&router, "/healthz").await.body, "store readable\nok\n");
}

#[tokio::test]
async fn hostile_h24_any_list_of_codings_is_answered() {
    let router = Mirror::sample().router();
    let thousand = "x;q=0.5,".repeat(1000);
    for coding in ["identity;q=0", "*;q=0", "gzip;q=0", &thousand] {
        let headers = [("accept-encoding", coding)];
        let reply = ask(&router, "GET", "/index/se/rd/serde", &headers).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.headers.contains_key("content-encoding"));
    }
    let headers = [("accept-encoding", "gzip")];
    let path = "/crates/se/rd/serde/serde-1.0.0.crate";
    let reply = ask(&router, "GET", path, &headers).await;
    assert!(!reply.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn hostile_h09_ten_thousand_tags_are_one_pass() {
    let router = Mirror::sample().router();
    let many = "\"x\",".repeat(10_000);
    let headers = [("if-none-match", many.as_str())];
    let reply = ask(&router, "GET", "/index/se/rd/serde", &headers).await;
    assert_eq!(reply.status, 200);
}
