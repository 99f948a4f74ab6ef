//! A directory to work in, and what a command says without what differs from run
//! to run.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{
    process::{Finished, Running, romt, run},
    tripwire::Tripwire,
    upstream::{PLAIN, Upstream},
};

/// An upstream on loopback at which nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// An empty directory, and a world that nobody may call.
pub(crate) struct Scene {
    dir: TempDir,
    pub(crate) tripwire: Tripwire,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory is made"),
            tripwire: Tripwire::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `romt`; where the arguments of `up` name no upstream, one that is not there.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut args = args.to_vec();
        if args.contains(&"up") && !args.contains(&"--index-url") {
            args.extend(["--index-url", NOWHERE]);
        }
        romt(self.path(), &self.tripwire, args)
    }

    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        run(&mut self.command(args))
    }

    #[track_caller]
    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        Running::spawn(&mut self.command(args))
    }

    /// `romt up` from `upstream`, on a free port.
    pub(crate) fn up<'a>(&self, upstream: &Upstream, more: impl AsRef<[&'a str]>) -> Running {
        let index_url = upstream.index_url();
        let mut args = vec!["up", "--port", "0", "--index-url", &index_url];
        args.extend(more.as_ref());
        self.spawn(&args)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
        fs::write(path, text).expect("it is written");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).expect("it is read")
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    /// `text` with paths, ports, sizes and times filtered.
    pub(crate) fn filtered(&self, text: &str) -> String {
        let dir = self.path().to_string_lossy().into_owned();
        let real = fs::canonicalize(self.path()).expect("it is there");
        let text = text
            .replace(&*real.to_string_lossy(), "[DIR]")
            .replace(&dir, "[DIR]");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("127.0.0.1:") {
            let (before, after) = rest.split_at(at + "127.0.0.1:".len());
            out.push_str(before);
            out.push_str("[PORT]");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        out.push_str(rest);
        let lines: Vec<_> = out.lines().map(without_amounts).collect();
        lines.join("\n")
    }
}

/// The line with `[N]` for every number that has a unit behind it.
fn without_amounts(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let unit = words[at].trim_end_matches([')', ',', ';', ':']);
        if !matches!(unit, "B" | "KiB" | "s") {
            continue;
        }
        let number = words[at - 1].trim_start_matches('(').to_owned();
        if number.parse::<f64>().is_ok() {
            words[at - 1] = words[at - 1].replace(&number, "[N]");
        }
    }
    words.join(" ")
}

/// An upstream with `app`, which needs `base`, which needs nothing.
pub(crate) fn small_upstream() -> Upstream {
    let mut upstream = Upstream::start(PLAIN);
    upstream.publish("base", "1.0.0", &[]);
    upstream.publish("base", "1.1.0", &[]);
    upstream.publish("app", "0.1.0", &["base@^1"]);
    upstream
}
