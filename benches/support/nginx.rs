//! A web server over a directory, for a while.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Failure, process};

/// How long nginx may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// An nginx that serves a directory until this is dropped.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    address: String,
    _state: tempfile::TempDir,
}

impl Nginx {
    /// Serves `root` at a free port. `cached` keeps the files open between
    /// requests.
    pub fn serve(root: &Path, cached: bool) -> Result<Self, Failure> {
        let state = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{}", process::free_port()?);
        let config = state.path().join("nginx.conf");
        fs::write(&config, configuration(state.path(), root, &address, cached))?;
        let child = Command::new(program())
            .arg("-p")
            .arg(state.path())
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(state.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn()?;
        let mut nginx = Self {
            child,
            address,
            _state: state,
        };
        nginx.wait()?;
        Ok(nginx)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("nginx ended ({status})").into());
            }
            if began.elapsed() > PATIENCE {
                return Err("nginx does not listen".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked nicely, the master takes its workers along.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn program() -> &'static str {
    if Path::new("/usr/sbin/nginx").is_file() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    }
}

fn configuration(state: &Path, root: &Path, address: &str, cached: bool) -> String {
    let state = state.display();
    let root = root.display();
    // As root, the workers would become somebody who cannot read the files.
    let user = fs::metadata("/proc/self")
        .ok()
        .filter(|_| is_root())
        .map_or("", |_| "user root;\n");
    let open_files = if cached {
        "open_file_cache max=8000 inactive=60s; open_file_cache_valid 60s;"
    } else {
        ""
    };
    format!(
        "{user}daemon off;
worker_processes auto;
pid {state}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    etag on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    {open_files}
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    server {{
        listen {address} backlog=1024;
        root {root};
    }}
}}
"
    )
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        == Some("0")
}
