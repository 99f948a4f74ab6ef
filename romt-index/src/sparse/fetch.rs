//! Asking a sparse index.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use romt_core::{
    CrateName, EventSink, Location, Source,
    crates::{MAX_CONFIG_SIZE, MAX_INDEX_FILE_SIZE},
    ports::{
        ByteStream, IndexError, OpenOptions, Opened, SourceError, SourceErrorKind, StreamError,
        Validator,
    },
    sync::RetryPolicy,
};

/// Index files over this size are taken one after the other.
const LARGE: usize = 4 * 1024 * 1024;

/// Asks a source, patiently.
pub(super) struct Fetcher {
    pub(super) large: tokio::sync::Semaphore,
    pub(super) source: Arc<dyn Source>,
    pub(super) retry: RetryPolicy,
    pub(super) events: Arc<dyn EventSink>,
}

/// What upstream says of one crate.
pub(super) enum Answer {
    Unchanged,
    Fresh {
        body: Bytes,
        validator: Option<Validator>,
    },
    Absent,
}

/// A task that ends when nobody waits for it any more.
struct Question<T>(tokio::task::JoinHandle<T>);

impl<T> Question<T> {
    /// What the task came to; `None` if the runtime ended first.
    async fn answer(mut self) -> Option<T> {
        match (&mut self.0).await {
            Ok(answer) => Some(answer),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}

impl<T> Drop for Question<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fetcher {
    /// The same, with another policy.
    pub(super) fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self {
            large: tokio::sync::Semaphore::new(1),
            source: self.source.clone(),
            retry,
            events: self.events.clone(),
        }
    }

    /// The same, telling somebody else.
    pub(super) fn with_events(&self, events: Arc<dyn EventSink>) -> Self {
        Self {
            events,
            ..self.with_retry(self.retry.clone())
        }
    }

    /// The index's `config.json`, unless `known` still describes it.
    pub(super) async fn config(&self, known: Option<Validator>) -> Result<Answer, IndexError> {
        let location: Location = "config.json".parse()?;
        self.text(&location, known, MAX_CONFIG_SIZE)
            .await
            .map_err(|source| self.failed(source))
    }

    /// The index file of `name`, unless `known` still describes it.
    ///
    /// Thousands are asked for, and asking is most of the work of a sync that finds
    /// no news. So each question is a task of its own: whoever asks goes on with the
    /// answers on another processor. If this future is dropped, so is the question.
    pub(super) async fn get(
        self: &Arc<Self>,
        name: &CrateName,
        known: Option<Validator>,
    ) -> Result<Answer, IndexError> {
        let location: Location = name.index_path().parse()?;
        let this = Arc::clone(self);
        let at = location.clone();
        let question = Question(tokio::spawn(async move {
            this.text(&at, known, MAX_INDEX_FILE_SIZE).await
        }));
        let answer = question.answer().await.unwrap_or_else(|| {
            let reason = "the runtime was shut down";
            Err(SourceError::new(SourceErrorKind::Failed, &location, reason))
        });
        answer.map_err(|source| self.failed(source))
    }

    async fn text(
        &self,
        location: &Location,
        known: Option<Validator>,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let label = location.to_string();
        let attempt = || self.attempt(location, known.clone(), limit);
        let answer = self.retry.run(&label, &*self.events, attempt).await;
        match answer {
            Err(error) if error.kind() == SourceErrorKind::NotFound => Ok(Answer::Absent),
            answer => answer,
        }
    }

    async fn attempt(
        &self,
        location: &Location,
        known: Option<Validator>,
        limit: u64,
    ) -> Result<Answer, SourceError> {
        let options = OpenOptions::default()
            .with_text(true)
            .with_if_changed(known);
        let fetched = match self.source.open(location, options).await? {
            Opened::Unchanged => return Ok(Answer::Unchanged),
            Opened::Body(fetched) => fetched,
        };
        let body = self.collect(fetched.body, limit).await;
        match body {
            Ok(body) => Ok(Answer::Fresh {
                body,
                validator: fetched.validator,
            }),
            Err(StreamError::Source(error)) => Err(error),
            Err(error) => Err(SourceError::new(
                SourceErrorKind::Refused,
                location,
                error.to_string(),
            )),
        }
    }

    /// Reads a body to its end. Large ones take turns: many of them at once would
    /// be all of the memory.
    async fn collect(&self, mut body: ByteStream, limit: u64) -> Result<Bytes, StreamError> {
        let mut all = BytesMut::new();
        let mut turn = None;
        while let Some(piece) = body.try_next().await? {
            if (all.len() + piece.len()) as u64 > limit {
                return Err(StreamError::TooLarge { limit });
            }
            all.extend_from_slice(&piece);
            if turn.is_none() && all.len() > LARGE {
                turn = self.large.acquire().await.ok();
            }
        }
        drop(turn);
        Ok(all.freeze())
    }

    fn failed(&self, source: SourceError) -> IndexError {
        IndexError::Source {
            index: self.source.to_string(),
            source,
        }
    }
}
