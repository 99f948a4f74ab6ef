//! Why a step could not be done.

use crate::{
    ErrorClass, Escaped, InvalidValue, Sha256Digest,
    ports::{SourceError, StoreError, StreamError, VerifyError},
    rustup::{ReleaseFileError, RustupSpec, RustupVersion},
    sync::Failure,
    transfer::{ArchiveError, ArchiveWriteError, Place},
};

/// Why a step could not be done. What is shown is what was shown before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallerError {
    /// The store failed, or another writer holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Upstream failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file is not here.
    #[error("missing file {file}")]
    Missing {
        /// The file.
        file: String,
    },
    /// There is nothing of a version.
    #[error("version {version} not present")]
    NoVersion {
        /// The version.
        version: RustupVersion,
    },
    /// A name has a place for a wildcard only.
    #[error("invalid wild SPEC: {spec}")]
    Wild {
        /// What was asked for.
        spec: RustupSpec,
    },
    /// Nothing here is of that name.
    #[error("no matches for wild SPEC '{spec}'")]
    NoMatch {
        /// What was asked for.
        spec: RustupSpec,
    },
    /// A file has another digest than it should.
    #[error("Bad hash for {file} (got {got}, expected {expected})")]
    BadHash {
        /// The file.
        file: String,
        /// The digest that it has.
        got: Sha256Digest,
        /// The digest that it should have.
        expected: Sha256Digest,
    },
    /// Upstream's digest is not the one that was pinned.
    #[error("{file} is pinned to {pinned}, and comes with {came}")]
    Pinned {
        /// The file.
        file: String,
        /// The digest that was pinned.
        pinned: Sha256Digest,
        /// The digest that came.
        came: Sha256Digest,
    },
    /// The installer of a version is not what it was.
    #[error(
        "{file} is here with the digest {here} and came with {came}; \
         what has a version does not change, and the one that is here stays"
    )]
    Changed {
        /// The file.
        file: String,
        /// The digest of what is here.
        here: Sha256Digest,
        /// The digest of what came.
        came: Sha256Digest,
    },
    /// A small file is not what it should be.
    #[error("{file} is not understood")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: InvalidValue,
    },
    /// What says which version is current is not what it should be.
    #[error("{file} is not understood")]
    Release {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: ReleaseFileError,
    },
    /// An archive is malformed, damaged, hostile, or cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Something in an archive is not right.
    #[error("{archive}, {place}")]
    InArchive {
        /// The archive.
        archive: Escaped,
        /// Where in it.
        place: Place,
        /// What is wrong.
        #[source]
        source: Box<Self>,
    },
    /// An archive has no installer.
    #[error("{archive} brings nothing of rustup")]
    BringsNothing {
        /// The archive.
        archive: Escaped,
    },
    /// An installer in an archive comes without its digest file.
    #[error("{file} does not come with it")]
    NoDigestFile {
        /// The digest file.
        file: String,
    },
    /// An archive could not be written.
    #[error(transparent)]
    Write(#[from] ArchiveWriteError),
    /// An installer in an archive is not what its digest file says.
    #[error("{file} is not what the digest file beside it says")]
    Wrong {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: Box<VerifyError>,
    },
    /// Bytes broke off on their way.
    #[error("the bytes broke off")]
    Body(#[source] Box<StreamError>),
    /// The store failed at one file, and so may fail at all.
    #[error("{}: {}", failure.label, failure.reason)]
    StoreStopped {
        /// What happened.
        failure: Failure,
    },
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
}

impl InstallerError {
    pub(super) fn body(error: StreamError) -> Self {
        Self::Body(Box::new(error))
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Source(error) => error.class(),
            Self::Missing { .. } | Self::Cancelled => ErrorClass::Partial,
            Self::InArchive { source, .. } => source.class(),
            Self::NoVersion { .. } | Self::Wild { .. } | Self::NoMatch { .. } => ErrorClass::Usage,
            Self::BadHash { .. } | Self::Pinned { .. } | Self::Changed { .. } => {
                ErrorClass::Integrity
            }
            Self::BringsNothing { .. } | Self::NoDigestFile { .. } | Self::Invalid { .. } => {
                ErrorClass::Refused
            }
            Self::Release { source, .. } => source.class(),
            Self::Archive(error) => error.class(),
            Self::Write(error) => error.class(),
            Self::Wrong { source, .. } => source.class(),
            Self::Body(error) => error.class(),
            Self::StoreStopped { failure } => failure.class,
        }
    }
}
