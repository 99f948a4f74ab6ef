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

use cap_std::fs::Dir;
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
    /// not. `dir` is the directory of `key`. Blocks.
    pub(super) fn flush(&self, key: &Key, dir: Dir) -> Result<(), FsError> {
        if self.policy == SyncPolicy::Never {
            return Ok(());
        }
        let needed = self.needed_for(key);
        let flushed = if self.policy == SyncPolicy::Batch {
            // All are asked for before the first is waited for: what others flush
            // meanwhile is flushed for us too.
            let tickets: Vec<_> = needed.into_iter().map(|path| self.ask(path)).collect();
            let mut at_hand = Some(dir);
            tickets
                .iter()
                .try_for_each(|ticket| ticket.redeem(at_hand.take().as_ref()))
        } else {
            needed
                .into_iter()
                .try_for_each(|path| self.sync(path, None))
        };
        flushed.map_err(FsError::io("flush the directory of"))?;
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

    /// Asks for a flush of one directory that begins after now.
    fn ask<'a>(&'a self, path: &'a str) -> Ticket<'a> {
        let mut flushing = lock(&self.flushing);
        let shared = Arc::clone(flushing.entry(path.to_owned()).or_default());
        let wanted = shared.ask();
        Ticket {
            flusher: self,
            path,
            shared,
            wanted,
        }
    }

    /// Flushes the directory at `path`, now; `dir` if that is open already.
    fn sync(&self, path: &str, dir: Option<&Dir>) -> io::Result<()> {
        let opened;
        let dir = if let Some(dir) = dir {
            dir
        } else {
            opened = self.tree.directory(path).map_err(|error| match error {
                FsError::Io { source, .. } => source,
                _ => io::Error::from(io::ErrorKind::NotFound),
            })?;
            &opened
        };
        if !platform::sync_dir(dir)? && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                store = %self.tree,
                "this file system cannot flush directories, so a loss of power may undo a success",
            );
        }
        Ok(())
    }
}

/// The right to a flush of a directory.
struct Ticket<'a> {
    flusher: &'a Flusher,
    path: &'a str,
    shared: Arc<Shared>,
    wanted: u64,
}

impl Ticket<'_> {
    /// Waits for the flush, and does it if nobody else does. `dir` is the directory,
    /// if it is open already.
    fn redeem(&self, dir: Option<&Dir>) -> io::Result<()> {
        self.shared.join(self.wanted, |alone| {
            // Others may have found another directory at the path than we have open.
            self.flusher.sync(self.path, dir.filter(|_| alone))
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut flushing = lock(&self.flusher.flushing);
        // The map has one, and we have the other.
        if Arc::strong_count(&self.shared) == 2 {
            flushing.remove(self.path);
        }
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
    /// How many have asked for one that has not begun.
    waiting: usize,
    /// The last one that failed. A later one may succeed although what the failed
    /// one was to write is lost.
    failed: Option<(u64, io::Error)>,
}

impl Shared {
    /// The number of the next flush.
    fn ask(&self) -> u64 {
        let mut flushes = lock(&self.flushes);
        flushes.waiting += 1;
        flushes.begun + 1
    }

    /// Waits for the flush numbered `wanted`, or a later one, and does it if nobody
    /// else does. `flush` is told whether it is for this caller alone.
    fn join(&self, wanted: u64, flush: impl Fn(bool) -> io::Result<()>) -> io::Result<()> {
        let mut flushes = lock(&self.flushes);
        while flushes.ended < wanted {
            if flushes.begun > flushes.ended {
                let woken = self.ended.wait(flushes);
                flushes = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            flushes.begun += 1;
            let alone = std::mem::take(&mut flushes.waiting) == 1;
            drop(flushes);
            let result = flush(alone);
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
pub(super) fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done where these are held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
