//! What to mirror, and how.

use std::fmt;

use tokio_util::sync::CancellationToken;

use super::RetryPolicy;
use crate::{
    CrateRequest, Lockfile,
    crates::{LeftOut, LockfileError},
};

/// The crates that belong in a mirror.
///
/// From lock files: exactly the registry packages that they pin, of all targets.
/// From requests: their closure, see
/// [`resolve_closure`](crate::crates::resolve_closure).
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub(crate) locked: Lockfile,
    pub(crate) requests: Vec<CrateRequest>,
}

impl Selection {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a lock file pins.
    ///
    /// Fails if two lock files pin one version with different digests.
    pub fn add_lockfile(&mut self, lockfile: Lockfile) -> Result<(), LockfileError> {
        self.locked.merge(lockfile)
    }

    /// Adds a crate and all that it needs.
    pub fn add_request(&mut self, request: CrateRequest) {
        if !self.requests.contains(&request) {
            self.requests.push(request);
        }
    }

    /// The packages of the lock files that a registry mirror cannot provide.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.locked.left_out
    }

    /// How many packages the lock files pin.
    pub fn locked_count(&self) -> usize {
        self.locked.crates.len()
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.locked.crates.is_empty() && self.requests.is_empty()
    }
}

impl From<Lockfile> for Selection {
    fn from(locked: Lockfile) -> Self {
        Self {
            locked,
            requests: Vec::new(),
        }
    }
}

impl FromIterator<CrateRequest> for Selection {
    fn from_iter<T: IntoIterator<Item = CrateRequest>>(requests: T) -> Self {
        let mut selection = Self::new();
        for request in requests {
            selection.add_request(request);
        }
        selection
    }
}

/// How to sync.
///
/// # Defaults
///
/// 16 downloads at once: enough to hide the latency of a distant upstream, and
/// no more than a browser opens. Four times as many index files, which are
/// small. Crates of at most 512 MiB. Sizes are not asked for beforehand.
#[derive(Clone)]
#[non_exhaustive]
pub struct SyncOptions {
    /// How many downloads run at once.
    pub jobs: usize,
    /// How failures for now are tried again.
    pub retry: RetryPolicy,
    /// The largest crate file that is taken, in bytes.
    pub crate_size_limit: u64,
    /// Whether upstream is asked for the sizes of what is to be fetched before
    /// fetching begins, so that the plan can state them.
    pub measure: bool,
    /// Who is writing, for the message that another writer gets.
    pub holder: String,
    /// Stops the work when cancelled, leaving the mirror as it was.
    pub cancel: CancellationToken,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            jobs: 16,
            retry: RetryPolicy::default(),
            crate_size_limit: 512 * 1024 * 1024,
            measure: false,
            holder: "a program that embeds romt".into(),
            cancel: CancellationToken::new(),
        }
    }
}

impl fmt::Debug for SyncOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncOptions")
            .field("jobs", &self.jobs)
            .field("retry", &self.retry)
            .field("crate_size_limit", &self.crate_size_limit)
            .field("measure", &self.measure)
            .finish_non_exhaustive()
    }
}

impl SyncOptions {
    /// Sets how many downloads run at once, from 1 to 64.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, 64);
        self
    }

    /// Sets how failures for now are tried again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets whether upstream is asked for sizes before fetching begins.
    #[must_use]
    pub fn with_measure(mut self, measure: bool) -> Self {
        self.measure = measure;
        self
    }

    /// Sets who is writing, for messages.
    #[must_use]
    pub fn with_holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// Sets what stops the work.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }
}
