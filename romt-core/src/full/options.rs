//! How a session works.

use tokio_util::sync::CancellationToken;

use crate::{crates::VersionFilter, sync::RetryPolicy};

/// Where a range begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RangeStart {
    /// At the mark; before everything, if there is none yet.
    #[default]
    Mark,
    /// Before everything.
    Nothing,
    /// At a revision, as the index names them.
    Revision(String),
}

/// How a session works.
///
/// # Defaults
///
/// From the mark to `HEAD`, everything, 4 downloads at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FullOptions {
    /// Where the range begins.
    pub start: RangeStart,
    /// The revision where it ends.
    pub end: String,
    /// Whether a start that is not known means the beginning of everything.
    pub allow_missing_start: bool,
    /// Which of the range's versions are looked at.
    pub filter: VersionFilter,
    /// Whether a crate that is there counts as right without being read.
    pub assume_ok: bool,
    /// Whether a crate that cannot be packed is left out rather than the end.
    pub keep_going: bool,
    /// How many downloads run at once.
    pub jobs: usize,
    /// How failures for now are tried again.
    pub retry: RetryPolicy,
    /// The largest crate file, in bytes.
    pub crate_size_limit: u64,
    /// So many versions may vanish at once and no more, if that is over 1,000 and
    /// over a hundredth of all.
    pub accept_removals: u64,
    /// So many versions may get other bytes at once and no more, within the same
    /// bounds.
    pub accept_changes: u64,
    /// Who is writing, for the message that another writer gets.
    pub holder: String,
    /// Stops the work when cancelled.
    pub cancel: CancellationToken,
}

impl Default for FullOptions {
    fn default() -> Self {
        Self {
            start: RangeStart::default(),
            end: "HEAD".into(),
            allow_missing_start: false,
            filter: VersionFilter::all(),
            assume_ok: false,
            keep_going: false,
            jobs: 4,
            retry: RetryPolicy::default(),
            crate_size_limit: 512 * 1024 * 1024,
            accept_removals: 0,
            accept_changes: 0,
            holder: "a program that embeds romt".into(),
            cancel: CancellationToken::new(),
        }
    }
}

impl FullOptions {
    /// Sets where the range begins, and whether it may be unknown.
    #[must_use]
    pub fn with_start(mut self, start: RangeStart, allow_missing: bool) -> Self {
        self.start = start;
        self.allow_missing_start = allow_missing;
        self
    }

    /// Sets the revision where the range ends.
    #[must_use]
    pub fn with_end(mut self, end: impl Into<String>) -> Self {
        self.end = end.into();
        self
    }

    /// Sets which of the range's versions are looked at.
    #[must_use]
    pub fn with_filter(mut self, filter: VersionFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Sets whether a crate that is there counts as right without being read.
    #[must_use]
    pub fn with_assume_ok(mut self, assume_ok: bool) -> Self {
        self.assume_ok = assume_ok;
        self
    }

    /// Sets whether a crate that cannot be packed is left out.
    #[must_use]
    pub fn with_keep_going(mut self, keep_going: bool) -> Self {
        self.keep_going = keep_going;
        self
    }

    /// Sets how many downloads run at once, from 1 to 64.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, 64);
        self
    }

    /// Sets how many versions may vanish at once.
    #[must_use]
    pub fn with_accept_removals(mut self, removals: u64) -> Self {
        self.accept_removals = removals;
        self
    }

    /// Sets how many versions may get other bytes at once.
    #[must_use]
    pub fn with_accept_changes(mut self, changes: u64) -> Self {
        self.accept_changes = changes;
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
