//! Toolchains: what a release consists of, fetched, kept, carried and shown.
//!
//! A [`DistSession`] is one run of the tool over the toolchains of a [`DistMirror`].
//!
//! | step | does |
//! |---|---|
//! | [`fetch`](DistSession::fetch) | gets and judges a manifest; keeps nothing |
//! | [`download`](DistSession::download) | fetches the components of a release |
//! | [`keep`](DistSession::keep) | puts the manifest under its date |
//! | [`publish`](DistSession::publish) | gives it the names that rustup asks for |
//! | [`verify`](DistSession::verify) | reads and judges what is here of a release |
//! | [`pack`](DistSession::pack), [`unpack`](DistSession::unpack) | carry releases over an air gap |
//! | [`plan_prune`](DistSession::plan_prune) | says which releases may go |
//!
//! # The order
//!
//! Components first, durably; then the manifest under its date; then, in one journaled
//! step, the names without a date. A client never sees a manifest by name whose
//! components are still on their way, and a run that dies is finished by the next.
//!
//! # Trust
//!
//! A manifest is trusted by its signature, a component by the digest that the manifest
//! has for it. The `.sha256` beside a file proves nothing: it comes from where the
//! file came from.

mod component;
mod download;
mod error;
mod fetch;
mod held;
mod journal;
mod keep;
mod known;
mod list;
mod options;
mod pack;
mod prune;
mod publish;
mod select;
mod since;
mod unpack;
mod unpack_component;
mod verify;
mod warn;

use std::sync::Arc;

pub use component::{ComponentOutcome, Wanted};
pub use error::DistError;
pub use fetch::Release;
pub use list::{ListedTarget, Listing};
pub use options::{DistOptions, SignaturePolicy};
pub use pack::PackedTree;
pub use prune::PrunePlan;
pub use since::CarriedList;
pub use unpack::UnpackedReleases;

use self::warn::WarnOnce;
use crate::{EventSink, Store, layout::DistLayout, ports::StoreLock};

/// The toolchains of a mirror.
///
/// Cheap to clone; clones are the same mirror.
#[derive(Clone, Debug)]
pub struct DistMirror {
    store: Arc<dyn Store>,
    layout: DistLayout,
}

impl DistMirror {
    /// The toolchains in `store`. Touches nothing yet.
    pub fn new(store: Arc<dyn Store>, layout: DistLayout) -> Self {
        Self { store, layout }
    }

    /// Where the toolchains are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where things are in the store.
    pub fn layout(&self) -> DistLayout {
        self.layout
    }

    /// Begins a run of steps.
    pub fn session(&self, options: DistOptions, events: Arc<dyn EventSink>) -> DistSession {
        DistSession {
            mirror: self.clone(),
            options,
            events: Arc::new(WarnOnce::new(events)),
            lock: None,
            known: known::Known::default(),
        }
    }
}

/// A run of steps over the toolchains of a mirror.
///
/// The first step that writes takes the store's lock, and the session keeps it.
/// Dropping a step's future leaves what was shown before, or what the step was about
/// to show; a new session finishes the work.
pub struct DistSession {
    mirror: DistMirror,
    options: DistOptions,
    events: Arc<dyn EventSink>,
    lock: Option<StoreLock>,
    known: known::Known,
}

impl DistSession {
    /// How the session works.
    pub fn options(&self) -> &DistOptions {
        &self.options
    }

    /// Where the toolchains are.
    pub fn mirror(&self) -> &DistMirror {
        &self.mirror
    }

    /// Takes the right to write, once, and finishes what an earlier run began to show.
    ///
    /// Steps that write do this by themselves. Those that only read see what an earlier
    /// run left half-shown, unless this was done.
    ///
    /// # Errors
    ///
    /// If another writer holds the store, or it fails.
    pub async fn begin_writing(&mut self) -> Result<(), DistError> {
        if self.lock.is_none() {
            let lock = self.mirror.store.lock(&self.options.holder).await?;
            // If that fails or is dropped, the next step is to try again.
            self.recover().await?;
            self.lock = Some(lock);
        }
        Ok(())
    }
}

impl std::fmt::Debug for DistSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DistSession")
            .field("mirror", &self.mirror)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
