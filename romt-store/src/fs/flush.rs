//! Making names durable.
//!
//! A file is flushed before it gets its final name, by whoever wrote it. Its name
//! is durable only once the directory is flushed, and so are those of new
//! directories above it. Doing that per file would cost a journal commit for
//! every file and for every level. So the writers that are waiting share a
//! *round*: each directory that any of them needs is flushed once, and whoever
//! comes meanwhile is in the next round.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::join_all;
use romt_core::Key;
use tokio::{sync::oneshot, task};

use super::{
    SyncPolicy, blocking,
    error::FsError,
    platform,
    tree::{Tree, parent_of},
};

/// How many directories are flushed at the same time. A flush mostly waits.
const AT_ONCE: usize = 16;

/// How many directories are remembered to be durable. Forgetting one costs one
/// needless flush.
const REMEMBERED: usize = 32 * 1024;

/// Flushes directories, together if possible.
pub(super) struct Flusher {
    tree: Arc<Tree>,
    policy: SyncPolicy,
    round: Mutex<Round>,
    /// Directories whose own names are durable.
    durable: Mutex<HashSet<String>>,
    warned: AtomicBool,
}

#[derive(Default)]
struct Round {
    waiting: Vec<Waiter>,
    running: bool,
}

struct Waiter {
    directories: BTreeSet<String>,
    done: oneshot::Sender<Result<(), Arc<io::Error>>>,
}

impl Flusher {
    pub(super) fn new(tree: Arc<Tree>, policy: SyncPolicy) -> Self {
        Self {
            tree,
            policy,
            round: Mutex::default(),
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
                let directories = directories.clone();
                blocking(move || directories.iter().try_for_each(|path| this.sync(path))).await
            }
            SyncPolicy::Batch => self.join_round(directories).await,
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

    async fn join_round(self: &Arc<Self>, directories: BTreeSet<String>) -> io::Result<()> {
        let (done, waiting) = oneshot::channel();
        let idle = {
            let mut round = lock(&self.round);
            round.waiting.push(Waiter { directories, done });
            !std::mem::replace(&mut round.running, true)
        };
        if idle {
            // A task of its own: the writer that happens to be first may be dropped.
            task::spawn(run_rounds(Arc::clone(self)));
        }
        match waiting.await {
            Ok(flushed) => flushed.map_err(|error| copy_of(&error)),
            Err(_) => Err(io::Error::other("the runtime was shut down")),
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

/// Serves rounds until nobody waits.
async fn run_rounds(flusher: Arc<Flusher>) {
    let end = EndRounds(&flusher);
    loop {
        let waiting = {
            let mut round = lock(&flusher.round);
            if round.waiting.is_empty() {
                round.running = false;
                std::mem::forget(end);
                return;
            }
            std::mem::take(&mut round.waiting)
        };
        let needed = waiting.iter().flat_map(|waiter| &waiter.directories);
        let needed: BTreeSet<String> = needed.cloned().collect();
        let failed = sync_all(&flusher, needed.into_iter().collect()).await;
        for waiter in waiting {
            let failure = waiter.directories.iter().find_map(|path| failed.get(path));
            // Whoever no longer waits does not need to know.
            let _ = waiter.done.send(failure.cloned().map_or(Ok(()), Err));
        }
    }
}

/// Flushes all of these; says which could not be.
async fn sync_all(flusher: &Arc<Flusher>, needed: Vec<String>) -> BTreeMap<String, Arc<io::Error>> {
    let share = needed.len().div_ceil(AT_ONCE).max(1);
    let shares = needed.chunks(share).map(|paths| {
        let flusher = Arc::clone(flusher);
        let paths = paths.to_vec();
        blocking(move || {
            let failed = paths.into_iter().filter_map(|path| {
                let error = flusher.sync(&path).err()?;
                Some((path, Arc::new(error)))
            });
            Ok::<_, io::Error>(failed.collect::<Vec<_>>())
        })
    });
    let mut failed = BTreeMap::new();
    for (paths, result) in needed.chunks(share).zip(join_all(shares).await) {
        match result {
            Ok(some) => failed.extend(some),
            Err(error) => {
                let error = Arc::new(error);
                failed.extend(paths.iter().map(|path| (path.clone(), Arc::clone(&error))));
            }
        }
    }
    failed
}

/// Lets the next writer begin a round if the task ends early, with its runtime.
struct EndRounds<'a>(&'a Flusher);

impl Drop for EndRounds<'_> {
    fn drop(&mut self) {
        let mut round = lock(&self.0.round);
        round.running = false;
        // Dropping them tells them.
        round.waiting.clear();
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
