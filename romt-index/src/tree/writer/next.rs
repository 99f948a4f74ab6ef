//! What the next state of a tree is made of.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{Sha256Digest, StoreExt as _};

use super::{
    super::{
        Snapshot, TreeError,
        format::{Root, SegmentRef, Shard, ShardRef, shard_of},
    },
    GARBAGE_ALLOWED, TreeWriter, WRITES,
};

/// The shards that a commit writes.
pub(super) struct Shards {
    crates: u64,
    depth: u32,
    /// By number, in a tree of `depth`.
    pub(super) touched: BTreeMap<usize, Shard>,
    pub(super) changed: Vec<Box<str>>,
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

impl TreeWriter<'_> {
    /// The new records by shard, spread as their number demands.
    pub(super) async fn apply(&mut self) -> Result<Shards, TreeError> {
        let base = &self.base;
        let mut changed = Vec::new();
        let mut crates = base.root.crates;
        let mut touched: BTreeMap<usize, Shard> = BTreeMap::new();
        for (name, change) in std::mem::take(&mut self.changes) {
            let old = base.find(&name).await?;
            if old.as_deref() == change.as_ref() {
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
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert((*base.shard(number).await?).clone()),
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
    pub(super) async fn segments(&self, shards: &Shards) -> Result<Vec<SegmentRef>, TreeError> {
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
    pub(super) async fn compact(&mut self, shards: Shards) -> Result<Shards, TreeError> {
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

    pub(super) async fn write_shards(&self, shards: &Shards) -> Result<Root, TreeError> {
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
}

/// Whether more of the segments is out of use than is worth keeping.
pub(super) fn is_wasteful(segments: &[SegmentRef]) -> bool {
    let sum = |of: fn(&SegmentRef) -> u64| segments.iter().map(of).fold(0, u64::saturating_add);
    let (size, live) = (sum(|segment| segment.size), sum(|segment| segment.live));
    size > live.saturating_mul(2).saturating_add(GARBAGE_ALLOWED)
}

/// The number of crates after one that was there, or not, is there, or not.
fn count(crates: u64, before: bool, after: bool) -> Option<u64> {
    let rest = crates.checked_sub(u64::from(before))?;
    rest.checked_add(u64::from(after))
}
