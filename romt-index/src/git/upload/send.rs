//! Sending an answer, piece by piece.

use std::{io::Read, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use romt_core::ports::{ByteStream, SourceError, SourceErrorKind, StreamError};

use super::{
    jobs::Ticket,
    pktline::{FLUSH, length},
    ready::Ready,
    request::Band,
};

/// How long a client hears nothing while its pack is made. There are some that give
/// up after half a minute.
const SILENCE: Duration = Duration::from_secs(5);

/// How many packets are sent together, or bytes without packets. So much waits in
/// memory for each slow reader.
const TOGETHER: usize = 2;
const PIECE: usize = 128 * 1024;

/// What of a packet is its length and its band.
const FRAME: usize = 5;
const DATA: u8 = 1;
const ERROR: u8 = 3;

/// What a client is told that gets no pack. The cause is logged.
const FAILED: &[u8] = b"the mirror cannot make this pack at present\n";

/// An answer that ends with `head`.
pub(super) fn only(head: Vec<u8>) -> ByteStream {
    stream::once(async move { Ok(Bytes::from(head)) }).boxed()
}

/// `head`, then the pack that `ticket` is for.
pub(super) fn pack(head: Vec<u8>, band: Band, ticket: Ticket) -> ByteStream {
    let answer = Answer(band);
    let begin = stream::once(async move { Ok(Bytes::from(head)) });
    let rest = stream::unfold(State::Waiting(ticket), move |state| answer.step(state));
    begin.chain(rest).boxed()
}

/// How an answer is sent.
#[derive(Clone, Copy)]
struct Answer(Band);

enum State {
    Waiting(Ticket),
    Sending(Sending),
    Ended,
}

/// A pack, and how much of it is still to be sent.
struct Sending {
    body: Box<dyn Read + Send>,
    left: u64,
    // The file that is sent is there as long as this is.
    _ready: Arc<Ready>,
}

type Step = Option<(Result<Bytes, StreamError>, State)>;

impl Answer {
    async fn step(self, state: State) -> Step {
        match state {
            State::Waiting(ticket) => self.wait(ticket).await,
            State::Sending(sending) => self.send(sending).await,
            State::Ended => None,
        }
    }

    async fn wait(self, ticket: Ticket) -> Step {
        let outcome = match self.0 {
            Band::Bare => ticket.outcome().await,
            // An empty packet says that somebody is there.
            Band::Small | Band::Large => {
                let waited = tokio::time::timeout(SILENCE, ticket.outcome()).await;
                let Ok(outcome) = waited else {
                    let sign = frame(DATA, b"");
                    return Some((Ok(sign.into()), State::Waiting(ticket)));
                };
                outcome
            }
        };
        match outcome {
            Ok(ready) => {
                let sending = Sending {
                    body: ready.read(),
                    left: ready.length(),
                    _ready: ready,
                };
                self.send(sending).await
            }
            Err(error) => {
                log(&*error);
                Some(self.broken())
            }
        }
    }

    async fn send(self, sending: Sending) -> Step {
        let band = self.0;
        let read = tokio::task::spawn_blocking(move || piece(sending, band)).await;
        match read.map_err(std::io::Error::other).flatten() {
            Ok((bytes, sending)) if sending.left == 0 => {
                let mut bytes = bytes;
                if band != Band::Bare {
                    bytes.extend_from_slice(FLUSH);
                }
                Some((Ok(bytes.into()), State::Ended))
            }
            Ok((bytes, sending)) => Some((Ok(bytes.into()), State::Sending(sending))),
            Err(error) => {
                log(&error);
                Some(self.broken())
            }
        }
    }

    /// What there is to say when there is no more: no client takes half a pack for a
    /// whole one.
    fn broken(self) -> (Result<Bytes, StreamError>, State) {
        let said = match self.0 {
            Band::Bare => {
                let failed = SourceErrorKind::Failed;
                Err(SourceError::new(failed, "the git index", "a pack").into())
            }
            Band::Small | Band::Large => Ok([&frame(ERROR, FAILED), FLUSH].concat().into()),
        };
        (said, State::Ended)
    }
}

/// The next bytes of a pack, in packets.
fn piece(mut sending: Sending, band: Band) -> std::io::Result<(Vec<u8>, Sending)> {
    let step = match band {
        Band::Bare => PIECE,
        Band::Small => 1000 - FRAME,
        Band::Large => 65_520 - FRAME,
    };
    let packets = if band == Band::Large { TOGETHER } else { 1 };
    let packets = if band == Band::Small {
        PIECE / 1000
    } else {
        packets
    };
    let mut out = Vec::with_capacity(packets * (step + FRAME) + FLUSH.len());
    for _ in 0..packets {
        let size = usize::try_from(sending.left).map_or(step, |left| left.min(step));
        if size == 0 {
            break;
        }
        if band != Band::Bare {
            out.extend_from_slice(&length(size + FRAME));
            out.push(DATA);
        }
        let start = out.len();
        out.resize(start + size, 0);
        sending.body.read_exact(&mut out[start..])?;
        sending.left -= size as u64;
    }
    Ok((out, sending))
}

fn frame(band: u8, text: &[u8]) -> Vec<u8> {
    let mut out = length(text.len() + FRAME).to_vec();
    out.push(band);
    out.extend_from_slice(text);
    out
}

fn log(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "a git client was not given its pack");
}
