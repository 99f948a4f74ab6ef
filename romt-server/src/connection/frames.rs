//! What an HTTP/2 peer sends besides requests.
//!
//! Much of HTTP/2 costs a peer a few bytes and the server work: requests that are
//! taken back at once, settings, pings, frames with nothing in them. So the frames
//! are counted as they come in, against a budget that fills up again with time and
//! that no honest client comes near. Whoever has used it up is not listened to any
//! more, and is told goodbye.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// What a connection may spend at once.
const BUDGET: u32 = 1000;

/// What it gets back each second.
const INCOME: u32 = 100;

/// How long the greeting is that comes before the first frame, in bytes.
const GREETING: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What is known of a peer's frames.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// The head of a request has begun and is not complete.
    in_head: AtomicBool,
    /// The budget is used up.
    is_abusive: AtomicBool,
}

impl Conduct {
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head.load(Relaxed)
    }

    pub(super) fn is_abusive(&self) -> bool {
        self.is_abusive.load(Relaxed)
    }
}

/// A stream whose incoming frames are counted.
pub(super) struct Frames<S> {
    stream: S,
    conduct: Arc<Conduct>,
    counter: Counter,
}

impl<S> Frames<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Conduct>) {
        let conduct = Arc::new(Conduct::default());
        let frames = Self {
            stream,
            conduct: conduct.clone(),
            counter: Counter::new(Instant::now()),
        };
        (frames, conduct)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.conduct.is_abusive() {
            // The connection is about to be closed by its watch.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let this = &mut *self;
        this.counter.look(&buffer.filled()[before..]);
        this.conduct.in_head.store(this.counter.in_head(), Relaxed);
        if this.counter.left == 0 {
            this.conduct.is_abusive.store(true, Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
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

/// Follows the frames in what comes in, and what they cost.
#[derive(Debug)]
struct Counter {
    /// The head of the frame that is coming, as far as it is there.
    head: [u8; 9],
    have: usize,
    /// Bytes that belong to what was seen already.
    skip: usize,
    /// The frame whose bytes are skipped is one of a request head.
    is_head_frame: bool,
    /// The request head goes on in the next frame.
    continues: bool,
    left: u32,
    paid: Instant,
}

impl Counter {
    fn new(time: Instant) -> Self {
        Self {
            head: [0; 9],
            have: 0,
            skip: GREETING,
            is_head_frame: false,
            continues: false,
            left: BUDGET,
            paid: time,
        }
    }

    fn in_head(&self) -> bool {
        self.continues || (self.is_head_frame && self.skip > 0)
    }

    fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (self.head.len() - self.have).min(bytes.len());
            if self.skip > 0 || taken == 0 {
                continue;
            }
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.head.len() {
                self.have = 0;
                self.frame();
            }
        }
    }

    /// A frame begins.
    fn frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.is_head_frame = matches!(kind, HEADERS | CONTINUATION);
        if self.is_head_frame {
            self.continues = flags & END_HEADERS == 0;
        }
        let cost = match kind {
            HEADERS | WINDOW_UPDATE => 0,
            DATA if self.skip > 0 || flags & END_STREAM != 0 => 0,
            // Someone who gives up takes back a hundred requests at once.
            RST_STREAM => 5,
            CONTINUATION => 10,
            // Settings, pings, priorities, and what nobody has heard of.
            _ => 2,
        };
        if cost > 0 {
            self.spend(cost, Instant::now());
        }
    }

    fn spend(&mut self, cost: u32, time: Instant) {
        let seconds = time.duration_since(self.paid).as_secs();
        if seconds > 0 {
            let income = u32::try_from(seconds)
                .unwrap_or(BUDGET)
                .saturating_mul(INCOME);
            self.left = self.left.saturating_add(income).min(BUDGET);
            self.paid = time;
        }
        self.left = self.left.saturating_sub(cost);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(9 + payload, 7);
        frame
    }

    fn counter() -> Counter {
        let mut counter = Counter::new(Instant::now());
        counter.look(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        counter
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_found_however_they_are_cut() {
        let mut bytes = Vec::new();
        for _ in 0..10 {
            bytes.extend(frame(HEADERS, END_HEADERS, 300));
            bytes.extend(frame(RST_STREAM, 0, 4));
            bytes.extend(frame(DATA, 0, 1000));
        }
        for size in [1, 2, 7, 9, 10, 64, 5000] {
            let mut counter = counter();
            for piece in bytes.chunks(size) {
                counter.look(piece);
            }
            assert_eq!(counter.left, BUDGET - 50, "{size}");
            assert!(!counter.in_head(), "{size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_open_until_its_last_byte() {
        let mut counter = counter();
        let whole = frame(HEADERS, END_HEADERS, 50);
        counter.look(&whole[..58]);
        assert!(counter.in_head());
        counter.look(&whole[58..]);
        assert!(!counter.in_head());
        counter.look(&frame(HEADERS, 0, 50));
        assert!(counter.in_head());
        counter.look(&frame(CONTINUATION, END_HEADERS, 5));
        assert!(!counter.in_head());
    }

    #[tokio::test(start_paused = true)]
    async fn hostile_h13_a_budget_fills_up_with_time() {
        let mut counter = counter();
        for _ in 0..200 {
            counter.look(&frame(RST_STREAM, 0, 4));
        }
        assert_eq!(counter.left, 0);
        tokio::time::advance(Duration::from_secs(3)).await;
        counter.look(&frame(RST_STREAM, 0, 4));
        assert_eq!(counter.left, 3 * INCOME - 5);
        tokio::time::advance(Duration::from_hours(1)).await;
        counter.look(&frame(6, 0, 8));
        assert_eq!(counter.left, BUDGET - 2);
    }
}
