//! One connection and the time it may take.
//!
//! What happens on a connection is counted as it happens, and looked at once in a
//! while. So the time limits, of which there are several to each request, cost a
//! busy connection next to nothing, and they hold from before the first byte.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{Limits, exchange};

/// What has happened on a connection.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes received.
    read: AtomicU64,
    /// Bytes sent.
    written: AtomicU64,
    /// Bytes received when the last request head was complete.
    consumed: AtomicU64,
    /// Requests begun.
    requests: AtomicU64,
    /// A request is being answered.
    answering: AtomicBool,
    /// The peer does not take what is to be sent.
    blocked: AtomicBool,
}

impl Progress {
    /// A request head is complete.
    pub(crate) fn begin(&self) {
        self.consumed.store(self.read.load(Relaxed), Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.answering.store(true, Relaxed);
    }

    /// The answer has been handed over.
    pub(crate) fn end(&self) {
        self.answering.store(false, Relaxed);
    }

    fn phase(&self) -> Phase {
        if self.blocked.load(Relaxed) {
            Phase::Blocked
        } else if self.answering.load(Relaxed) {
            Phase::Answering
        } else if self.read.load(Relaxed) > self.consumed.load(Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request head.
    Head,
    /// The server itself.
    Answering,
    /// The peer, to take more of an answer.
    Blocked,
}

/// Tells when a connection has waited too long.
struct Watch<'l> {
    limits: &'l Limits,
    progress: Arc<Progress>,
    /// What it is waiting for, in which request.
    now: (Phase, u64),
    since: Instant,
    /// Bytes sent when the wait began.
    mark: u64,
}

impl<'l> Watch<'l> {
    fn new(limits: &'l Limits, progress: Arc<Progress>) -> Self {
        Self {
            limits,
            progress,
            now: (Phase::Idle, 0),
            since: Instant::now(),
            mark: 0,
        }
    }

    /// Whether the limit on what the connection is waiting for has passed.
    fn overdue(&mut self, time: Instant) -> bool {
        let now = (self.progress.phase(), self.progress.requests.load(Relaxed));
        if now != self.now {
            self.now = now;
            self.begin(time);
        }
        let waited = time.duration_since(self.since);
        match now {
            (Phase::Answering, _) => false,
            (Phase::Idle, 1..) => waited >= self.limits.idle_timeout,
            (Phase::Idle | Phase::Head, _) => waited >= self.limits.head_timeout,
            (Phase::Blocked, _) => waited >= self.limits.stall_timeout && self.stalled(time),
        }
    }

    /// Whether too little was sent since the wait began, which begins anew if not.
    fn stalled(&mut self, time: Instant) -> bool {
        let sent = self.progress.written.load(Relaxed) - self.mark;
        let least = self
            .limits
            .minimum_rate
            .saturating_mul(self.limits.stall_timeout.as_secs().max(1));
        self.begin(time);
        sent < least
    }

    fn begin(&mut self, time: Instant) {
        self.since = time;
        self.mark = self.progress.written.load(Relaxed);
    }

    /// How often to look.
    fn period(&self) -> Duration {
        let limits = self.limits;
        let shortest = limits
            .head_timeout
            .min(limits.idle_timeout)
            .min(limits.stall_timeout);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

/// Serves a connection until its end, its time limits or `ending`, after which
/// only the answer in progress is finished.
pub(crate) async fn run(
    stream: TcpStream,
    router: Router,
    limits: &Limits,
    ending: &CancellationToken,
) {
    // Only latency would suffer.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    let progress = Arc::new(Progress::default());
    let mut watch = Watch::new(limits, progress.clone());
    let io = TokioIo::new(Counted {
        stream,
        progress: progress.clone(),
    });
    let service = exchange::service(router, progress, peer);
    let mut connection = pin!(builder(limits).serve_connection(io, service));
    let mut ended = pin!(ending.cancelled());
    let mut is_ending = false;
    let mut ticks = interval(watch.period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, ?peer, "a connection ended badly");
                }
                return;
            }
            () = ended.as_mut(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = ticks.tick() => {
                if watch.overdue(Instant::now()) {
                    tracing::debug!(?peer, phase = ?watch.now.0, "a connection took too long");
                    return;
                }
                if is_ending && watch.now.0 == Phase::Idle {
                    return;
                }
            }
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Ours hold from the first byte on, and need no timer for each request.
    builder.header_read_timeout(None);
    builder.max_buf_size(limits.head_bytes.max(8 * 1024));
    // To set it costs an allocation for each request.
    if limits.headers != 100 {
        builder.max_headers(limits.headers);
    }
    builder
}

/// A stream that counts.
struct Counted {
    stream: TcpStream,
    progress: Arc<Progress>,
}

impl Counted {
    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.progress.blocked.store(result.is_pending(), Relaxed);
        if let Poll::Ready(Ok(written)) = &result {
            self.progress.written.fetch_add(*written as u64, Relaxed);
        }
        result
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        self.progress.read.fetch_add(read as u64, Relaxed);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.count(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
