//! Reading a tree, one whole state at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use romt_core::{
    Key, Sha256Digest, StoreExt as _,
    ports::{ByteRange, ObjectVersion, StoreError, collect_bounded},
};
use tokio::sync::OnceCell;

use super::{
    Record, TreeError, TreePlace,
    format::{MAX_ROOT_SIZE, MAX_SHARD_SIZE, Root, Shard, shard_of},
    segments::Segments,
};

/// One state of a tree, with what has been read of it so far.
#[derive(Debug)]
pub(crate) struct Snapshot {
    place: TreePlace,
    pub(super) root: Root,
    pub(super) version: Option<ObjectVersion>,
    shards: Vec<OnceCell<Arc<Shard>>>,
    segments: Segments,
}

/// A record where it lies. Servers look up thousands a second; none is copied.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    shard: Arc<Shard>,
    place: usize,
}

impl std::ops::Deref for Found {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.shard.records[self.place]
    }
}

impl Snapshot {
    /// The state that is current now; the empty one if there is none.
    async fn load(place: &TreePlace, before: Option<&Snapshot>) -> Result<Self, TreeError> {
        let key = place.root()?;
        let Some((meta, bytes)) = place.store.try_read(&key, MAX_ROOT_SIZE).await? else {
            return Ok(Self::new(place, Root::empty(), None, None));
        };
        let root = Root::parse(&bytes).map_err(|reason| TreeError::Damaged { key, reason })?;
        Ok(Self::new(place, root, Some(meta.version), before))
    }

    /// A state, taking over what `before` has read of the same objects.
    pub(super) fn new(
        place: &TreePlace,
        root: Root,
        version: Option<ObjectVersion>,
        before: Option<&Snapshot>,
    ) -> Self {
        let known: HashMap<Sha256Digest, &Arc<Shard>> = before
            .into_iter()
            .flat_map(|before| before.root.shards.iter().zip(&before.shards))
            .filter_map(|(shard, cell)| Some((shard.as_ref()?.file, cell.get()?)))
            .collect();
        let known_shard = |file: &Sha256Digest| known.get(file).map(|shard| Arc::clone(shard));
        let shards = root
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.as_ref().and_then(|shard| known_shard(&shard.file));
                OnceCell::new_with(shard)
            })
            .collect();
        let segments = Segments::new(&root, before.map(|before| &before.segments));
        Self {
            place: place.clone(),
            root,
            version,
            shards,
            segments,
        }
    }

    /// Whether anything has been written here.
    pub(crate) fn exists(&self) -> bool {
        self.version.is_some()
    }

    /// Names the state.
    pub(crate) fn position(&self) -> String {
        self.root.position()
    }

    /// How many crates there are.
    pub(crate) fn crates(&self) -> u64 {
        self.root.crates
    }

    /// The record of the crate whose name is `name` in lower case.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Found>, TreeError> {
        let shard = self.shard(shard_of(name, self.root.depth)).await?;
        let place = shard.place(name);
        Ok(place.map(|place| Found { shard, place }))
    }

    /// The records of one shard.
    pub(super) async fn shard(&self, number: usize) -> Result<Arc<Shard>, TreeError> {
        let (Some(Some(shard)), Some(cell)) =
            (self.root.shards.get(number), self.shards.get(number))
        else {
            return Ok(Arc::default());
        };
        let loaded = cell
            .get_or_try_init(|| async {
                let key = self.place.shard(&shard.file)?;
                let bytes = self.read_named(&key, &shard.file, MAX_SHARD_SIZE).await?;
                let shard =
                    Shard::parse(&bytes).map_err(|reason| TreeError::Damaged { key, reason })?;
                Ok::<_, TreeError>(Arc::new(shard))
            })
            .await?;
        Ok(loaded.clone())
    }

    /// All records, shard by shard.
    pub(crate) async fn all(&self) -> Result<Vec<Record>, TreeError> {
        self.map(Record::clone).await
    }

    /// What `take` makes of each record, shard by shard.
    pub(crate) async fn map<T>(
        &self,
        mut take: impl FnMut(&Record) -> T,
    ) -> Result<Vec<T>, TreeError> {
        let count = usize::try_from(self.crates()).unwrap_or_default();
        let mut all = Vec::with_capacity(count.min(1 << 20));
        for number in 0..self.root.shards.len() {
            all.extend(self.shard(number).await?.records.iter().map(&mut take));
        }
        Ok(all)
    }

    /// The index file that `record` tells of.
    pub(crate) async fn body(&self, record: &Record) -> Result<Bytes, TreeError> {
        if record.length == 0 && record.digest == Sha256Digest::of("") {
            // Nothing of it lies anywhere.
            return Ok(Bytes::new());
        }
        let end = record.offset.saturating_add(record.length);
        let file = &record.segment;
        let size = self.root.segment_size(file);
        let bytes = if let Some(kept) = size.and_then(|size| self.segments.get(file, size)) {
            let read = || async {
                let bytes = self
                    .read_named(&self.place.segment(file)?, file, size.unwrap_or_default())
                    .await?;
                // What was reserved while its length was not known is given back.
                Ok::<_, TreeError>(Bytes::copy_from_slice(&bytes))
            };
            slice(kept.get_or_try_init(read).await?, record.offset, end)
        } else {
            self.read_range(&self.place.segment(file)?, record.offset, end)
                .await?
        };
        match bytes {
            Some(bytes) if Sha256Digest::of(&bytes) == record.digest => Ok(bytes),
            _ => Err(TreeError::Damaged {
                key: self.place.segment(file)?,
                reason: format!("the index file of {} is not in it", record.name),
            }),
        }
    }

    /// Reads an object that is named by its digest, and holds it to that.
    async fn read_named(
        &self,
        key: &Key,
        digest: &Sha256Digest,
        limit: u64,
    ) -> Result<Bytes, TreeError> {
        let Some((_, bytes)) = self.place.store.try_read(key, limit).await? else {
            return Err(StoreError::NotFound { key: key.clone() }.into());
        };
        if Sha256Digest::of(&bytes) != *digest {
            return Err(TreeError::Damaged {
                key: key.clone(),
                reason: "its bytes are not those that its name promises".into(),
            });
        }
        Ok(bytes)
    }

    async fn read_range(
        &self,
        key: &Key,
        start: u64,
        end: u64,
    ) -> Result<Option<Bytes>, TreeError> {
        let range = ByteRange {
            start,
            end: Some(end),
        };
        let object = self.place.store.get_opts(key, range.into()).await?;
        let body = collect_bounded(object.body, end - start).await;
        let body = body.map_err(|source| StoreError::Body {
            key: key.clone(),
            source: Box::new(source),
        })?;
        Ok(Some(body))
    }
}

