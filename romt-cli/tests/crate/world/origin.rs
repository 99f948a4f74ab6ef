//! An upstream: an index in a git repository, and the crates it names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use romt_core::Sha256Digest;
use romt_store::conformance::scripted::ScriptedServer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    git::{self, git},
    mirror::crate_path,
};
use crate::support::{process::run, upstream::index_path};

/// When the first commit was made.
const EPOCH: u32 = 1_700_000_000;

/// One version of a crate, as the index has it.
#[derive(Clone, Debug)]
struct Release {
    name: String,
    version: String,
    digest: String,
    yanked: bool,
    deps: Vec<String>,
}

impl Release {
    fn line(&self) -> String {
        let deps: Vec<Value> = self.deps.iter().map(|name| dependency(name)).collect();
        let line = json!({
            "name": self.name, "vers": self.version, "deps": deps, "cksum": self.digest,
            "features": {}, "yanked": self.yanked,
        });
        format!("{line}\n")
    }
}

fn dependency(name: &str) -> Value {
    json!({
        "name": name, "req": "*", "features": [], "optional": false,
        "default_features": true, "target": null, "kind": "normal",
    })
}

/// An upstream. What is done to it shows with the next [`commit`](Self::commit).
#[derive(Debug)]
pub(crate) struct Origin {
    directory: TempDir,
    /// The crates over HTTP, with faults if a test wants some.
    pub(crate) server: ScriptedServer,
    index: BTreeMap<String, Vec<Release>>,
    others: BTreeMap<String, String>,
    commits: u32,
    // After the server: connections end with it.
    _runtime: Runtime,
}

