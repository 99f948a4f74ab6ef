//! A server on loopback that follows a script.
//!
//! [`ScriptedServer`] serves bytes from memory over HTTP/1.1, as a well-behaved
//! upstream does: with keep-alive, strong `ETag`s, `304`, `HEAD` and single
//! ranges. A test then scripts [`Fault`]s, path by path, and afterwards asks what
//! was requested.
//!
//! ```
//! use romt_store::conformance::scripted::{Fault, ScriptedServer};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let server = ScriptedServer::start([("se/rd/serde", "{}\n")]).await;
//! server.put("config.json", r#"{"dl":"https://example.com"}"#);
//! // The first request is turned away, the second stalls, the third goes well.
//! server.fault("se/rd/serde", [Fault::status(503), Fault::StallAfter(1)]);
//! assert_eq!(server.hits("se/rd/serde"), 0);
//! # });
//! ```

mod connection;
mod fault;
mod respond;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use romt_core::Sha256Digest;
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub use fault::Fault;

/// An HTTP server on loopback, until it is dropped. See the [module](self).
#[derive(Debug)]
pub struct ScriptedServer {
    state: Arc<State>,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

/// How many requests of what kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections taken.
    pub connections: u64,
    /// Requests of every kind.
    pub total: u64,
    /// Requests with the method `HEAD`.
    pub heads: u64,
    /// Requests with a condition.
    pub conditional: u64,
    /// Answers `304 Not Modified`.
    pub not_modified: u64,
    /// Requests for a part.
    pub ranged: u64,
    /// Answers `206 Partial Content`.
    pub partial: u64,
    /// Answers `404 Not Found`.
    pub not_found: u64,
    /// Requests that met a [`Fault`].
    pub faults: u64,
    /// The most requests that were being answered at one time.
    pub peak: u64,
}

/// By what answers say which bytes they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validators {
    /// A strong `ETag` made of the bytes' digest.
    #[default]
    Etag,
    /// A weak `ETag`.
    WeakEtag,
    /// A `Last-Modified`, which moves on by a second with every
    /// [`put`](ScriptedServer::put).
    LastModified,
    /// Nothing.
    None,
}

#[derive(Debug, Default)]
struct State(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    files: HashMap<String, Arc<File>>,
    queued: HashMap<String, VecDeque<Fault>>,
    forever: HashMap<String, Fault>,
    seen: HashMap<String, Seen>,
    stats: Stats,
    active: u64,
    puts: u64,
    latency: Duration,
    validators: Validators,
}

#[derive(Debug)]
struct File {
    bytes: Bytes,
    /// Counts puts, for `Last-Modified`.
    serial: u64,
    /// Made when first asked for: most files of most tests never are.
    etag: OnceLock<String>,
}

impl File {
    fn etag(&self) -> &str {
        self.etag
            .get_or_init(|| format!("\"{}\"", Sha256Digest::of(&self.bytes)))
    }
}

#[derive(Debug, Default)]
struct Seen {
    hits: u64,
    headers: Vec<(String, String)>,
}

impl State {
    fn script(&self) -> MutexGuard<'_, Script> {
        // A test that failed elsewhere is not to fail here as well.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScriptedServer {
    /// Serves `files`, each a path and its bytes, on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start<P, B>(files: impl IntoIterator<Item = (P, B)>) -> Self
    where
        P: Into<String>,
        B: Into<Bytes>,
    {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        let server = Self {
            state,
            address,
            accepting,
        };
        for (path, bytes) in files {
            server.put(path, bytes);
        }
        server
    }

    /// Where the server is: `http://127.0.0.1:PORT/`.
    ///
    /// # Panics
    ///
    /// Never: an address and a port make a URL.
    pub fn url(&self) -> Url {
        format!("http://{}/", self.address)
            .parse()
            .expect("an address and a port make a URL")
    }

    /// The address that the server listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `bytes` at `path` from now on. A path has no leading `/` and is not
    /// percent-encoded; whatever query a request has is ignored.
    pub fn put(&self, path: impl Into<String>, bytes: impl Into<Bytes>) {
        let mut script = self.state.script();
        script.puts += 1;
        let file = File {
            bytes: bytes.into(),
            serial: script.puts,
            etag: OnceLock::new(),
        };
        script.files.insert(path.into(), Arc::new(file));
    }

    /// Has nothing at `path` from now on.
    pub fn remove(&self, path: &str) {
        self.state.script().files.remove(path);
    }

    /// The bytes that are at `path`.
    pub fn get(&self, path: &str) -> Option<Bytes> {
        let script = self.state.script();
        script.files.get(path).map(|file| file.bytes.clone())
    }

    /// Queues faults for `path`: each spoils one request, then all is well again.
    pub fn fault(&self, path: impl Into<String>, faults: impl IntoIterator<Item = Fault>) {
        let mut script = self.state.script();
        script.queued.entry(path.into()).or_default().extend(faults);
    }

    /// Spoils every request for `path`, after the queued faults.
    pub fn fault_forever(&self, path: impl Into<String>, fault: Fault) {
        self.state.script().forever.insert(path.into(), fault);
    }

    /// Forgets every fault that is still to come.
    pub fn heal(&self) {
        let mut script = self.state.script();
        script.queued.clear();
        script.forever.clear();
    }

    /// Waits this long before every answer.
    pub fn set_latency(&self, latency: Duration) {
        self.state.script().latency = latency;
    }

    /// Identifies bytes in this way.
    pub fn set_validators(&self, validators: Validators) {
        self.state.script().validators = validators;
    }

    /// What was requested so far.
    pub fn requests(&self) -> Stats {
        self.state.script().stats
    }

    /// Starts counting anew.
    pub fn reset_requests(&self) {
        let mut script = self.state.script();
        script.stats = Stats::default();
        script.seen.clear();
    }

    /// How many requests there were for `path`.
    pub fn hits(&self, path: &str) -> u64 {
        self.state
            .script()
            .seen
            .get(path)
            .map_or(0, |seen| seen.hits)
    }

    /// A header, by its name in lower case, of the last request for `path`.
    pub fn last_header(&self, path: &str, name: &str) -> Option<String> {
        let script = self.state.script();
        let headers = &script.seen.get(path)?.headers;
        let found = headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        // The connections belong to that task and end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error concerns one connection, or passes.
                if let Ok((stream, _)) = accepted {
                    state.script().stats.connections += 1;
                    connections.spawn(connection::serve(stream, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
