//! The names of states, and moving them durably.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gix::{
    ObjectId,
    refs::{
        FullName, Target,
        transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog},
    },
};
use romt_core::ports::IndexError;

use super::{
    objects::{replace_file, sync_directory},
    open::Opened,
};

/// Upstream's state, as it was last fetched.
pub(super) const UPSTREAM: &str = "refs/remotes/origin/master";
/// The same, as the Python tool has it on the side that imports.
pub(super) const UPSTREAM_BUNDLE: &str = "refs/remotes/origin/bundle/master";
/// The same, as a branch to be pushed elsewhere.
pub(super) const ORIGIN_MASTER: &str = "refs/heads/origin_master";
/// Upstream's state with our `config.json`.
pub(super) const WORKING: &str = "refs/heads/working";
/// Where the last finished run ended.
pub(super) const MARK: &str = "refs/heads/mark";
/// What clients see.
pub(super) const SHOWN: &str = "refs/heads/master";
/// The tip of the last bundle.
pub(super) const BUNDLE: &str = "refs/heads/bundle/master";
/// Where the last pack ended that was marked. The Python tool does not know it.
pub(super) const EXPORTED: &str = "refs/romt/exported";
/// Where the last pack ended, marked or not.
pub(super) const PACKED: &str = "refs/romt/packed";
/// The state at [`EXPORTED`], less what no archive had.
pub(super) const EXPORTED_LESS: &str = "refs/romt/exported-less";
/// The state at [`PACKED`], less what no archive had.
pub(super) const PACKED_LESS: &str = "refs/romt/packed-less";

/// Names the locks of the transaction under way, so that who comes after a
/// process that died knows whose they were.
const LOCKS_NOTE: &str = "romt-locks";

const ACTION: &str = "move refs";

/// A ref that gets another value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) name: &'static str,
    pub(super) to: ObjectId,
}

/// What `HEAD` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A branch, which need not exist.
    Branch(String),
    /// A commit.
    Detached(ObjectId),
}

impl Opened {
    /// What `name` points to.
    pub(super) fn tip(&self, name: &str) -> Result<Option<ObjectId>, IndexError> {
        tip_in(&self.repo, name).map_err(|error| self.fail().storage("read refs", error))
    }

    /// What `HEAD` is.
    pub(super) fn head(&self) -> Result<Head, IndexError> {
        let fail = |error| self.fail().storage("read HEAD", error);
        let head = self.repo.refs.find("HEAD").map_err(fail)?;
        Ok(match head.target {
            Target::Symbolic(name) => Head::Branch(name.to_string()),
            Target::Object(id) => Head::Detached(id),
        })
    }

    /// Moves all of `moves`, in their order and only if none of the names is moved
    /// by another meanwhile.
    pub(super) fn move_refs(&self, moves: &[Move], message: &str) -> Result<(), IndexError> {
        let mut edits = Vec::new();
        for Move { name, to } in moves {
            let from = self.tip(name)?;
            if from != Some(*to) {
                let expected = match from {
                    Some(from) => PreviousValue::MustExistAndMatch(Target::Object(from)),
                    None => PreviousValue::MustNotExist,
                };
                edits.push(self.edit(name, Target::Object(*to), expected, message)?);
            }
        }
        self.transact(edits)
    }

    /// Has `HEAD` name the branch `name`, which need not exist.
    pub(super) fn point_head(&self, name: &str) -> Result<(), IndexError> {
        if self.head()? == Head::Branch(name.to_owned()) {
            return Ok(());
        }
        let edit = self.edit(
            "HEAD",
            Target::Symbolic(self.full_name(name)?),
            PreviousValue::Any,
            "",
        )?;
        self.transact(vec![edit])
    }

    fn full_name(&self, name: &str) -> Result<FullName, IndexError> {
        FullName::try_from(name).map_err(|error| self.fail().storage(ACTION, error))
    }

