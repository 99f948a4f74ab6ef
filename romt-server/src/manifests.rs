//! Manifests and their digests, kept together.
//!
//! rustup asks for the digest of a manifest, then for the manifest, over two
//! connections, and fails if the two do not belong together (some versions take
//! it for "unchanged"). A channel may move between the two requests. So the digest
//! is made from the manifest, not read from beside it, and whoever was told a
//! digest is given that manifest for the next [`HOLD`], whatever is in the store
//! by then. A peer is told by its address, for a connection is over by then.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use romt_core::{
    Key, Sha256Digest, Store, StoreExt as _,
    ports::{ObjectMeta, collect_bounded},
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    answer::Refusal,
    index_route::quoted,
    peer::Peer,
    sending::{broken, refuse},
    turns::Turns,
};

/// How long a peer is given what it was told of.
const HOLD: Duration = Duration::from_secs(30);

/// How many bytes of manifests are held at most. One has about a million.
const BUDGET: usize = 64 * 1024 * 1024;

/// The largest manifest, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// How many manifests are held at most.
const GENERATIONS: usize = 256;

/// How many peers are remembered for each of them.
const PEERS: usize = 4096;

/// How many manifests are read at a time.
const LOADS: usize = 2;

/// What takes too long to hash between two requests, in bytes.
const AT_ONCE: usize = 64 * 1024;

/// One state of a manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) meta: ObjectMeta,
    pub(crate) digest: Sha256Digest,
    pub(crate) etag: HeaderValue,
    pub(crate) bytes: Bytes,
}

/// The manifests that were asked for lately.
#[derive(Debug)]
pub(crate) struct Manifests {
    store: Arc<dyn Store>,
    /// Whoever reads a manifest does so for all who wait.
    turns: Turns,
    loads: Semaphore,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    generations: Vec<Generation>,
    /// Whether somebody will come by to drop what is no longer needed.
    is_swept: bool,
}

/// A manifest, and who was told of it when.
#[derive(Debug)]
struct Generation {
    manifest: Arc<Manifest>,
    told: HashMap<IpAddr, Instant>,
    used: Instant,
}

impl Manifests {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            turns: Turns::default(),
            loads: Semaphore::new(LOADS),
            held: Arc::default(),
        }
    }

    /// The manifest that is at `key` now.
    pub(crate) async fn current(&self, key: &Key) -> Result<Arc<Manifest>, Refusal> {
        let meta = self.store.head(key).await.map_err(|error| refuse(&error))?;
        if let Some(manifest) = self.held().current(&meta) {
            return Ok(manifest);
        }
        let _turn = self.turns.take(key.as_str()).await;
        // Whoever had the turn before may have read it.
        let meta = self.store.head(key).await.map_err(|error| refuse(&error))?;
        if let Some(manifest) = self.held().current(&meta) {
            return Ok(manifest);
        }
        let manifest = Arc::new(self.load(key).await?);
        self.held().insert(manifest.clone());
        self.sweep_later();
        Ok(manifest)
    }

    /// Notes that `peer` is told the digest of `manifest`.
    pub(crate) fn tell(&self, manifest: &Arc<Manifest>, peer: Peer) {
        self.held().tell(manifest, peer.0.to_canonical());
        self.sweep_later();
    }

    /// The manifest at `key` whose digest `peer` was told lately.
    pub(crate) fn told(&self, key: &Key, peer: Peer) -> Option<Arc<Manifest>> {
        self.held().told(key, peer.0.to_canonical())
    }

    async fn load(&self, key: &Key) -> Result<Manifest, Refusal> {
        let _permit = self.loads.acquire().await;
        let object = self.store.get(key).await.map_err(|error| refuse(&error))?;
        let meta = object.meta;
        if meta.size > LARGEST {
            tracing::error!(%key, size = meta.size, "a manifest is too large to be one");
            return Err(Refusal::Unavailable);
        }
        let bytes = collect_bounded(object.body, LARGEST).await;
        let bytes = bytes.map_err(|error| broken(key, &error))?;
        if bytes.len() as u64 != meta.size {
            tracing::error!(%key, "the store gave another length than it said");
            return Err(Refusal::Unavailable);
        }
        let digest = digest_of(&bytes).await?;
        Ok(Manifest {
            etag: quoted(&digest.to_string()),
            meta,
            digest,
            bytes,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    /// Sees to it that what is held is dropped in time, even if nobody asks again.
    fn sweep_later(&self) {
        let mut held = self.held();
        if !held.is_swept {
            held.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.held)));
        }
    }
}

