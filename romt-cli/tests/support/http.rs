//! Just enough of a client to ask a server whether it is well.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// The status and the body at `path` of the server at `url`; `None` if nobody
/// answers.
pub(crate) fn get(url: &str, path: &str) -> Option<(u16, String)> {
    let host = url.strip_prefix("http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}

/// An answer of which only the beginning was read.
#[derive(Debug)]
pub(crate) struct Begun {
    stream: TcpStream,
    read: usize,
}

impl Begun {
    /// Asks for `path`, and reads no more than the first bytes.
    pub(crate) fn get(url: &str, path: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).expect("the server listens");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut first = [0; 100];
        let read = stream.read(&mut first).expect("it is answered");
        assert!(first.starts_with(b"HTTP/1.1 200"), "{first:?}");
        Self { stream, read }
    }

    /// Reads the rest, and returns how many bytes there were, head and all.
    pub(crate) fn finish(mut self) -> usize {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("it is whole");
        self.read + rest.len()
    }
}
