//! The real clients, each with homes of its own.

use std::{fs, path::Path, process::Command, sync::atomic::Ordering};

use romt_core::Sha256Digest;
use tempfile::TempDir;

use crate::{
    changes::KEEP,
    crates::git::{self, git},
    scene::Scene,
    support::{
        cargo::{OfflineUser, Toolchain},
        process::run,
    },
    user::User,
};

/// For how many rounds a client keeps its home, and with it what it has.
const HOME: usize = 3;

/// How a cargo gets at the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// Over HTTP/1.1.
    Sparse,
    /// Over TLS and HTTP/2.
    SparseTls,
    /// By libgit2.
    Libgit2,
    /// By the program git.
    Git,
}

/// A cargo that resolves anew, fetches and builds.
pub(crate) struct Cargo<'s> {
    scene: &'s Scene,
    toolchain: &'s Toolchain,
    index: Index,
    program: TempDir,
    user: OfflineUser<'s>,
    round: usize,
}

impl<'s> Cargo<'s> {
    pub(crate) fn new(scene: &'s Scene, toolchain: &'s Toolchain, index: Index) -> Self {
        let program = tempfile::tempdir().unwrap();
        let registry = match index {
            Index::Sparse => format!("sparse+{}/index/", scene.http),
            Index::SparseTls => format!("sparse+{}/index/", scene.https),
            Index::Libgit2 | Index::Git => format!("{}/git/crates.io-index", scene.http),
        };
        write_program(program.path(), &registry);
        Self {
            user: OfflineUser::new(toolchain, &scene.tripwire),
            scene,
            toolchain,
            index,
            program,
            round: 0,
        }
    }

    pub(crate) fn round(&mut self) {
        if self.round.is_multiple_of(HOME) {
            self.user = OfflineUser::new(self.toolchain, &self.scene.tripwire);
        }
        self.cargo(&["update"]);
        self.cargo(&["fetch"]);
        if self.round.is_multiple_of(HOME) {
            self.cargo(&["build"]);
            let ran = run(&mut self.user.program("program")).expect(0);
            assert_eq!(ran.stdout, "built\n");
        }
        let lock = fs::read_to_string(self.program.path().join("Cargo.lock")).unwrap();
        for name in ["bb", "MyCrate"] {
            assert!(lock.contains(&format!("name = \"{name}\"")), "{lock}");
        }
        self.round += 1;
    }

    #[track_caller]
    fn cargo(&self, args: &[&str]) {
        let mut command = self.user.cargo(self.program.path(), args);
        git::isolate(&mut command);
        match self.index {
            Index::Sparse => {}
            Index::SparseTls => {
                command.env("CARGO_HTTP_CAINFO", self.scene.path("cert.pem"));
            }
            // Without a setting of HTTP, it uses its own.
            Index::Libgit2 => {
                for name in ["http_proxy", "https_proxy", "all_proxy"] {
                    command.env_remove(name).env_remove(name.to_uppercase());
                }
            }
            Index::Git => {
                command.env("CARGO_NET_GIT_FETCH_WITH_CLI", "true");
            }
        }
        let finished = run(&mut command);
        let said = &finished.stderr;
        // That it tries again is an error that somebody saw.
        let is_well = finished.code() == Some(0) && !said.contains("spurious");
        assert!(
            is_well,
            "{} {:?}: {finished:#?}",
            self.toolchain, self.index
        );
    }
}

/// A program that needs what stays, through the mirror at `registry`.
fn write_program(dir: &Path, registry: &str) {
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n\n\
         [source.mirror]\nregistry = \"{registry}\"\n"
    );
    let manifest = "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                    [dependencies]\nbb = \"1\"\nMyCrate = \"0.3\"\n";
    for directory in [".cargo", "src"] {
        fs::create_dir(dir.join(directory)).unwrap();
    }
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join(".cargo/config.toml"), config).unwrap();
    fs::write(
        dir.join("src/main.rs"),
        "fn main() { println!(\"built\"); }\n",
    )
    .unwrap();
}

/// A git that clones, and fetches what is new; whatever comes is whole.
pub(crate) struct Git<'s> {
    scene: &'s Scene,
    directory: TempDir,
    round: usize,
}

impl<'s> Git<'s> {
    pub(crate) fn new(scene: &'s Scene) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            scene,
            directory,
            round: 0,
        }
    }

    pub(crate) fn round(&mut self) {
        let protocol = format!("protocol.version={}", self.round % 3);
        let is_tls = self.round.is_multiple_of(2);
        let server = if is_tls {
            &self.scene.https
        } else {
            &self.scene.http
        };
        let url = format!("{server}/git/crates.io-index");
        let clone = self.directory.path().join("clone");
        if self.round.is_multiple_of(HOME) {
            drop(fs::remove_dir_all(&clone));
            let args = ["clone", "-q", &url, "clone"];
            self.git(self.directory.path(), &protocol, &args);
        } else {
            self.git(
                &clone,
                &protocol,
                &["fetch", "-q", &url, "+master:refs/remotes/origin/master"],
            );
        }
        git(&clone, &["fsck", "--strict", "--full"]);
        // Every line that came is whole, and there is what never goes.
        let lines = git(&clone, &["show", "origin/master:2/bb"]);
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("it is whole");
            assert_eq!(line["name"], "bb");
        }
        self.round += 1;
    }

    #[track_caller]
    fn git(&self, dir: &Path, protocol: &str, args: &[&str]) {
        let mut command = git::command(dir, &[&["-c", protocol], args].concat());
        command.env("GIT_SSL_CAINFO", self.scene.path("cert.pem"));
        self.scene.tripwire.guard(&mut command);
        run(&mut command).expect(0);
    }
}

