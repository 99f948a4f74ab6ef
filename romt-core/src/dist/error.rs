//! Why a step could not be done.

use crate::{
    ErrorClass, Escaped, InvalidValue, Key, Sha256Digest,
    ports::{SignatureError, SourceError, StoreError, StreamError, VerifyError},
    sync::Failure,
    toolchain::{ManifestError, ReleaseDate, TargetName, ToolchainSpec},
    transfer::{ArchiveError, ArchiveWriteError, Place},
};

/// Why a step could not be done. What is shown is what was shown before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistError {
    /// The store failed, or another writer holds it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Upstream failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A manifest is not one, or not the one that it should be.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file has no good signature.
    #[error("Signature failure for {file} using signature {file}.asc")]
    Signature {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: SignatureError,
    },
    /// A file has no signature.
    #[error("missing file {file}.asc, without which {file} is not trusted")]
    Unsigned {
        /// The file.
        file: String,
    },
    /// A file is not here.
    #[error("missing file {file}")]
    Missing {
        /// The file.
        file: String,
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
    /// A digest file is none.
    #[error("{file} is no digest file")]
    DigestFile {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: InvalidValue,
    },
    /// A name has a place for a wildcard only.
    #[error("invalid wild SPEC: {spec}")]
    Wild {
        /// What was asked for.
        spec: ToolchainSpec,
    },
    /// Nothing here is of that name.
    #[error("no matches for wild SPEC '{spec}'")]
    NoMatch {
        /// What was asked for.
        spec: ToolchainSpec,
    },
    /// The release knows no such target.
    #[error("target '{target}' not found in manifest")]
    UnknownTarget {
        /// The target.
        target: TargetName,
    },
    /// The manifest of a date is not what it was.
    #[error(
        "{file} is here with the digest {here} and came with {came}; \
         what has a date does not change, and the one that is here stays"
    )]
    Changed {
        /// The file.
        file: String,
        /// The digest of what is here.
        here: Sha256Digest,
        /// The digest of what came.
        came: Sha256Digest,
    },
    /// The channel would go back.
    #[error("{file} would go back from {here} to {came}")]
    Rollback {
        /// The channel's manifest.
        file: String,
        /// The date of the release that is here.
        here: ReleaseDate,
        /// The date of the release that came.
        came: ReleaseDate,
    },
    /// There is no room for what is to be fetched.
    #[error("{needed} bytes are needed and {free} are free in {store}")]
    NoRoom {
        /// The store.
        store: String,
        /// How many bytes are needed.
        needed: u64,
        /// How many are free.
        free: u64,
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
    /// An archive has nothing of what it is about, and clients would be told of it.
    #[error("{archive} brings nothing of {what}")]
    BringsNothing {
        /// The archive.
        archive: Escaped,
        /// What it should bring something of.
        what: String,
    },
    /// An archive could not be written.
    #[error(transparent)]
    Write(#[from] ArchiveWriteError),
    /// An archive lacks something that is not here either.
    #[error("{archive} builds on {file}, which is not here{why}")]
    LacksBase {
        /// The archive.
        archive: Escaped,
        /// The file.
        file: String,
        /// More about it.
        why: &'static str,
    },
    /// A component of an archive is not what its manifest says.
    #[error("{file} is not what the archive's manifest says")]
    WrongComponent {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: Box<VerifyError>,
    },
    /// A file was changed while it was being packed.
    #[error("`{key}` was changed while it was being packed")]
    ChangedMeanwhile {
        /// The file.
        key: Key,
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
    /// Something of the mirror itself is not understood.
    #[error("{file} is not understood: {reason}")]
    OwnFile {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
}

impl DistError {
    pub(super) fn body(error: StreamError) -> Self {
        Self::Body(Box::new(error))
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Source(error) => error.class(),
            Self::Manifest(error) => error.class(),
            Self::Signature { source, .. } => source.class(),
            Self::Missing { .. } | Self::Cancelled => ErrorClass::Partial,
            Self::Unsigned { .. }
            | Self::BadHash { .. }
            | Self::Changed { .. }
            | Self::ChangedMeanwhile { .. } => ErrorClass::Integrity,
            Self::Wild { .. } | Self::NoMatch { .. } | Self::UnknownTarget { .. } => {
                ErrorClass::Usage
            }
            Self::InArchive { source, .. } => source.class(),
            Self::DigestFile { .. }
            | Self::BringsNothing { .. }
            | Self::Rollback { .. }
            | Self::LacksBase { .. }
            | Self::OwnFile { .. } => ErrorClass::Refused,
            Self::NoRoom { .. } => ErrorClass::Storage,
            Self::Archive(error) => error.class(),
            Self::Write(error) => error.class(),
            Self::WrongComponent { source, .. } => source.class(),
            Self::Body(error) => error.class(),
            Self::StoreStopped { failure } => failure.class,
        }
    }
}