    fn edit(
        &self,
        name: &str,
        new: Target,
        expected: PreviousValue,
        message: &str,
    ) -> Result<RefEdit, IndexError> {
        Ok(RefEdit {
            change: Change::Update {
                log: LogChange {
                    mode: RefLog::AndReference,
                    force_create_reflog: false,
                    message: message.into(),
                },
                expected,
                new,
            },
            name: self.full_name(name)?,
            deref: false,
        })
    }

    /// One transaction: all names are locked and checked and their new values
    /// flushed, then they move.
    fn transact(&self, edits: Vec<RefEdit>) -> Result<(), IndexError> {
        if edits.is_empty() {
            return Ok(());
        }
        let fail = self.fail();
        let names: Vec<String> = edits.iter().map(|edit| edit.name.to_string()).collect();
        let paths: Vec<PathBuf> = names.iter().map(|name| self.git_dir().join(name)).collect();
        let patience =
            gix::lock::acquire::Fail::AfterDurationWithBackoff(std::time::Duration::from_secs(1));
        self.note_locks(&names)?;
        let moved = (|| {
            let failed = |error| fail.storage(ACTION, error);
            let prepared = self
                .repo
                .refs
                .transaction()
                .prepare(edits, patience, patience)
                .map_err(failed)?;
            for path in &paths {
                flush_lock(path).map_err(|error| fail.at(ACTION, path, error))?;
            }
            let now = self.signature(gix::date::Time::now_utc());
            let mut time = gix::date::parse::TimeBuf::default();
            prepared.commit(now.to_ref(&mut time)).map_err(failed)?;
            for path in &paths {
                self.flush_names(path)
                    .map_err(|error| fail.at(ACTION, path, error))?;
            }
            Ok(())
        })();
        self.forget_locks()?;
        moved
    }

    /// Flushes the directories from a ref up to the repository.
    fn flush_names(&self, path: &Path) -> io::Result<()> {
        let mut directory = path.parent();
        while let Some(here) = directory {
            sync_directory(here)?;
            if here == self.git_dir() {
                break;
            }
            directory = here.parent();
        }
        Ok(())
    }

    pub(super) fn note_locks(&self, names: &[String]) -> Result<(), IndexError> {
        let path = self.git_dir().join(LOCKS_NOTE);
        replace_file(&path, names.join("\n").as_bytes())
            .map_err(|error| self.fail().at(ACTION, &path, error))
    }

    pub(super) fn forget_locks(&self) -> Result<(), IndexError> {
        let path = self.git_dir().join(LOCKS_NOTE);
        fs::remove_file(&path).map_err(|error| self.fail().at(ACTION, &path, error))
    }

    /// Removes the locks of a process of ours that died. The caller holds the lock
    /// of the mirror, so there is none that lives.
    pub(super) fn break_stale_locks(&self) -> Result<(), IndexError> {
        let note = self.git_dir().join(LOCKS_NOTE);
        let Ok(names) = fs::read_to_string(&note) else {
            return Ok(());
        };
        let ours = [
            UPSTREAM,
            UPSTREAM_BUNDLE,
            ORIGIN_MASTER,
            WORKING,
            MARK,
            SHOWN,
            BUNDLE,
            EXPORTED,
            EXPORTED_LESS,
            PACKED,
            PACKED_LESS,
            "HEAD",
            "index",
        ];
        for name in names.lines().filter(|name| ours.contains(name)) {
            let lock = self.git_dir().join(format!("{name}.lock"));
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.fail().at("remove a stale lock", &lock, error));
                }
                _ => {}
            }
        }
        self.forget_locks()
    }
}

/// What `name` points to.
pub(super) fn tip_in(repo: &gix::Repository, name: &str) -> Result<Option<ObjectId>, gix::Error> {
    let found = repo.try_find_reference(name)?;
    found
        .map(|mut reference| reference.peel_to_id().map(gix::Id::detach))
        .transpose()
}

/// Flushes the new value of a ref, which waits in its lock file.
fn flush_lock(path: &Path) -> io::Result<()> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    match File::open(&lock) {
        Ok(file) => file.sync_all(),
        // A value that does not change is not written.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
