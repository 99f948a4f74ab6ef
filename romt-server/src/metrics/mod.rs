//! What the server counts, and how it is told.

mod route;
mod text;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http::StatusCode;

pub(crate) use route::Route;
pub(crate) use text::{Page, PageFacts};

/// The statuses that are counted apart; all others are one.
const STATUSES: [u16; 19] = [
    200, 206, 301, 304, 400, 401, 403, 404, 405, 406, 413, 414, 416, 422, 429, 431, 500, 503, 0,
];

/// The upper ends of the classes of durations, in microseconds.
const DURATIONS: [u64; 11] = [
    250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000, 60_000_000,
];

/// What a server counts of itself.
///
/// The routes that tell of it and the loop that serves share one, which is why it is
/// in [`ServerOptions`](crate::ServerOptions) and in
/// [`FrontOptions`](crate::FrontOptions). It says nothing of whoever asked, nor for
/// what.
#[derive(Debug, Default)]
pub struct Telemetry {
    requests: [[AtomicU64; STATUSES.len()]; Route::ALL.len()],
    bytes: [AtomicU64; Route::ALL.len()],
    durations: [AtomicU64; DURATIONS.len() + 1],
    /// The sum of all durations, in microseconds.
    duration: AtomicU64,
    http2_requests: AtomicU64,
    in_progress: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    full: AtomicU64,
    full_address: AtomicU64,
    too_busy: AtomicU64,
    cut_off: AtomicU64,
    failed_handshakes: AtomicU64,
    panics: AtomicU64,
    denied: AtomicU64,
    draining: AtomicBool,
    dropped_lines: AtomicU64,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are too many.
    All,
    /// There are too many from one address.
    Address,
}

impl Telemetry {
    /// A request head is complete. Returns how many requests are being answered.
    pub(crate) fn begin(&self, is_http2: bool) -> u64 {
        if is_http2 {
            self.http2_requests.fetch_add(1, Relaxed);
        }
        self.in_progress.fetch_add(1, Relaxed) + 1
    }

    /// The answer has been sent, or given up.
    pub(crate) fn end(&self, route: Route, status: StatusCode, bytes: u64, time: Duration) {
        self.in_progress.fetch_sub(1, Relaxed);
        let status = status.as_u16();
        let known = STATUSES.iter().position(|known| *known == status);
        let status = known.unwrap_or(STATUSES.len() - 1);
        self.requests[route as usize][status].fetch_add(1, Relaxed);
        self.bytes[route as usize].fetch_add(bytes, Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = DURATIONS.partition_point(|end| *end < micros);
        self.durations[class].fetch_add(1, Relaxed);
        self.duration.fetch_add(micros, Relaxed);
    }

    pub(crate) fn note_connection(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_end_of_connection(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn note_refused(&self, full: Full) {
        match full {
            Full::All => self.full.fetch_add(1, Relaxed),
            Full::Address => self.full_address.fetch_add(1, Relaxed),
        };
    }

    /// A request was turned away because too many are being answered.
    pub(crate) fn note_too_busy(&self) {
        self.too_busy.fetch_add(1, Relaxed);
    }

    /// A connection was cut off for what it did, or did not do in time.
    pub(crate) fn note_cut_off(&self) {
        self.cut_off.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_failed_handshake(&self) {
        self.failed_handshakes.fetch_add(1, Relaxed);
    }

    /// A token was presented that is none.
    pub(crate) fn note_denied(&self) {
        self.denied.fetch_add(1, Relaxed);
    }

    /// A request ended in a panic.
    pub(crate) fn note_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
        tracing::error!("error[BUG]: a request ended in a panic; this is a bug in romt");
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// So many lines of logs were dropped so far.
    pub(crate) fn note_dropped_lines(&self, lines: u64) {
        self.dropped_lines.store(lines, Relaxed);
    }

    /// The server is about to end.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }
}
