//! A server of a few lines, and git's own behind it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

/// A request, as a server of a few lines reads it.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut read = BufReader::new(stream);
        let mut line = String::new();
        read.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            read.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").parse().unwrap_or(0);
        read.take(length).read_to_end(&mut request.body).ok()?;
        Some(request)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|it| it.0 == name);
        found.map_or("", |it| it.1.as_str())
    }
}

pub(super) type Answer = dyn Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// A server on loopback; its address.
pub(super) fn serve(answer: Arc<Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, mut stream) = (answer.clone(), stream.unwrap());
            thread::spawn(move || {
                if let Some(request) = Request::read(&stream) {
                    // Who is no longer there needs no answer.
                    let _ = answer(&request, &mut stream);
                }
            });
        }
    });
    format!("http://{address}")
}

/// git's own server, by the interface of its time.
pub(super) fn backend(root: PathBuf, version_2: bool) -> Arc<Answer> {
    Arc::new(move |request, stream| {
        let mut command = Command::new("git");
        command.arg("http-backend").env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
            .env("GIT_PROJECT_ROOT", &root)
            .env("GIT_HTTP_EXPORT_ALL", "1");
        command
            .env("PATH_INFO", &request.path)
            .env("QUERY_STRING", &request.query);
        command.env("REQUEST_METHOD", &request.method);
        command.env("CONTENT_TYPE", request.header("content-type"));
        command.env("CONTENT_LENGTH", request.body.len().to_string());
        if version_2 {
            command.env("GIT_PROTOCOL", request.header("git-protocol"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().unwrap().write_all(&request.body)?;
        let output = child.wait_with_output()?.stdout;
        let status = match output.strip_prefix(b"Status: ") {
            Some(rest) => String::from_utf8_lossy(&rest[..3]).into_owned(),
            None => "200".to_owned(),
        };
        write!(stream, "HTTP/1.1 {status} x\r\nConnection: close\r\n")?;
        stream.write_all(&output)
    })
}

pub(super) fn say(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    body: &[u8],
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\n\r\n"
    )?;
    stream.write_all(body)
}
