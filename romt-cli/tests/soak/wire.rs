//! Just enough of an HTTP client to see every byte of an answer.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Generous: it is met only by a server that hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A whole answer: one that ends early never becomes one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(it, _)| it == name);
        named.next().map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("it is text")
    }
}

/// A connection that is kept, as clients keep theirs.
#[derive(Debug)]
pub(crate) struct Wire {
    host: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Wire {
    /// To the server at `url`, which is as `http://127.0.0.1:8000`.
    pub(crate) fn to(url: &str) -> Self {
        let host = url.strip_prefix("http://").expect("it is cleartext");
        Self {
            host: host.trim_end_matches('/').to_owned(),
            stream: None,
        }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// A request; a server may close a connection that nobody used, so on one that was
    /// kept it is sent once more.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        if let Some(stream) = self.stream.take()
            && let Ok((answer, stream)) = exchange(stream, &self.host, method, path, headers)
        {
            self.stream = stream;
            return answer;
        }
        let fresh = TcpStream::connect(&self.host).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(BufReader::new(stream), &self.host, method, path, headers)
        });
        let (answer, stream) = match fresh {
            Ok(answered) => answered,
            Err(error) => panic!("{method} {path} {headers:?}: {error}"),
        };
        self.stream = stream;
        answer
    }
}

/// An answer, and the connection if it is kept.
type Answered = (Answer, Option<BufReader<TcpStream>>);

fn exchange(
    mut stream: BufReader<TcpStream>,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Answered> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    request.push_str("\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let first = line(&mut stream)?;
    let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status: {first:?}")))?;
    let mut answer = Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let header = line(&mut stream)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        answer.headers.push(header);
    }
    if method != "HEAD" && status != 304 {
        answer.body = body(&mut stream, &answer)?;
    }
    let is_kept = answer.header("connection") != Some("close");
    Ok((answer, is_kept.then_some(stream)))
}

fn body(stream: &mut BufReader<TcpStream>, answer: &Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().map_err(io::Error::other)?, 0);
        stream.read_exact(&mut body)?;
        return Ok(body);
    }
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    loop {
        let length = line(stream)?;
        let length = usize::from_str_radix(&length, 16).map_err(io::Error::other)?;
        let begin = body.len();
        body.resize(begin + length, 0);
        stream.read_exact(&mut body[begin..])?;
        line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
