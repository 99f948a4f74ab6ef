//! The port that knows which crate versions exist.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{SourceError, StoreError};
use crate::{
    CrateName, ErrorClass, Escaped, InvalidValue, Sha256Digest,
    crates::{ConfigError, IndexConfig},
};

/// What identifies one state of one crate's index file.
///
/// Equal tags mean equal bytes. Opaque, except that a file whose origin has no
/// better name for its state is tagged with the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX_LENGTH: usize = 1100;

    /// A tag from its text, or `None` if it is empty, longer than
    /// [`Tag::MAX_LENGTH`] or has anything but printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_LENGTH;
        (fits && text.bytes().all(|b| matches!(b, b' '..=b'~'))).then(|| Self(text.into()))
    }

    /// The tag of a file with this digest.
    pub fn of_digest(digest: &Sha256Digest) -> Self {
        Self(format!("sha256-{digest}").into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One crate's index file, if there is news of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// What the caller knows is still right.
    Unchanged,
    /// The file, byte for byte.
    Fresh {
        /// The lines of the file.
        body: Bytes,
        /// What identifies this state of the file.
        tag: Tag,
    },
    /// The index has no such crate.
    Absent,
}

/// Which crate versions exist, and what is said of each.
///
/// `Display` names the index for messages, without credentials.
///
/// # Contract
///
/// - Bytes are handed on as the index has them; parsing and judging them is the
///   caller's.
/// - [`load`](Self::load) answers [`Loaded::Unchanged`] only if `known` is the
///   tag of the present bytes.
/// - Failures for now are retried inside, by the common policy.
#[async_trait]
pub trait IndexBackend: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// The index's own `config.json`.
    async fn config(&self) -> Result<IndexConfig, IndexError>;

    /// The index file of the crate called `name`, in whichever case of letters.
    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError>;

    /// Keeps what was learnt of the index, so that the next run need only ask
    /// what changed. Called at the end of a sync; an index that learns nothing
    /// has nothing to do.
    async fn settle(&self) -> Result<(), IndexError>;

    /// Takes note that what was loaded of `name` in this run proved wrong or
    /// wanting: the next run asks for all of it, whatever validator came with it.
    /// An index that remembers nothing has nothing to do.
    async fn distrust(&self, name: &CrateName) -> Result<(), IndexError>;
}

/// A change to what an index shows of one crate.
#[derive(Clone, Debug)]
pub struct IndexChange {
    /// The crate.
    pub name: CrateName,
    /// The new file, or `None` to show the crate no more.
    pub body: Option<Bytes>,
    /// What is to be remembered with it.
    pub note: PublishedNote,
}

/// What is remembered with a published file, for the next run of the publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedNote {
    /// The tag of the upstream file that the published one was made from, if that
    /// is all that is to be had of it.
    pub upstream: Option<Tag>,
    /// The size in bytes of the crate file of each entry, in the order of the
    /// file, as far as is known.
    pub sizes: Vec<Option<u64>>,
}

/// What an [`IndexPublisher`] has made visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publication {
    /// Names the published state; equal states have equal positions.
    pub position: String,
    /// How many crates' files were added, changed or removed by it.
    pub changed: u64,
    /// How many crates the index shows.
    pub crates: u64,
}

impl Publication {
    /// States what was made visible.
    pub fn new(position: String, changed: u64, crates: u64) -> Self {
        Self {
            position,
            changed,
            crates,
        }
    }
}

/// An index that can be changed: the mirror's own.
///
/// # Contract
///
/// A publication is one step: readers see the state before it or the state
/// after it. The caller has made every crate that the new state shows durable.
#[async_trait]
pub trait IndexPublisher: IndexBackend {
    /// Finishes what a writer that died left undone, and looks anew at what is
    /// published. Called by every writer that has taken the store's lock, before
    /// it asks what is shown: what was known earlier may be another's past.
    async fn recover(&self) -> Result<(), IndexError>;

    /// What was remembered with the published file of `name`; nothing if it is
    /// not known any more.
    async fn note(&self, name: &CrateName) -> Result<PublishedNote, IndexError>;

    /// Makes `changes` visible, all at once.
    async fn publish(&self, changes: BoxStream<'_, IndexChange>)
    -> Result<Publication, IndexError>;
}

/// Why an index could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The place where the index is did not deliver.
    #[error("the index at {index} could not be read")]
    Source {
        /// The index.
        index: String,
        /// What the source says.
        #[source]
        source: SourceError,
    },
    /// The store that holds the index failed.
    #[error("the index in {index} could not be read or written")]
    Store {
        /// The index.
        index: String,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// The index's `config.json` is not one.
    #[error("the config.json of {index} is refused")]
    Config {
        /// The index.
        index: String,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// A file of the index is refused as a whole.
    #[error("the file of {what} in {index} is refused: {reason}")]
    Refused {
        /// The index.
        index: String,
        /// The crate, or the part of the index.
        what: String,
        /// Why.
        reason: String,
    },
    /// Something is named by what cannot be a name.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// The index's own machinery failed, in a way that callers cannot act on.
    #[error("could not {action} in the index at {index}")]
    Backend {
        /// The index.
        index: String,
        /// What was being done.
        action: &'static str,
        /// What kind of failure it is.
        class: ErrorClass,
        /// The machinery's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A bundle builds on a state that the index does not have.
    #[error("a gap before this bundle: it needs {needs}, and {index} has {has}")]
    Gap {
        /// The index.
        index: String,
        /// What it needs.
        needs: String,
        /// The newest state that is there.
        has: String,
    },
    /// Nothing has been published here yet.
    #[error("{index} has no published index")]
    Unpublished {
        /// The index.
        index: String,
    },
}

impl IndexError {
    /// A refusal of `what`, which is outside text.
    pub fn refused(index: impl fmt::Display, what: &str, reason: impl Into<String>) -> Self {
        Self::Refused {
            index: index.to_string(),
            what: Escaped::new(what).to_string(),
            reason: reason.into(),
        }
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Source { source, .. } => source.class(),
            Self::Store { source, .. } => source.class(),
            // There is nothing wrong with it; it is for others.
            Self::Config {
                source: ConfigError::AuthRequired,
                ..
            } => ErrorClass::Upstream,
            Self::Config { .. } | Self::Refused { .. } | Self::Invalid(_) | Self::Gap { .. } => {
                ErrorClass::Refused
            }
            Self::Unpublished { .. } => ErrorClass::Usage,
            Self::Backend { class, .. } => *class,
        }
    }
}
