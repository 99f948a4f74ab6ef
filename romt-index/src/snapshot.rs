//! The index that a mirror shows.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use romt_core::{
    CrateName, Key, MirrorLayout, Store, StoreExt as _,
    crates::IndexConfig,
    ports::{
        Catalog, Catalogued, IndexBackend, IndexCatalog, IndexChange, IndexError, IndexPublisher,
        Loaded, Position, Publication, PublishedNote, StoreError, Tag,
    },
};
use tokio::sync::Semaphore;

use crate::tree::{Record, Snapshot, Snapshots, TreeError, TreePlace, TreeWriter};
use crate::{note, origin};

/// How soon a reader notices what another process publishes.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many plain files are written at once: a store makes many durable together.
const WRITES: usize = 256;

/// How many KiB of plain files are in memory at once, or one file.
const ROOM: u32 = 16 * 1024;

/// The largest note of which state the plain files show, in bytes.
const MAX_NOTE: u64 = 1024;

/// The index that a mirror shows, in any [`Store`].
///
/// It is kept twice. What counts is an index tree below `.romt/index`, whose
/// states follow each other in one atomic step; readers of this type see whole
/// states only, and notice a new one within a second. The plain sparse files
/// below `index/` are brought up to date after each step, crate by crate, for
/// web servers that know nothing of romt. A run that is killed while writing them
/// leaves some of them one state behind; the next writer
/// [makes up for it](IndexPublisher::recover) before it does anything else.
#[derive(Debug)]
pub struct SnapshotIndex {
    trees: Snapshots,
    store: Arc<dyn Store>,
    layout: MirrorLayout,
}

