//! A directory in which a tool works.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use romt_core::Sha256Digest;
use tempfile::TempDir;

use super::{Tool, Upstream};
use crate::support::{
    process::{Finished, run},
    tripwire::Tripwire,
};

/// Where a tool keeps its mirror. Nothing else is there to begin with.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) tool: Tool,
    directory: TempDir,
    tripwire: Tripwire,
}

impl Mirror {
    pub(crate) fn new(tool: Tool) -> Self {
        Self {
            tool,
            directory: tempfile::tempdir().unwrap(),
            tripwire: Tripwire::new(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Runs the tool with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        run(&mut self.command(args))
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.tool
            .command(self.directory.path(), &self.tripwire, args)
    }

    /// `toolchain` at home, without signatures.
    pub(crate) fn toolchain(&self, args: &[&str]) -> Finished {
        self.run(&[&["toolchain", "--no-signature"], args].concat())
    }

    /// `toolchain` with this upstream on loopback, without signatures.
    pub(crate) fn from(&self, upstream: &Upstream, args: &[&str]) -> Finished {
        let url = upstream.url("dist");
        self.toolchain(&[&["--url", &url], args].concat())
    }

    /// `rustup` at home.
    pub(crate) fn rustup(&self, args: &[&str]) -> Finished {
        self.run(&[&["rustup"], args].concat())
    }

    /// `rustup` with this upstream on loopback.
    pub(crate) fn rustup_from(&self, upstream: &Upstream, args: &[&str]) -> Finished {
        let url = upstream.url("rustup");
        self.rustup(&[&["--url", &url], args].concat())
    }

    /// What is in `dist`, or in another directory.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<String, String> {
        files(&self.path(below))
    }

    /// The files in `dist` that both tools have. Ours lets rustup ask for `1.94` and for
    /// a beta by its number as well: those must be what the channel's manifest is.
    pub(crate) fn common_dist(&self) -> BTreeMap<String, String> {
        let mut all = self.files("dist");
        all.retain(|path, _| !is_only_ours(path));
        all
    }

    /// The files of components in `dist`, sorted.
    pub(crate) fn components(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.files("dist").into_keys().collect();
        paths.retain(|path| path.ends_with(".tar.xz") || path.ends_with(".tar.gz"));
        paths
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    /// Carries an archive over the air gap.
    pub(crate) fn carry(&self, archive: &str, to: &Self) {
        fs::copy(self.path(archive), to.path(archive)).unwrap();
    }
}

/// Whether only ours gives a release this name: `1.94`, `1.95.0-beta` and so on.
fn is_only_ours(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some(name) = file.strip_prefix("channel-rust-") else {
        return false;
    };
    let name = name.split(".toml").next().unwrap_or(name);
    name.contains("-beta") || (name.starts_with("1.") && name.matches('.').count() == 1)
}

/// Fails the test unless a tool failed with the status that both have for that, and
/// said so on stdout. Ours may say what kind of failure it is by another status.
#[track_caller]
pub(crate) fn failed(tool: Tool, finished: &Finished) {
    let code = finished.code();
    match tool {
        Tool::Ours => assert!(
            matches!(code, Some(1..=9)) && code != Some(2),
            "{finished:#?}"
        ),
        Tool::Python => assert_eq!(code, Some(1), "{finished:#?}"),
    }
}

/// Every file below `root`, by its path there, with its digest. Directories whose
/// name is `.romt` are ours alone and left out.
pub(crate) fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".romt" {
                    directories.push(path);
                }
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let digest = Sha256Digest::of(fs::read(&path).unwrap());
            found.insert(name.to_owned(), digest.to_string());
        }
    }
    found
}
