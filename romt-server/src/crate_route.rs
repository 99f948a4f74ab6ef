//! `/crates/…`: the crate files.
//!
//! A crate file never changes, but it may be damaged, removed and repaired. So
//! the first time it is asked for, and again whenever the store has another
//! object at its key, its digest is compared with the published index before a
//! byte of it is sent.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Instant, SystemTime};

use axum::response::Response;
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{HeaderValue, request::Parts};
use romt_core::{
    CrateName, MirrorLayout, Sha256Digest, Sha256Hasher, Store, StoreExt as _, Version,
    full::leaving,
    ports::{Object, ObjectMeta, StoreError, StreamError, collect_bounded},
};
use tokio::sync::Semaphore;

use crate::{
    answer::{NO_CACHE, Refusal},
    cache::Cache,
    checksum,
    index_route::{IndexRoute, quoted},
    late_index::LateIndex,
    sending::{FOREVER, LOOKS, Sending, broken, last_modified, refuse},
    turns::Turns,
};

/// The largest file that is kept in memory, in bytes.
const SMALL: u64 = 256 * 1024;

/// How long the store is believed to have what it had, in milliseconds.
const FRESH: u64 = 1000;

/// How many files are checked at a time.
const CHECKS: usize = 64;

/// The crate files.
#[derive(Debug)]
pub(crate) struct CrateRoute {
    store: Arc<dyn Store>,
    layout: MirrorLayout,
    /// What tells the layout, if that may still change.
    late: Option<Arc<LateIndex>>,
    /// Files whose digest was found right.
    checked: Cache<Arc<Checked>>,
    /// Small ones of them, with their bytes.
    small: Cache<(Arc<Checked>, Bytes)>,
    /// Whoever looks a file up for the first time does so for all who wait.
    turns: Turns,
    checks: Semaphore,
    start: Instant,
}

/// A file that may be sent.
#[derive(Debug)]
struct Checked {
    meta: ObjectMeta,
    etag: HeaderValue,
    modified: Option<HeaderValue>,
    /// Whether the published index names it, so that it was checked.
    listed: bool,
    /// When the store last had it, in milliseconds after the start.
    seen: AtomicU64,
}

/// A file to answer from, with its bytes if they are at hand.
type Found = (Arc<Checked>, Option<Bytes>);

impl CrateRoute {
    pub(crate) fn new(store: Arc<dyn Store>, layout: MirrorLayout, cache_bytes: usize) -> Self {
        Self {
            store,
            layout,
            late: None,
            checked: Cache::new(cache_bytes / 8),
            small: Cache::new(cache_bytes - cache_bytes / 8),
            turns: Turns::default(),
            checks: Semaphore::new(CHECKS),
            start: Instant::now(),
        }
    }

    /// Has `late` tell where the files are, if anything does.
    pub(crate) fn with_late(self, late: Option<Arc<LateIndex>>) -> Self {
        Self { late, ..self }
    }

    fn layout(&self) -> MirrorLayout {
        self.late.as_ref().map_or(self.layout, |late| late.layout())
    }

    /// How often the bytes of a file were in memory, and how often not.
    pub(crate) fn lookups(&self) -> (u64, u64) {
        self.small.lookups()
    }

    /// Answers a request for `file`, a `{name}/{name}-{version}.crate`.
    pub(crate) async fn answer(
        &self,
        file: &str,
        index: &IndexRoute,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let mut answer = Err(Refusal::Replaced);
        for _ in 0..LOOKS {
            let (found, bytes) = match self.kept(file).await? {
                Some(found) => found,
                None => self.fetch(file, index).await?,
            };
            answer = self.send(&found, bytes, request).await;
            if !matches!(answer, Err(Refusal::Replaced)) {
                break;
            }
            // What was believed of it for a moment is no longer so.
            self.forget(file);
        }
        answer
    }

    /// What is known of `file`, if the store still has it.
    async fn kept(&self, file: &str) -> Result<Option<Found>, Refusal> {
        let (found, bytes) = match self.small.get(file) {
            Some((found, bytes)) => (found, Some(bytes)),
            None => match self.checked.get(file) {
                Some(found) => (found, None),
                None => return Ok(None),
            },
        };
        let now = self.now();
        if now.saturating_sub(found.seen.load(Ordering::Relaxed)) >= FRESH {
            // Whoever comes meanwhile need not ask the store as well.
            found.seen.store(now, Ordering::Relaxed);
            let present = self.store.try_head(&found.meta.key).await;
            if present.map_err(|error| refuse(&error))?.as_ref() != Some(&found.meta) {
                self.forget(file);
                return Ok(None);
            }
        }
        // A small file is read whole, so that it is at hand the next time.
        let evicted = bytes.is_none() && self.keeps(found.meta.size);
        Ok((!evicted).then_some((found, bytes)))
    }

