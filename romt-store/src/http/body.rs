//! A body on its way: watched for stalls, counted and, if it is text, inflated.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::{StreamExt as _, stream};
use reqwest::Response;
use romt_core::{
    Location,
    ports::{ByteStream, SourceError, SourceErrorKind, StreamError},
};

use super::{HttpOptions, failure};

/// How much compressed data is inflated in one go. At the thousandfold that
/// gzip can reach, one piece stays at about 4 MiB.
const INFLATE_STEP: usize = 4096;

/// The limits on the pace of a body. See [`HttpOptions`].
#[derive(Clone, Copy, Debug)]
struct Pace {
    idle: Duration,
    min_rate: u64,
    window: Duration,
    total: Option<Duration>,
}

struct Incoming {
    response: Response,
    place: Location,
    pace: Pace,
    /// How many bytes the head announced.
    expected: Option<u64>,
    received: u64,
    /// Time spent waiting for the server, in all and in the present window.
    waited: Duration,
    window_waited: Duration,
    window_received: u64,
}

/// The body of `response` as it travels.
///
/// Ends in an error unless exactly `expected` bytes come, if that is known.
pub(super) fn raw(
    response: Response,
    expected: Option<u64>,
    options: &HttpOptions,
    place: &Location,
) -> ByteStream {
    let incoming = Incoming {
        response,
        place: place.clone(),
        pace: Pace {
            idle: options.idle_timeout,
            min_rate: options.min_rate,
            window: options.min_rate_window,
            total: options.total_timeout,
        },
        expected,
        received: 0,
        waited: Duration::ZERO,
        window_waited: Duration::ZERO,
        window_received: 0,
    };
    stream::try_unfold(incoming, |mut incoming| async move {
        let piece = incoming.next().await?;
        Ok(piece.map(|piece| (piece, incoming)))
    })
    .boxed()
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let limit = self.patience();
        let began = Instant::now();
        let answer = tokio::time::timeout(limit, self.response.chunk()).await;
        let waited = began.elapsed();
        self.waited += waited;
        self.window_waited += waited;
        let Ok(answer) = answer else {
            return Err(self.stalled());
        };
        match answer {
            Ok(Some(piece)) => {
                self.received += piece.len() as u64;
                self.window_received += piece.len() as u64;
                self.check_pace()?;
                Ok(Some(piece))
            }
            Ok(None) => self.check_end().map(|()| None),
            Err(error) => Err(failure::of_body(error, self.received, &self.place)),
        }
    }

    /// How long the next piece may take before some limit is crossed.
    fn patience(&self) -> Duration {
        let mut limit = self.pace.idle;
        if self.window_received < self.window_needs() {
            limit = limit.min(self.pace.window.saturating_sub(self.window_waited));
        }
        if let Some(total) = self.pace.total {
            limit = limit.min(total.saturating_sub(self.waited));
        }
        limit
    }

    fn window_needs(&self) -> u64 {
        self.pace
            .min_rate
            .saturating_mul(self.pace.window.as_secs().max(1))
    }

    fn check_pace(&mut self) -> Result<(), SourceError> {
        if self.window_waited >= self.pace.window {
            if self.window_received < self.window_needs() {
                return Err(self.stalled());
            }
            self.window_waited = Duration::ZERO;
            self.window_received = 0;
        }
        match self.pace.total {
            Some(total) if self.waited >= total => Err(self.stalled()),
            _ => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), SourceError> {
        match self.expected {
            Some(expected) if expected != self.received => Err(self.broken(format!(
                "the body has {} bytes where {expected} were announced",
                self.received
            ))),
            _ => Ok(()),
        }
    }

    fn stalled(&self) -> SourceError {
        self.broken(format!(
            "the body stalled: {} bytes in {:.1} s",
            self.received,
            self.waited.as_secs_f64()
        ))
    }

    fn broken(&self, reason: String) -> SourceError {
        SourceError::new(SourceErrorKind::Transient, &self.place, reason)
    }
}

/// `body`, inflated.
pub(super) fn gunzip(body: ByteStream, place: &Location) -> ByteStream {
    struct Inflating {
        body: ByteStream,
        decoder: MultiGzDecoder<Vec<u8>>,
        pending: Bytes,
        ended: bool,
        place: Location,
    }

    let state = Inflating {
        body,
        decoder: MultiGzDecoder::new(Vec::new()),
        pending: Bytes::new(),
        ended: false,
        place: place.clone(),
    };
    stream::try_unfold(state, |mut state| async move {
        // A broken coding is as likely to be a broken connection.
        let broken = |error: std::io::Error, place: &Location| {
            let reason = "the compressed body is damaged";
            SourceError::new(SourceErrorKind::Transient, place, reason).with_source(error)
        };
        loop {
            if state.ended {
                return Ok::<_, StreamError>(None);
            }
            if !state.pending.is_empty() {
                let step = state
                    .pending
                    .split_to(state.pending.len().min(INFLATE_STEP));
                let written = state.decoder.write_all(&step);
                written.map_err(|error| broken(error, &state.place))?;
            } else if let Some(piece) = state.body.next().await.transpose()? {
                state.pending = piece;
            } else {
                state.ended = true;
                let finished = state.decoder.try_finish();
                finished.map_err(|error| broken(error, &state.place))?;
            }
            let inflated = std::mem::take(state.decoder.get_mut());
            if !inflated.is_empty() {
                return Ok(Some((Bytes::from(inflated), state)));
            }
        }
    })
    .boxed()
}
