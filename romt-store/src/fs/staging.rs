//! Files on their way in.
//!
//! `.romt/tmp/<run>/<n>` below the root: on the same file system, so that a
//! rename publishes, and never served. Every store that is open for writing has
//! a run directory of its own and holds a lock on the file `lock` in it, by which
//! others know that it is alive.

use std::{
    fs::{File, TryLockError},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, Metadata, OpenOptions};

use super::{
    SyncPolicy,
    error::FsError,
    platform,
    rounds::{Rounds, Since},
    tree::{self, OWN, TMP, Tree},
};

/// The file in a run directory that is locked while the run lives.
pub(super) const ALIVE: &str = "lock";

/// How often to try again when somebody sweeps a run that has just begun.
const ATTEMPTS: usize = 8;

/// A run directory, removed with its last file.
#[derive(Debug)]
pub(super) struct Run {
    name: String,
    tmp: Dir,
    dir: Dir,
    /// Locked as long as this is open.
    _alive: File,
    /// What is published from here is on the same file system.
    rounds: Option<Rounds>,
    next: AtomicU64,
}

impl Run {
    pub(super) fn create(tree: &Tree, policy: SyncPolicy) -> Result<Self, FsError> {
        let failed = FsError::io("prepare the staging area for");
        let own = tree.make_directory(OWN)?;
        let tmp = tree::make(&own, TMP, 0o755)?;
        for _ in 0..ATTEMPTS {
            let name = unpredictable_name();
            platform::create_dir(&tmp, &name, 0o700).map_err(&failed)?;
            let dir = tree::enter(&tmp, &name)?;
            let Some(alive) = lock_run(&dir).map_err(&failed)? else {
                continue;
            };
            let shares = policy == SyncPolicy::Batch;
            return Ok(Self {
                rounds: if shares { Rounds::new(&dir) } else { None },
                name,
                tmp,
                dir,
                _alive: alive,
                next: AtomicU64::new(0),
            });
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    /// The flushes that puts of this run share, if they can.
    pub(super) fn rounds(&self) -> Option<&Rounds> {
        self.rounds.as_ref()
    }

    /// Creates an empty file for an object, with the mode that the object is to
    /// have: the run's directory keeps others away from it.
    pub(super) fn stage(self: &Arc<Self>) -> Result<StagedFile, FsError> {
        let since = self.rounds.as_ref().map(Rounds::now);
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .follow(FollowSymlinks::No);
        let file = self
            .dir
            .open_with(&name, platform::with_mode(&mut options, 0o644))
            .map_err(FsError::io("create the staging file of"))?;
        Ok(StagedFile {
            file: file.into_std(),
            since,
            entry: StagedName {
                name: Some(name),
                run: Arc::clone(self),
            },
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // If this fails, the next writer sweeps it.
        let _ = self.dir.remove_file(ALIVE);
        let _ = self.tmp.remove_dir(&self.name);
    }
}

/// Locks the run that `dir` belongs to; `None` if it is alive, or being swept.
pub(super) fn lock_run(dir: &Dir) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.follow(FollowSymlinks::No).nonblock(true);
    let file = dir.open_with(ALIVE, platform::with_mode(&mut options, 0o644))?;
    let held = file.metadata()?;
    let file = file.into_std();
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // A sweeper may have removed the file between opening and locking.
    match dir.symlink_metadata(ALIVE) {
        Ok(found) if platform::same_file(&held, &found) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Something that another user of the machine cannot have prepared.
fn unpredictable_name() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(unique_nanos());
    format!("{}-{:016x}", std::process::id(), hasher.finish())
}

/// Nanoseconds since the epoch, never the same twice in this process.
fn unique_nanos() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let now = u64::try_from(now).unwrap_or(u64::MAX / 2);
    let later = |last: u64| now.max(last + 1);
    match LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(later(last))
    }) {
        Ok(last) | Err(last) => later(last),
    }
}

/// A file that is gone when dropped, unless it was published.
#[derive(Debug)]
pub(super) struct StagedFile {
    file: File,
    since: Option<Since>,
    entry: StagedName,
}

#[derive(Debug)]
struct StagedName {
    /// `None` once it has its final name.
    name: Option<String>,
    run: Arc<Run>,
}

impl Drop for StagedName {
    fn drop(&mut self) {
        if let Some(name) = self.name.take()
            && let Err(error) = self.run.dir.remove_file(&name)
        {
            tracing::debug!(%error, name, "a staging file could not be removed");
        }
    }
}

impl StagedFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::io("write"))
    }

    /// The file, to be filled by the system.
    pub(super) fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Another handle of the file, for which its failures are those of this one.
    pub(super) fn another_handle(&self) -> Result<File, FsError> {
        self.file.try_clone().map_err(FsError::io("write"))
    }

    /// The directory it is staged in.
    pub(super) fn run(&self) -> Arc<Run> {
        Arc::clone(&self.entry.run)
    }

    /// When the writing of it began, for the [`Rounds`] of its run.
    pub(super) fn since(&self) -> Option<Since> {
        self.since
    }

    /// Ends the writing.
    pub(super) fn stamp(&mut self) -> Result<(), FsError> {
        // Clocks of file systems tick slowly, and a freed inode comes back at
        // once. This alone tells two writings of one length apart.
        let stamp = UNIX_EPOCH + Duration::from_nanos(unique_nanos());
        self.file
            .set_modified(stamp)
            .map_err(FsError::io("set the time of"))
    }

    /// Flushes what was written. After an error the file must be dropped: a second
    /// flush of the same handle may succeed although the bytes are lost.
    pub(super) fn flush(&mut self) -> Result<(), FsError> {
        self.file.sync_all().map_err(FsError::io("flush"))
    }

    /// Gives the file its final name, replacing what has it or, if `replace` is
    /// not set, failing with [`io::ErrorKind::AlreadyExists`].
    pub(super) fn publish(&mut self, to: &Dir, name: &str, replace: bool) -> io::Result<Metadata> {
        let from = &self.entry.run.dir;
        let Some(staged) = self.entry.name.as_deref() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if replace {
            from.rename(staged, to, name)?;
        } else {
            platform::rename_if_absent(from, staged, to, name)?;
        }
        self.entry.name = None;
        // Renaming changes the times, and the version is made of them.
        Metadata::from_file(&self.file)
    }
}
