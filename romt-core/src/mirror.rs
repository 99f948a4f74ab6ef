//! The façade that embedding code holds.

use std::sync::Arc;

use crate::{
    EventSink, MirrorLayout, Selection, SyncError, SyncOptions, SyncOutcome,
    crates::DownloadTemplate,
    ports::{IndexBackend, IndexPublisher, Source, Store},
    sync::sync_crates,
};

/// A registry to mirror from.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Which crates it has.
    pub index: Arc<dyn IndexBackend>,
    /// Where their bytes come from.
    pub crates: Arc<dyn Source>,
    /// Where the crates are; if `None`, where the index says.
    pub download: Option<DownloadTemplate>,
}

impl Upstream {
    /// A registry with this index, whose crates `crates` can reach.
    pub fn new(index: Arc<dyn IndexBackend>, crates: Arc<dyn Source>) -> Self {
        Self {
            index,
            crates,
            download: None,
        }
    }

    /// Takes the crates from elsewhere than the index says.
    #[must_use]
    pub fn with_download(mut self, download: Option<DownloadTemplate>) -> Self {
        self.download = download;
        self
    }
}

/// A mirror: a store, and the index that it shows.
///
/// Cheap to clone; clones are the same mirror.
#[derive(Clone, Debug)]
pub struct Mirror {
    store: Arc<dyn Store>,
    index: Arc<dyn IndexPublisher>,
}

impl Mirror {
    /// The mirror in `store` that shows `index`. Touches nothing yet.
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn IndexPublisher>) -> Self {
        Self { store, index }
    }

    /// Where the bytes are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The index that clients see.
    pub fn index(&self) -> &Arc<dyn IndexPublisher> {
        &self.index
    }

    /// Where things are in the mirror's tree.
    pub async fn layout(&self) -> Result<MirrorLayout, SyncError> {
        Ok(MirrorLayout::load(&*self.store).await?)
    }

    /// Brings what `selection` names from `upstream` into the mirror, and shows it.
    ///
    /// What the mirror holds besides stays. A crate that cannot be had is held
    /// back and listed in the outcome; everything else is published. Calling it
    /// again finishes the work, and fetches nothing that is already right.
    ///
    /// Dropping the future, or cancelling through the options, leaves what was
    /// published before, and no debris.
    pub async fn sync(
        &self,
        upstream: &Upstream,
        selection: &Selection,
        options: &SyncOptions,
        events: Arc<dyn EventSink>,
    ) -> Result<SyncOutcome, SyncError> {
        sync_crates(self, upstream, selection, options, events).await
    }
}
