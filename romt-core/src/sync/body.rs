//! The body of a download: resumed where it breaks, verified as it passes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::RetryPolicy;
use crate::{
    Event, EventSink, Location,
    ports::{
        ByteStream, Check, Fetched, OpenOptions, Opened, ResumeFrom, Source, SourceError,
        SourceErrorKind, StreamError, Validator,
    },
};

/// A download that goes on where it broke off.
///
/// While the source still says that the bytes are the same, a break is mended
/// with a request for the rest, within the stream: who reads it notices nothing.
/// Otherwise the stream ends in the error, and the caller starts anew.
pub(super) struct Download {
    pub(super) source: Arc<dyn Source>,
    pub(super) location: Location,
    pub(super) label: Arc<str>,
    pub(super) policy: RetryPolicy,
    pub(super) events: Arc<dyn EventSink>,
    /// How many attempts at the artifact have failed in a row, here and elsewhere.
    pub(super) failures: Arc<AtomicU32>,
}

/// How many bytes show that a connection is of use. One that breaks off sooner
/// counts as another failure in a row, so that a source which gives a byte at a
/// time is given up.
const PROGRESS: u64 = 64 * 1024;

struct Reading {
    download: Download,
    body: ByteStream,
    /// How many bytes have passed.
    offset: u64,
    size: Option<u64>,
    validator: Option<Validator>,
    /// Where the present attempt began.
    began: u64,
    ended: bool,
}

impl Download {
    /// Opens the download from its beginning, making one attempt.
    pub(super) async fn open(self) -> Result<ByteStream, SourceError> {
        let fetched = self.open_at(None).await?;
        let reading = Reading {
            body: fetched.body,
            offset: 0,
            size: fetched.size,
            validator: fetched.validator,
            began: 0,
            ended: false,
            download: self,
        };
        Ok(stream::unfold(reading, Reading::next).boxed())
    }

    async fn open_at(&self, resume: Option<ResumeFrom>) -> Result<Fetched, SourceError> {
        let options = OpenOptions::default().with_resume(resume);
        match self.source.open(&self.location, options).await? {
            Opened::Body(fetched) => Ok(fetched),
            Opened::Unchanged => Err(SourceError::new(
                SourceErrorKind::Transient,
                &self.location,
                "it answered that nothing changed, without being asked that",
            )),
        }
    }
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Bytes, StreamError>, Self)> {
        loop {
            if self.ended {
                return None;
            }
            let error = match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.offset += bytes.len() as u64;
                    if self.offset - self.began >= PROGRESS {
                        self.download.failures.store(0, Ordering::Relaxed);
                    }
                    let events = &self.download.events;
                    events.emit(Event::Advanced {
                        bytes: bytes.len() as u64,
                    });
                    return Some((Ok(bytes), self));
                }
                Some(Err(error)) => error,
                None => match self.size {
                    // More than announced is for the verifier to judge.
                    Some(size) if self.offset < size => self.ended_early(size).into(),
                    _ => return None,
                },
            };
            if let Err(error) = self.resume(error).await {
                self.ended = true;
                return Some((Err(error), self));
            }
        }
    }

    fn ended_early(&self, size: u64) -> SourceError {
        SourceError::new(
            SourceErrorKind::Transient,
            &self.download.location,
            format!("it ended after {} of {size} bytes", self.offset),
        )
    }

    /// Asks for the rest, or gives `error` back if there is no going on.
    async fn resume(&mut self, error: StreamError) -> Result<(), StreamError> {
        let StreamError::Source(mut error) = error else {
            return Err(error);
        };
        // Nothing has passed yet: starting anew is as good.
        let (Some(validator), true) = (self.validator.clone(), self.offset > 0) else {
            return Err(error.into());
        };
        loop {
            let failed = self.download.failures.load(Ordering::Relaxed) + 1;
            let Some(wait) = self.download.policy.wait_after(failed, &error) else {
                // The caller counts this one.
                return Err(error.into());
            };
            self.download.failures.store(failed, Ordering::Relaxed);
            self.download.events.emit(Event::Retrying {
                label: self.download.label.clone(),
                reason: error.reason().to_owned(),
                wait,
            });
            tokio::time::sleep(wait).await;
            let resume = ResumeFrom {
                offset: self.offset,
                validator: validator.clone(),
            };
            match self.download.open_at(Some(resume)).await {
                Ok(fetched) if fetched.offset == self.offset => {
                    self.body = fetched.body;
                    self.began = self.offset;
                    return Ok(());
                }
                // It begins at the beginning: the bytes are other ones now. That is
                // no failure of its own, and the caller counts the one that was.
                Ok(_) => {
                    self.download.failures.fetch_sub(1, Ordering::Relaxed);
                    return Err(error.into());
                }
                Err(next) => error = next,
            }
        }
    }
}

/// Passes the body on while `check` takes it in; ends in an error if `check`
/// does not trust the whole.
///
/// The permit to use the network is given back with the last byte, so that
/// another download can begin while the store makes this one durable.
pub(super) fn verified(
    body: ByteStream,
    check: Box<dyn Check>,
    permit: OwnedSemaphorePermit,
) -> ByteStream {
    let state = Some((body, check, permit));
    stream::unfold(state, |state| async move {
        let (mut body, mut check, permit) = state?;
        match body.next().await {
            Some(Ok(bytes)) => match check.update(&bytes) {
                Ok(()) => Some((Ok(bytes), Some((body, check, permit)))),
                Err(error) => Some((Err(error.into()), None)),
            },
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                drop((body, permit));
                let error = check.finish().err()?;
                Some((Err(error.into()), None))
            }
        }
    })
    .boxed()
}
