//! The full mirror: all crates of a registry, or what a filter selects of them, on
//! an index with a history.
//!
//! A [`Session`] is one run of the tool: its steps share one range, so that what
//! `download` verified, `mark` need not look at again.
//!
//! | step | does |
//! |---|---|
//! | [`pull`](Session::pull) | fetches the index; shows nothing |
//! | [`prune`](Session::prune) | shows what upstream removed no more, then deletes it |
//! | [`download`](Session::download) | fetches what the range adds, and what was held back |
//! | [`verify`](Session::verify) | reads and judges what the range adds |
//! | [`pack`](Session::pack) | puts the range into an archive |
//! | [`unpack`](Session::unpack) | takes a range out of an archive; shows nothing |
//! | [`mark`](Session::mark) | shows all that is here, and moves the mark |
//!
//! What could not be had is held back: it is not shown, and the next session that
//! begins at the mark tries it again. No list of it is kept; it is the difference
//! between the mark and what is shown.

mod check;
mod download;
mod error;
mod leaving;
mod mark;
mod options;
mod pack;
mod place;
mod range;
mod unpack;

use std::sync::Arc;

pub use download::CrateOutcome;
pub use error::FullError;
pub use leaving::leaving;
pub use mark::{Marked, Pruned, client_config};
pub use options::{FullOptions, RangeStart};
pub use pack::Packed;
pub use range::Range;
pub use unpack::Unpacked;

use crate::{
    EventSink, MirrorLayout,
    crates::Rows,
    ports::{HistoryIndex, Pulled, Store, StoreLock},
};

/// A full mirror: a store, and an index with a history.
///
/// Cheap to clone; clones are the same mirror.
#[derive(Clone, Debug)]
pub struct FullMirror {
    store: Arc<dyn Store>,
    index: Arc<dyn HistoryIndex>,
    layout: MirrorLayout,
}

impl FullMirror {
    /// The mirror whose crates are in `store`. Touches nothing yet.
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn HistoryIndex>, layout: MirrorLayout) -> Self {
        Self {
            store,
            index,
            layout,
        }
    }

    /// Where the crates are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The index.
    pub fn index(&self) -> &Arc<dyn HistoryIndex> {
        &self.index
    }

    /// Where things are in the store.
    pub fn layout(&self) -> MirrorLayout {
        self.layout
    }

    /// Begins a run of steps.
    pub fn session(&self, options: FullOptions, events: Arc<dyn EventSink>) -> Session {
        Session {
            mirror: self.clone(),
            options,
            events,
            lock: None,
            range: None,
            durable: Rows::default(),
            verified: Rows::default(),
            bad: Vec::new(),
        }
    }
}

/// A run of steps over one range of the index.
///
/// The first step that writes takes the store's lock, and the session keeps it.
/// Dropping a step's future leaves what was shown before, or what the step was
/// about to show; a new session finishes the work.
pub struct Session {
    mirror: FullMirror,
    options: FullOptions,
    events: Arc<dyn EventSink>,
    lock: Option<StoreLock>,
    range: Option<Arc<Range>>,
    /// Found right in this session, and to survive a loss of power.
    durable: Rows,
    /// Found right in this session.
    verified: Rows,
    /// Found missing or wrong in this session.
    bad: Vec<Rows>,
}

impl Session {
    /// Takes the right to write, once.
    async fn begin_writing(&mut self) -> Result<(), FullError> {
        if self.lock.is_none() {
            self.lock = Some(self.mirror.store.lock(&self.options.holder).await?);
            self.mirror.index.recover().await?;
        }
        Ok(())
    }

    /// Fetches what upstream's index has, and shows nothing of it.
    pub async fn pull(&mut self) -> Result<Pulled, FullError> {
        self.begin_writing().await?;
        let pulled = self.mirror.index.pull().await?;
        self.range = None;
        Ok(pulled)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("mirror", &self.mirror)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
