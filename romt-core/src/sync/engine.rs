//! The one loop that fetches, verifies and stores.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures::{Stream, StreamExt as _, stream::FuturesUnordered};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    Failure, FetchOutcome, RetryPolicy,
    body::{Download, verified},
};
use crate::{
    Artifact, ErrorClass, Event, EventSink, Key, StoreExt as _,
    ports::{
        Body, Evidence, Source, SourceError, SourceErrorKind, Store, StoreError, StreamError,
        Verifier, VerifyError,
    },
    progress::chain,
};

/// How many more artifacts are being made durable than are being fetched, for
/// each download. Flushing many files together costs little more than one.
const COMMITS_PER_JOB: usize = 15;

/// How many more artifacts at most: each may be an open file.
const MOST_COMMITS: usize = 240;

/// How the engine works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// How many downloads run at once.
    pub jobs: usize,
    /// How failures for now are tried again.
    pub retry: RetryPolicy,
    /// The largest artifact, in bytes.
    pub size_limit: u64,
    /// Whether the outcome states the size of each artifact, which takes memory for
    /// each.
    pub record_sizes: bool,
}

impl EngineOptions {
    /// Options for this many downloads at once, of at most `size_limit` bytes.
    pub fn new(jobs: usize, retry: RetryPolicy, size_limit: u64) -> Self {
        Self {
            jobs: jobs.max(1),
            retry,
            size_limit,
            record_sizes: true,
        }
    }

    /// Without the size of each artifact in the outcome, so that memory does not
    /// grow with the plan.
    #[must_use]
    pub fn without_sizes(mut self) -> Self {
        self.record_sizes = false;
        self
    }
}

/// Brings artifacts from a source into a store, verified.
///
/// Nothing becomes visible under an artifact's key but bytes that the verifier
/// trusts, whole and durable. Memory is bounded by the work in flight, however
/// many artifacts a plan has and however large they are.
#[derive(Clone, Debug)]
pub struct Engine {
    source: Arc<dyn Source>,
    store: Arc<dyn Store>,
    verifier: Arc<dyn Verifier>,
    options: EngineOptions,
    network: Arc<Semaphore>,
}

/// Why one artifact could not be had.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("the body broke off")]
    Body(#[source] StreamError),
    #[error("it is wanted with the digest {0} too, which cannot both be right")]
    Contradiction(crate::Sha256Digest),
}

impl FetchError {
    fn class(&self) -> ErrorClass {
        match self {
            // One absent file is a hole in the mirror, not an upstream that fails.
            Self::Source(error)
                if matches!(
                    error.kind(),
                    SourceErrorKind::NotFound | SourceErrorKind::Denied
                ) =>
            {
                ErrorClass::Partial
            }
            Self::Source(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Verify(error) => error.class(),
            Self::Body(error) => error.class(),
            Self::Contradiction(_) => ErrorClass::Integrity,
        }
    }
}

enum Fetched {
    Stored(u64),
    Present(u64),
}

impl Engine {
    /// An engine between these three.
    pub fn new(
        source: Arc<dyn Source>,
        store: Arc<dyn Store>,
        verifier: Arc<dyn Verifier>,
        options: EngineOptions,
    ) -> Self {
        let network = Arc::new(Semaphore::new(options.jobs.max(1)));
        Self {
            source,
            store,
            verifier,
            options,
            network,
        }
    }

