//! One connection: reading requests, and writing what the script says.

use std::{io, sync::Arc};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Fault, Seen, State,
    respond::{self, After, Reply},
};

/// The longest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// A request, as far as the script cares.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Decoded, without the leading `/` and without a query.
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

pub(super) async fn serve(mut stream: TcpStream, state: Arc<State>) {
    // A peer that goes away is no failure of the server's.
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    while let Ok(Some(request)) = read_request(&mut stream, &mut buffer).await {
        let active = Active::new(&state);
        let (reply, latency) = plan(&state, &request);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let written = write(&mut stream, reply).await;
        drop(active);
        if !matches!(written, Ok(After::KeepAlive)) {
            return;
        }
    }
}

/// Counts a request among those being answered, even if its task is aborted.
struct Active<'a>(&'a State);

impl<'a> Active<'a> {
    fn new(state: &'a State) -> Self {
        let mut script = state.script();
        script.active += 1;
        script.stats.peak = script.stats.peak.max(script.active);
        drop(script);
        Self(state)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.script().active -= 1;
    }
}

/// Decides on the answer, and takes note of the request.
fn plan(state: &State, request: &Request) -> (Reply, std::time::Duration) {
    let (fault, file, validators, latency) = {
        let mut script = state.script();
        note(&mut script, request);
        let queued = script.queued.get_mut(&request.path);
        let queued = queued.and_then(std::collections::VecDeque::pop_front);
        let fault = queued.or_else(|| script.forever.get(&request.path).cloned());
        script.stats.faults += u64::from(fault.is_some());
        let file = script.files.get(&request.path).cloned();
        (fault, file, script.validators, script.latency)
    };
    let delay = match &fault {
        Some(Fault::Delay(pause)) => *pause,
        _ => std::time::Duration::ZERO,
    };
    // Gzipping and hashing happen outside the lock.
    let reply = respond::reply(request, file.as_deref(), validators, fault.as_ref());
    let mut script = state.script();
    match reply.status {
        304 => script.stats.not_modified += 1,
        206 => script.stats.partial += 1,
        404 => script.stats.not_found += 1,
        _ => {}
    }
    (reply, latency + delay)
}

fn note(script: &mut super::Script, request: &Request) {
    let stats = &mut script.stats;
    stats.total += 1;
    stats.heads += u64::from(request.is_head());
    let has = |name| u64::from(request.header(name).is_some());
    stats.conditional += has("if-none-match") | has("if-modified-since");
    stats.ranged += has("range");
    let seen = script.seen.entry(request.path.clone());
    let Seen { hits, headers } = seen.or_default();
    *hits += 1;
    headers.clone_from(&request.headers);
}

async fn write(stream: &mut TcpStream, reply: Reply) -> io::Result<After> {
    if let Some(pause) = reply.trickle {
        stream.write_all(&reply.head).await?;
        for piece in reply.body.chunks(pause.0.max(1)) {
            stream.write_all(piece).await?;
            tokio::time::sleep(pause.1).await;
        }
    } else if reply.body.len() < 16 * 1024 {
        // One packet for what fits in one.
        let mut whole = reply.head;
        whole.extend_from_slice(&reply.body);
        stream.write_all(&whole).await?;
    } else {
        stream.write_all(&reply.head).await?;
        stream.write_all(&reply.body).await?;
    }
    match reply.after {
        After::KeepAlive => {}
        After::Close => stream.shutdown().await?,
        After::Reset => stream.set_zero_linger()?,
        After::Silence => {
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).await? > 0 {}
        }
    }
    Ok(reply.after)
}

/// The next request, or `None` at the end of the connection.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            let request = parse(&String::from_utf8_lossy(&head[..end]));
            skip_body(&request, stream, buffer).await?;
            return Ok(Some(request));
        }
        if buffer.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn skip_body(
    request: &Request,
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> io::Result<()> {
    let length = request.header("content-length");
    let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let _ = buffer.split_to(length);
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn parse(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default();
    // A proxy is sent a whole address.
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => target,
    };
    let path = target.split('?').next().unwrap_or_default();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Request {
        method,
        path: decode(path.strip_prefix('/').unwrap_or(path)),
        headers: headers.collect(),
    }
}

/// Undoes percent-encoding; a `+` is a `+`.
fn decode(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded_once_and_plus_stays() {
        let path = |target: &str| parse(&format!("GET {target} HTTP/1.1\r\nHost: x")).path;
        assert_eq!(path("/a%20b/c+d%2Be"), "a b/c+d+e");
        assert_eq!(path("/a%2520"), "a%20");
        assert_eq!(path("/a?x=1"), "a");
        assert_eq!(path("http://h:1/a/b"), "a/b");
        assert_eq!(path("/100%"), "100%");
    }
}
