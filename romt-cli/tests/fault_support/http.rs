//! The least HTTP client that will do: one request a connection.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Asks `host` (an address and a port) for `path`, which begins with `/`.
pub fn get(host: &str, path: &str) -> Result<Answer, String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        // HTTP/1.0 has no chunks and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("GET {path}: {error}"))?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("GET {path}: no head in {} bytes", answer.len()))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body = answer[end + 4..].to_vec();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.ok_or_else(|| format!("GET {path}: no status"))?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length.and_then(|text| text.trim().parse::<usize>().ok())
        && length != body.len()
    {
        return Err(format!("GET {path}: {} of {length} bytes", body.len()));
    }
    Ok(Answer { status, head, body })
}

/// Asks for an address.
pub fn get_url(url: &str) -> Result<Answer, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or(format!("`{url}` is not http"))?;
    let (host, path) = rest.split_once('/').ok_or(format!("`{url}` has no path"))?;
    get(host, &format!("/{path}"))
}
