//! What an upstream's index said, kept for the next run.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use romt_core::{
    Sha256Digest, Store,
    ports::{IndexError, StoreError, StreamError, Validator},
};

use super::packed;
use crate::origin;
use crate::tree::{Snapshots, TreeError, TreePlace, TreeWriter};

/// How many bytes of fresh index files are held before they are written out.
const HELD: usize = 4 * 1024 * 1024;

/// An index tree of what upstream said, tagged with upstream's validators.
///
/// The files are kept gzipped: unlike the mirror's own index they list every
/// version that upstream has, and are only read when the selection changes.
pub(super) struct Cache {
    trees: Snapshots,
    state: Mutex<State>,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
    /// Whether it was said that the tree is damaged.
    warned: AtomicBool,
    name: String,
    /// Its address.
    upstream: String,
}

#[derive(Default)]
struct State {
    /// What was learnt in this run.
    learnt: HashMap<Box<str>, Known>,
    /// Fresh files that are still to be written.
    fresh: HashMap<Box<str>, Fresh>,
    held: usize,
}

#[derive(Clone)]
struct Fresh {
    /// The file, packed; `None` if upstream has the crate no more.
    body: Option<Bytes>,
    validator: Option<Validator>,
}

/// What is known of upstream's present file of a crate.
#[derive(Clone, Copy)]
pub(super) enum Known {
    Absent,
    /// With the digest of the file as it is kept.
    Present(Sha256Digest),
}

impl Cache {
    pub(super) fn new(store: Arc<dyn Store>, upstream: &str) -> Self {
        let id = Sha256Digest::of(upstream).to_string();
        let prefix = format!(".romt/upstream/{}", id.get(..16).unwrap_or(&id));
        let prefix = prefix.parse().expect("hexadecimal digits make a key");
        Self {
            // Only the holder of the store's lock writes it: one look will do.
            trees: Snapshots::new(TreePlace::new(store, prefix), Duration::MAX),
            state: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
            warned: AtomicBool::new(false),
            name: format!("what is kept of {upstream}"),
            upstream: upstream.to_owned(),
        }
    }

    /// What was learnt of the crate in this run.
    pub(super) fn learnt(&self, name: &str) -> Option<Known> {
        self.state().learnt.get(name).copied()
    }

    /// What was known of the crate before this run, and how to ask whether it
    /// still holds.
    pub(super) async fn before(
        &self,
        name: &str,
    ) -> Result<Option<(Sha256Digest, Option<Validator>)>, IndexError> {
        let found = async { self.trees.get().await?.find(name).await };
        match found.await {
            Ok(record) => Ok(record.map(|record| (record.digest, Validator::new(&record.tag)))),
            // The cache saves questions; without it all of them are asked.
            Err(error) if is_damage(&error) => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{} is not usable and is made anew: {error}", self.name);
                }
                Ok(None)
            }
            Err(error) => Err(error.at(&self.name)),
        }
    }

    /// Notes what upstream confirmed.
    pub(super) fn confirm(&self, name: &str, known: Known) -> Known {
        self.state().learnt.insert(name.into(), known);
        known
    }

    /// Notes a fresh file.
    pub(super) async fn learn(
        &self,
        name: &str,
        body: &Bytes,
        validator: Option<Validator>,
    ) -> Result<Known, IndexError> {
        let packed = packed::pack(body);
        let known = Known::Present(Sha256Digest::of(&packed));
        self.confirm(name, known);
        let fresh = Fresh {
            body: Some(packed),
            validator,
        };
        if self.hold(name, fresh) {
            self.settle().await?;
        }
        Ok(known)
    }

    /// Notes that upstream has the crate no more.
    pub(super) async fn remove(&self, name: &str) -> Result<(), IndexError> {
        if self.before(name).await?.is_some() {
            self.hold(
                name,
                Fresh {
                    body: None,
                    validator: None,
                },
            );
        }
        Ok(())
    }

    /// Keeps the file without its validator: what cut or spoilt the file on its
    /// way may have left that as it was, and upstream would confirm it for ever.
    pub(super) async fn distrust(&self, name: &str) -> Result<(), IndexError> {
        let body = self.packed(name).await;
        if body.is_some() || self.before(name).await?.is_some() {
            self.hold(
                name,
                Fresh {
                    body,
                    validator: None,
                },
            );
        }
        Ok(())
    }

    /// Holds what is to be written; says whether it has become much.
    fn hold(&self, name: &str, fresh: Fresh) -> bool {
        let mut state = self.state();
        state.held += fresh.body.as_ref().map_or(0, Bytes::len);
        state.fresh.insert(name.into(), fresh);
        state.held > HELD
    }

    /// The file as it was last seen, if it is whole.
    pub(super) async fn body(&self, name: &str) -> Option<Bytes> {
        packed::unpack(&self.packed(name).await?)
    }

    async fn packed(&self, name: &str) -> Option<Bytes> {
        let fresh = self.state().fresh.get(name).cloned();
        if let Some(fresh) = fresh {
            return fresh.body;
        }
        let snapshot = self.trees.get().await.ok()?;
        let record = snapshot.find(name).await.ok()??;
        snapshot.body(&record).await.ok()
    }

    /// Writes what is held. Readers of this cache go on meanwhile.
    pub(super) async fn settle(&self) -> Result<(), IndexError> {
        let _writing = self.writing.lock().await;
        let fresh = self.state().fresh.clone();
        if fresh.is_empty() {
            return Ok(());
        }
        let mut written = self
            .write(TreeWriter::begin(&self.trees).await, &fresh)
            .await;
        if written.as_ref().is_err_and(is_damage) {
            let anew = TreeWriter::begin_anew(&self.trees).await;
            written = self.write(anew, &fresh).await;
        }
        written.map_err(|error| error.at(&self.name))?;
        let noted = origin::note(self.trees.store(), &self.upstream).await;
        noted.map_err(|error| TreeError::from(error).at(&self.name))?;
        let mut state = self.state();
        for (name, written) in &fresh {
            let same = |now: &Fresh| now.body == written.body && now.validator == written.validator;
            if state.fresh.get(name).is_some_and(same) {
                state.fresh.remove(name);
            }
        }
        state.held = state
            .fresh
            .values()
            .filter_map(|f| f.body.as_ref())
            .map(Bytes::len)
            .sum();
        Ok(())
    }

    async fn write(
        &self,
        writer: Result<TreeWriter<'_>, TreeError>,
        fresh: &HashMap<Box<str>, Fresh>,
    ) -> Result<(), TreeError> {
        let mut writer = writer?;
        // In order, so that equal runs write equal bytes.
        for (name, fresh) in fresh.iter().collect::<BTreeMap<_, _>>() {
            match &fresh.body {
                Some(body) => {
                    let validator = fresh.validator.as_ref().map_or("", Validator::as_str);
                    writer.put(name, body.clone(), validator).await?;
                }
                None => writer.remove(name),
            }
        }
        writer.commit().await?;
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the tree is at fault, and not the store that holds it.
fn is_damage(error: &TreeError) -> bool {
    match error {
        TreeError::Damaged { .. }
        | TreeError::Store(StoreError::NotFound { .. } | StoreError::RangeNotSatisfiable { .. }) => {
            true
        }
        TreeError::Store(StoreError::Body { source, .. }) => {
            matches!(**source, StreamError::TooLarge { .. })
        }
        TreeError::Store(_) | TreeError::Invalid(_) => false,
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
