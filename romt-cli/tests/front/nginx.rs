//! The nginx of this machine, configured as `deploy/nginx.conf` says.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A port for an nginx that is to come.
pub(crate) struct Reserved {
    program: PathBuf,
    port: u16,
}

/// An nginx until this is dropped.
pub(crate) struct Nginx(Child);

impl Nginx {
    /// A port for nginx, if it is installed.
    pub(crate) fn reserve() -> Option<Reserved> {
        let places = [
            "/usr/sbin/nginx",
            "/usr/local/sbin/nginx",
            "/opt/homebrew/bin/nginx",
        ];
        let Some(program) = places.iter().map(PathBuf::from).find(|it| it.is_file()) else {
            println!("skipped: what needs nginx, which is not installed");
            return None;
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        Some(Reserved { program, port })
    }
}

impl Reserved {
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Puts nginx before the romt at `romt`, with the certificate in `dir`.
    pub(crate) fn start(self, dir: &Path, romt: &str) -> Nginx {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx.conf");
        let shipped = fs::read_to_string(shipped).expect("it is there");
        let at = |file: &str| dir.join(file).to_string_lossy().into_owned();
        let mut server = shipped;
        for (from, to) in [
            ("127.0.0.1:8000;", format!("{romt};")),
            (
                "listen 443 ssl",
                format!("listen 127.0.0.1:{} ssl", self.port),
            ),
            ("mirror.example;", "127.0.0.1;".to_owned()),
            ("/etc/romt/cert.pem", at("cert.pem")),
            ("/etc/romt/key.pem", at("key.pem")),
        ] {
            assert!(server.contains(from), "{from}");
            server = server.replace(from, &to);
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
            .concat();
        let config = format!(
            "daemon off;\npid {};\nerror_log {};\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{server}\n}}\n",
            at("nginx.pid"),
            at("error.log"),
        );
        fs::write(dir.join("nginx.conf"), config).expect("it is written");
        let mut child = Command::new(&self.program)
            .args(["-c", &at("nginx.conf"), "-e", &at("error.log"), "-p"])
            .arg(dir)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = child.try_wait().expect("the child is ours");
            let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
            assert!(ended.is_none(), "nginx ended: {log}");
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "nginx does not listen: {log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Nginx(child)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked nicely, the master takes its workers along.
        if let Ok(id) = i32::try_from(self.0.id())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        drop(self.0.wait());
    }
}