impl SnapshotIndex {
    /// The index in `store`. Touches nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let prefix = ".romt/index".parse().expect("a constant key is valid");
        let place = TreePlace::new(store.clone(), prefix);
        Self {
            trees: Snapshots::new(place, PATIENCE),
            store,
            // Plain files are in lower case whatever the crates' layout is.
            layout: MirrorLayout::default(),
        }
    }

    /// Names the state that is shown, or `None` if nothing was published yet.
    pub async fn position(&self) -> Result<Option<String>, IndexError> {
        let snapshot = self.snapshot().await?;
        Ok(snapshot.exists().then(|| snapshot.position()))
    }

    /// How many crates are shown.
    pub async fn crates(&self) -> Result<u64, IndexError> {
        Ok(self.snapshot().await?.crates())
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, IndexError> {
        self.trees.get().await.map_err(|error| error.at(self))
    }

    /// The record of a crate and the bytes it tells of.
    async fn read(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, TreeError> {
        let snapshot = self.trees.get().await?;
        let Some(record) = snapshot.find(&name.to_lowercase()).await? else {
            return Ok(Loaded::Absent);
        };
        let tag = Tag::of_digest(&record.digest);
        if known == Some(&tag) {
            return Ok(Loaded::Unchanged);
        }
        let body = snapshot.body(&record).await?;
        Ok(Loaded::Fresh { body, tag })
    }

    /// How many versions each crate has. What is noted of a file says it, unless
    /// nobody noted anything.
    async fn count(&self, snapshot: &Snapshot) -> Result<u64, TreeError> {
        let mut count = 0;
        let noted = |record: &Record| match note::parse(&record.tag).sizes.len() as u64 {
            0 => Some(record.clone()),
            number => {
                count += number;
                None
            }
        };
        for record in snapshot.map(noted).await?.into_iter().flatten() {
            count += crate::versions_in(&snapshot.body(&record).await?);
        }
        Ok(count)
    }

    /// Brings the plain files up to date with what is published, if a run that
    /// died left them behind.
    async fn repair_plain(&self, snapshot: &Snapshot) -> Result<(), IndexError> {
        if snapshot.exists() && self.noted().await? != Some(snapshot.position()) {
            self.roll_out_all(snapshot).await?;
        }
        Ok(())
    }

    /// Which state the plain files show.
    async fn noted(&self) -> Result<Option<String>, IndexError> {
        let note = self.store.try_read(&note_key(), MAX_NOTE).await;
        let note = note.map_err(|error| store_error(self, error))?;
        Ok(note.map(|(_, bytes)| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// Writes the plain files of `names` as `snapshot` has them.
    async fn roll_out(&self, snapshot: &Snapshot, names: Vec<Box<str>>) -> Result<(), TreeError> {
        let mut names: Vec<(Key, Box<str>)> = names
            .into_iter()
            .filter_map(|name| {
                let crate_name = name.parse::<CrateName>().ok()?;
                Some((self.layout.index_file(&crate_name), name))
            })
            .collect();
        // Neighbours are created and made durable together.
        names.sort_unstable();
        let room = &Semaphore::new(ROOM as usize);
        let writes = names.into_iter().map(|(key, name)| async move {
            match snapshot.find(&name).await? {
                Some(record) => {
                    let length = u32::try_from(record.length / 1024).unwrap_or(ROOM);
                    let _taken = room.acquire_many(length.clamp(1, ROOM)).await;
                    self.write_plain(snapshot, &key, &record).await
                }
                None => Ok(self.store.delete(&key).await?),
            }
        });
        let mut writes = stream::iter(writes).buffer_unordered(WRITES);
        while writes.try_next().await?.is_some() {}
        Ok(())
    }

    async fn write_plain(
        &self,
        snapshot: &Snapshot,
        key: &Key,
        record: &Record,
    ) -> Result<(), TreeError> {
        let body = snapshot.body(record).await?;
        self.store.put(key, body).await?;
        Ok(())
    }

    /// Makes all plain files what `snapshot` says, and removes those of crates that
    /// it does not show.
    async fn roll_out_all(&self, snapshot: &Snapshot) -> Result<(), IndexError> {
        let all = async {
            let records = snapshot.all().await?;
            let names: Vec<Box<str>> = records.iter().map(|record| record.name.clone()).collect();
            let keep: std::collections::HashSet<Key> = names
                .iter()
                .filter_map(|name| name.parse::<CrateName>().ok())
                .map(|name| self.layout.index_file(&name))
                .collect();
            let mut files = self.store.list(Some(&self.layout.index_root()));
            while let Some(file) = files.next().await {
                let key = file?.key;
                if !keep.contains(&key) && self.is_plain_file(&key) {
                    self.store.delete(&key).await?;
                }
            }
            self.roll_out(snapshot, names).await
        };
        all.await.map_err(|error: TreeError| error.at(self))?;
        self.take_note(snapshot).await
    }

    /// Whether an index file of ours can be called `key`. A `config.json`, or
    /// whatever else lies below `index/`, is its owner's.
    fn is_plain_file(&self, key: &Key) -> bool {
        let name = key.file_name().trim_start_matches('=').parse::<CrateName>();
        name.is_ok_and(|name| self.layout.index_file(&name) == *key)
    }

    async fn take_note(&self, snapshot: &Snapshot) -> Result<(), IndexError> {
        let note = format!("{}\n", snapshot.position()).into_bytes();
        let put = self.store.put(&note_key(), note).await;
        put.map(drop).map_err(|error| store_error(self, error))
    }
}

impl fmt::Display for SnapshotIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.store, f)
    }
}

#[async_trait]
impl IndexBackend for SnapshotIndex {
    /// A mirror's own configuration depends on who asks, so its server makes it.
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        crate::own_config(self)
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        if !self.snapshot().await?.exists() {
            return Err(IndexError::Unpublished {
                index: self.to_string(),
            });
        }
        match self.read(name, known).await {
            Ok(loaded) => Ok(loaded),
            Err(error) => {
                // Another process may have published twice and swept what this
                // one's state is made of. Its new state is whole.
                tracing::debug!("looking at {self} anew: {error}");
                self.trees.forget();
                self.read(name, known).await.map_err(|error| error.at(self))
            }
        }
    }

    async fn distrust(&self, _name: &CrateName) -> Result<(), IndexError> {
        Ok(())
    }

    async fn settle(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[async_trait]
impl IndexCatalog for SnapshotIndex {
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError> {
        let snapshot = self.snapshot().await?;
        if !snapshot.exists() {
            return Ok(Catalogued::Unpublished);
        }
        let position = Position::new(snapshot.position());
        if known == Some(&position) {
            return Ok(Catalogued::Unchanged);
        }
        let names = snapshot.map(|record| record.name.clone()).await;
        let names = names.map_err(|error| error.at(self))?;
        let made = self.trees.published().await;
        let made = made.map_err(|error| error.at(self))?;
        let origin = origin::read(&*self.store).await;
        let origin = origin.map_err(|error| store_error(self, error))?;
        let catalog = Catalog::new(position, names);
        Ok(Catalogued::Fresh(
            catalog.with_made(made).with_origin(origin),
        ))
    }

    async fn count_versions(&self, at: &Position) -> Result<Option<u64>, IndexError> {
        let snapshot = self.snapshot().await?;
        if !snapshot.exists() || snapshot.position() != at.as_str() {
            return Ok(None);
        }
        let count = self.count(&snapshot).await;
        count.map(Some).map_err(|error| error.at(self))
    }
}

#[async_trait]
impl IndexPublisher for SnapshotIndex {
    async fn recover(&self) -> Result<(), IndexError> {
        self.trees.forget();
        let snapshot = self.snapshot().await?;
        self.repair_plain(&snapshot).await
    }

    async fn note(&self, name: &CrateName) -> Result<PublishedNote, IndexError> {
        let snapshot = self.snapshot().await?;
        let record = snapshot.find(&name.to_lowercase()).await;
        let record = record.map_err(|error| error.at(self))?;
        Ok(record
            .map(|record| note::parse(&record.tag))
            .unwrap_or_default())
    }

    async fn publish(
        &self,
        mut changes: BoxStream<'_, IndexChange>,
    ) -> Result<Publication, IndexError> {
        let at = |error: TreeError| error.at(self);
        let mut writer = TreeWriter::begin(&self.trees).await.map_err(at)?;
        let base = writer.base().clone();
        // From one state to the next only: the note must never come to name a
        // state again whose files a dead writer has begun to replace.
        self.repair_plain(&base).await?;
        while let Some(change) = changes.next().await {
            let name = change.name.to_lowercase();
            match change.body {
                Some(body) => {
                    writer
                        .put(&name, body, &note::render(&change.note))
                        .await
                        .map_err(at)?;
                }
                None => writer.remove(&name),
            }
        }
        let committed = writer.commit().await.map_err(at)?;
        let snapshot = committed.snapshot;
        let publication = Publication::new(
            snapshot.position(),
            committed.changed.len() as u64,
            snapshot.crates(),
        );
        // From here on the new state is shown. The plain files follow.
        // What lies there besides is not ours to remove.
        if !committed.changed.is_empty() || !base.exists() {
            self.roll_out(&snapshot, committed.changed)
                .await
                .map_err(at)?;
            self.take_note(&snapshot).await?;
        }
        Ok(publication)
    }
}

fn note_key() -> Key {
    ".romt/index/plain"
        .parse()
        .expect("a constant key is valid")
}

fn store_error(index: &SnapshotIndex, source: StoreError) -> IndexError {
    IndexError::Store {
        index: index.to_string(),
        source,
    }
}

impl TreeError {
    /// The error as one of the index called `index`.
    pub(crate) fn at(self, index: impl fmt::Display) -> IndexError {
        match self {
            Self::Store(source) => IndexError::Store {
                index: index.to_string(),
                source,
            },
            Self::Invalid(error) => IndexError::Invalid(error),
            Self::Damaged { key, reason } => IndexError::refused(index, key.as_str(), reason),
        }
    }
}
