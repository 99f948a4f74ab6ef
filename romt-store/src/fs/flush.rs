//! Making names durable.
//!
//! A file is flushed before it gets its final name, by whoever wrote it. Its name
//! is durable only once the directory is flushed, and so are those of new
//! directories above it. Many puts need the same directories at the same time, so
//! they share: while a directory is being flushed, those who come wait, and the
//! next flush of it is for all of them. Different directories are flushed side by
//! side, for a flush mostly waits, and the file system commits them together.
//!
//! All of this happens on the blocking thread that wrote the file: a trip to
//! another costs more than sharing saves.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use romt_core::Key;

use super::{
    SyncPolicy,
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
    /// The directories that somebody flushes or wants flushed.
    flushing: Mutex<HashMap<String, Arc<Shared>>>,
    /// Directories whose own names are durable.
    durable: Mutex<HashSet<String>>,
    warned: AtomicBool,
}

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

    /// Makes it durable that there is something called `key`, or that there is
    /// not. Blocks.
    pub(super) fn flush(&self, key: &Key) -> Result<(), FsError> {
        if self.policy == SyncPolicy::Never {
            return Ok(());
        }
        let failed = FsError::io("flush the directory of");
        for path in self.needed_for(key) {
            let flushed = match self.policy {
                SyncPolicy::Batch => self.sync_together(path),
                SyncPolicy::Always | SyncPolicy::Never => self.sync(path),
            };
            flushed.map_err(&failed)?;
        }
        self.remember(key);
        Ok(())
    }

    /// The directory of `key`, and those in which the name of a directory above
    /// it may not be durable yet, be it that another put has just created it.
    fn needed_for<'a>(&self, key: &'a Key) -> Vec<&'a str> {
        let mut at = parent_of(key.as_str());
        let mut needed = vec![at];
        let durable = lock(&self.durable);
        while !at.is_empty() {
            let above = parent_of(at);
            if !durable.contains(at) {
                needed.push(above);
            }
            at = above;
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

    /// Flushes one directory, together with others who want the same.
    fn sync_together(&self, path: &str) -> io::Result<()> {
        let shared = {
            let mut flushing = lock(&self.flushing);
            Arc::clone(flushing.entry(path.to_owned()).or_default())
        };
        let flushed = shared.join(|| self.sync(path));
        let mut flushing = lock(&self.flushing);
        // The map has one, and we have the other.
        if Arc::strong_count(&shared) == 2 {
            flushing.remove(path);
        }
        flushed
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

/// The flushes of one directory, numbered.
#[derive(Default)]
struct Shared {
    flushes: Mutex<Flushes>,
    ended: Condvar,
}

#[derive(Default)]
struct Flushes {
    begun: u64,
    ended: u64,
    /// The last one that failed. A later one may succeed although what the failed
    /// one was to write is lost.
    failed: Option<(u64, io::Error)>,
}

impl Shared {
    /// Waits for a flush that begins after now, and does it if nobody else does.
    fn join(&self, flush: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut flushes = lock(&self.flushes);
        let wanted = flushes.begun + 1;
        while flushes.ended < wanted {
            if flushes.begun > flushes.ended {
                let woken = self.ended.wait(flushes);
                flushes = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            flushes.begun += 1;
            drop(flushes);
            let result = flush();
            flushes = lock(&self.flushes);
            flushes.ended = flushes.begun;
            if let Err(error) = result {
                flushes.failed = Some((flushes.ended, error));
            }
            self.ended.notify_all();
        }
        match &flushes.failed {
            Some((number, error)) if *number >= wanted => Err(copy_of(error)),
            _ => Ok(()),
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
