//! Many flushes in one.
//!
//! Flushing a thousand files and their directories one by one costs two thousand
//! waits; flushing the file system once costs one, if many files wait for it. So
//! batches of puts share *rounds*: whoever finds none running begins one, who comes
//! meanwhile has the next, which is for all of them. A batch waits for two, one
//! before its renames and one after them.
//!
//! A round says that something could not be written, but not what, and says it
//! once. Therefore it fails everybody whose writing had begun before it ended,
//! also those who would only have had the next one.

use std::{
    fs::File,
    io,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cap_std::fs::Dir;

use super::flush::{copy_of, lock};
use super::platform;

/// A round that takes this long waits for what others write.
const SLOW: Duration = Duration::from_secs(2);

/// How long to do without rounds after a slow one.
const PAUSE: Duration = Duration::from_mins(1);

/// The flushes of a file system.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Opened before anything was written, and so told of all that goes wrong.
    handle: File,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    ended: u64,
    failed: Option<(u64, io::Error)>,
    not_before: Option<Instant>,
}

/// How many rounds had ended when a writing began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Since(u64);

impl Rounds {
    /// Those of the file system that `dir` is on, if it can be flushed as a whole
    /// and tells of failures then.
    pub(super) fn new(dir: &Dir) -> Option<Self> {
        let handle = platform::whole_file_system(dir).ok()??;
        Some(Self {
            handle,
            state: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// To be called before a file is written or a name changed.
    pub(super) fn now(&self) -> Since {
        Since(lock(&self.state).ended)
    }

    /// Whether a round is likely to be quick.
    pub(super) fn are_worth_it(&self) -> bool {
        let pause = lock(&self.state).not_before;
        pause.is_none_or(|until| until <= Instant::now())
    }

    /// Waits for a round that begins after now, and does it if nobody else does.
    /// Fails if anything written since `since` may be lost.
    pub(super) fn join(&self, since: Since) -> io::Result<()> {
        let mut state = lock(&self.state);
        let wanted = state.begun + 1;
        while state.ended < wanted {
            if state.begun > state.ended {
                let woken = self.ended.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            drop(state);
            let began = Instant::now();
            let result = platform::sync_whole(&self.handle);
            let now = Instant::now();
            state = lock(&self.state);
            state.ended = state.begun;
            if now - began > SLOW {
                state.not_before = Some(now + PAUSE);
            }
            if let Err(error) = result {
                state.failed = Some((state.ended, error));
            }
            self.ended.notify_all();
        }
        match &state.failed {
            Some((number, error)) if *number > since.0 => Err(copy_of(error)),
            _ => Ok(()),
        }
    }
}
