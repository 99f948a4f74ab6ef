//! A directory with a mirror in it, and a tool that works on it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use romt_core::Sha256Digest;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Origin, Tool, files,
    git::{self, git, try_git},
};
use crate::support::{
    process::{Finished, run},
    tripwire::Tripwire,
};

/// What the import side runs again and again.
pub(crate) const IMPORT: &[&str] = &["import"];

/// A mirror's directory. The tool may change, the directory stays.
#[derive(Debug)]
pub(crate) struct Mirror {
    directory: Arc<TempDir>,
    tripwire: Arc<Tripwire>,
    pub(crate) tool: Tool,
}

impl Mirror {
    /// An empty directory.
    pub(crate) fn nowhere(tool: Tool) -> Self {
        Self {
            directory: Arc::new(tempfile::tempdir().unwrap()),
            tripwire: Arc::new(Tripwire::new()),
            tool,
        }
    }

    /// The same directory, and perhaps another tool.
    pub(crate) fn seen_by(&self, tool: Tool) -> Self {
        Self {
            directory: Arc::clone(&self.directory),
            tripwire: Arc::clone(&self.tripwire),
            tool,
        }
    }

    /// After `init` from `origin`.
    pub(crate) fn init(tool: Tool, origin: &Origin) -> Self {
        let mirror = Self::nowhere(tool);
        let url = origin.index_url();
        mirror.krate(&["init", "--index-url", &url]).expect(0);
        mirror
    }

    /// After `init` and `update` from `origin`.
    pub(crate) fn updated(tool: Tool, origin: &Origin) -> Self {
        let mirror = Self::init(tool, origin);
        mirror.from(origin, &["update"]).expect(0);
        mirror
    }

    /// After `init-import`.
    pub(crate) fn init_import(tool: Tool) -> Self {
        let mirror = Self::nowhere(tool);
        mirror.krate(&["init-import"]).expect(0);
        mirror
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path().join("git/crates.io-index")
    }

    pub(crate) fn crates(&self) -> PathBuf {
        self.path().join("crates")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path().join("crates.tar.gz")
    }

