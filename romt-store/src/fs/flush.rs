//! Making names durable.
//!
//! A file is flushed before it gets its final name, by whoever wrote it. Its name
//! is durable only once the directory is flushed, and so are those of new
//! directories above it. Many puts need the same directories at the same time, so
//! they share: while a directory is being flushed, those who come wait for the
//! next flush of it, and that one is for all of them. Different directories are
//! flushed side by side, for a flush mostly waits, and the file system commits
//! them together.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::try_join_all;
use romt_core::Key;
use tokio::{sync::oneshot, task};

use super::{
    ShutDown, SyncPolicy, blocking,
    error::FsError,
    platform,
    tree::{Tree, parent_of},
};

/// How many directories are remembered to be durable. Forgetting one costs one
/// needless flush.
const REMEMBERED: usize = 32 * 1024;

/// Flushes directories, together if possible.
pub(super) struct Flusher {
    tree: Arc<Tree>,
    policy: SyncPolicy,
    /// The directories that are being flushed, each with those who wait for the
    /// next time.
    flushing: Mutex<HashMap<String, Vec<Waiter>>>,
    /// Directories whose own names are durable.
    durable: Mutex<HashSet<String>>,
    warned: AtomicBool,
}

/// Told how the flush went, by an error that all who shared it get.
type Waiter = oneshot::Sender<Result<(), Arc<io::Error>>>;

impl Flusher {
    pub(super) fn new(tree: Arc<Tree>, policy: SyncPolicy) -> Self {
        Self {
            tree,
            policy,
            flushing: Mutex::default(),
            durable: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// Whether files are to be flushed before they are published.
    pub(super) fn flushes_files(&self) -> bool {
        self.policy != SyncPolicy::Never
    }

    /// Waits until the name `key` is durable, or that it is gone.
    pub(super) async fn flush(self: &Arc<Self>, key: &Key) -> Result<(), FsError> {
        let directories = self.needed_for(key);
        let flushed = match self.policy {
            SyncPolicy::Never => return Ok(()),
            SyncPolicy::Always => {
                let this = Arc::clone(self);
                blocking(move || directories.iter().try_for_each(|path| this.sync(path))).await
            }
            SyncPolicy::Batch => {
                let shared = directories.into_iter().map(|path| self.share_flush(path));
                try_join_all(shared).await.map(drop)
            }
        };
        flushed.map_err(FsError::io("flush the directory of"))?;
        self.remember(key);
        Ok(())
    }

    /// The directory of `key`, and those in which the name of a directory above
    /// it may not be durable yet, be it that another put has just created it.
    fn needed_for(&self, key: &Key) -> BTreeSet<String> {
        let mut at = parent_of(key.as_str());
        let mut needed = BTreeSet::from([at.to_owned()]);
        let durable = lock(&self.durable);
        while !at.is_empty() {
            if !durable.contains(at) {
                needed.insert(parent_of(at).to_owned());
            }
            at = parent_of(at);
        }
        needed
    }

    fn remember(&self, key: &Key) {
        let mut durable = lock(&self.durable);
        if durable.len() > REMEMBERED {
            durable.clear();
        }
        let mut at = parent_of(key.as_str());
        while !at.is_empty() && durable.insert(at.to_owned()) {
            at = parent_of(at);
        }
    }

    /// Forgets what was known of the directories above `key`, because one of them
    /// was missing.
    pub(super) fn forget(&self, key: &Key) {
        let mut durable = lock(&self.durable);
        let mut at = parent_of(key.as_str());
        while !at.is_empty() {
            durable.remove(at);
            at = parent_of(at);
        }
    }

    /// Waits for a flush of this directory that begins after now.
    async fn share_flush(self: &Arc<Self>, path: String) -> io::Result<()> {
        let (done, waiting) = oneshot::channel();
        let idle = match lock(&self.flushing).entry(path.clone()) {
            Entry::Occupied(mut next) => {
                next.get_mut().push(done);
                None
            }
            Entry::Vacant(next) => {
                next.insert(Vec::new());
                Some(vec![done])
            }
        };
        if let Some(waiting) = idle {
            let flush = Flush {
                flusher: Arc::clone(self),
                path,
                waiting,
            };
            // Not awaited: whoever happens to be first may be dropped.
            task::spawn_blocking(move || flush.run());
        }
        match waiting.await {
            Ok(flushed) => flushed.map_err(|error| copy_of(&error)),
            Err(_) => Err(ShutDown.into()),
        }
    }

    /// Flushes one directory, now.
    fn sync(&self, path: &str) -> io::Result<()> {
        let dir = self.tree.directory(path).map_err(|error| match error {
            FsError::Io { source, .. } => source,
            _ => io::Error::from(io::ErrorKind::NotFound),
        })?;
        if !platform::sync_dir(&dir)? && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                store = %self.tree,
                "this file system cannot flush directories, so a loss of power may undo a success",
            );
        }
        Ok(())
    }
}

/// A directory being flushed, again and again while somebody waits.
struct Flush {
    flusher: Arc<Flusher>,
    path: String,
    waiting: Vec<Waiter>,
}

impl Flush {
    fn run(mut self) {
        while !self.waiting.is_empty() {
            let flushed = self.flusher.sync(&self.path).map_err(Arc::new);
            for waiter in self.waiting.drain(..) {
                // Whoever no longer waits does not need to know.
                let _ = waiter.send(flushed.clone());
            }
            let mut flushing = lock(&self.flusher.flushing);
            match flushing.get_mut(&self.path) {
                Some(next) if !next.is_empty() => std::mem::swap(next, &mut self.waiting),
                _ => drop(flushing.remove(&self.path)),
            }
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        // If this ends early, with its runtime, dropping the waiters tells them.
        // Otherwise somebody may be flushing it anew already.
        if !self.waiting.is_empty() {
            lock(&self.flusher.flushing).remove(&self.path);
        }
    }
}

/// An error for each of those that share it.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done where these are held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
