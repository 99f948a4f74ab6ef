//! An upstream's sparse index.

mod cache;
mod fetch;
mod packed;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use romt_core::{
    CrateName, EventSink, Source, Store,
    crates::{ConfigError, IndexConfig},
    ports::{IndexBackend, IndexError, Loaded, Tag},
    sync::RetryPolicy,
};

use cache::{Cache, Known};
use fetch::Fetcher;

/// The sparse index of a registry, reached through any [`Source`].
///
/// With a [cache](Self::with_cache), what upstream said is kept in the mirror,
/// validators and all, so that a later run asks only conditional questions.
///
/// Within one value each crate is asked for once; what was learnt stands for the
/// run. Must be used within a tokio runtime.
pub struct SparseIndex {
    fetcher: Arc<Fetcher>,
    cache: Option<Cache>,
}

impl SparseIndex {
    /// The index whose root `source` is rooted at.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self {
            fetcher: Arc::new(Fetcher {
                large: tokio::sync::Semaphore::new(1),
                source,
                retry: RetryPolicy::default(),
                events: Arc::new(()),
            }),
            cache: None,
        }
    }

    /// Tries failures for now again by this policy.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.fetcher = Arc::new(self.fetcher.with_retry(retry));
        self
    }

    /// Tells of attempts that failed and are made again.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventSink>) -> Self {
        self.fetcher = Arc::new(self.fetcher.with_events(events));
        self
    }

    /// Keeps what upstream says in `store`, in the part of the mirror that only
    /// romt reads, apart for each upstream. The caller holds the store's lock
    /// while the index is used.
    #[must_use]
    pub fn with_cache(mut self, store: Arc<dyn Store>) -> Self {
        self.cache = Some(Cache::new(store, &self.fetcher.source.to_string()));
        self
    }
}

impl fmt::Display for SparseIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fetcher.source, f)
    }
}

impl fmt::Debug for SparseIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseIndex")
            .field("source", &self.fetcher.source)
            .field("cached", &self.cache.is_some())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl IndexBackend for SparseIndex {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        let refused = |source| IndexError::Config {
            index: self.to_string(),
            source,
        };
        match self.config_bytes().await? {
            Some(bytes) => IndexConfig::parse(&bytes).map_err(refused),
            None => Err(refused(ConfigError::Missing)),
        }
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        let Some(cache) = &self.cache else {
            return Ok(match self.fetcher.get(name, None).await? {
                fetch::Answer::Fresh { body, .. } => Loaded::Fresh {
                    tag: Tag::of_digest(&romt_core::Sha256Digest::of(&body)),
                    body,
                },
                fetch::Answer::Absent | fetch::Answer::Unchanged => Loaded::Absent,
            });
        };
        let key = name.to_lowercase();
        let (learnt, body) = match cache.learnt(&key) {
            Some(learnt) => (learnt, None),
            None => self.ask(cache, name, &key).await?,
        };
        let Known::Present(digest) = learnt else {
            return Ok(Loaded::Absent);
        };
        let tag = Tag::of_digest(&digest);
        match body {
            _ if Some(&tag) == known => Ok(Loaded::Unchanged),
            Some(body) => Ok(Loaded::Fresh { body, tag }),
            None => match cache.body(&key).await {
                Some(body) => Ok(Loaded::Fresh { body, tag }),
                // What was kept is damaged. Upstream still has it.
                None => self.ask_afresh(cache, name, &key).await,
            },
        }
    }

    async fn settle(&self) -> Result<(), IndexError> {
        match &self.cache {
            Some(cache) => cache.settle().await,
            None => Ok(()),
        }
    }

    async fn distrust(&self, name: &CrateName) -> Result<(), IndexError> {
        match &self.cache {
            Some(cache) => cache.distrust(&name.to_lowercase()).await,
            None => Ok(()),
        }
    }
}

impl SparseIndex {
    /// The bytes of `config.json`, kept like an index file. No crate is called so.
    async fn config_bytes(&self) -> Result<Option<bytes::Bytes>, IndexError> {
        const KEY: &str = "config.json";
        let Some(cache) = &self.cache else {
            return Ok(match self.fetcher.config(None).await? {
                fetch::Answer::Fresh { body, .. } => Some(body),
                fetch::Answer::Absent | fetch::Answer::Unchanged => None,
            });
        };
        let before = cache.before(KEY).await?;
        let mut validator = before.and_then(|(_, validator)| validator);
        loop {
            let conditional = validator.is_some();
            match self.fetcher.config(validator.take()).await? {
                fetch::Answer::Fresh { body, validator } => {
                    cache.learn(KEY, &body, validator).await?;
                    return Ok(Some(body));
                }
                fetch::Answer::Unchanged if conditional => {
                    if let Some(body) = cache.body(KEY).await {
                        return Ok(Some(body));
                    }
                    // What was kept is damaged; the next question has no condition.
                }
                fetch::Answer::Absent | fetch::Answer::Unchanged => return Ok(None),
            }
        }
    }

    /// Asks upstream about a crate, on the condition that it changed if the cache
    /// knows it.
    async fn ask(
        &self,
        cache: &Cache,
        name: &CrateName,
        key: &str,
    ) -> Result<(Known, Option<bytes::Bytes>), IndexError> {
        let before = cache.before(key).await?;
        let (digest, validator) = before.unzip();
        match (self.fetcher.get(name, validator.flatten()).await?, digest) {
            (fetch::Answer::Unchanged, Some(digest)) => {
                Ok((cache.confirm(key, Known::Present(digest)), None))
            }
            (fetch::Answer::Fresh { body, validator }, _) => {
                let known = cache.learn(key, &body, validator).await?;
                Ok((known, Some(body)))
            }
            (fetch::Answer::Absent | fetch::Answer::Unchanged, _) => {
                cache.remove(key).await?;
                Ok((cache.confirm(key, Known::Absent), None))
            }
        }
    }

    async fn ask_afresh(
        &self,
        cache: &Cache,
        name: &CrateName,
        key: &str,
    ) -> Result<Loaded, IndexError> {
        match self.fetcher.get(name, None).await? {
            fetch::Answer::Fresh { body, validator } => {
                let Known::Present(digest) = cache.learn(key, &body, validator).await? else {
                    return Ok(Loaded::Absent);
                };
                let tag = Tag::of_digest(&digest);
                Ok(Loaded::Fresh { body, tag })
            }
            fetch::Answer::Absent | fetch::Answer::Unchanged => Ok(Loaded::Absent),
        }
    }
}
