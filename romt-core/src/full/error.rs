//! Why a step could not be done.

use crate::{
    ErrorClass, Escaped, Key, LayoutError,
    ports::{IndexError, Position, StoreError, StreamError, VerifyError},
    sync::Failure,
    transfer::{ArchiveError, ArchiveWriteError},
};

/// Why a step could not be done. What is shown is what was shown before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FullError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store failed, or another writer holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mirror's layout could not be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The range names a revision that there is not.
    #[error("bad commit requested: Ref '{revision}' did not resolve to an object")]
    NoRevision {
        /// The revision.
        revision: Escaped,
    },
    /// More would vanish than a registry loses in the normal course.
    #[error(
        "{removed} of {of} versions would vanish at once, which looks like damage upstream; nothing was removed"
    )]
    TooManyRemovals {
        /// How many would vanish.
        removed: u64,
        /// How many there are.
        of: u64,
    },
    /// More would get other bytes than a registry changes in the normal course.
    #[error(
        "{changed} of {of} versions would get other bytes at once, which looks like damage upstream; nothing was changed"
    )]
    TooManyChanges {
        /// How many would change.
        changed: u64,
        /// How many there are.
        of: u64,
    },
    /// An archive is malformed, damaged, hostile, or cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An archive could not be written.
    #[error(transparent)]
    Write(#[from] ArchiveWriteError),
    /// An archive has no index before its crates.
    #[error("Missing git/crates.io-index/origin.bundle in archive")]
    NoBundle,
    /// An archive was imported already, and a later one since.
    #[error("{archive} is older than what is here: it brings {brings}, and {has} builds on that")]
    Older {
        /// The archive.
        archive: Escaped,
        /// The state that it brings.
        brings: Position,
        /// The state that is here.
        has: Position,
    },
    /// An archive has a crate that its index does not list.
    #[error("{place}: the archive's index does not list {label}")]
    Unlisted {
        /// The crate.
        label: String,
        /// Where in the archive it is.
        place: String,
    },
    /// An archive has a crate that is not what its index says.
    #[error("{place}: {label} is not what the archive's index says")]
    WrongCrate {
        /// The crate.
        label: String,
        /// Where in the archive it is.
        place: String,
        /// What is wrong.
        #[source]
        source: Box<VerifyError>,
    },
    /// A crate was changed while it was being packed.
    #[error("`{key}` was changed while it was being packed")]
    Changed {
        /// The crate's file.
        key: Key,
    },
    /// Bytes broke off on their way.
    #[error("the bytes broke off")]
    Body(#[source] Box<StreamError>),
    /// The store failed at one crate, and so may fail at all.
    #[error("{}: {}", failure.label, failure.reason)]
    StoreStopped {
        /// What happened.
        failure: Failure,
    },
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
}

impl FullError {
    pub(super) fn body(error: StreamError) -> Self {
        Self::Body(Box::new(error))
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Index(error) => error.class(),
            Self::Layout(LayoutError::Store(error)) | Self::Store(error) => error.class(),
            Self::Layout(LayoutError::File { .. }) | Self::NoRevision { .. } => ErrorClass::Usage,
            Self::TooManyRemovals { .. }
            | Self::TooManyChanges { .. }
            | Self::NoBundle
            | Self::Older { .. }
            | Self::Unlisted { .. } => ErrorClass::Refused,
            Self::Archive(error) => error.class(),
            Self::Write(error) => error.class(),
            Self::WrongCrate { source, .. } => source.class(),
            Self::Changed { .. } => ErrorClass::Integrity,
            Self::Body(error) => error.class(),
            Self::StoreStopped { failure } => failure.class,
            Self::Cancelled => ErrorClass::Partial,
        }
    }
}
