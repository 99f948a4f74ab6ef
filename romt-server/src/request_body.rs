//! The body of a request, which has to come at some pace.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use futures::StreamExt as _;
use http::{header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;

/// What of a body that nobody wants is taken off the wire before the answer goes out. A
/// client that is still sending when its answer comes may never read it: it finds the
/// connection closed, or over HTTP/2 its request taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwanted {
    pub(crate) bytes: usize,
    pub(crate) patience: Duration,
}

impl Unwanted {
    /// What is taken of whatever is sent to where nothing is wanted.
    pub(crate) const LITTLE: Self = Self {
        bytes: 64 * 1024,
        patience: Duration::from_secs(1),
    };

    /// Takes `body` off the wire, as far as that is worth it. A client that waits to be
    /// asked for it is not asked.
    pub(crate) async fn take(self, body: axum::body::Body, request: &Parts) {
        if request.headers.contains_key(header::EXPECT) {
            return;
        }
        let mut pieces = body.into_data_stream();
        let taken = async {
            let mut taken = 0;
            while let Some(Ok(piece)) = pieces.next().await {
                taken += piece.len();
                if taken > self.bytes {
                    break;
                }
            }
        };
        // What does not come in time is not waited for.
        let _ = tokio::time::timeout(self.patience, taken).await;
    }
}

/// Why the body of a request is not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body of the request comes too slowly")]
    TooSlow,
    #[error("the body of the request broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A body that fails if it comes more slowly than the slowest reader may read.
pub(crate) struct Paced<B> {
    body: B,
    /// When the pace is judged next.
    judged: Pin<Box<Sleep>>,
    window: Duration,
    least: u64,
    /// Bytes that came since it was judged last.
    came: u64,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, limits: &Limits) -> Self {
        let window = limits.stall_timeout;
        Self {
            body,
            judged: Box::pin(sleep(window)),
            window,
            least: limits.minimum_rate.saturating_mul(window.as_secs().max(1)),
            came: 0,
        }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.came += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        if polled.is_pending() && this.judged.as_mut().poll(cx).is_ready() {
            if this.came < this.least {
                return Poll::Ready(Some(Err(BodyError::TooSlow)));
            }
            this.came = 0;
            this.judged.as_mut().reset(Instant::now() + this.window);
            // So that the new time is heard of.
            let _ = this.judged.as_mut().poll(cx);
        }
        polled.map_err(|error| BodyError::Broken(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of ten pieces of `size` bytes, one each `pause`.
    async fn read(size: usize, pause: Duration) -> Result<usize, BodyError> {
        let pieces = stream::iter(0..10).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; size])))
        });
        let body = StreamBody::new(Box::pin(pieces));
        let body = Paced::new(body, &Limits::default()).collect().await?;
        Ok(body.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn hostile_h10_slow_bodies_fail() {
        let start = Instant::now();
        // A kilobyte a second is enough, however they come.
        assert_eq!(
            read(31_000, Duration::from_secs(25)).await.unwrap(),
            310_000
        );
        assert_eq!(read(1100, Duration::from_secs(1)).await.unwrap(), 11_000);
        assert!(start.elapsed() > Duration::from_mins(4));
        let start = Instant::now();
        let error = read(1, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, BodyError::TooSlow), "{error}");
        assert_eq!(start.elapsed().as_secs(), 30);
    }
}
