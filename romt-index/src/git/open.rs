//! Opening a repository that may be another's: nothing in it is run or followed.

use std::path::{Path, PathBuf};

use gix::{actor::Signature, bstr::ByteSlice as _};
use romt_core::{Escaped, ports::IndexError};

use super::{GitOptions, error::Failures};

/// Settings that would have git run a program, use another's objects or write
/// elsewhere. None of them means anything here.
const IGNORED_SETTINGS: [(&str, &str); 14] = [
    ("core", "fsmonitor"),
    ("core", "sshcommand"),
    ("core", "hookspath"),
    ("core", "gitproxy"),
    ("core", "askpass"),
    ("core", "editor"),
    ("core", "pager"),
    ("core", "worktree"),
    ("credential", "helper"),
    ("url", "insteadof"),
    ("include", "path"),
    ("includeif", "path"),
    ("uploadpack", "packobjectshook"),
    ("gpg", "program"),
];

/// A repository, opened for one piece of work.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) repo: gix::Repository,
    /// The index's name in messages.
    pub(super) index: String,
    /// INDEX, which the mirror calls its own.
    pub(super) directory: PathBuf,
    /// Whether another tool keeps a work tree in INDEX, which then has to follow.
    pub(super) has_work_tree: bool,
    pub(super) options: GitOptions,
}

impl Opened {
    /// Opens the repository in `directory`, or at it if it is bare.
    pub(super) fn at(
        directory: &Path,
        index: &str,
        options: &GitOptions,
    ) -> Result<Self, IndexError> {
        let fail = Failures(index);
        let action = "open the repository";
        let inner = directory.join(".git");
        // A link or a file there leads to a directory that nobody named.
        let bare = match inner.symlink_metadata() {
            Ok(found) if found.is_dir() => false,
            Ok(_) => return Err(fail.refused(".git", "it is not a directory")),
            Err(_) => true,
        };
        let git_dir = if bare { directory } else { &inner };
        for name in ["commondir", "objects/info/alternates"] {
            if git_dir.join(name).symlink_metadata().is_ok() {
                let reason = "the repository uses another one's objects; \
                    copy them into it (git repack -a -d) and remove this file";
                return Err(fail.refused(name, reason));
            }
        }
        let repo = gix_options()
            .open(git_dir)
            .map_err(|error| fail.storage(action, error))?
            .to_thread_local();
        if repo.object_hash() != gix::hash::Kind::Sha1 {
            return Err(fail.refused("the repository", "its objects are not named by SHA-1"));
        }
        let has_work_tree = !bare && inner.join("index").is_file();
        Ok(Self {
            repo,
            index: index.to_owned(),
            directory: directory.to_owned(),
            has_work_tree,
            options: options.clone(),
        })
    }

    /// What makes errors that name this index.
    pub(super) fn fail(&self) -> Failures<'_> {
        Failures(&self.index)
    }

    /// The directory that holds refs and objects.
    pub(super) fn git_dir(&self) -> &Path {
        self.repo.git_dir()
    }

    /// Who makes our commits, at this time.
    pub(super) fn signature(&self, time: gix::date::Time) -> Signature {
        Signature {
            name: self.options.committer_name.as_str().into(),
            email: self.options.committer_email.as_str().into(),
            time,
        }
    }

    /// Says what of the repository's settings is passed over.
    pub(super) fn warn_of_ignored_settings(&self) {
        for setting in self.ignored_settings() {
            tracing::warn!(
                index = %self.index,
                %setting,
                "this setting of the repository is ignored"
            );
        }
    }

    /// The settings in the repository that would mean something to git.
    pub(super) fn ignored_settings(&self) -> Vec<String> {
        let config = self.repo.config_snapshot();
        let mut found = Vec::new();
        for section in config.plumbing().sections() {
            let name = section.header().name().to_str_lossy().to_ascii_lowercase();
            for key in section.value_names() {
                let key = key.to_ascii_lowercase();
                if IGNORED_SETTINGS.contains(&(name.as_str(), key.as_str())) || name == "filter" {
                    found.push(format!("{name}.{}", Escaped::new(key)));
                }
            }
        }
        found.extend(self.hooks());
        found
    }

    /// The hooks that git would run.
    fn hooks(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.git_dir().join("hooks")) else {
            return Vec::new();
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|name| !name.as_encoded_bytes().ends_with(b".sample"))
            .map(|name| format!("hooks/{}", Escaped::new(name.as_encoded_bytes())))
            .collect()
    }
}

/// How many bytes of objects are kept that others are deltas of, for each thread.
pub(super) const DELTA_CACHE: &str = "core.deltaBaseCacheLimit=33554432";

/// How every repository is opened: by what lies in it alone, whoever owns it.
pub(super) fn gix_options() -> gix::open::Options {
    gix::open::Options::isolated()
        .open_path_as_is(true)
        .with(gix::sec::Trust::Full)
        // Objects may not be replaced behind our back, and a setting that git
        // would refuse is none that we need.
        .config_overrides(["core.useReplaceRefs=false", DELTA_CACHE])
        .lossy_config(false)
        .strict_config(false)
        // Re-opened for each piece of work, which adds a few packs at most.
        .object_store_slots(gix::odb::store::init::Slots::AsNeededByDiskState {
            multiplier: 1.5,
            minimum: 64,
        })
}
