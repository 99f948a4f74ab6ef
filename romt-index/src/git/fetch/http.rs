//! git's requests, made by the client that makes all the others.
//!
//! gix speaks git's protocol through a blocking trait. The client is asynchronous,
//! so each step waits for it on the thread that the fetch runs on.

use std::{
    any::Any,
    fmt,
    io::{self, BufRead, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gix_transport::client::{
    AuthenticationRequired,
    blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse},
};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::runtime::Handle;

/// The longest request, in bytes. One names a few thousand commits at most.
const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// How much a server may say that is not part of a pack, in bytes.
const MAX_TALK: u64 = 64 * 1024 * 1024;

/// How git servers are asked: by which client, and how patiently.
#[derive(Clone, Debug)]
pub(in crate::git) struct HttpTransport {
    client: Client,
    handle: Handle,
    idle_timeout: Duration,
}

impl HttpTransport {
    /// Asks by `client`, which runs on the runtime of `handle`. A server that says
    /// nothing for `idle_timeout` is given up.
    pub(in crate::git) fn new(client: Client, handle: Handle, idle_timeout: Duration) -> Self {
        Self {
            client,
            handle,
            idle_timeout,
        }
    }

    pub(super) fn session(&self, account: &Arc<Account>) -> Session {
        Session {
            transport: self.clone(),
            account: account.clone(),
            base: None,
        }
    }

    /// Waits for `step`, but not for ever.
    fn wait<T>(&self, step: impl Future<Output = reqwest::Result<T>>) -> io::Result<T> {
        let bounded = async { tokio::time::timeout(self.idle_timeout, step).await };
        match self.handle.block_on(bounded) {
            Ok(Ok(value)) => Ok(value),
            // An address may have a password in it.
            Ok(Err(error)) => Err(io::Error::other(error.without_url())),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the server said nothing for {:?}", self.idle_timeout),
            )),
        }
    }
}

/// What one conversation has cost so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    received: AtomicU64,
    /// How much of it was of a pack.
    useful: AtomicU64,
    exceeded: AtomicBool,
}

impl Account {
    pub(super) fn add_useful(&self, bytes: u64) {
        self.useful.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether the server was cut short.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    fn receive(&self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        let received = self.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // A pack comes in packets, whose headers are a thousandth of it at most.
        let useful = self.useful.load(Ordering::Relaxed);
        if received > MAX_TALK + useful + useful / 64 {
            self.exceeded.store(true, Ordering::Relaxed);
            return Err(io::Error::other(
                "the server sends too much beside the pack",
            ));
        }
        Ok(())
    }
}

/// A conversation with one server.
pub(super) struct Session {
    transport: HttpTransport,
    account: Arc<Account>,
    /// Where the server wants to be asked, if it said so.
    base: Option<String>,
}

impl Http for Session {
    type Headers = io::Cursor<Vec<u8>>;
    type ResponseBody = Body;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let request = self.transport.client.get(url).headers(header_map(headers));
        let response = ask(&self.transport, request).map_err(gix::Error::from_error)?;
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        if response.url().as_str() != url {
            let base = redirected(url, response.url(), tail);
            self.base = Some(base.map_err(gix::Error::from_error)?);
        }
        Ok(GetResponse {
            headers: io::Cursor::new(header_lines(&response)),
            body: Body::new(&self.transport, &self.account, response),
        })
    }

    /// The request is made when its body is whole, which is when the answer is read.
    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let request = self.transport.client.post(url).headers(header_map(headers));
        let written = Arc::new(Mutex::new(Vec::new()));
        let body = Body {
            transport: self.transport.clone(),
            account: self.account.clone(),
            state: State::Ready(request, written.clone()),
            chunk: Bytes::new(),
        };
        Ok(PostResponse {
            post_body: PostBody(written),
            // What the answer is, its body checks.
            headers: io::Cursor::new(RESULT.to_vec()),
            body,
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.base.clone()
    }
}

const RESULT: &[u8] = b"content-type: application/x-git-upload-pack-result\n";

fn header_map(lines: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.as_ref().split_once(':') else {
            continue;
        };
        let name = name.parse::<HeaderName>();
        let value = value.trim().parse::<HeaderValue>();
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    headers
}

fn header_lines(response: &Response) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines
}

/// Where the repository is, if what was asked for is now at `to`.
fn redirected(from: &str, to: &Url, tail: &str) -> io::Result<String> {
    if from.starts_with("https:") && to.scheme() != "https" {
        return Err(io::Error::other(
            "the server redirects to an address without TLS",
        ));
    }
    let base = to.as_str().strip_suffix(tail);
    let base = base.ok_or_else(|| io::Error::other("the server redirects to no repository"))?;
    Ok(base.trim_end_matches('/').to_owned())
}

fn ask(transport: &HttpTransport, request: RequestBuilder) -> io::Result<Response> {
    let response = transport.wait(request.send())?;
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::UNAUTHORIZED => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            AuthenticationRequired::default(),
        )),
        status => Err(io::Error::other(format!("the server says {status}"))),
    }
}

/// What is to be sent, as it is being written.
pub(super) struct PostBody(Arc<Mutex<Vec<u8>>>);

impl Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() + bytes.len() > MAX_REQUEST {
            return Err(io::Error::other("the request is too long"));
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body of an answer: one piece of it at a time is in memory.
pub(super) struct Body {
    transport: HttpTransport,
    account: Arc<Account>,
    state: State,
    chunk: Bytes,
}

enum State {
    Ready(RequestBuilder, Arc<Mutex<Vec<u8>>>),
    Open(Response),
    Ended,
}

impl Body {
    fn new(transport: &HttpTransport, account: &Arc<Account>, response: Response) -> Self {
        Self {
            transport: transport.clone(),
            account: account.clone(),
            state: State::Open(response),
            chunk: Bytes::new(),
        }
    }

    fn advance(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ready(request, written) => {
                let body =
                    std::mem::take(&mut *written.lock().unwrap_or_else(PoisonError::into_inner));
                let response = ask(&self.transport, request.body(body))?;
                if !header_lines(&response)
                    .to_ascii_lowercase()
                    .windows(RESULT.len())
                    .any(|it| it == RESULT)
                {
                    return Err(io::Error::other("the server's answer is none of git's"));
                }
                self.state = State::Open(response);
            }
            State::Open(mut response) => {
                if let Some(chunk) = self.transport.wait(response.chunk())? {
                    self.account.receive(chunk.len())?;
                    self.chunk = chunk;
                    self.state = State::Open(response);
                }
            }
            State::Ended => {}
        }
        Ok(())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && !matches!(self.state, State::Ended) {
            self.advance()?;
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, length: usize) {
        let _ = self.chunk.split_to(length.min(self.chunk.len()));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
