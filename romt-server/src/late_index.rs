//! The index of a mirror in which there was no git index when the server started.
//!
//! A server may be up before anything is mirrored, or before the first crates come to a
//! mirror of toolchains. What is published then is to be served without anybody having
//! to start the server anew.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use romt_core::{
    CrateName, IndexBackend, MirrorLayout, Store,
    crates::IndexConfig,
    ports::{Catalogued, HistoryIndex as _, IndexCatalog, IndexError, Loaded, Position, Tag},
};
use romt_index::{GitIndex, GitOptions, PlainIndex, SnapshotIndex};
use tokio::sync::Mutex;

use crate::mirror::MirrorError;

/// Where romt for Python keeps the index of a mirror.
pub(crate) const GIT_INDEX: &str = "git/crates.io-index";

/// How often it is looked whether there is another index by now.
const LOOK: Duration = Duration::from_secs(1);

/// An index that is the one that there is, whichever that is at the time: the git index
/// of a full mirror before what `romt up` publishes, and that before plain files.
#[derive(Debug)]
pub(crate) struct LateIndex {
    path: PathBuf,
    store: Arc<dyn Store>,
    snapshot: Arc<SnapshotIndex>,
    plain: Arc<PlainIndex>,
    state: RwLock<State>,
    /// One looks for all who ask.
    turn: Mutex<()>,
}

#[derive(Clone, Debug)]
struct State {
    source: Source,
    layout: MirrorLayout,
    looked: Instant,
}

/// Where the index is.
#[derive(Clone, Debug)]
enum Source {
    Git(GitIndex),
    Snapshot(Arc<SnapshotIndex>),
    Plain(Arc<PlainIndex>),
}

impl Source {
    fn index(&self) -> &dyn IndexCatalog {
        match self {
            Self::Git(index) => index,
            Self::Snapshot(index) => &**index,
            Self::Plain(index) => &**index,
        }
    }
}

impl LateIndex {
    /// The index of the mirror in `path`, whose files are in `store`.
    pub(crate) async fn open(path: &Path, store: Arc<dyn Store>) -> Result<Self, MirrorError> {
        let snapshot = Arc::new(SnapshotIndex::new(store.clone()));
        let state = State {
            source: Source::Snapshot(snapshot.clone()),
            layout: MirrorLayout::load(&*store).await?,
            looked: Instant::now(),
        };
        let index = Self {
            path: path.to_owned(),
            plain: Arc::new(PlainIndex::new(store.clone())),
            snapshot,
            store,
            state: RwLock::new(state),
            turn: Mutex::default(),
        };
        index.look().await?;
        Ok(index)
    }

    /// Where the crate files are, as far as is known by now.
    pub(crate) fn layout(&self) -> MirrorLayout {
        self.state().layout
    }

    /// The index as a git repository, once it is one.
    pub(crate) async fn git(&self) -> Option<GitIndex> {
        match self.source().await {
            Source::Git(index) => Some(index),
            _ => None,
        }
    }

    /// What names the published state, if there is one and it has a name.
    pub(crate) async fn position(&self) -> Result<Option<String>, IndexError> {
        match self.source().await {
            Source::Git(index) => Ok(index.shown().await?.map(|it| it.to_string())),
            Source::Snapshot(index) => index.position().await,
            Source::Plain(_) => Ok(None),
        }
    }

    async fn source(&self) -> Source {
        let State { source, looked, .. } = self.state();
        if matches!(source, Source::Git(_)) || looked.elapsed() < LOOK {
            return source;
        }
        let Ok(_turn) = self.turn.try_lock() else {
            return source;
        };
        if let Err(error) = self.look().await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "it could not be seen which index the mirror has");
            self.change(|state| state.looked = Instant::now());
        }
        self.state().source
    }

    /// Finds out which index there is.
    async fn look(&self) -> Result<(), MirrorError> {
        let source = self.find().await?;
        // What came with the index may say where its crates are.
        let layout = MirrorLayout::load(&*self.store).await?;
        self.change(|state| {
            *state = State {
                source,
                layout,
                looked: Instant::now(),
            };
        });
        Ok(())
    }

    async fn find(&self) -> Result<Source, MirrorError> {
        if let Some(index) = git_index(&self.path).await? {
            return Ok(Source::Git(index));
        }
        // A mirror that was carried without its hidden files still has these.
        if self.snapshot.position().await?.is_none() && self.plain.exists().await? {
            return Ok(Source::Plain(self.plain.clone()));
        }
        Ok(Source::Snapshot(self.snapshot.clone()))
    }

    fn state(&self) -> State {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The git index of a full mirror in `path`, if it shows anything.
pub(crate) async fn git_index(path: &Path) -> Result<Option<GitIndex>, MirrorError> {
    let path = path.join(GIT_INDEX);
    let opened = tokio::task::spawn_blocking(move || {
        let is_there = path.is_dir();
        is_there
            .then(|| GitIndex::open(path, GitOptions::default()))
            .transpose()
    });
    let Some(index) = opened.await.unwrap_or(Ok(None))? else {
        return Ok(None);
    };
    let shows = index.shown().await?.is_some();
    Ok(shows.then_some(index))
}

impl fmt::Display for LateIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.store, f)
    }
}

#[async_trait]
impl IndexBackend for LateIndex {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        self.source().await.index().config().await
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        self.source().await.index().load(name, known).await
    }

    async fn settle(&self) -> Result<(), IndexError> {
        self.source().await.index().settle().await
    }

    async fn distrust(&self, name: &CrateName) -> Result<(), IndexError> {
        self.source().await.index().distrust(name).await
    }
}

#[async_trait]
impl IndexCatalog for LateIndex {
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError> {
        self.source().await.index().catalog(known).await
    }

    async fn count_versions(&self, at: &Position) -> Result<Option<u64>, IndexError> {
        self.source().await.index().count_versions(at).await
    }
}