    /// The tool with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.tool.command(self.path(), &self.tripwire, args)
    }

    #[track_caller]
    pub(crate) fn romt(&self, args: &[&str]) -> Finished {
        run(&mut self.command(args))
    }

    /// `romt crate` with these arguments.
    #[track_caller]
    pub(crate) fn krate(&self, args: &[&str]) -> Finished {
        self.romt(&[&["crate"], args].concat())
    }

    /// `romt crate` with these arguments, and the crates of `origin` over HTTP.
    #[track_caller]
    pub(crate) fn from(&self, origin: &Origin, args: &[&str]) -> Finished {
        let url = origin.crates_url();
        self.krate(&[&["--crates-url", &url], args].concat())
    }

    /// What `crate list` prints with these arguments besides.
    #[track_caller]
    pub(crate) fn list(&self, args: &[&str]) -> Vec<String> {
        lines(&self.krate(&[args, &["list"]].concat()).expect(0))
    }

    /// Every version of the working state, with digests.
    #[track_caller]
    pub(crate) fn holdings(&self) -> Vec<String> {
        self.list(&["--start", "0", "--show-hash"])
    }

    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.index(), args)
    }

    /// The commit that `revision` names.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        let wanted = format!("{revision}^{{commit}}");
        try_git(&self.index(), &["rev-parse", "-q", "--verify", &wanted])
    }

    /// The branches and the remote branches, with their commits.
    #[track_caller]
    pub(crate) fn refs(&self) -> BTreeMap<String, String> {
        let format = "--format=%(refname) %(objectname)";
        let said = self.git(&["for-each-ref", format, "refs/heads", "refs/remotes"]);
        let pairs = said.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, id)| (name.into(), id.into())).collect()
    }

    #[track_caller]
    pub(crate) fn head(&self) -> String {
        self.git(&["symbolic-ref", "HEAD"])
    }

    /// The crates on disk, with their digests.
    pub(crate) fn crate_files(&self) -> BTreeMap<String, String> {
        let mut files = files(&self.crates());
        files.remove("config.toml");
        files
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The `config.json` of a state of the index, as it is in the work tree too.
    #[track_caller]
    pub(crate) fn config(&self, revision: &str) -> String {
        let spec = format!("{revision}:config.json");
        let shown = run(&mut git::command(&self.index(), &["show", &spec]));
        shown.expect(0).stdout
    }

    /// Whether the files of the index are checked out. Ours does not begin to.
    pub(crate) fn has_work_tree(&self) -> bool {
        self.index().join(".git/index").exists()
    }

    /// The work tree, if there is one, is as the index says; only the bundle may
    /// lie there.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        if !self.has_work_tree() {
            assert!(self.tool.is_ours(), "the Python tool has a work tree");
            return;
        }
        let status = self.git(&["status", "--porcelain"]);
        let dirt: Vec<_> = status
            .lines()
            .filter(|line| *line != "?? origin.bundle")
            .collect();
        assert!(dirt.is_empty(), "the work tree is not clean: {dirt:?}");
    }

    /// Every version that the state `revision` shows has its crate here, and is
    /// returned, with the digest and the name of the crate's file.
    #[track_caller]
    pub(crate) fn shown(&self, revision: &str) -> Vec<String> {
        let held = self.crate_files();
        let mut shown = Vec::new();
        // Every line of every file but one is one of the index.
        let question = ["grep", "-h", "^{", revision, "--", ":!config.json"];
        let lines = try_git(&self.index(), &question).unwrap_or_default();
        for line in lines.lines() {
            let (file, digest) = stated(line);
            assert_eq!(held.get(&file), Some(&digest), "{revision} shows {file}");
            shown.push(format!("{digest} *{file}"));
        }
        shown.sort();
        shown
    }

    /// What there is to compare of two mirrors.
    #[track_caller]
    pub(crate) fn state(&self) -> State {
        let mut branches = self.refs();
        branches.retain(|name, _| COMMON.contains(&name.as_str()));
        State {
            crates: self.crate_files(),
            branches,
            holdings: self.holdings(),
        }
    }

    /// The files of a state of the index, without its `config.json`.
    #[track_caller]
    pub(crate) fn tree(&self, revision: &str) -> Vec<String> {
        let listing = self.git(&["ls-tree", "-r", revision]);
        let files = listing.lines().filter(|it| !it.ends_with("\tconfig.json"));
        files.map(str::to_owned).collect()
    }

    /// Nothing that was run looked anywhere but on loopback.
    pub(crate) fn expect_silence(&self) {
        assert_eq!(self.tripwire.touched(), 0, "somebody called the world");
    }
}

/// What there is to compare of two mirrors.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The files and their digests.
    pub(crate) crates: BTreeMap<String, String>,
    /// The branches and their commits.
    pub(crate) branches: BTreeMap<String, String>,
    /// What `list` says of everything.
    pub(crate) holdings: Vec<String>,
}

/// The branches that mean the same on both sides of the gap.
const COMMON: [&str; 5] = [
    "refs/heads/mark",
    "refs/heads/master",
    "refs/heads/origin_master",
    "refs/heads/working",
    "refs/remotes/origin/master",
];

/// Expects a run to have failed. The Python tool has status 1 for everything, ours
/// has one for each class of failure; 2 is kept for what is wrong with the command
/// line.
#[track_caller]
pub(crate) fn failed(finished: Finished) -> Finished {
    let is_failure = matches!(finished.code(), Some(1 | 3..));
    assert!(is_failure, "it should have failed: {finished:#?}");
    finished
}

/// Carries the archive from one mirror to another.
pub(crate) fn carry(from: &Mirror, to: &Mirror) {
    fs::copy(from.archive(), to.archive()).unwrap();
}

pub(crate) fn lines(finished: &Finished) -> Vec<String> {
    finished.stdout.lines().map(str::to_owned).collect()
}

/// Where the crate of an index line lies, and its digest.
fn stated(line: &str) -> (String, String) {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| line[field].as_str().unwrap().to_owned();
    let (name, version) = (text("name"), text("vers"));
    (crate_path(&name, &version), text("cksum"))
}

/// Where the crate of a version lies below `crates/`.
pub(crate) fn crate_path(name: &str, version: &str) -> String {
    let lower = crate::support::upstream::index_path(name);
    let (prefix, _) = lower.rsplit_once('/').unwrap();
    format!("{prefix}/{name}/{name}-{version}.crate")
}

/// The digest of a file.
pub(crate) fn digest(path: &Path) -> String {
    Sha256Digest::of(fs::read(path).unwrap()).to_string()
}
