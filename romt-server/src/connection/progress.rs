//! What happens on a connection, counted as it happens.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
    /// Requests being answered; over HTTP/1.1 one at most.
    answering: AtomicU64,
    /// Requests of the peer's address being answered, on all its connections.
    of_address: Arc<AtomicU64>,
    /// The peer does not take what is to be sent.
    blocked: AtomicBool,
    /// The answers that are being sent over HTTP/2.
    flows: Mutex<Vec<Weak<Flow>>>,
}

impl Progress {
    /// A connection of an address of which so many requests are being answered.
    pub(super) fn new(of_address: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self {
            of_address,
            ..Self::default()
        })
    }

    /// A request head is complete. Returns how many requests of the peer's address
    /// are being answered.
    pub(crate) fn begin(&self) -> u64 {
        self.consumed.store(self.read.load(Relaxed), Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.answering.fetch_add(1, Relaxed);
        self.of_address.fetch_add(1, Relaxed) + 1
    }

    /// The answer has been handed over.
    pub(crate) fn end(&self) {
        self.answering.fetch_sub(1, Relaxed);
        self.of_address.fetch_sub(1, Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn answering(&self) -> u64 {
        self.answering.load(Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Whether there are bytes of a request whose head is not complete.
    pub(super) fn has_begun_head(&self) -> bool {
        self.read.load(Relaxed) > self.consumed.load(Relaxed)
    }

    /// An answer of its own among those of an HTTP/2 connection.
    pub(crate) fn new_flow(&self) -> Arc<Flow> {
        let flow = Arc::new(Flow::default());
        self.lock().push(Arc::downgrade(&flow));
        flow
    }

    /// The answers that are being sent; those that are done are forgotten.
    pub(super) fn flows(&self) -> Vec<Arc<Flow>> {
        let mut flows = self.lock();
        flows.retain(|flow| flow.strong_count() > 0);
        flows.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Flow>>> {
        // Nothing panics while it holds the lock.
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer on an HTTP/2 connection, which the peer can leave unread while it
/// reads others.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes handed over to be sent.
    handed: AtomicU64,
    /// A piece was handed over and the next is not asked for yet.
    waiting: AtomicBool,
}

impl Flow {
    /// The next piece is asked for: the peer has room for it.
    pub(crate) fn ask(&self) {
        self.waiting.store(false, Relaxed);
    }

    /// A piece of this many bytes is handed over.
    pub(crate) fn hand(&self, bytes: usize) {
        self.handed.fetch_add(bytes as u64, Relaxed);
        self.waiting.store(true, Relaxed);
    }

    /// Bytes handed over so far, if it is the peer who is waited for.
    pub(super) fn waits_at(&self) -> Option<u64> {
        let waits = self.waiting.load(Relaxed);
        waits.then(|| self.handed.load(Relaxed))
    }
}

/// A stream that counts.
pub(super) struct Counted<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.progress.blocked.store(result.is_pending(), Relaxed);
        if let Poll::Ready(Ok(written)) = &result {
            self.progress.written.fetch_add(*written as u64, Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
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
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        // What TLS has taken may wait here for the peer.
        self.progress.blocked.store(result.is_pending(), Relaxed);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
