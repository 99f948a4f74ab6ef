//! An upstream that can be made to lie, and mirrors of it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use romt_core::{Key, Sha256Digest};
use romt_store::conformance::scripted::ScriptedServer;
use tempfile::TempDir;

use crate::{
    checker::{self, View},
    fault_support::{
        registry::index_path,
        tree::{self, Seal},
        world::Upstream,
    },
    tool::{self, Ended, git, git_with},
};

/// An upstream: an index in a git repository, and crates on a server.
pub(crate) struct Origin {
    directory: TempDir,
    upstream: Upstream,
    /// The files of the index, as the next commit has them.
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    canary: BTreeMap<PathBuf, Seal>,
}

/// Bytes that are another crate's only by chance.
pub(crate) fn bytes_of(name: &str, version: &str, salt: &str) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..40 {
        writeln!(text, "{number} {name} {version} {salt}").unwrap();
    }
    text.into_bytes()
}

/// A line of the index, with its line feed.
pub(crate) fn line_of(name: &str, version: &str, digest: &str) -> String {
    format!(
        "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{digest}\",\
         \"features\":{{}},\"yanked\":false}}\n"
    )
}

pub(crate) fn digest_of(name: &str, version: &str, salt: &str) -> String {
    Sha256Digest::of(bytes_of(name, version, salt)).to_string()
}

/// Where the server has a crate.
pub(crate) fn served(name: &str, version: &str) -> String {
    format!("dl/{name}/{name}-{version}.crate")
}

impl Origin {
    /// An upstream with the crates `a`, `bb`, `ccc` and `MyCrate`, committed.
    pub(crate) fn small() -> Self {
        let origin = Self::empty();
        for name in ["a", "bb", "ccc", "MyCrate"] {
            origin.publish(name, "1.0.0");
        }
        origin.commit();
        origin
    }

    /// An upstream without crates, and nothing committed.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let canary = directory.path().join("canary");
        fs::create_dir_all(canary.join("deep")).unwrap();
        fs::write(canary.join("deep/a-1.0.0.crate"), "mine").unwrap();
        let repository = directory.path().join("upstream.git");
        fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q", "--bare", "-b", "master"]);
        let config = b"{\"dl\":\"https://upstream.invalid/dl\"}\n";
        Self {
            upstream: Upstream::start(),
            files: RefCell::new(BTreeMap::from([(
                "config.json".to_owned(),
                config.to_vec(),
            )])),
            canary: tree::seals(&canary),
            directory,
        }
    }

    pub(crate) fn server(&self) -> &ScriptedServer {
        &self.upstream.server
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.directory.path().join("upstream.git")
    }

    pub(crate) fn crates_url(&self) -> String {
        format!(
            "{}dl/{{crate}}/{{crate}}-{{version}}.crate",
            self.server().url()
        )
    }

    pub(crate) fn publish(&self, name: &str, version: &str) {
        self.publish_as(name, version, "");
    }

    /// Publishes other bytes under a version that may be there already.
    pub(crate) fn publish_as(&self, name: &str, version: &str, salt: &str) {
        self.serve(name, version, salt);
        let mut files = self.files.borrow_mut();
        let file = files.entry(index_path(name)).or_default();
        let text = String::from_utf8(std::mem::take(file)).unwrap();
        let about = format!("\"name\":\"{name}\",\"vers\":\"{version}\"");
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let line = line_of(name, version, &digest_of(name, version, salt));
        match lines.iter_mut().find(|line| line.contains(&about)) {
            Some(old) => *old = &line,
            None => lines.push(&line),
        }
        *file = lines.concat().into_bytes();
    }

    /// Has the server answer with a crate, whatever the index says.
    pub(crate) fn serve(&self, name: &str, version: &str, salt: &str) {
        self.server()
            .put(served(name, version), bytes_of(name, version, salt));
    }

    /// Adds a line to an index file.
    pub(crate) fn add_line(&self, name: &str, line: &str) {
        let mut files = self.files.borrow_mut();
        let file = files.entry(index_path(name)).or_default();
        file.extend_from_slice(line.as_bytes());
    }

    /// Has whatever bytes at a path of the index.
    pub(crate) fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.files.borrow_mut().insert(path.to_owned(), body.into());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.files.borrow_mut().remove(&index_path(name));
    }

    pub(crate) fn commit(&self) -> String {
        let parent = tool::try_git(
            &self.repository(),
            &["rev-parse", "-q", "--verify", "master"],
            b"",
        );
        let parent = parent
            .ok()
            .map(|id| String::from_utf8(id).unwrap().trim().to_owned());
        self.commit_tree(&self.tree(), parent.as_deref())
    }

    /// Replaces the history by one commit.
    pub(crate) fn squash(&self) -> String {
        self.commit_tree(&self.tree(), None)
    }

    /// The tree of the files.
    pub(crate) fn tree(&self) -> String {
        let mut import = Vec::new();
        for (path, body) in &*self.files.borrow() {
            import.extend(format!("M 100644 inline {path}\ndata {}\n", body.len()).bytes());
            import.extend(body);
            import.push(b'\n');
        }
        let mut stream = b"feature done\ncommit refs/scratch\ncommitter u <u> 1700000000 +0000\n\
                           data 0\n\ndeleteall\n"
            .to_vec();
        stream.extend(import);
        stream.extend(b"done\n");
        let repository = self.repository();
        git_with(&repository, &["fast-import", "--force", "--quiet"], &stream);
        git(&repository, &["rev-parse", "refs/scratch^{tree}"])
    }

    /// Commits a tree of whatever kind.
    pub(crate) fn commit_tree(&self, tree: &str, parent: Option<&str>) -> String {
        let repository = self.repository();
        let mut args = vec!["commit-tree", "-m", "Update crates", tree];
        if let Some(parent) = parent {
            args.extend(["-p", parent]);
        }
        let id = git(&repository, &args);
        git(&repository, &["update-ref", "refs/heads/master", &id]);
        id
    }

    /// A mirror that is fed from here, and has nothing yet.
    #[track_caller]
    pub(crate) fn mirror(&self, name: &str) -> Mirror<'_> {
        let mirror = self.directory(name);
        let url = self.repository();
        let url = url.to_str().unwrap();
        mirror.run(&["init", "--index-url", url]).assert(0, &[]);
        mirror
    }

    /// A mirror that is fed by archives.
    #[track_caller]
    pub(crate) fn importer(&self, name: &str) -> Mirror<'_> {
        let mirror = self.directory(name);
        mirror.run(&["init-import"]).assert(0, &[]);
        mirror
    }

    /// A directory for a mirror.
    pub(crate) fn directory(&self, name: &str) -> Mirror<'_> {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        Mirror { origin: self, path }
    }

    /// Nothing beside the mirrors was touched.
    #[track_caller]
    pub(crate) fn assert_canary(&self) {
        let canary = self.directory.path().join("canary");
        assert_eq!(tree::seals(&canary), self.canary, "the canary was touched");
    }
}