    /// Looks `file` up in the store, and checks it if that was not done yet.
    async fn fetch(&self, file: &str, index: &IndexRoute) -> Result<Found, Refusal> {
        let (name, version) = parse(file).ok_or(Refusal::NotFound)?;
        let _turn = self.turns.take(file).await;
        // Whoever had the turn before may have done it.
        if let Some(found) = self.kept(file).await? {
            return Ok(found);
        }
        let key = self.layout().crate_file(&name, &version);
        let object = match self.store.get(&key).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return self.leaving(&name, &version).await,
            Err(error) => return Err(refuse(&error)),
        };
        let known = self.checked.get(file);
        if let Some(found) = known.filter(|found| found.meta == object.meta) {
            return self.remember(file, found, object).await;
        }
        let listed = checksum::of(index.load(&name.index_path()).await?.as_deref(), &version);
        let Some(digest) = listed else {
            // Not published, so there is nothing to check it by, and nothing to
            // remember.
            let etag = quoted(object.meta.version.as_str());
            return Ok((self.found(object.meta, etag, false), None));
        };
        self.check(file, object, &digest).await
    }

    /// A crate that was deleted a moment ago, for who read the index before. It is
    /// not remembered: at any time another one may come to its place.
    async fn leaving(&self, name: &CrateName, version: &Version) -> Result<Found, Refusal> {
        for key in leaving(name, version, SystemTime::now()) {
            let meta = self.store.try_head(&key).await;
            if let Some(meta) = meta.map_err(|error| refuse(&error))? {
                let etag = quoted(meta.version.as_str());
                return Ok((self.found(meta, etag, false), None));
            }
        }
        Err(Refusal::NotFound)
    }

    /// Takes a file that was checked into memory, if it is small enough.
    async fn remember(
        &self,
        file: &str,
        found: Arc<Checked>,
        object: Object,
    ) -> Result<Found, Refusal> {
        if !self.keeps(object.meta.size) {
            return Ok((found, None));
        }
        let bytes = self.collect(object).await?;
        self.small
            .insert(file, (found.clone(), bytes.clone()), bytes.len());
        Ok((found, Some(bytes)))
    }

    /// Checks a file before it is first sent.
    async fn check(
        &self,
        file: &str,
        object: Object,
        digest: &Sha256Digest,
    ) -> Result<Found, Refusal> {
        let _turn = self.checks.acquire().await;
        let meta = object.meta.clone();
        let (actual, bytes) = if self.keeps(meta.size) {
            let bytes = self.collect(object).await?;
            (Sha256Digest::of(&bytes), Some(bytes))
        } else {
            let sum = digest_of(object).await;
            (sum.map_err(|error| broken(&meta.key, &error))?, None)
        };
        if actual != *digest {
            tracing::error!(key = %meta.key, expected = %digest, %actual, "a crate is damaged and is not served");
            return Err(Refusal::Unavailable);
        }
        let found = self.found(meta, quoted(&digest.to_string()), true);
        self.checked.insert(file, found.clone(), 2 * file.len());
        if let Some(bytes) = &bytes {
            self.small
                .insert(file, (found.clone(), bytes.clone()), bytes.len());
        }
        Ok((found, bytes))
    }

    async fn send(
        &self,
        found: &Checked,
        bytes: Option<Bytes>,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let sending = found.sending();
        sending.answer(&*self.store, bytes.as_ref(), request).await
    }

    /// Reads a small object into memory.
    async fn collect(&self, object: Object) -> Result<Bytes, Refusal> {
        let collected = collect_bounded(object.body, SMALL).await;
        let bytes = collected.map_err(|error| broken(&object.meta.key, &error))?;
        if bytes.len() as u64 == object.meta.size {
            Ok(bytes)
        } else {
            tracing::error!(key = %object.meta.key, "the store gave another length than it said");
            Err(Refusal::Unavailable)
        }
    }

    /// Whether a file of this size is kept in memory.
    fn keeps(&self, size: u64) -> bool {
        size <= SMALL && size <= self.small.largest() as u64
    }

    fn forget(&self, file: &str) {
        self.small.remove(file);
        self.checked.remove(file);
    }

    fn found(&self, meta: ObjectMeta, etag: HeaderValue, listed: bool) -> Arc<Checked> {
        let seen = self.now().into();
        Arc::new(Checked {
            modified: last_modified(&meta),
            meta,
            etag,
            listed,
            seen,
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Checked {
    fn sending(&self) -> Sending<'_> {
        Sending {
            meta: &self.meta,
            etag: &self.etag,
            modified: self.modified.clone(),
            // What the index does not name (yet, or any more) was compared with
            // nothing. A client whose index is older may need it, but nobody may
            // hold on to it: it may be replaced by what will be published.
            cache_control: if self.listed { FOREVER } else { NO_CACHE },
            content_type: HeaderValue::from_static("application/octet-stream"),
        }
    }
}

/// The crate and version in `{name}/{name}-{version}.crate`.
fn parse(file: &str) -> Option<(CrateName, Version)> {
    let (name, file) = file.split_once('/')?;
    let version = file
        .strip_prefix(name)?
        .strip_prefix('-')?
        .strip_suffix(".crate")?;
    Some((name.parse().ok()?, version.parse().ok()?))
}

async fn digest_of(object: Object) -> Result<Sha256Digest, StreamError> {
    let mut hasher = Sha256Hasher::new();
    let mut body = object.body;
    while let Some(piece) = body.try_next().await? {
        hasher.update(&piece);
        tokio::task::consume_budget().await;
    }
    Ok(hasher.finish())
}
