//! An upstream repository, a mirror's index, and git.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use romt_core::{
    CrateName, IndexBackend as _, Sha256Digest,
    crates::{CrateRows, Rows, VersionRow},
    ports::{HistoryIndex as _, Loaded, Position},
};
use romt_index::{GitIndex, GitOptions};

/// A directory with an upstream in it and a place for an index.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
}

impl Place {
    /// An upstream whose first commit has a `config.json` and the crate `serde`.
    pub(crate) fn new() -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
        };
        let upstream = place.upstream();
        std::fs::create_dir(&upstream).unwrap();
        git(&upstream, &["init", "-q", "-b", "master"]);
        place.upstream_config("https://upstream.invalid/crates");
        place.upstream_file("serde", &[line("serde", "1.0.0")]);
        place.upstream_commit("first");
        place
    }

    pub(crate) fn upstream(&self) -> PathBuf {
        self.root.path().join("upstream")
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.root.path().join("mirror/git/crates.io-index")
    }

    /// A new index that is fed from the upstream.
    pub(crate) fn init(&self) -> GitIndex {
        let url = self.upstream().to_str().unwrap().to_owned();
        GitIndex::init(self.index_path(), &url, GitOptions::default()).unwrap()
    }

    /// Runs git on the index.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.index_path(), arguments)
    }

    /// What `HEAD` names, as git sees it.
    pub(crate) fn head(&self) -> String {
        self.git(&["symbolic-ref", "HEAD"])
    }

    /// What a revision is, if git knows it.
    pub(crate) fn rev(&self, revision: &str) -> Option<String> {
        let arguments = ["rev-parse", "-q", "--verify", revision];
        try_git(&self.index_path(), &arguments).ok()
    }

    /// The file of a crate at a revision.
    pub(crate) fn show(&self, revision: &str, name: &str) -> Option<String> {
        let name: CrateName = name.parse().unwrap();
        let object = format!("{revision}:{}", name.index_path());
        try_git(&self.index_path(), &["show", &object]).ok()
    }

    pub(crate) fn fsck(&self) {
        self.git(&["fsck", "--strict", "--full"]);
    }

    pub(crate) fn upstream_file(&self, name: &str, lines: &[String]) {
        let name: CrateName = name.parse().unwrap();
        let path = self.upstream().join(name.index_path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, lines.concat()).unwrap();
    }

    pub(crate) fn upstream_config(&self, dl: &str) {
        let config = format!("{{\"dl\":\"{dl}\"}}\n");
        std::fs::write(self.upstream().join("config.json"), config).unwrap();
    }

    /// Commits what lies in the upstream; says what the commit is called.
    pub(crate) fn upstream_commit(&self, message: &str) -> String {
        let upstream = self.upstream();
        git(&upstream, &["add", "-A"]);
        git(&upstream, &["commit", "-q", "-m", message]);
        git(&upstream, &["rev-parse", "HEAD"])
    }

    /// Replaces the upstream's history by one commit.
    pub(crate) fn upstream_squash(&self) -> String {
        let upstream = self.upstream();
        git(&upstream, &["checkout", "-q", "--orphan", "squashed"]);
        git(&upstream, &["add", "-A"]);
        git(&upstream, &["commit", "-q", "-m", "squashed"]);
        git(&upstream, &["branch", "-M", "squashed", "master"]);
        git(&upstream, &["rev-parse", "HEAD"])
    }
}

/// A line of an index file.
pub(crate) fn line(name: &str, version: &str) -> String {
    line_of(name, version, "")
}

/// A line of an index file, for a crate with these bytes.
pub(crate) fn line_of(name: &str, version: &str, bytes: &str) -> String {
    let digest = Sha256Digest::of(format!("{name}@{version}{bytes}"));
    format!(
        "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{digest}\",\
         \"features\":{{}},\"yanked\":false}}\n"
    )
}

pub(crate) fn rows(of: &[(&str, &str)]) -> Rows {
    of.iter()
        .map(|(name, version)| CrateRows {
            name: name.parse().unwrap(),
            versions: vec![VersionRow {
                version: version.parse().unwrap(),
                checksum: Sha256Digest::of(""),
            }],
        })
        .collect()
}

/// Publishes all of the working state.
pub(crate) async fn publish_all(index: &GitIndex) -> String {
    publish_less(index, &[]).await
}

/// Publishes the working state less these versions.
pub(crate) async fn publish_less(index: &GitIndex, held_back: &[(&str, &str)]) -> String {
    let end = head(index).await;
    let published = index.publish(&end, &rows(held_back), &[]).await;
    published.unwrap().position
}

pub(crate) async fn head(index: &GitIndex) -> Position {
    index.resolve("HEAD").await.unwrap().unwrap()
}

/// What clients are told of a crate.
pub(crate) async fn loaded(index: &GitIndex, name: &str) -> Option<String> {
    match index.load(&name.parse().unwrap(), None).await.unwrap() {
        Loaded::Fresh { body, .. } => Some(String::from_utf8(body.to_vec()).unwrap()),
        Loaded::Absent => None,
        Loaded::Unchanged => panic!("nothing was known"),
    }
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    try_git(directory, arguments).unwrap_or_else(|error| panic!("git {arguments:?}: {error}"))
}

pub(crate) fn try_git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "upstream")
        .env("GIT_AUTHOR_EMAIL", "upstream@localhost")
        .env("GIT_COMMITTER_NAME", "upstream")
        .env("GIT_COMMITTER_EMAIL", "upstream@localhost")
        .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}
