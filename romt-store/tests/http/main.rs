//! [`HttpSource`] against an upstream that follows a script.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod hostile;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use romt_core::{
    Location, Source,
    ports::{
        Fetched, OpenOptions, Opened, ResumeFrom, SourceError, SourceErrorKind, StreamError,
        Validator, collect_bounded,
    },
};
use romt_store::{
    HttpClient, HttpOptions, HttpSource,
    conformance::{
        scripted::{Fault, ScriptedServer, Validators},
        source,
    },
    http::ProxyChoice,
};

const PATH: &str = "crates/a-1.0.0.crate";

fn options() -> HttpOptions {
    HttpOptions::default()
        .with_proxy(Some(ProxyChoice::Direct))
        .with_connect_timeout(Duration::from_millis(500))
        .with_first_byte_timeout(Duration::from_millis(300))
        .with_idle_timeout(Duration::from_millis(200))
}

fn source_with(server: &ScriptedServer, options: HttpOptions) -> HttpSource {
    HttpSource::new(HttpClient::new(options).unwrap(), server.url()).unwrap()
}

fn body() -> Bytes {
    (0..100_000u32)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect()
}

async fn scripted() -> (ScriptedServer, HttpSource) {
    let server = ScriptedServer::start([(PATH, body())]).await;
    let source = source_with(&server, options());
    (server, source)
}

fn place(text: &str) -> Location {
    text.parse().unwrap()
}

async fn fetch(source: &HttpSource, options: OpenOptions) -> Result<Fetched, SourceError> {
    match source.open(&place(PATH), options).await? {
        Opened::Body(fetched) => Ok(fetched),
        Opened::Unchanged => panic!("unexpectedly unchanged"),
    }
}

async fn open_error(source: &HttpSource) -> SourceError {
    fetch(source, OpenOptions::default()).await.unwrap_err()
}

async fn body_error(source: &HttpSource, options: OpenOptions) -> SourceError {
    let fetched = fetch(source, options).await.unwrap();
    match collect_bounded(fetched.body, 1 << 24).await {
        Err(StreamError::Source(error)) => error,
        other => panic!("the body should break off: {other:?}"),
    }
}

async fn whole(source: &HttpSource) -> Bytes {
    let fetched = fetch(source, OpenOptions::default()).await.unwrap();
    collect_bounded(fetched.body, 1 << 24).await.unwrap()
}

fn text() -> OpenOptions {
    OpenOptions::default().with_text(true)
}

#[tokio::test]
async fn it_conforms() {
    for validators in [
        Validators::Etag,
        Validators::WeakEtag,
        Validators::LastModified,
        Validators::None,
    ] {
        let server = ScriptedServer::start(source::files()).await;
        server.set_validators(validators);
        source::all(Arc::new(source_with(&server, options()))).await;
    }
}

#[tokio::test]
async fn it_conforms_when_text_is_gzipped_and_objects_are_chunked() {
    let server = ScriptedServer::start(source::files()).await;
    for (path, _) in source::files() {
        server.fault_forever(path, Fault::Chunked);
    }
    source::all(Arc::new(source_with(&server, options()))).await;
}

#[tokio::test]
async fn connections_are_kept() {
    let (server, source) = scripted().await;
    for _ in 0..20 {
        whole(&source).await;
        let absent = source.open(&place("absent"), OpenOptions::default()).await;
        assert_eq!(absent.unwrap_err().kind(), SourceErrorKind::NotFound);
    }
    assert_eq!(server.requests().total, 40);
    assert_eq!(server.requests().connections, 1);
}

#[tokio::test]
async fn requests_ask_for_what_is_needed_and_say_no_more() {
    let (server, source) = scripted().await;
    whole(&source).await;
    let header = |name| server.last_header(PATH, name);
    assert_eq!(header("accept-encoding").as_deref(), Some("identity"));
    assert!(header("user-agent").unwrap().starts_with("romt/"));
    for absent in [
        "cookie",
        "authorization",
        "referer",
        "range",
        "if-none-match",
    ] {
        assert_eq!(header(absent), None, "{absent}");
    }
    fetch(&source, text()).await.unwrap();
    assert_eq!(
        server.last_header(PATH, "accept-encoding").as_deref(),
        Some("gzip")
    );
}

#[tokio::test]
async fn paths_are_encoded_as_cargo_does() {
    let server =
        ScriptedServer::start([("base/a b/c+d%2f.crate", "odd"), ("base/ü", "umlaut")]).await;
    let base = server.url().join("base").unwrap();
    let source = HttpSource::new(HttpClient::new(options()).unwrap(), base).unwrap();
    assert!(source.to_string().ends_with("/base/"));
    for path in ["a b/c+d%2f.crate", "ü"] {
        assert!(
            source
                .open(&place(path), OpenOptions::default())
                .await
                .is_ok(),
            "{path}"
        );
    }
    let address = place(&format!("{}base/%C3%BC", server.url()));
    assert!(source.open(&address, OpenOptions::default()).await.is_ok());
}

#[test]
fn a_base_is_checked_and_its_password_is_not_shown() {
    let client = HttpClient::new(options()).unwrap();
    for bad in [
        "https://user:secret@example.com/",
        "https://secret@example.com/",
        "ftp://example.com/",
        "file:///x",
        "https://example.com/?secret",
        "https://example.com/#x",
    ] {
        let error = HttpSource::new(client.clone(), bad.parse().unwrap()).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let proxy = "http://user:secret@127.0.0.1:1/".parse().unwrap();
    let shown = format!(
        "{:?}",
        options().with_proxy(Some(ProxyChoice::Through(proxy)))
    );
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_proxy_is_used_when_asked_for() {
    let server = ScriptedServer::start([("a", "through the proxy")]).await;
    let client = HttpClient::new(options().with_proxy(Some(ProxyChoice::Through(server.url()))));
    let base = "http://upstream.invalid/".parse().unwrap();
    let source = HttpSource::new(client.unwrap(), base).unwrap();
    assert!(
        source
            .open(&place("a"), OpenOptions::default())
            .await
            .is_ok()
    );
    assert_eq!(
        server.last_header("a", "host").as_deref(),
        Some("upstream.invalid")
    );
}

#[tokio::test]
async fn sizes_come_by_head() {
    let (server, source) = scripted().await;
    assert_eq!(source.size(&place(PATH)).await.unwrap(), Some(100_000));
    server.fault(
        PATH,
        [Fault::status(405), Fault::status(501), Fault::Chunked],
    );
    for _ in 0..3 {
        assert_eq!(source.size(&place(PATH)).await.unwrap(), None);
    }
    assert_eq!(server.requests().heads, 4);
}

#[tokio::test]
async fn a_reader_that_takes_its_time_is_no_stall() {
    use futures::StreamExt as _;

    let (server, _) = scripted().await;
    server.put(PATH, vec![7; 4 << 20]);
    let source = source_with(
        &server,
        options().with_min_rate(1 << 30, Duration::from_secs(1)),
    );
    let mut body = fetch(&source, OpenOptions::default()).await.unwrap().body;
    let mut pauses = 0;
    while let Some(piece) = body.next().await {
        piece.unwrap();
        if pauses < 4 {
            pauses += 1;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}