fn slice(bytes: &Bytes, start: u64, end: u64) -> Option<Bytes> {
    let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}

/// The current state of a tree, looked for anew now and then.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(super) place: TreePlace,
    /// How old the last look may be.
    patience: Duration,
    current: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    looking: tokio::sync::Mutex<()>,
}

impl Snapshots {
    pub(crate) fn new(place: TreePlace, patience: Duration) -> Self {
        Self {
            place,
            patience,
            current: Mutex::new(None),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// The current state.
    pub(crate) async fn get(&self) -> Result<Arc<Snapshot>, TreeError> {
        if let Some(snapshot) = self.recent() {
            return Ok(snapshot);
        }
        // One looks; the others take what it finds.
        let _looking = self.looking.lock().await;
        if let Some(snapshot) = self.recent() {
            return Ok(snapshot);
        }
        let before = self.last();
        if let Some(before) = before.as_ref().filter(|before| before.exists()) {
            let meta = self.place.store.try_head(&self.place.root()?).await?;
            if meta.is_some_and(|meta| Some(meta.version) == before.version) {
                self.set(before.clone());
                return Ok(before.clone());
            }
        }
        let snapshot = Arc::new(Snapshot::load(&self.place, before.as_deref()).await?);
        self.set(snapshot.clone());
        Ok(snapshot)
    }

    /// When the current state was written, if the store knows.
    pub(crate) async fn published(&self) -> Result<Option<SystemTime>, TreeError> {
        let meta = self.place.store.try_head(&self.place.root()?).await?;
        Ok(meta.and_then(|meta| meta.modified))
    }

    /// Where the tree is kept.
    pub(crate) fn store(&self) -> &dyn romt_core::Store {
        &*self.place.store
    }

    /// Makes the next [`get`](Self::get) look anew.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    pub(super) fn set(&self, snapshot: Arc<Snapshot>) {
        *self.lock() = Some((Instant::now(), snapshot));
    }

    fn recent(&self) -> Option<Arc<Snapshot>> {
        let current = self.lock();
        let (looked, snapshot) = current.as_ref()?;
        (looked.elapsed() < self.patience).then(|| snapshot.clone())
    }

    fn last(&self) -> Option<Arc<Snapshot>> {
        self.lock().as_ref().map(|(_, snapshot)| snapshot.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Snapshot>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
