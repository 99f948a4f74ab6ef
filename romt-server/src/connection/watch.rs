//! Tells when a connection has waited too long.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    frames::Conduct,
    progress::{Flow, Progress},
};
use crate::Limits;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request head.
    Head,
    /// The server itself.
    Answering,
    /// The peer, to take more of an answer.
    Blocked,
}

/// The rate at which a peer takes in what it asked for.
#[derive(Debug)]
struct Pace {
    since: Instant,
    /// Bytes sent when the wait began.
    mark: u64,
}

impl Pace {
    fn new(time: Instant, mark: u64) -> Self {
        Self { since: time, mark }
    }

    /// Whether too little was sent since the wait began, which begins anew if not.
    fn is_too_slow(&mut self, sent: u64, time: Instant, limits: &Limits) -> bool {
        if time.duration_since(self.since) < limits.stall_timeout {
            return false;
        }
        let seconds = limits.stall_timeout.as_secs().max(1);
        let least = limits.minimum_rate.saturating_mul(seconds);
        let is_slow = sent - self.mark < least;
        *self = Self::new(time, sent);
        is_slow
    }
}

/// Tells when a connection has waited too long.
pub(super) struct Watch<'l> {
    limits: &'l Limits,
    progress: Arc<Progress>,
    /// The peer's frames, if several requests are answered at a time.
    conduct: Option<Arc<Conduct>>,
    /// Since when the head of a request over HTTP/2 is incomplete.
    head_since: Option<Instant>,
    /// What it is waiting for, in which request.
    now: (Phase, u64),
    pace: Pace,
    /// Bytes sent when the watch last looked whether anything happens.
    written: u64,
    flows: Vec<(Arc<Flow>, Pace)>,
}

impl<'l> Watch<'l> {
    /// A watch over a connection, which is one of HTTP/2 if there is a `conduct`.
    pub(super) fn new(
        limits: &'l Limits,
        progress: Arc<Progress>,
        conduct: Option<Arc<Conduct>>,
    ) -> Self {
        Self {
            limits,
            progress,
            conduct,
            head_since: None,
            written: 0,
            now: (Phase::Idle, 0),
            pace: Pace::new(Instant::now(), 0),
            flows: Vec::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.now.0
    }

    /// Whether the limit on what the connection is waiting for has passed.
    pub(super) fn is_overdue(&mut self, time: Instant) -> bool {
        let written = self.progress.written();
        let now = (self.judge(), self.progress.requests());
        if now != self.now {
            // A peer that is slow at many answers is slow at one after another.
            if now.0 != Phase::Blocked || self.now.0 != Phase::Blocked {
                self.pace = Pace::new(time, written);
            }
            self.now = now;
        }
        let waited = time.duration_since(self.pace.since);
        let limits = self.limits;
        let is_overdue = match now {
            (Phase::Answering, _) => false,
            (Phase::Idle, 1..) => waited >= limits.idle_timeout,
            (Phase::Idle | Phase::Head, _) => waited >= limits.head_timeout,
            (Phase::Blocked, _) => self.pace.is_too_slow(written, time, limits),
        };
        is_overdue || self.misbehaves(time)
    }

    /// Whether nothing is being answered, and nothing was sent since the last look.
    pub(super) fn is_quiet(&mut self) -> bool {
        let written = self.progress.written();
        let is_same = written == std::mem::replace(&mut self.written, written);
        match self.conduct {
            None => self.judge() == Phase::Idle,
            Some(_) => is_same && self.judge() == Phase::Idle,
        }
    }

    /// Whether a peer does over HTTP/2 what there are no words for in HTTP/1.1.
    fn misbehaves(&mut self, time: Instant) -> bool {
        let Some(conduct) = &self.conduct else {
            return false;
        };
        if conduct.is_abusive() {
            return true;
        }
        let in_head = conduct.is_in_head();
        let since = in_head.then(|| self.head_since.unwrap_or(time));
        self.head_since = since;
        let limit = self.limits.head_timeout;
        let is_late = since.is_some_and(|since| time.duration_since(since) >= limit);
        is_late || self.has_stalled_flow(time)
    }

    /// Whether a peer leaves one of several answers unread.
    fn has_stalled_flow(&mut self, time: Instant) -> bool {
        let mut before = std::mem::take(&mut self.flows);
        let mut is_stalled = false;
        for flow in self.progress.flows() {
            let Some(handed) = flow.waits_at() else {
                continue;
            };
            let known = before
                .iter()
                .position(|(known, _)| Arc::ptr_eq(known, &flow));
            let mut pace = match known {
                Some(at) => before.swap_remove(at).1,
                None => Pace::new(time, handed),
            };
            is_stalled |= pace.is_too_slow(handed, time, self.limits);
            self.flows.push((flow, pace));
        }
        is_stalled
    }

    fn judge(&self) -> Phase {
        let progress = &self.progress;
        if progress.is_blocked() {
            Phase::Blocked
        } else if progress.answering() > 0 {
            Phase::Answering
        // Over HTTP/2 much that is no request comes: what is owed is a request.
        } else if self.conduct.is_none() && progress.has_begun_head() {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// How often to look.
    pub(super) fn period(&self) -> Duration {
        let limits = self.limits;
        let shortest = limits
            .head_timeout
            .min(limits.idle_timeout)
            .min(limits.stall_timeout);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}