/// A rustup that installs, asks for news, and updates.
pub(crate) struct Rustup<'s> {
    scene: &'s Scene,
    program: std::path::PathBuf,
    user: Option<User<'s>>,
    round: usize,
}

impl<'s> Rustup<'s> {
    pub(crate) fn new(scene: &'s Scene, program: &Path) -> Self {
        Self {
            scene,
            program: program.to_owned(),
            user: None,
            round: 0,
        }
    }

    pub(crate) fn round(&mut self) {
        if self.round.is_multiple_of(HOME) {
            // With TLS every second time.
            let is_tls = self.round.is_multiple_of(2 * HOME);
            let server = if is_tls {
                &self.scene.https
            } else {
                &self.scene.http
            };
            self.user = Some(User::new(&self.program, server, &self.scene.tripwire));
            let args = ["toolchain", "install", "nightly", "--profile", "minimal"];
            self.rustup(&[&args[..], &["--no-self-update"]].concat(), &[0]);
        } else {
            self.rustup(&["update", "nightly", "--no-self-update"], &[0]);
        }
        // 100 is that there is something newer.
        self.rustup(&["check"], &[0, 100]);
        self.round += 1;
    }

    #[track_caller]
    fn rustup(&mut self, args: &[&str], codes: &[i32]) {
        let Some(user) = &self.user else {
            return;
        };
        let begun = self.scene.nightlies.load(Ordering::SeqCst);
        let mut command = user.command(args);
        command.env("SSL_CERT_FILE", self.scene.path("cert.pem"));
        let finished = run(&mut command);
        let shown = self.scene.nightlies.load(Ordering::SeqCst) - begun;
        let is_well = finished.code().is_some_and(|code| codes.contains(&code));
        if is_well && !finished.stderr.contains("warn") {
            return;
        }
        // What it began to install is one that nobody keeps any more.
        let is_late = finished.stderr.contains("404") && shown >= KEEP;
        assert!(
            is_late,
            "rustup {args:?}, {shown} nightlies later: {finished:#?}"
        );
        self.scene
            .count("nightlies pruned while they were installed");
        // The next round begins anew.
        self.round = (self.round / HOME + 1) * HOME - 1;
    }
}

/// A curl that resumes and revalidates, over TLS and HTTP/2.
pub(crate) struct Curl<'s> {
    scene: &'s Scene,
    directory: TempDir,
}

impl<'s> Curl<'s> {
    pub(crate) fn new(scene: &'s Scene) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { scene, directory }
    }

    pub(crate) fn round(&mut self) {
        let index = format!("{}/index/2/bb", self.scene.https);
        // The first time all comes, and afterwards what changed.
        let tags = ["--etag-compare", "tag", "--etag-save", "tag", "-o", "index"];
        let status = self.curl(&[&tags[..], &[&index]].concat());
        assert!(["200 2", "304 2"].contains(&&*status), "{status}");
        let text = fs::read_to_string(self.directory.path().join("index")).unwrap();
        let line = text.lines().last().expect("it has lines");
        let line: serde_json::Value = serde_json::from_str(line).expect("it is whole");
        let version = line["vers"].as_str().unwrap();
        let url = format!("{}/crates/bb/bb-{version}.crate", self.scene.https);
        // A part, and then what is missing of the whole.
        let status = self.curl(&["-r", "0-99", "-o", "part", &url]);
        assert_eq!(status, "206 2");
        let status = self.curl(&["-C", "-", "-o", "part", &url]);
        assert_eq!(status, "206 2");
        let whole = fs::read(self.directory.path().join("part")).unwrap();
        let digest = Sha256Digest::of(&whole).to_string();
        assert_eq!(line["cksum"], *digest, "two parts are no whole");
        let status = self.curl(&["-I", "-o", "head", &url]);
        assert_eq!(status, "200 2");
    }

    /// Says which status came, and by which version of HTTP.
    #[track_caller]
    fn curl(&self, args: &[&str]) -> String {
        let mut command = Command::new("curl");
        self.scene.tripwire.guard(&mut command);
        command
            .args([
                "-sSf",
                "--http2",
                "-w",
                "%{http_code} %{http_version}",
                "--cacert",
            ])
            .arg(self.scene.path("cert.pem"))
            .args(args)
            .current_dir(self.directory.path());
        run(&mut command).expect(0).stdout
    }
}