/// A mirror.
#[derive(Clone)]
pub(crate) struct Mirror<'a> {
    origin: &'a Origin,
    path: PathBuf,
}

impl Mirror<'_> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("git/crates.io-index")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path.join("crates.tar.gz")
    }

    pub(crate) fn crate_file(&self, prefix: &str, name: &str, version: &str) -> PathBuf {
        // A name that Windows has no file for is escaped everywhere.
        let directory = Key::escape_segment(name);
        let file = Key::escape_segment(&format!("{name}-{version}.crate"));
        self.path
            .join("crates")
            .join(prefix)
            .join(directory)
            .join(file)
    }

    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let url = self.origin.crates_url();
        let mut all = vec!["--crates-url", &url];
        all.extend(args);
        tool::command(&self.path, &all)
    }

    /// Runs, and checks what every run promises that ends by itself.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let ended = tool::finish(self.command(args));
        self.origin.assert_canary();
        if self.index().is_dir() {
            checker::check(self);
            checker::assert_tidy(self);
        }
        ended
    }

    /// What clients see, which is true.
    #[track_caller]
    pub(crate) fn view(&self) -> View {
        self.origin.assert_canary();
        checker::check(self)
    }

    /// The labels of what clients see.
    #[track_caller]
    pub(crate) fn labels(&self) -> Vec<String> {
        self.view().into_keys().collect()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.index(), args)
    }

    /// Runs something that is refused, and must leave what is shown and the crates
    /// that are here as they are. Crates that came and are right may stay.
    #[track_caller]
    pub(crate) fn refuses(&self, args: &[&str], code: i32, needles: &[&str]) {
        let (before, held) = ((self.view(), self.refs()), self.crates());
        self.run(args).assert(code, needles);
        let after = (self.view(), self.refs());
        assert_eq!(before, after, "a run that failed changed something");
        let now = self.crates();
        for (path, seal) in &held {
            assert_eq!(now.get(path), Some(seal), "{} was touched", path.display());
        }
    }

    /// The refs by which clients see, and by which runs go on.
    pub(crate) fn refs(&self) -> String {
        let names = ["refs/heads/master", "refs/heads/mark", "refs/romt"];
        let mut args = vec!["for-each-ref"];
        args.extend(names);
        self.git(&args)
    }

    /// The crates that are shown or were, by path.
    pub(crate) fn crates(&self) -> BTreeMap<PathBuf, Seal> {
        tree::seals(&self.path.join("crates"))
    }

    /// What there is of the archive for another mirror to import.
    pub(crate) fn carry_to(&self, to: &Mirror<'_>) {
        fs::copy(self.archive(), to.archive()).unwrap();
    }
}
