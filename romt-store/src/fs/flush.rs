//! Making files and names durable.
//!
//! A file is flushed before it gets its final name. Its name is durable only once
//! the directory is flushed, and so are those of new directories above it. Doing
//! that per file would cost a journal commit for every file and for every level.
//! So the writers that are waiting share a *round*: each file and each directory
//! that any of them needs is flushed once, and whoever comes meanwhile is in the
//! next round.
//!
//! A round of many takes a single flush of the whole file system, if that is of a
//! kind that is known to do it right: thousands of small files then cost about as
//! many commits as there are rounds. If it fails, the round is flushed one by one,
//! which says what has failed. If it takes long, somebody else is writing much to
//! the disk, and there are no more of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::File,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use romt_core::Key;
use tokio::{sync::oneshot, task};

use super::{
    SyncPolicy, blocking,
    error::FsError,
    platform,
    tree::{OWN, TMP, Tree, parent_of},
};

/// How many directories are flushed at the same time. A flush mostly waits.
const AT_ONCE: usize = 16;

/// How many directories are remembered to be durable. Forgetting one costs one
/// needless flush.
const REMEMBERED: usize = 32 * 1024;

/// How many files and directories are worth a flush of the whole file system.
const MANY: usize = 8;

/// How long a flush of the whole file system may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Flushes files and directories, together if possible.
pub(super) struct Flusher {
    tree: Arc<Tree>,
    policy: SyncPolicy,
    round: Mutex<Round>,
    /// Directories whose own names are durable.
    durable: Mutex<HashSet<String>>,
    warned: AtomicBool,
    /// Whether flushing the whole file system is worth trying.
    all_at_once: AtomicBool,
}

#[derive(Default)]
struct Round {
    waiting: Vec<Waiter>,
    running: bool,
}

type Done = oneshot::Sender<Result<(), Arc<io::Error>>>;

struct Waiter {
    needed: Needed,
    done: Done,
}

enum Needed {
    File(Arc<File>),
    Directories {
        paths: BTreeSet<String>,
        /// Whether they may be in another file system than the staged files. What
        /// was renamed from there cannot be.
        anywhere: bool,
    },
}

impl Flusher {
    pub(super) fn new(tree: Arc<Tree>, policy: SyncPolicy) -> Self {
        Self {
            tree,
            policy,
            round: Mutex::default(),
            durable: Mutex::default(),
            warned: AtomicBool::new(false),
            all_at_once: AtomicBool::new(platform::sync_all_tells_errors()),
        }
    }

    /// Whether files are to be flushed before they are published.
    pub(super) fn flushes_files(&self) -> bool {
        self.policy != SyncPolicy::Never
    }

    /// Whether files are to be flushed [here](Self::flush_file).
    pub(super) fn shares(&self) -> bool {
        self.policy == SyncPolicy::Batch
    }

    /// Waits until a staged file is durable.
    pub(super) async fn flush_file(self: &Arc<Self>, file: &Arc<File>) -> Result<(), FsError> {
        let flushed = self.join_round(Needed::File(Arc::clone(file))).await;
        flushed.map_err(FsError::io("flush"))
    }

    /// Waits until it is durable that a staged file is called `key`.
    pub(super) async fn flush(self: &Arc<Self>, key: &Key) -> Result<(), FsError> {
        self.flush_name(key, false).await
    }

    /// Waits until it is durable that nothing is called `key`.
    pub(super) async fn flush_removal(self: &Arc<Self>, key: &Key) -> Result<(), FsError> {
        self.flush_name(key, true).await
    }

