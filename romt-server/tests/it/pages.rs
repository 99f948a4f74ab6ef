//! What people are shown.

use axum::Router;
use romt_core::Sha256Digest;
use romt_server::ServerOptions;

use crate::support::{FakeIndex, Mirror, Reply, ask, get};

async fn browse(router: &Router, path: &str) -> Reply {
    ask(router, "GET", path, &[("accept", "text/html,*/*;q=0.8")]).await
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

/// A line of an index, with this besides what it must have.
fn line(name: &str, version: &str, more: &str) -> String {
    let cksum = Sha256Digest::of(version);
    format!(
        "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{cksum}\"{more}}}\n"
    )
}

#[tokio::test]
async fn browsers_get_a_page_and_others_text() {
    let router = Mirror::sample().router();
    let page = browse(&router, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!(page.header("vary"), "host, accept");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for part in [
        "http://mirror.example:8000",
        "<dd id=\"crates\">7</dd>",
        "2026-03-01 00:01 UTC",
        "https://upstream.example/index",
        "This mirror has no toolchains.",
    ] {
        assert!(text(&page).contains(part), "{part} in {}", text(&page));
    }
    let plain = get(&router, "/").await;
    assert_eq!(plain.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(plain.header("vary"), "host, accept");

    let tag = page.header("etag");
    let headers = [("accept", "text/html"), ("if-none-match", tag)];
    let same = ask(&router, "GET", "/", &headers).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = ask(&router, "HEAD", "/", &[("accept", "text/html")]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers, page.headers);
    // Another host is told of itself.
    let headers = [("accept", "text/html"), ("host", "other.example")];
    let other = ask(&router, "GET", "/", &headers).await;
    assert!(!text(&other).contains("mirror.example"));
    assert_ne!(other.header("etag"), tag);
}

#[tokio::test]
async fn what_pages_are_made_with_is_here() {
    let router = Mirror::sample().router();
    for (file, content_type) in [
        ("style.css", "text/css; charset=utf-8"),
        ("copy.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let path = format!("/assets/{file}");
        let asset = get(&router, &path).await;
        assert_eq!(asset.status, 200, "{file}");
        assert_eq!(asset.header("content-type"), content_type);
        let tag = [("if-none-match", asset.header("etag"))];
        assert_eq!(ask(&router, "GET", &path, &tag).await.status, 304);
        assert!(!text(&asset).contains("http://") || file == "icon.svg");
    }
    for absent in ["", "x.css", "../style.css", "style.css/", "rustup-init.sh"] {
        let status = get(&router, &format!("/assets/{absent}")).await.status;
        assert!(matches!(status, 400 | 404), "{absent}");
    }
}

#[tokio::test]
async fn an_empty_mirror_has_a_page() {
    let mirror = Mirror {
        index: FakeIndex::unpublished().into(),
        ..Mirror::default()
    };
    let router = mirror.router();
    let page = browse(&router, "/").await;
    assert_eq!(page.status, 200);
    assert!(!text(&page).contains("Use this mirror"), "{}", text(&page));
    let found = browse(&router, "/search?q=serde").await;
    assert!(text(&found).contains("No crate"), "{}", text(&found));
    assert_eq!(browse(&router, "/crate/serde").await.status, 404);
}

#[tokio::test]
async fn a_crate_has_its_versions_on_a_page() {
    let mirror = Mirror::default();
    let yanked = ",\"yanked\":true";
    let dated = ",\"rust_version\":\"1.70\",\"pubtime\":\"2026-01-02T03:04:05Z\"";
    let lines = [
        line("Zed_x", "1.0.0", ""),
        line("Zed_x", "1.10.0", dated),
        line("Zed_x", "1.9.0", yanked),
        line("Zed_x", "2.0.0-rc.1", ""),
    ];
    mirror.index.set("Zed_x", lines.concat());
    let router = mirror.router();
    let page = browse(&router, "/crate/zed_X").await;
    assert_eq!(page.status, 200);
    let digest = Sha256Digest::of("1.10.0").to_string();
    for part in [
        "cargo add Zed_x@1.10.0",
        "4 versions in this mirror, 1 of them yanked",
        "../crates/ze/d_/Zed_x/Zed_x-1.10.0.crate",
        "<time>2026-01-02</time>",
        "<td>1.70</td>",
        &digest,
        "2.0.0-rc.1",
    ] {
        assert!(text(&page).contains(part), "{part} in {}", text(&page));
    }
    assert_eq!(text(&page).matches("class=\"yanked\"").count(), 1);
    for absent in [
        "/crate/no-such",
        "/crate/",
        "/crate/zed_x/1.0.0",
        "/crate/%3Cb%3E",
    ] {
        let status = browse(&router, absent).await.status;
        assert!(matches!(status, 400 | 404), "{absent}");
    }
    let absent = browse(&router, "/crate/no-such").await;
    assert!(text(&absent).contains("../search?q=no-such"));
    let plain = get(&router, "/crate/no-such").await;
    assert_eq!(plain.header("content-type"), "text/plain; charset=utf-8");
    let tag = [("accept", "text/html"), ("if-none-match", "*")];
    let absent = ask(&router, "GET", "/crate/no-such", &tag).await;
    assert_eq!(absent.status, 404);
    assert!(absent.body.len() > 100 && !absent.headers.contains_key("etag"));
    let found = browse(&router, "/search?q=ZED-x").await;
    assert!(
        text(&found).contains("href=\"crate/Zed_x\""),
        "{}",
        text(&found)
    );
}

#[tokio::test]
async fn hostile_i08_nothing_is_injected() {
    let mirror = Mirror::sample();
    let script = "<script>alert(1)</script>";
    let more = format!(
        ",\"rust_version\":\"<img src=x>\",\"pubtime\":\"{script}\",\"features\":{{\"{script}\":[]}}"
    );
    let good = line("evil", "1.0.0", &more);
    let named = line(script, "2.0.0", "");
    let versioned = line("evil", &format!("3.0.0-{script}"), "");
    let summed = line("evil", "4.0.0", "").replace("cksum\":\"", "cksum\":\"<");
    let lines = [good, named, versioned, summed, "junk\n".into()];
    mirror.index.set("evil", lines.concat());
    let router = mirror.router();
    let page = browse(&router, "/crate/evil").await;
    assert!(!text(&page).contains("<script>alert"), "{}", text(&page));
    assert!(!text(&page).contains("<img src=x"), "{}", text(&page));
    assert!(text(&page).contains("1 version in"), "{}", text(&page));
    let query = "%3Cscript%3Ealert(1)%3C/script%3E%22%20autofocus%20onfocus=%22x";
    let found = browse(&router, &format!("/search?q={query}")).await;
    assert!(!text(&found).contains("<script>alert"), "{}", text(&found));
    assert!(!text(&found).contains("\" autofocus"), "{}", text(&found));
    // A line that names another crate adds nothing to this one's page.
    mirror.index.set("fake", line("serde", "1.0.0", ""));
    assert_eq!(browse(&router, "/crate/fake").await.status, 404);
}

#[tokio::test]
async fn hostile_h20_other_sites_can_neither_read_nor_frame_it() {
    let router = Mirror::sample().router();
    let headers = [("accept", "text/html"), ("origin", "http://evil.example")];
    for path in [
        "/",
        "/search?q=a",
        "/crate/serde",
        "/crate/no-such",
        "/assets/copy.js",
        "/rustup-init.sh",
        "/api/v1/crates?q=a",
        "/api/v1/none",
    ] {
        let reply = ask(&router, "GET", path, &headers).await;
        let opens = |name: &str| name.starts_with("access-control-");
        assert!(!reply.headers.keys().any(|it| opens(it.as_str())), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        if reply.header("content-type").starts_with("text/html") {
            let policy = reply.header("content-security-policy");
            assert!(
                policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            assert!(policy.contains("form-action 'self'"), "{path}: {policy}");
        }
    }
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let mirror = Mirror::default();
    let lines: Vec<String> = (0..3000)
        .map(|n| line("many", &format!("1.{n}.0"), ""))
        .collect();
    mirror.index.set("many", lines.concat());
    for number in 0..1234 {
        mirror.index.set(
            &format!("c-{number:04}"),
            line(&format!("c-{number:04}"), "1.0.0", ""),
        );
    }
    let router = mirror.router();
    let first = browse(&router, "/crate/many").await;
    assert!(first.body.len() < 64 * 1024, "{}", first.body.len());
    assert!(text(&first).contains("Page 1 of 30"), "{}", text(&first));
    assert!(text(&first).contains("many-1.2999.0.crate"));
    let last = browse(&router, "/crate/many?page=30").await;
    assert!(text(&last).contains("many-1.0.0.crate"));
    assert!(!text(&last).contains("rel=\"next\""));
    let past = browse(&router, "/crate/many?page=31").await;
    assert_eq!(past.status, 200);
    assert!(text(&past).contains("crate/many?page=30"));

    let found = browse(&router, "/search?q=c-&page=2").await;
    assert!(
        text(&found).contains("1\u{202f}234 in this mirror"),
        "{}",
        text(&found)
    );
    assert!(
        text(&found).contains("search?q=c-&#38;page=3"),
        "{}",
        text(&found)
    );
    assert!(text(&found).contains("href=\"crate/c-0050\""));
    assert_eq!(text(&found).matches("href=\"crate/").count(), 50);
    let api = get(&router, "/api/v1/crates?q=c-&per_page=4000000000").await;
    assert_eq!(text(&api).matches("\"name\"").count(), 100);
    let all = browse(&router, "/search").await;
    assert!(text(&all).contains("1\u{202f}235 in this mirror"));
}

#[tokio::test]
async fn the_installer_script_knows_its_mirror() {
    let mirror = Mirror::sample();
    let router = mirror.router();
    for path in ["/rustup-init.sh", "/rustup/rustup-init.sh"] {
        let reply = get(&router, path).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("vary"), "host");
        assert!(text(&reply).contains("\nmirror=http://mirror.example:8000\n"));
        let tag = [("if-none-match", reply.header("etag"))];
        assert_eq!(ask(&router, "GET", path, &tag).await.status, 304);
    }
    for host in ["a$(id)", "a;id", "a`id`", "a'b", "a\"b", "a b"] {
        let reply = ask(&router, "GET", "/rustup-init.sh", &[("host", host)]).await;
        assert_eq!(reply.status, 400, "{host}");
    }
    let odd = ServerOptions::default().with_base_url("https://front/it's$(id)".parse().unwrap());
    let router = romt_server::router(mirror.served(), &odd);
    let reply = get(&router, "/rustup-init.sh").await;
    let quoted = r"mirror='https://front/it'\''s$(id)'";
    assert!(text(&reply).contains(quoted), "{}", text(&reply));
}
