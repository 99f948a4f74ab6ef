//! Asking a sparse index.

use std::sync::Arc;

use bytes::Bytes;
use romt_core::{
    CrateName, EventSink, Location, Source,
    crates::{ConfigError, IndexConfig, MAX_CONFIG_SIZE, MAX_INDEX_FILE_SIZE},
    ports::{
        IndexError, OpenOptions, Opened, SourceError, SourceErrorKind, StreamError, Validator,
        collect_bounded,
    },
    sync::RetryPolicy,
};

/// Asks a source, patiently.
pub(super) struct Fetcher {
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

impl Fetcher {
    /// The index's `config.json`, which is never asked for conditionally: it is
    /// small, and everything else depends on it.
    pub(super) async fn config(&self) -> Result<IndexConfig, IndexError> {
        let refused = |source| IndexError::Config {
            index: self.source.to_string(),
            source,
        };
        let location: Location = "config.json".parse()?;
        match self.text(&location, None, MAX_CONFIG_SIZE).await {
            Ok(Answer::Fresh { body, .. }) => IndexConfig::parse(&body).map_err(refused),
            Ok(Answer::Absent | Answer::Unchanged) => Err(refused(ConfigError::Missing)),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The index file of `name`, unless `known` still describes it.
    pub(super) async fn get(
        &self,
        name: &CrateName,
        known: Option<Validator>,
    ) -> Result<Answer, IndexError> {
        let location: Location = name.index_path().parse()?;
        self.text(&location, known, MAX_INDEX_FILE_SIZE)
            .await
            .map_err(|source| self.failed(source))
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
        match collect_bounded(fetched.body, limit).await {
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

    fn failed(&self, source: SourceError) -> IndexError {
        IndexError::Source {
            index: self.source.to_string(),
            source,
        }
    }
}