impl Origin {
    /// An upstream whose only commit has a `config.json` and no crates.
    pub(crate) fn empty() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let nothing: [(String, String); 0] = [];
        let server = runtime.block_on(ScriptedServer::start(nothing));
        let mut origin = Self {
            directory: tempfile::tempdir().unwrap(),
            server,
            index: BTreeMap::new(),
            others: BTreeMap::new(),
            commits: 0,
            _runtime: runtime,
        };
        fs::create_dir_all(origin.repository()).unwrap();
        git(&origin.repository(), &["init", "-q", "-b", "master"]);
        origin.set_config("{\"dl\":\"https://upstream.invalid/dl\"}\n");
        origin.commit();
        origin
    }

    /// An upstream with crates of every kind of name and version.
    pub(crate) fn varied() -> Self {
        let mut origin = Self::empty();
        for (name, version) in [
            ("a", "1.0.0"),
            ("a", "1.0.1"),
            ("bb", "0.1.0"),
            ("ccc", "0.1.0"),
            ("MyCrate", "0.1.0"),
            ("MyCrate", "1.0.0-rc.1"),
            ("MyCrate", "1.0.0+build.7"),
            ("serde", "1.9.0"),
            ("serde", "1.10.0"),
        ] {
            origin.publish(name, version);
        }
        origin.yank("serde", "1.9.0");
        origin.commit();
        origin
    }

    /// An upstream with `a`, `bb` and `ccc`.
    pub(crate) fn small() -> Self {
        let mut origin = Self::empty();
        for name in ["a", "bb", "ccc"] {
            origin.publish(name, "1.0.0");
        }
        origin.commit();
        origin
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.directory.path().join("index")
    }

    /// What `--index-url` takes.
    pub(crate) fn index_url(&self) -> String {
        self.repository().to_str().unwrap().to_owned()
    }

    /// Where the crates are as plain files.
    pub(crate) fn crates_path(&self) -> PathBuf {
        self.directory.path().join("crates")
    }

    /// What `--crates-url` takes.
    pub(crate) fn crates_url(&self) -> String {
        let url = self.server.url();
        format!("{url}crates/{{crate}}/{{crate}}-{{version}}.crate")
    }

    /// The id of the newest commit.
    pub(crate) fn tip(&self) -> String {
        git(&self.repository(), &["rev-parse", "master"])
    }

    /// The digest that the index states.
    #[track_caller]
    pub(crate) fn digest(&self, name: &str, version: &str) -> String {
        let release = self.index[name].iter().find(|it| it.version == version);
        release.expect("it was published").digest.clone()
    }

    /// How many versions there are.
    pub(crate) fn count(&self) -> usize {
        self.index.values().map(Vec::len).sum()
    }

    /// What a mirror of everything has below `crates/`, with digests.
    pub(crate) fn crate_files(&self) -> BTreeMap<String, String> {
        let releases = self.index.values().flatten();
        let files = releases.map(|it| (crate_path(&it.name, &it.version), it.digest.clone()));
        files.collect()
    }

    pub(crate) fn publish(&mut self, name: &str, version: &str) {
        let bytes = format!("the crate {name} in version {version}\n");
        self.publish_as(name, version, &[], bytes.into_bytes());
    }

    /// Publishes whatever bytes as a version that needs the crates `deps`; a
    /// version that is there already is another one then.
    pub(crate) fn publish_as(&mut self, name: &str, version: &str, deps: &[&str], bytes: Vec<u8>) {
        let release = Release {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: Sha256Digest::of(&bytes).to_string(),
            yanked: false,
            deps: deps.iter().map(|&name| name.to_owned()).collect(),
        };
        let file = self.crates_path().join(name);
        fs::create_dir_all(&file).unwrap();
        fs::write(file.join(format!("{name}-{version}.crate")), &bytes).unwrap();
        self.server.put(served(name, version), bytes);
        let releases = self.index.entry(name.to_owned()).or_default();
        match releases.iter_mut().find(|it| it.version == version) {
            Some(old) => *old = release,
            None => releases.push(release),
        }
    }

    #[track_caller]
    pub(crate) fn yank(&mut self, name: &str, version: &str) {
        self.release(name, version).yanked ^= true;
    }

    #[track_caller]
    pub(crate) fn depend(&mut self, name: &str, version: &str, on: &str) {
        self.release(name, version).deps.push(on.to_owned());
    }

    #[track_caller]
    fn release(&mut self, name: &str, version: &str) -> &mut Release {
        let releases = self.index.get_mut(name).expect("it was published");
        let release = releases.iter_mut().find(|it| it.version == version);
        release.expect("it was published")
    }

    pub(crate) fn remove_version(&mut self, name: &str, version: &str) {
        let releases = self.index.get_mut(name).expect("it was published");
        releases.retain(|it| it.version != version);
    }

    pub(crate) fn remove_crate(&mut self, name: &str) {
        self.index.remove(name);
    }

    pub(crate) fn set_config(&mut self, text: &str) {
        self.put("config.json", text);
    }

    /// Has a file in the repository that may or may not be an index file.
    pub(crate) fn put(&mut self, path: &str, text: &str) {
        self.others.insert(path.to_owned(), text.to_owned());
    }

    /// Commits what was done.
    pub(crate) fn commit(&mut self) {
        let parent = git::try_git(&self.repository(), &["rev-parse", "-q", "--verify", "HEAD"]);
        self.commit_on(parent.as_deref());
    }

    /// Replaces the history by one commit, with what was done.
    pub(crate) fn squash(&mut self) {
        self.commit_on(None);
    }

    fn commit_on(&mut self, parent: Option<&str>) {
        let repository = self.repository();
        self.write(&repository);
        git(&repository, &["add", "--all"]);
        let tree = git(&repository, &["write-tree"]);
        let mut args = vec!["commit-tree", "-m", "Update crates", &tree];
        if let Some(parent) = parent {
            args.extend(["-p", parent]);
        }
        self.commits += 1;
        let date = format!("{} +0000", EPOCH + 60 * self.commits);
        let mut command = git::command(&repository, &args);
        command.env("GIT_AUTHOR_DATE", &date);
        command.env("GIT_COMMITTER_DATE", &date);
        let commit = run(&mut command).expect(0).stdout;
        git(&repository, &["reset", "-q", "--soft", commit.trim()]);
    }

    fn write(&self, repository: &Path) {
        for entry in fs::read_dir(repository).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            } else if path.file_name().unwrap() != ".git" {
                fs::remove_dir_all(path).unwrap();
            }
        }
        let mut files = self.others.clone();
        for (name, releases) in &self.index {
            let lines: String = releases.iter().map(Release::line).collect();
            files.insert(index_path(name), lines);
        }
        for (path, text) in files {
            let path = repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

/// Where the server has a crate.
pub(crate) fn served(name: &str, version: &str) -> String {
    format!("crates/{name}/{name}-{version}.crate")
}
