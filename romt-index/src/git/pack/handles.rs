//! Handles of one repository, for threads to use in turns.

use std::sync::{Mutex, PoisonError};

use gix::{Repository, ThreadSafeRepository};

/// What each handle may remember of objects it has read, in bytes.
const CACHE: usize = 16 * 1024 * 1024;

/// Handles of one repository that threads borrow and give back.
///
/// What a handle remembers of what it has read is worth more than the handle: an
/// object of a pack is made from those it is a delta of, and they are read next.
pub(super) struct Handles {
    shared: ThreadSafeRepository,
    idle: Mutex<Vec<Repository>>,
}

impl Handles {
    pub(super) fn new(repo: &Repository) -> Self {
        Self {
            shared: repo.clone().into_sync(),
            idle: Mutex::default(),
        }
    }

    /// Does `work` with the handle that was given back last, or with a new one.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Repository) -> T) -> T {
        let idle = self.idle().pop();
        let repo = idle.unwrap_or_else(|| {
            let mut repo = self.shared.to_thread_local();
            repo.object_cache_size(CACHE);
            repo
        });
        let done = work(&repo);
        self.idle().push(repo);
        done
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Repository>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
