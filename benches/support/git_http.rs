//! git's own server, behind as little as there can be.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::Failure;

/// `git http-backend` for the repositories below a directory, until the process ends:
/// one thread and one backend for each request, and nothing in between.
#[derive(Debug)]
pub struct GitHttp {
    address: String,
}

impl GitHttp {
    /// Serves what is below `root` at a free port.
    pub fn serve(root: &Path) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let root = root.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = root.clone();
                // A client that is cut off fails, and with it the bench.
                thread::spawn(move || answer(stream, &root));
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// What a request says, as CGI wants it.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    query: String,
    content_type: String,
    encoding: String,
    protocol: String,
    length: u64,
}

fn answer(stream: TcpStream, root: &PathBuf) -> Result<(), Failure> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read_head(&mut reader)?;
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", &request.protocol)
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", &request.content_type)
        .env("HTTP_CONTENT_ENCODING", &request.encoding)
        .env("CONTENT_LENGTH", request.length.to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = backend.stdin.take().ok_or("git has no input")?;
    std::io::copy(&mut reader.take(request.length), &mut input)?;
    drop(input);
    let mut output = BufReader::new(backend.stdout.take().ok_or("git has no output")?);
    let mut head = String::new();
    loop {
        let start = head.len();
        output.read_line(&mut head)?;
        if head[start..].trim_end().is_empty() {
            break;
        }
    }
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
    let status = status.unwrap_or("200 OK");
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{head}")?;
    std::io::copy(&mut output, &mut stream)?;
    backend.wait()?;
    Ok(())
}

fn read_head(reader: &mut impl std::io::BufRead) -> Result<Request, Failure> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return Ok(request);
        };
        let place = match name.to_ascii_lowercase().as_str() {
            "content-type" => &mut request.content_type,
            "content-encoding" => &mut request.encoding,
            "git-protocol" => &mut request.protocol,
            "content-length" => {
                request.length = value.parse()?;
                continue;
            }
            _ => continue,
        };
        value.clone_into(place);
    }
}