    /// Fetches what `plan` lists and the store has not.
    ///
    /// An artifact that fails is reported and the others go on, unless the store
    /// fails: then nothing more is begun. Equal artifacts that are in flight
    /// together are fetched once.
    pub async fn run(
        &self,
        plan: impl Stream<Item = Artifact> + Send,
        events: &Arc<dyn EventSink>,
        cancel: &CancellationToken,
    ) -> FetchOutcome {
        let mut outcome = FetchOutcome::default();
        let mut plan = std::pin::pin!(plan.fuse());
        let mut flying = FuturesUnordered::new();
        let mut in_flight: HashMap<Key, crate::Sha256Digest> = HashMap::new();
        let commits = (self.options.jobs * COMMITS_PER_JOB).min(MOST_COMMITS);
        let most = self.options.jobs + commits;
        let mut no_more = false;
        while !(no_more && flying.is_empty()) {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    // Dropping what is in flight leaves nothing behind.
                    outcome.cancelled = true;
                    return outcome;
                }
                Some((artifact, result)) = flying.next(), if !flying.is_empty() => {
                    let artifact: Artifact = artifact;
                    in_flight.remove(&artifact.key);
                    no_more |= self.record(&mut outcome, events, artifact, result);
                }
                artifact = plan.next(), if !no_more && flying.len() < most => {
                    let Some(artifact) = artifact else {
                        no_more = true;
                        continue;
                    };
                    match in_flight.get(&artifact.key) {
                        Some(digest) if *digest == artifact.digest => {}
                        Some(digest) => {
                            let error = FetchError::Contradiction(*digest);
                            self.record(&mut outcome, events, artifact, Err(error));
                        }
                        None => {
                            in_flight.insert(artifact.key.clone(), artifact.digest);
                            flying.push(async move {
                                let result = self.fetch(&artifact, events).await;
                                (artifact, result)
                            });
                        }
                    }
                }
            }
        }
        outcome
    }

    async fn fetch(
        &self,
        artifact: &Artifact,
        events: &Arc<dyn EventSink>,
    ) -> Result<Fetched, FetchError> {
        if let Some(size) = self.find(artifact).await? {
            return Ok(Fetched::Present(size));
        }
        let failures = Arc::new(AtomicU32::new(0));
        let mut damaged = false;
        loop {
            let error = match self.attempt(artifact, events, &failures).await {
                Ok(size) => return Ok(Fetched::Stored(size)),
                Err(error) => error,
            };
            let failed = failures.fetch_add(1, Ordering::Relaxed) + 1;
            let (reason, wait) = match &error {
                FetchError::Source(cause) | FetchError::Body(StreamError::Source(cause)) => (
                    cause.reason().to_owned(),
                    self.options.retry.wait_after(failed, cause),
                ),
                // Damage on the way is as likely as damage at the source.
                FetchError::Verify(VerifyError::Digest { .. }) if !damaged => {
                    damaged = true;
                    (error.to_string(), Some(std::time::Duration::ZERO))
                }
                _ => return Err(error),
            };
            let Some(wait) = wait else {
                return Err(error);
            };
            events.emit(Event::Retrying {
                label: artifact.label.clone(),
                reason,
                wait,
            });
            tokio::time::sleep(wait).await;
        }
    }

    /// The size of the artifact if the store has it. That something is there
    /// proves nothing, another tool's crash may have left it, so it is read and
    /// judged; and whoever wrote it may not have seen to it that it stays.
    async fn find(&self, artifact: &Artifact) -> Result<Option<u64>, FetchError> {
        // In most cases there is nothing, and that is found out sooner so.
        let there = self.store.try_head(&artifact.key).await;
        if there.map_err(FetchError::Store)?.is_none() {
            return Ok(None);
        }
        let object = match self.store.get(&artifact.key).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(FetchError::Store(error)),
        };
        let mut check = self.verifier.begin(&self.evidence(artifact))?;
        let mut body = object.body;
        while let Some(bytes) = body.next().await {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(StreamError::Store(error)) => return Err(FetchError::Store(*error)),
                Err(error) => return Err(FetchError::Body(error)),
            };
            if check.update(&bytes).is_err() {
                return Ok(None);
            }
        }
        if check.finish().is_err() {
            return Ok(None);
        }
        let persisted = self.store.persist(&artifact.key).await;
        persisted.map_err(FetchError::Store)?;
        Ok(Some(object.meta.size))
    }

    async fn attempt(
        &self,
        artifact: &Artifact,
        events: &Arc<dyn EventSink>,
        failures: &Arc<AtomicU32>,
    ) -> Result<u64, FetchError> {
        // A verifier that cannot work fails before a byte is asked for.
        let check = self.verifier.begin(&self.evidence(artifact))?;
        let permit = self.network.clone().acquire_owned().await;
        let permit = permit.expect("the engine never closes its semaphore");
        events.emit(Event::Started {
            label: artifact.label.clone(),
            size: artifact.size,
        });
        let download = Download {
            source: self.source.clone(),
            location: artifact.location.clone(),
            label: artifact.label.clone(),
            policy: self.options.retry.clone(),
            events: events.clone(),
            failures: failures.clone(),
        };
        let body = verified(download.open().await?, check, permit);
        match self.store.put(&artifact.key, Body::Stream(body)).await {
            Ok(meta) => Ok(meta.size),
            Err(StoreError::Body { source, .. }) => Err(match *source {
                StreamError::Verify(error) => FetchError::Verify(error),
                error => FetchError::Body(error),
            }),
            Err(error) => Err(FetchError::Store(error)),
        }
    }

    fn evidence(&self, artifact: &Artifact) -> Evidence {
        Evidence::new(
            artifact.label.clone(),
            artifact.digest,
            self.options.size_limit,
        )
    }

    /// Notes a result; says whether the run is to stop.
    fn record(
        &self,
        outcome: &mut FetchOutcome,
        events: &Arc<dyn EventSink>,
        artifact: Artifact,
        result: Result<Fetched, FetchError>,
    ) -> bool {
        let label = artifact.label.clone();
        match result {
            Ok(Fetched::Stored(size)) => {
                outcome.fetched += 1;
                outcome.bytes += size;
                if self.options.record_sizes {
                    outcome.sizes.insert(artifact.key, size);
                }
                events.emit(Event::Finished { label, size });
                false
            }
            Ok(Fetched::Present(size)) => {
                outcome.present += 1;
                if self.options.record_sizes {
                    outcome.sizes.insert(artifact.key, size);
                }
                events.emit(Event::AlreadyPresent { label });
                false
            }
            Err(error) => {
                let class = error.class();
                let reason = chain(&error);
                events.emit(Event::Failed {
                    label: label.clone(),
                    class,
                    reason: reason.clone(),
                });
                outcome
                    .failed
                    .push((artifact, Failure::new(label, class, reason)));
                let stops = class == ErrorClass::Storage;
                outcome.stopped |= stops;
                stops
            }
        }
    }
}
