//! A mirror in memory, and how to talk to a server of it.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body as HttpBody};
use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use romt_core::{
    CrateName, Key, MirrorLayout, Sha256Digest, Store, Version,
    ports::{
        Body, GetOptions, Object, ObjectMeta, ObjectVersion, PutOptions, StoreError, StoreLock,
    },
};
use romt_server::{FrontOptions, Limits, ServeOutcome, ServedMirror, ServerOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower::ServiceExt as _;

pub(crate) use crate::fake_index::FakeIndex;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store that only the server's questions can be put to.
#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    objects: Mutex<HashMap<String, (Bytes, u64)>>,
    writes: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) heads: AtomicU64,
    /// How many milliseconds apart answers come at most; which comes first is
    /// anybody's guess.
    pub(crate) jitter: AtomicU64,
    /// How many of the next descriptions are out of date as soon as they are given:
    /// the object is replaced by one that is half as long.
    pub(crate) moves: AtomicU64,
}

impl FakeStore {
    pub(crate) fn set(&self, key: &str, bytes: impl Into<Bytes>) {
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        let mut objects = self.objects.lock().unwrap();
        objects.insert(key.to_owned(), (bytes.into(), write));
    }

    pub(crate) fn remove(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    fn find(&self, key: &Key) -> Result<(Bytes, ObjectMeta), StoreError> {
        assert!(!key.as_str().contains("panic"), "the store panics");
        let objects = self.objects.lock().unwrap();
        let (bytes, version) = objects
            .get(key.as_str())
            .ok_or_else(|| StoreError::NotFound { key: key.clone() })?;
        let version = ObjectVersion::new(format!("v{version}"));
        let meta = ObjectMeta::new(key.clone(), bytes.len() as u64, version);
        Ok((bytes.clone(), meta))
    }
}

impl fmt::Display for FakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let jitter = self.jitter.load(Ordering::Relaxed);
        if jitter > 0 {
            tokio::time::sleep(Duration::from_millis(read * 7 % jitter)).await;
        }
        let (bytes, meta) = self.find(key)?;
        let range = match options.range {
            None => 0..meta.size,
            Some(range) if range.start >= meta.size => {
                let (key, size) = (key.clone(), meta.size);
                return Err(StoreError::RangeNotSatisfiable { key, size });
            }
            Some(range) => range.start..range.end.unwrap_or(meta.size).min(meta.size),
        };
        let at = |place: u64| usize::try_from(place).unwrap();
        let bytes = bytes.slice(at(range.start)..at(range.end));
        let pieces = (0..bytes.len().div_ceil(65536))
            .map(move |n| Ok(bytes.slice(n * 65536..bytes.len().min((n + 1) * 65536))));
        let body = stream::iter(pieces).boxed();
        Ok(Object { meta, range, body })
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.heads.fetch_add(1, Ordering::Relaxed);
        let (bytes, meta) = self.find(key)?;
        let moves = self.moves.load(Ordering::Relaxed);
        if moves > 0 {
            self.moves.store(moves - 1, Ordering::Relaxed);
            self.set(key.as_str(), bytes.slice(..bytes.len() / 2));
        }
        Ok(meta)
    }

    async fn put_opts(&self, _: &Key, _: Body, _: PutOptions) -> Result<ObjectMeta, StoreError> {
        panic!("a server writes nothing")
    }

    async fn delete(&self, _: &Key) -> Result<(), StoreError> {
        panic!("a server deletes nothing")
    }

    async fn persist(&self, _: &Key) -> Result<(), StoreError> {
        panic!("a server keeps nothing")
    }

    async fn copy_opts(&self, _: &Key, _: &Key, _: PutOptions) -> Result<ObjectMeta, StoreError> {
        panic!("a server copies nothing")
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        let below = prefix.map_or_else(String::new, |prefix| format!("{prefix}/"));
        let objects = self.objects.lock().unwrap();
        let keys = objects.keys().filter(|key| key.starts_with(&below));
        let keys: Vec<Key> = keys.filter_map(|key| key.parse().ok()).collect();
        drop(objects);
        let metas: Vec<_> = keys.iter().map(|key| Ok(self.find(key)?.1)).collect();
        stream::iter(metas).boxed()
    }

    fn local_path(&self, _: &Key) -> Option<PathBuf> {
        None
    }

    async fn lock(&self, _: &str) -> Result<StoreLock, StoreError> {
        panic!("a server locks nothing")
    }
}

