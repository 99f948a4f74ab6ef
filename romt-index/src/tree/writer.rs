//! Changing a tree, from one whole state to the next.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    Key, Sha256Digest, StoreExt as _,
    ports::{PutMode, StoreError},
};

use super::{
    Record, Snapshot, TreeError,
    format::{Root, SegmentRef, Shard, ShardRef, shard_of},
    reader::Snapshots,
};

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
                    ..old
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

    /// The new records by shard, spread as their number demands.
    async fn apply(&mut self) -> Result<Shards, TreeError> {
        let base = &self.base;
        let mut changed = Vec::new();
        let mut crates = base.root.crates;
        let mut touched: BTreeMap<usize, Shard> = BTreeMap::new();
        for (name, change) in std::mem::take(&mut self.changes) {
            let old = base.find(&name).await?;
            if old == change {
                continue;
            }
            let Some(counted) = count(crates, old.is_some(), change.is_some()) else {
                return Err(TreeError::Damaged {
                    key: self.place().root()?,
                    reason: "its number of crates is not that of its records".into(),
                });
            };
            crates = counted;
            if old.as_ref().map(|r| r.digest) != change.as_ref().map(|r| r.digest) {
                changed.push(name.clone());
            }
            let number = shard_of(&name, base.root.depth);
            let shard = match touched.entry(number) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert((*base.shard(number).await?).clone())
                }
            };
            match (
                shard.records.binary_search_by(|r| r.name.cmp(&name)),
                change,
            ) {
                (Ok(place), Some(record)) => shard.records[place] = record,
                (Err(place), Some(record)) => shard.records.insert(place, record),
                (Ok(place), None) => drop(shard.records.remove(place)),
                (Err(_), None) => {}
            }
        }
        let depth = Root::depth_for(crates);
        let shards = Shards {
            crates,
            depth: base.root.depth,
            touched,
            changed,
        };
        if depth == base.root.depth {
            return Ok(shards);
        }
        shards.spread(base, depth).await
    }

    /// Which segments the new state uses, and how much of each.
    async fn segments(&self, shards: &Shards) -> Result<Vec<SegmentRef>, TreeError> {
        let known = self.base.root.segments.iter().chain(&self.written);
        let mut sizes: HashMap<Sha256Digest, (u64, i128)> = HashMap::new();
        for segment in known {
            let live = i128::from(segment.live);
            sizes.entry(segment.file).or_insert((segment.size, live));
        }
        let mut count = |shard: &Shard, sign: i128| {
            for record in &shard.records {
                if let Some((_, live)) = sizes.get_mut(&record.segment) {
                    *live += sign * i128::from(record.length);
                }
            }
        };
        if shards.depth == self.base.root.depth {
            for (number, shard) in &shards.touched {
                count(&*self.base.shard(*number).await?, -1);
                count(shard, 1);
            }
        } else {
            for number in 0..self.base.root.shards.len() {
                count(&*self.base.shard(number).await?, -1);
            }
            shards.touched.values().for_each(|shard| count(shard, 1));
        }
        let mut segments: Vec<SegmentRef> = sizes
            .into_iter()
            .filter_map(|(file, (size, live))| {
                let live = u64::try_from(live).unwrap_or(0);
                (live > 0).then_some(SegmentRef { file, size, live })
            })
            .collect();
        segments.sort_by_key(|segment| segment.file);
        Ok(segments)
    }

    /// Rewrites all index files into fresh segments.
    async fn compact(&mut self, shards: Shards) -> Result<Shards, TreeError> {
        let changed = shards.changed.clone();
        let (crates, depth) = (shards.crates, shards.depth);
        let count = 1_usize << (4 * depth);
        // A shard that is empty now must be written as such.
        let mut all: BTreeMap<usize, Shard> = (0..count).map(|n| (n, Shard::default())).collect();
        let source = Snapshot::new(
            self.place(),
            self.source_root(&shards),
            None,
            Some(&self.base),
        );
        self.written.clear();
        for number in 0..count {
            let records = match shards.touched.get(&number) {
                Some(shard) => shard.records.clone(),
                None if depth == self.base.root.depth => {
                    self.base.shard(number).await?.records.clone()
                }
                None => Vec::new(),
            };
            for record in records {
                let body = source.body(&record).await?;
                self.append(&record.name, &body, record.digest, &record.tag)
                    .await?;
            }
        }
        self.close_segment().await?;
        for (name, record) in std::mem::take(&mut self.changes) {
            let number = shard_of(&name, depth);
            all.entry(number).or_default().records.extend(record);
        }
        Ok(Shards {
            crates,
            depth,
            touched: all,
            changed,
        })
    }

    /// A root that knows every segment that a body may be read from.
    fn source_root(&self, shards: &Shards) -> Root {
        let mut root = self.base.root.clone();
        root.crates = shards.crates;
        root.segments.extend(self.written.iter().cloned());
        root
    }

    async fn write_shards(&self, shards: &Shards) -> Result<Root, TreeError> {
        let mut root = self.base.root.clone();
        if root.depth != shards.depth {
            root.shards = vec![None; 1 << (4 * shards.depth)];
        }
        root.depth = shards.depth;
        root.crates = shards.crates;
        root.segments = self.segments(shards).await?;
        let writes: Vec<_> = shards
            .touched
            .iter()
            .map(|(number, shard)| self.write_shard(*number, shard))
            .collect();
        let mut writes = stream::iter(writes).buffer_unordered(WRITES);
        while let Some((number, shard)) = writes.try_next().await? {
            root.shards[number] = shard;
        }
        Ok(root)
    }

    async fn write_shard(
        &self,
        number: usize,
        shard: &Shard,
    ) -> Result<(usize, Option<ShardRef>), TreeError> {
        if shard.records.is_empty() {
            return Ok((number, None));
        }
        let bytes = shard.render();
        let file = Sha256Digest::of(&bytes);
        let content = shard.content();
        let key = self.place().shard(&file)?;
        self.place().store.put(&key, bytes).await?;
        Ok((number, Some(ShardRef { file, content })))
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

/// Whether more of the segments is out of use than is worth keeping.
fn is_wasteful(segments: &[SegmentRef]) -> bool {
    let sum = |of: fn(&SegmentRef) -> u64| segments.iter().map(of).fold(0, u64::saturating_add);
    let (size, live) = (sum(|segment| segment.size), sum(|segment| segment.live));
    size > live.saturating_mul(2).saturating_add(GARBAGE_ALLOWED)
}

/// The number of crates after one that was there, or not, is there, or not.
fn count(crates: u64, before: bool, after: bool) -> Option<u64> {
    let rest = crates.checked_sub(u64::from(before))?;
    rest.checked_add(u64::from(after))
}

/// The shards that a commit writes.
struct Shards {
    crates: u64,
    depth: u32,
    /// By number, in a tree of `depth`.
    touched: BTreeMap<usize, Shard>,
    changed: Vec<Box<str>>,
}

impl Shards {
    /// The same records in a tree of another depth, all of them.
    async fn spread(self, base: &Snapshot, depth: u32) -> Result<Self, TreeError> {
        let mut touched: BTreeMap<usize, Shard> = BTreeMap::new();
        for number in 0..base.root.shards.len() {
            let records = match self.touched.get(&number) {
                Some(shard) => shard.records.clone(),
                None => base.shard(number).await?.records.clone(),
            };
            for record in records {
                let number = shard_of(&record.name, depth);
                touched.entry(number).or_default().records.push(record);
            }
        }
        for shard in touched.values_mut() {
            shard.records.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(Self {
            depth,
            touched,
            ..self
        })
    }
}
