//! A store in a directory.
//!
//! | module | knows |
//! |---|---|
//! | `tree` | how to move below the root without following a link |
//! | `staging`, `sweep` | files that are not whole yet, and what dead writers left |
//! | `flush`, `rounds` | when a name is durable, and many at once |
//! | `commit` | how puts that come together are done together |
//! | `errands` | short looks, done together |
//! | `write`, `read`, `list`, `lock` | the operations |
//! | `platform` | what differs between operating systems |

mod commit;
mod errands;
mod error;
mod flush;
mod list;
mod lock;
mod open;
mod persist;
mod platform;
mod read;
mod rounds;
mod staging;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod tidy;
mod tree;
mod write;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use cap_std::fs::Dir;
use romt_core::Key;
use tokio::task::{self, JoinHandle};

pub use self::error::FsOpenError;
use self::{
    commit::Queue,
    errands::Errands,
    error::FsError,
    flush::Flusher,
    rounds::Rounds,
    staging::{Run, StagedFile},
    tree::{Tree, parent_of},
};

/// When objects are flushed to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Every object before its put returns; puts at the same time share flushes.
    #[default]
    Batch,
    /// Every object before its put returns, each for itself.
    Always,
    /// When the system likes. A loss of power may damage what was stored, so this
    /// is for tests and for mirrors that can be thrown away.
    Never,
}

/// How an [`FsStore`] works.
///
/// # Defaults
///
/// Flushes in [batches](SyncPolicy::Batch).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FsStoreOptions {
    /// When objects are flushed to disk.
    pub sync: SyncPolicy,
}

impl FsStoreOptions {
    /// Sets when objects are flushed to disk.
    #[must_use]
    pub fn with_sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }
}

/// Objects as files below a root directory, each at the path that its key spells.
///
/// Must be used within a tokio runtime. Clones are the same store.
///
/// # What it promises beyond the port
///
/// - The root is held open. If it is moved or another disk is mounted over it,
///   the store stays with the directory that it opened, and if that is deleted,
///   writing fails; the root is never created again.
/// - No link is followed, also not one that stays inside the root. Operators who
///   want a part of a mirror on another disk mount that disk.
/// - Reading creates nothing, so it works on read-only file systems.
///
/// # What it does not
///
/// - [`PutMode::ReplaceIfUnchanged`](romt_core::ports::PutMode) is atomic among
///   the clones of one store. Between processes it takes the
///   [lock](romt_core::Store::lock). So does `CreateIfAbsent`, on a file system
///   that has neither hard links nor a rename that does not replace.
/// - When a directory cannot be flushed, the put fails although its object,
///   whole and flushed, may be seen: the disk is dying, and taking the object
///   back could take away another writer's.
/// - Puts that share a flush fail together, also if only one of them was lost: the
///   system does not say which.
/// - A put that creates directories and then fails to publish leaves them, empty.
#[derive(Clone)]
pub struct FsStore {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Arc<Tree>,
    flusher: Flusher,
    options: FsStoreOptions,
    /// Begins with the first write, so that readers create nothing.
    run: Mutex<Option<Arc<Run>>>,
    queue: Arc<Queue>,
    errands: Arc<Errands>,
    /// Held alone between comparing a version and replacing it.
    publishing: RwLock<()>,
}

impl FsStore {
    /// The root directory, as an absolute path.
    pub fn root(&self) -> &Path {
        self.inner.tree.path()
    }

    /// How this store works.
    pub fn options(&self) -> FsStoreOptions {
        self.inner.options
    }
}

impl Inner {
    /// The directory that `key` is in, if it exists.
    fn existing_parent(&self, key: &Key) -> Result<Option<Dir>, FsError> {
        match self.parent_for_writing(key) {
            // A reader need not care why there is nothing.
            Err(FsError::BelowFile) => Ok(None),
            found => found,
        }
    }

    /// As [`existing_parent`](Self::existing_parent), but fails where none can be
    /// created either.
    fn parent_for_writing(&self, key: &Key) -> Result<Option<Dir>, FsError> {
        match self.tree.directory(parent_of(key.as_str())) {
            Ok(dir) => Ok(Some(dir)),
            Err(FsError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether objects that are put together are flushed together.
    fn shares_flushes(&self) -> bool {
        if self.options.sync != SyncPolicy::Batch {
            return self.options.sync == SyncPolicy::Never;
        }
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it can is known once there is a run.
        run.as_ref()
            .is_none_or(|run| run.rounds().is_some_and(Rounds::are_worth_it))
    }

    /// A new staging file, in a new run if somebody removed ours.
    fn stage(&self) -> Result<StagedFile, FsError> {
        let mut current = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = current.clone() {
            drop(current);
            match run.stage() {
                Err(FsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                staged => return staged,
            }
            current = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            current.take_if(|now| Arc::ptr_eq(now, &run));
        }
        let run = match &*current {
            Some(run) => Arc::clone(run),
            None => {
                Arc::clone(current.insert(Arc::new(Run::create(&self.tree, self.options.sync)?)))
            }
        };
        drop(current);
        run.stage()
    }

    fn publishing(&self) -> RwLockReadGuard<'_, ()> {
        self.publishing
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publishing_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.publishing
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` where it may wait for the disk.
///
/// If this future is dropped, `work` goes on, and what it returns is dropped.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<ShutDown> + Send + 'static,
{
    joined(task::spawn_blocking(work)).await
}

/// What came of `work` that runs where it may wait for the disk.
async fn joined<T, E: From<ShutDown>>(work: JoinHandle<Result<T, E>>) -> Result<T, E> {
    match work.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ShutDown.into()),
        },
    }
}

/// The runtime ended before the work began.
#[derive(Debug, thiserror::Error)]
#[error("the runtime was shut down")]
struct ShutDown;

impl From<ShutDown> for io::Error {
    fn from(error: ShutDown) -> Self {
        Self::other(error)
    }
}

impl From<ShutDown> for FsError {
    fn from(error: ShutDown) -> Self {
        Self::io("reach")(error.into())
    }
}

impl fmt::Display for FsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner.tree, f)
    }
}

impl fmt::Debug for FsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsStore")
            .field("root", &self.root())
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
