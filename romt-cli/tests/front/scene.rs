//! A mirror of two crates, a certificate, tokens, and projects that need them.

use std::{ffi::OsStr, fs, net::TcpListener, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{
    process::{Running, romt, run},
    tripwire::Tripwire,
    upstream::{PLAIN, Upstream},
};

/// Whether there is such a program.
pub(crate) fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: what needs {program}, which is not installed");
    }
    found
}

/// A line of the access log.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) path: String,
    pub(crate) version: String,
    pub(crate) status: u64,
    pub(crate) token: Option<String>,
}

impl Line {
    /// The lines of the access log among these.
    pub(crate) fn of(stderr: &str) -> Vec<Self> {
        let objects = stderr.lines().filter(|line| line.starts_with('{'));
        let parsed = objects.map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            Self {
                path: text("path").expect("it has one"),
                version: text("version").expect("it has one"),
                status: line["status"].as_u64().expect("it has one"),
                token: text("token"),
            }
        });
        parsed.collect()
    }
}

/// A directory with a mirror, and a world that nobody may call.
pub(crate) struct Scene {
    dir: TempDir,
    pub(crate) tripwire: Tripwire,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().expect("a directory is made"),
            tripwire: Tripwire::new(),
        };
        let mut upstream = Upstream::start(PLAIN);
        upstream.publish("base", "1.0.0", &[]);
        upstream.publish("app", "1.0.0", &["base@1"]);
        let index_url = upstream.index_url();
        let up = [
            "up",
            "--crate",
            "app",
            "--no-serve",
            "--index-url",
            &index_url,
        ];
        scene.romt(up).wait().expect(0);
        scene
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn romt(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        Running::spawn(&mut romt(self.path(), &self.tripwire, args))
    }

    /// `romt serve` on a free port, with these options, and a log of requests.
    pub(crate) fn serve(&self, more: &[&str]) -> Running {
        let args = [
            "serve",
            "--mirror",
            "mirror",
            "--port",
            "0",
            "--access-log",
            "json",
        ];
        self.romt(args.iter().chain(more))
    }

    /// The same on a port that was free a moment ago, and where that is.
    pub(crate) fn serve_at_known_port(&self, more: &[&str]) -> (Running, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let port = address.port().to_string();
        let args = [
            "serve",
            "--mirror",
            "mirror",
            "--port",
            &port,
            "--access-log",
            "json",
        ];
        (self.romt(args.iter().chain(more)), address.to_string())
    }

    /// Makes `cert.pem` and `key.pem` for this machine.
    pub(crate) fn write_certificate(&self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate is made");
        let write = |file: &str, text: String| {
            fs::write(self.path().join(file), text).expect("it is written");
        };
        write("cert.pem", made.cert.pem());
        write("key.pem", made.signing_key.serialize_pem());
    }

    /// Makes a token in the file `tokens`.
    pub(crate) fn new_token(&self, name: &str) -> String {
        let args = ["token", "new", "--name", name, "--file", "tokens"];
        let made = self.romt(args).wait().expect(0);
        made.stdout.trim().to_owned()
    }

    /// A project that needs both crates, pointed at `url`.
    pub(crate) fn project(&self, url: &str, needs_token: bool) -> TempDir {
        let project = tempfile::tempdir().expect("a directory is made");
        let write = |file: &str, text: &str| {
            fs::write(project.path().join(file), text).expect("it is written");
        };
        fs::create_dir(project.path().join("src")).expect("it is made");
        write(
            "Cargo.toml",
            "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [dependencies]\napp = \"1\"\n",
        );
        write("src/main.rs", "fn main() {}\n");
        let args = ["client-config", "--url", url, "--write"];
        run(&mut romt(project.path(), &self.tripwire, args)).expect(0);
        if needs_token {
            let config = project.path().join(".cargo/config.toml");
            let mut text = fs::read_to_string(&config).expect("it was written");
            text.push('\n');
            text.push_str(&romt_server::token_config());
            fs::write(config, text).expect("it is written");
        }
        project
    }
}
