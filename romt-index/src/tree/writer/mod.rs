//! Changing a tree, from one whole state to the next.

mod next;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use romt_core::{
    Key, Sha256Digest, StoreExt as _,
    ports::{PutMode, StoreError},
};

use super::{
    Record, Snapshot, TreeError,
    format::{Root, SegmentRef},
    reader::Snapshots,
};
use next::is_wasteful;

/// How large a segment grows before it is put away, in bytes.
const SEGMENT_SIZE: usize = 1024 * 1024;

/// How much of the segments may be out of use before all are rewritten, on top
/// of as much as is in use.
const GARBAGE_ALLOWED: u64 = 4 * SEGMENT_SIZE as u64;

/// How many objects are written at once.
const WRITES: usize = 16;

/// Collects changes to a tree, in bounded memory, and makes them visible.
#[derive(Debug)]
pub(crate) struct TreeWriter<'a> {
    trees: &'a Snapshots,
    base: Arc<Snapshot>,
    /// What is said of each crate that changes; `None` removes it.
    changes: BTreeMap<Box<str>, Option<Record>>,
    /// The segment being filled, and the records that wait for its name, by crate.
    open: BytesMut,
    waiting: BTreeMap<Box<str>, Record>,
    written: Vec<SegmentRef>,
}

/// What a commit made visible.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) snapshot: Arc<Snapshot>,
    /// The crates whose files were added, changed or removed.
    pub(crate) changed: Vec<Box<str>>,
}

impl<'a> TreeWriter<'a> {
    /// Begins to change the current state of `trees`. The caller holds the
    /// store's lock.
    pub(crate) async fn begin(trees: &'a Snapshots) -> Result<Self, TreeError> {
        trees.forget();
        let base = trees.get().await?;
        Ok(Self::on(trees, base))
    }

    /// Begins a tree that replaces the current state of `trees`, which need not be
    /// readable.
    pub(crate) async fn begin_anew(trees: &'a Snapshots) -> Result<Self, TreeError> {
        let place = &trees.place;
        let meta = place.store.try_head(&place.root()?).await?;
        let version = meta.map(|meta| meta.version);
        let base = Snapshot::new(place, Root::empty(), version, None);
        Ok(Self::on(trees, Arc::new(base)))
    }

    fn on(trees: &'a Snapshots, base: Arc<Snapshot>) -> Self {
        Self {
            trees,
            base,
            changes: BTreeMap::new(),
            open: BytesMut::new(),
            waiting: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// The state that is being changed.
    pub(crate) fn base(&self) -> &Arc<Snapshot> {
        &self.base
    }

    /// Sets the index file of the crate whose lower-case name is `name`. What is
    /// said last of a crate counts.
    pub(crate) async fn put(
        &mut self,
        name: &str,
        body: Bytes,
        tag: &str,
    ) -> Result<(), TreeError> {
        let digest = Sha256Digest::of(&body);
        if let Some(old) = self.base.find(name).await? {
            // Only the note differs: the bytes stay where they are.
            if old.digest == digest {
                let record = Record {
                    tag: tag.into(),
                    ..Record::clone(&old)
                };
                self.waiting.remove(name);
                self.changes.insert(name.into(), Some(record));
                return Ok(());
            }
        }
        self.append(name, &body, digest, tag).await
    }

    /// Takes the crate whose lower-case name is `name` out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.waiting.remove(name);
        self.changes.insert(name.into(), None);
    }

    async fn append(
        &mut self,
        name: &str,
        body: &[u8],
        digest: Sha256Digest,
        tag: &str,
    ) -> Result<(), TreeError> {
        let record = Record {
            name: name.into(),
            segment: digest,
            offset: self.open.len() as u64,
            length: body.len() as u64,
            digest,
            tag: tag.into(),
        };
        if body.is_empty() {
            // Nothing of it need lie anywhere.
            self.waiting.remove(name);
            self.changes.insert(name.into(), Some(record));
            return Ok(());
        }
        self.waiting.insert(name.into(), record);
        self.open.extend_from_slice(body);
        if self.open.len() >= SEGMENT_SIZE {
            self.close_segment().await?;
        }
        Ok(())
    }

    async fn close_segment(&mut self) -> Result<(), TreeError> {
        let bytes = std::mem::take(&mut self.open).freeze();
        if self.waiting.is_empty() {
            return Ok(());
        }
        let file = Sha256Digest::of(&bytes);
        let size = bytes.len() as u64;
        self.place()
            .store
            .put(&self.place().segment(&file)?, bytes)
            .await?;
        for (name, record) in std::mem::take(&mut self.waiting) {
            let record = Record {
                segment: file,
                ..record
            };
            self.changes.insert(name, Some(record));
        }
        self.written.push(SegmentRef {
            file,
            size,
            live: 0,
        });
        Ok(())
    }

    /// Makes all changes visible in one step. Nothing is written if nothing
    /// would change.
    pub(crate) async fn commit(mut self) -> Result<Committed, TreeError> {
        self.close_segment().await?;
        let shards = self.apply().await?;
        if shards.touched.is_empty() && self.base.exists() {
            return Ok(Committed {
                snapshot: self.base,
                changed: Vec::new(),
            });
        }
        let segments = self.segments(&shards).await?;
        let shards = if is_wasteful(&segments) {
            self.compact(shards).await?
        } else {
            shards
        };
        let root = self.write_shards(&shards).await?;
        let snapshot = self.publish(root).await?;
        self.sweep(&snapshot).await?;
        Ok(Committed {
            snapshot,
            changed: shards.changed,
        })
    }

    /// Replaces the root: the one step that readers see.
    async fn publish(&self, root: Root) -> Result<Arc<Snapshot>, TreeError> {
        let mode = match &self.base.version {
            Some(version) => PutMode::ReplaceIfUnchanged(version.clone()),
            None => PutMode::CreateIfAbsent,
        };
        let key = self.place().root()?;
        let body = root.render().into();
        let meta = self.place().store.put_opts(&key, body, mode.into()).await?;
        let snapshot = Snapshot::new(self.place(), root, Some(meta.version), Some(&self.base));
        let snapshot = Arc::new(snapshot);
        self.trees.set(snapshot.clone());
        Ok(snapshot)
    }

    /// Removes what neither this state nor the one before it names.
    async fn sweep(&self, snapshot: &Snapshot) -> Result<(), TreeError> {
        let mut named: HashSet<Key> = HashSet::new();
        for root in [&self.base.root, &snapshot.root] {
            for shard in root.shards.iter().flatten() {
                named.insert(self.place().shard(&shard.file)?);
            }
            for segment in &root.segments {
                named.insert(self.place().segment(&segment.file)?);
            }
        }
        for prefix in [self.place().shards()?, self.place().segments()?] {
            let mut objects = self.place().store.list(Some(&prefix));
            while let Some(object) = objects.next().await {
                match object {
                    Ok(object) if !named.contains(&object.key) => {
                        self.place().store.delete(&object.key).await?;
                    }
                    Ok(_) | Err(StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn place(&self) -> &super::TreePlace {
        &self.trees.place
    }
}