/// A mirror to be served.
#[derive(Default)]
pub(crate) struct Mirror {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) index: Arc<FakeIndex>,
}

impl Mirror {
    /// A mirror of a few crates with names of all lengths.
    pub(crate) fn sample() -> Self {
        let mirror = Self::default();
        for (name, version, size) in [
            ("a", "1.0.0", 10),
            ("ab", "1.0.0", 20),
            ("abc", "1.0.0", 30),
            ("aux", "1.0.0", 40),
            ("MyCrate", "1.0.0+b1", 1000),
            ("serde", "1.0.0", 5000),
            ("large", "1.0.0", 3_000_000),
        ] {
            mirror.publish(name, version, &content(size));
        }
        mirror
    }

    /// Stores a crate and lists it in the index.
    pub(crate) fn publish(&self, name: &str, version: &str, content: &[u8]) {
        self.store.set(&key(name, version), content.to_vec());
        let cksum = Sha256Digest::of(content);
        // Long enough to be worth compressing.
        let filler = "x".repeat(300);
        let line = format!(
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{cksum}\",\
             \"features\":{{\"{filler}\":[]}},\"yanked\":false}}\n"
        );
        self.index.set(name, line);
    }

    pub(crate) fn served(&self) -> ServedMirror {
        ServedMirror::new(
            self.store.clone(),
            self.index.clone(),
            MirrorLayout::default(),
        )
        .with_catalog(self.index.clone())
    }

    pub(crate) fn router(&self) -> Router {
        romt_server::router(self.served(), &ServerOptions::default())
    }
}

/// Bytes that differ from place to place.
pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..=250)
        .map(|n: u8| n.wrapping_mul(7))
        .cycle()
        .take(size)
        .collect()
}

/// Where a crate is in the store.
pub(crate) fn key(name: &str, version: &str) -> String {
    let name: CrateName = name.parse().unwrap();
    let version: Version = version.parse().unwrap();
    MirrorLayout::default()
        .crate_file(&name, &version)
        .to_string()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Asks in process, with a `Host` unless one is given.
pub(crate) async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "mirror.example:8000");
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(HttpBody::empty()).unwrap();
    let response: Response<HttpBody> = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// `GET` in process.
pub(crate) async fn get(router: &Router, path: &str) -> Reply {
    ask(router, "GET", path, &[]).await
}

/// A server on a loopback port.
pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<ServeOutcome>,
}

impl Running {
    pub(crate) async fn start(router: Router, front: impl Into<FrontOptions>) -> Self {
        let front = front.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            romt_server::serve(listener, router, front, shutdown)
                .await
                .unwrap()
        });
        Self {
            address,
            stop: Some(stop),
            server,
        }
    }

    /// A server that somebody else runs.
    pub(crate) fn at(address: std::net::SocketAddr) -> Self {
        Self {
            address,
            stop: None,
            server: tokio::spawn(async { ServeOutcome::default() }),
        }
    }

    /// A server of the sample mirror with the usual limits.
    pub(crate) async fn sample() -> Self {
        Self::start(Mirror::sample().router(), Limits::default()).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may hang up before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        read_to_end(&mut stream).await
    }

    /// Asks the server to end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn outcome(mut self) -> ServeOutcome {
        self.stop();
        timeout(PATIENCE, self.server).await.unwrap().unwrap()
    }
}

/// What comes until the server closes.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends it as well as a close.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .expect("the server should close");
    String::from_utf8_lossy(&all).into_owned()
}

/// The status codes of the answers in `text`.
pub(crate) fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.")
        .skip(1)
        .map(|answer| &answer[2..5])
        .collect()
}
