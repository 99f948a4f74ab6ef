//! A directory with a mirror in it, and an upstream to mirror from.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use romt_store::conformance::scripted::{Fault, ScriptedServer};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    checker::{self, View},
    process::{self, Ended},
    registry::{Registry, Release},
    tree::{self, Seal},
};

/// An upstream that tests script, on a thread of its own.
#[derive(Debug)]
pub struct Upstream {
    // Dropped before what it runs on.
    pub server: ScriptedServer,
    _runtime: Runtime,
}

impl Upstream {
    pub fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let none: [(String, Vec<u8>); 0] = [];
        let server = runtime.block_on(ScriptedServer::start(none));
        Self {
            server,
            _runtime: runtime,
        }
    }

    /// Has what `registry` has.
    pub fn show(&self, registry: &Registry) {
        self.server.put(
            "config.json",
            self.config("dl/{crate}/{crate}-{version}.crate"),
        );
        for (path, body) in registry.index() {
            self.server.put(path, body);
        }
        for release in registry.releases() {
            self.server.put(release.path(), release.bytes.clone());
        }
    }

    /// A `config.json` whose `dl` is `path` on this server.
    pub fn config(&self, path: &str) -> String {
        format!(r#"{{"dl":"{}{path}"}}"#, self.server.url())
    }
}

#[derive(Debug)]
pub struct World {
    pub upstream: Upstream,
    pub registry: Registry,
    pub mirror: PathBuf,
    pub lockfile: PathBuf,
    directory: TempDir,
    canary: BTreeMap<PathBuf, Seal>,
}

impl World {
    /// A world whose upstream has `registry`, whose lock file wants all of it,
    /// and whose mirror is not there yet.
    pub fn new(registry: Registry) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let canary = root.join("canary");
        fs::create_dir_all(canary.join("deep")).unwrap();
        fs::write(canary.join("deep/x-1.0.0.crate"), "mine").unwrap();
        fs::write(root.join("x"), "mine").unwrap();
        let upstream = Upstream::start();
        upstream.show(&registry);
        let lockfile = root.join("Cargo.lock");
        fs::write(&lockfile, registry.lockfile()).unwrap();
        Self {
            upstream,
            registry,
            mirror: root.join("mirror"),
            lockfile,
            canary: tree::seals(&canary),
            directory,
        }
    }

    pub fn small() -> Self {
        Self::new(Registry::small())
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn server(&self) -> &ScriptedServer {
        &self.upstream.server
    }

    pub fn lock(&self, text: &str) {
        fs::write(&self.lockfile, text).unwrap();
    }

    /// Spoils the first answer for `path` once, and twice, and so on.
    pub fn fault(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.server().fault(path, faults);
    }

    pub fn fault_forever(&self, path: &str, fault: Fault) {
        self.server().fault_forever(path, fault);
    }

    /// The command that brings the mirror up to date.
    pub fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = process::romt(self.root());
        let url = self.server().url();
        command
            .args(["up", "--no-serve", "--index-url", url.as_str()])
            .arg("--mirror")
            .arg(&self.mirror)
            .arg("--lockfile")
            .arg(&self.lockfile)
            .args(more);
        command
    }

    /// Brings the mirror up to date, with one retry and little patience. What a
    /// run that ends by itself promises is checked.
    #[track_caller]
    pub fn up(&self) -> Ended {
        self.up_with(&["--retries", "1", "--timeout", "1"])
    }

    #[track_caller]
    pub fn up_with(&self, more: &[&str]) -> Ended {
        let ended = process::finish(self.command(more));
        self.assert_tidy();
        ended
    }

    /// Nothing outside the mirror was touched, and nothing half done lies about.
    #[track_caller]
    pub fn assert_tidy(&self) {
        assert_eq!(tree::seals(&self.root().join("canary")), self.canary);
        let mut names: Vec<_> = fs::read_dir(self.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "mirror")
            .collect();
        names.sort();
        assert_eq!(names, ["Cargo.lock", "canary", "x"]);
        if !self.mirror.exists() {
            return;
        }
        let left: Vec<_> = tree::files(&self.mirror)
            .into_keys()
            .filter(|name| name.starts_with(".romt/tmp"))
            .collect();
        assert!(left.is_empty(), "staging is not empty: {left:?}");
    }

    /// What clients see, which is true.
    #[track_caller]
    pub fn view(&self) -> View {
        checker::check(&self.mirror, &[&self.registry])
    }

    /// The mirror shows all but the releases `lacking`, truly.
    #[track_caller]
    pub fn assert_shows_all_but(&self, lacking: &[&Release]) {
        let lacking: Vec<_> = lacking
            .iter()
            .map(|release| (release.name.clone(), release.version.clone()))
            .collect();
        assert_eq!(self.view(), self.registry.without(&lacking).index());
    }

    /// What identifies the crates that the mirror has.
    pub fn crates(&self) -> BTreeMap<PathBuf, Seal> {
        tree::seals(&self.mirror.join("crates"))
    }

    /// Upstream is well again: a rerun completes, downloads what was missing and
    /// nothing else, and leaves good files as they are.
    #[track_caller]
    pub fn heal_and_finish(&self) {
        self.heal_and_finish_with(&[]);
    }

    #[track_caller]
    pub fn heal_and_finish_with(&self, more: &[&str]) {
        let before = self.crates();
        self.server().heal();
        self.server().set_latency(Duration::ZERO);
        self.server().reset_requests();
        self.up_with(more).assert(0, &[]);
        let after = self.crates();
        for (path, seal) in &before {
            assert_eq!(
                after.get(path),
                Some(seal),
                "{} was touched",
                path.display()
            );
        }
        for release in self.registry.releases() {
            let file = format!("{}-{}.crate", release.name, release.version);
            let held = before.keys().any(|path| path.ends_with(&file));
            let hits = self.server().hits(&release.path());
            assert_eq!(hits, u64::from(!held), "requests for {}", release.label());
        }
        self.assert_shows_all_but(&[]);
        // Once more, and nothing is done.
        self.server().reset_requests();
        let sealed = tree::seals(&self.mirror);
        self.up_with(more).assert(0, &[]);
        assert_eq!(self.crates(), after);
        let asked = self.server().requests();
        assert_eq!(
            asked.not_modified, asked.total,
            "a third run asks for more than what changed"
        );
        let changed: Vec<_> = tree::seals(&self.mirror)
            .into_iter()
            .filter(|(path, seal)| sealed.get(path) != Some(seal))
            .map(|(path, _)| path)
            .collect();
        let lock_only = changed.iter().all(|path| path.ends_with(".romt/lock"));
        assert!(lock_only, "a third run writes {changed:?}");
    }
}