/// Drops what is held as its time runs out, until nothing is held.
async fn sweep(held: Weak<Mutex<Held>>) {
    loop {
        tokio::time::sleep(HOLD / 2).await;
        let Some(held) = held.upgrade() else { return };
        let mut held = lock(&held);
        held.drop_old();
        if held.generations.is_empty() {
            held.is_swept = false;
            return;
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    // Nothing panics while it holds the lock.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn current(&mut self, meta: &ObjectMeta) -> Option<Arc<Manifest>> {
        let mut all = self.generations.iter_mut();
        let found = all.find(|generation| generation.manifest.meta == *meta)?;
        found.used = Instant::now();
        Some(found.manifest.clone())
    }

    fn told(&mut self, key: &Key, peer: IpAddr) -> Option<Arc<Manifest>> {
        let mut all = self.generations.iter_mut();
        let found = all.find(|generation| {
            let told = generation.told.get(&peer);
            generation.manifest.meta.key == *key && told.is_some_and(is_fresh)
        })?;
        Some(found.manifest.clone())
    }

    fn tell(&mut self, manifest: &Arc<Manifest>, peer: IpAddr) {
        let now = Instant::now();
        let (key, mut is_held) = (&manifest.meta.key, false);
        for generation in &mut self.generations {
            if Arc::ptr_eq(&generation.manifest, manifest) {
                is_held = true;
                generation.used = now;
                generation.tell(peer, now);
            } else if generation.manifest.meta.key == *key {
                // The peer knows of a later one now.
                generation.told.remove(&peer);
            }
        }
        if !is_held {
            // It had to make room since it was found.
            self.insert(manifest.clone());
            if let Some(generation) = self.generations.last_mut() {
                generation.tell(peer, now);
            }
        }
    }

    fn insert(&mut self, manifest: Arc<Manifest>) {
        self.drop_old();
        let room = BUDGET.saturating_sub(manifest.bytes.len());
        while self.generations.len() >= GENERATIONS || self.bytes() > room {
            let all = self.generations.iter().enumerate();
            let Some((oldest, _)) = all.min_by_key(|(_, generation)| generation.used) else {
                break;
            };
            self.generations.remove(oldest);
        }
        self.generations.push(Generation {
            manifest,
            told: HashMap::new(),
            used: Instant::now(),
        });
    }

    fn bytes(&self) -> usize {
        let all = self.generations.iter();
        all.map(|generation| generation.manifest.bytes.len()).sum()
    }

    fn drop_old(&mut self) {
        self.generations
            .retain(|generation| is_fresh(&generation.used));
        for generation in &mut self.generations {
            generation.told.retain(|_, when| is_fresh(when));
        }
    }
}

impl Generation {
    fn tell(&mut self, peer: IpAddr, now: Instant) {
        if self.told.len() >= PEERS {
            self.told.retain(|_, when| is_fresh(when));
        }
        // Past the bound a peer is not remembered, and takes its chance.
        if self.told.len() < PEERS || self.told.contains_key(&peer) {
            self.told.insert(peer, now);
        }
    }
}

fn is_fresh(when: &Instant) -> bool {
    when.elapsed() < HOLD
}

async fn digest_of(bytes: &Bytes) -> Result<Sha256Digest, Refusal> {
    if bytes.len() <= AT_ONCE {
        return Ok(Sha256Digest::of(bytes));
    }
    let bytes = bytes.clone();
    let hashed = tokio::task::spawn_blocking(move || Sha256Digest::of(&bytes)).await;
    // Only a panic or the end of the runtime can fail it.
    hashed.map_err(|_| Refusal::Unavailable)
}

#[cfg(test)]
mod tests {
    use romt_core::ports::ObjectVersion;

    use super::*;

    fn manifest(number: usize, size: usize) -> Arc<Manifest> {
        let key: Key = "dist/channel-rust-beta.toml".parse().unwrap();
        let version = ObjectVersion::new(number.to_string());
        Arc::new(Manifest {
            meta: ObjectMeta::new(key, size as u64, version),
            digest: Sha256Digest::of(""),
            etag: HeaderValue::from_static("\"x\""),
            bytes: vec![0; size].into(),
        })
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_stays_within_its_bounds() {
        let mut held = Held::default();
        for number in 0..2 * GENERATIONS {
            held.tell(&manifest(number, 10), address(1));
        }
        assert_eq!(held.generations.len(), GENERATIONS);
        for number in 0..10 {
            held.tell(&manifest(number, 16 << 20), address(1));
            assert!(held.bytes() <= BUDGET, "{}", held.bytes());
        }
        let last = manifest(11, 10);
        for number in 0..2 * u32::try_from(PEERS).unwrap() {
            held.tell(&last, address(number));
        }
        let told: usize = held.generations.iter().map(|g| g.told.len()).sum();
        assert!(told <= PEERS + 1, "{told}");
        // Those who came first keep what they were told.
        assert!(held.told(&last.meta.key, address(5)).is_some());
        tokio::time::advance(HOLD).await;
        held.tell(&last, address(u32::MAX));
        assert!(held.told(&last.meta.key, address(u32::MAX)).is_some());
        assert!(held.told(&last.meta.key, address(5)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_once_its_time_is_over() {
        let held = Arc::new(Mutex::new(Held::default()));
        let one = manifest(1, 10);
        lock(&held).tell(&one, address(1));
        lock(&held).is_swept = true;
        tokio::spawn(sweep(Arc::downgrade(&held)));
        tokio::time::sleep(HOLD / 2).await;
        assert_eq!(Arc::strong_count(&one), 2, "it is held yet");
        tokio::time::sleep(HOLD).await;
        assert_eq!(
            Arc::strong_count(&one),
            1,
            "nobody asked, and it is dropped"
        );
        assert!(!lock(&held).is_swept, "the next one needs another sweep");
    }
}
