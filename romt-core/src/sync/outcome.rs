//! What a sync did, as facts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    Artifact, ErrorClass, Key, LayoutError,
    crates::{ClosureError, Unresolved},
    ports::{IndexError, Publication, StoreError},
};

/// One thing that was wanted and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What it is, as in `serde 1.0.200`.
    pub label: Arc<str>,
    /// What kind of failure it is.
    pub class: ErrorClass,
    /// Why, with its causes.
    pub reason: String,
}

impl Failure {
    /// A failure to have what is called `label`.
    pub fn new(label: impl Into<Arc<str>>, class: ErrorClass, reason: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            class,
            reason: reason.into(),
        }
    }
}

/// What the engine did with a plan.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FetchOutcome {
    /// How many artifacts were fetched, verified and stored.
    pub fetched: u64,
    /// How many were there already and right.
    pub present: u64,
    /// How many bytes were stored.
    pub bytes: u64,
    /// The sizes in bytes of all that is there now, by key, if they were wanted.
    pub sizes: HashMap<Key, u64>,
    /// What could not be had, and the artifact.
    pub failed: Vec<(Artifact, Failure)>,
    /// Whether the work was cancelled before its end.
    pub cancelled: bool,
    /// Whether the store failed, so that nothing more was begun. What the plan had
    /// besides is neither here nor among what failed.
    pub stopped: bool,
}

/// What a sync did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncOutcome {
    /// How many crates were fetched, verified and stored.
    pub fetched: u64,
    /// How many were there already and right.
    pub present: u64,
    /// How many bytes were stored.
    pub bytes: u64,
    /// The crates that were wanted and are held back, with the reasons.
    pub failed: Vec<Failure>,
    /// Crates that upstream lists no more and the mirror keeps.
    pub withdrawn: Vec<Arc<str>>,
    /// Dependencies of a closure that nothing in the registry satisfies.
    pub unresolved: Vec<Unresolved>,
    /// What was made visible; `None` if nothing changed.
    pub publication: Option<Publication>,
    /// Whether the work was cancelled before its end.
    pub cancelled: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl SyncOutcome {
    /// The gravest class of failure, or `None` if nothing failed.
    pub fn class(&self) -> Option<ErrorClass> {
        self.failed
            .iter()
            .map(|failure| failure.class)
            .reduce(ErrorClass::max)
    }

    pub(super) fn store_failed(&self) -> bool {
        let mut failed = self.failed.iter();
        failed.any(|failure| failure.class == ErrorClass::Storage)
    }
}

/// Why a sync could not be done at all. The mirror shows what it showed before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The mirror's layout could not be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The store failed, or another writer holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An index could not be read or published.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The crates asked for could not be resolved.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

impl SyncError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Layout(LayoutError::Store(error)) | Self::Store(error) => error.class(),
            Self::Layout(LayoutError::File { .. }) => ErrorClass::Usage,
            Self::Index(error) => error.class(),
            Self::Closure(error) => error.class(),
        }
    }
}