    async fn flush_name(self: &Arc<Self>, key: &Key, anywhere: bool) -> Result<(), FsError> {
        let paths = self.needed_for(key);
        let flushed = match self.policy {
            SyncPolicy::Never => return Ok(()),
            SyncPolicy::Always => {
                let this = Arc::clone(self);
                blocking(move || paths.iter().try_for_each(|path| this.sync(path))).await
            }
            SyncPolicy::Batch => {
                let needed = Needed::Directories { paths, anywhere };
                self.join_round(needed).await
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

    async fn join_round(self: &Arc<Self>, needed: Needed) -> io::Result<()> {
        let (done, waiting) = oneshot::channel();
        let idle = {
            let mut round = lock(&self.round);
            round.waiting.push(Waiter { needed, done });
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

    /// Flushes the whole file system that files are staged in, now. Says whether
    /// all that is in it is durable.
    fn sync_file_system(&self) -> bool {
        let began = Instant::now();
        let synced = self
            .tree
            .directory(&format!("{OWN}/{TMP}"))
            .is_ok_and(|dir| platform::sync_file_system(&dir).unwrap_or(false));
        let took = began.elapsed();
        if !synced || took > PATIENCE {
            tracing::debug!(store = %self.tree, synced, ?took, "flushing one by one from now on");
            self.all_at_once.store(false, Ordering::Relaxed);
        }
        synced
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
        serve(&flusher, waiting).await;
    }
}

/// Serves one round.
async fn serve(flusher: &Arc<Flusher>, mut waiting: Vec<Waiter>) {
    let many = waiting.len() >= MANY && flusher.all_at_once.load(Ordering::Relaxed);
    if many {
        let this = Arc::clone(flusher);
        let synced = blocking(move || Ok::<_, io::Error>(this.sync_file_system())).await;
        if matches!(synced, Ok(true)) {
            let elsewhere = |waiter: &mut Waiter| matches!(waiter.needed, Needed::Directories { anywhere, .. } if anywhere);
            for waiter in waiting.extract_if(.., |waiter| !elsewhere(waiter)) {
                // Whoever no longer waits does not need to know.
                let _ = waiter.done.send(Ok(()));
            }
        }
    }
    let mut files = Vec::new();
    let mut names = Vec::new();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for Waiter { needed, done } in waiting {
        match needed {
            Needed::File(file) => files.push((file, done)),
            Needed::Directories { paths: some, .. } => {
                paths.extend(some.iter().cloned());
                names.push((some, done));
            }
        }
    }
    let paths: Vec<String> = paths.into_iter().collect();
    let (failed, ()) = futures::join!(sync_all(flusher, paths), sync_files(files));
    for (paths, done) in names {
        let failure = paths.iter().find_map(|path| failed.get(path));
        let _ = done.send(failure.cloned().map_or(Ok(()), Err));
    }
}

/// Flushes these files, and tells those who wait for them.
async fn sync_files(files: Vec<(Arc<File>, Done)>) {
    let shares = share(files).into_iter().map(|files| {
        blocking(move || {
            for (file, done) in files {
                let _ = done.send(file.sync_all().map_err(Arc::new));
            }
            Ok::<_, io::Error>(())
        })
    });
    // Who is not told learns of it by that.
    let _ = join_all(shares).await;
}

/// Divides work among as many as do it at the same time.
fn share<T>(all: Vec<T>) -> Vec<Vec<T>> {
    let size = all.len().div_ceil(AT_ONCE).max(1);
    let mut shares = Vec::new();
    let mut all = all.into_iter().peekable();
    while all.peek().is_some() {
        shares.push(all.by_ref().take(size).collect());
    }
    shares
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

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use romt_core::{Key, Store as _, StoreExt as _};

    use crate::{FsStore, FsStoreOptions, SyncPolicy};

    /// Enough at once that rounds are of [`MANY`](super::MANY), while deletions,
    /// which are flushed one by one in any round, go on too.
    #[tokio::test(flavor = "multi_thread")]
    async fn many_puts_and_deletions_share_rounds() {
        let dir = tempfile::tempdir().unwrap();
        for sync in [SyncPolicy::Batch, SyncPolicy::Always, SyncPolicy::Never] {
            let options = FsStoreOptions::default().with_sync(sync);
            let store = FsStore::create_with(dir.path().join(format!("{sync:?}")), options);
            let store = &store.unwrap();
            let keys = (0..400).map(|n| format!("{}/{n}", n % 7).parse::<Key>().unwrap());
            let changes = keys.enumerate().map(|(n, key)| async move {
                store.put(&key, key.to_string().into_bytes()).await.unwrap();
                if n % 5 == 0 {
                    store.delete(&key).await.unwrap();
                }
                let found = store.try_read(&key, 64).await.unwrap();
                let expected = (n % 5 != 0).then(|| key.to_string().into_bytes());
                assert_eq!(found.map(|(_, bytes)| bytes.to_vec()), expected);
            });
            stream::iter(changes)
                .buffer_unordered(100)
                .collect::<()>()
                .await;
        }
    }
}
