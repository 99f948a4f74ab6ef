//! The port of an index that knows what changed between two points in time.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{ByteStream, IndexBackend, IndexError, Publication};
use crate::crates::{CrateName, Rows, VersionFilter};

/// Names one state of an index: for a git index, the id of a commit.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position(Arc<str>);

impl Position {
    /// A position by the index's own name for it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The index's name for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What of an index cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEntry {
    /// The file, as a path of the index.
    pub path: String,
    /// The line, counted from 1; the whole file if `None`.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

/// What distinguishes one state of an index from another.
///
/// Only versions and digests count: one that is merely yanked is in neither list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The versions of the end that the start has not, or has with another digest.
    pub added: Rows,
    /// The versions of the start that the end has not.
    pub removed: Rows,
    /// What the end says, in the files that differ, and is held back.
    pub refused: Vec<RefusedEntry>,
}

impl Difference {
    /// States a difference.
    pub fn new(added: Rows, removed: Rows, refused: Vec<RefusedEntry>) -> Self {
        Self {
            added,
            removed,
            refused,
        }
    }
}

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulled {
    /// Upstream's state.
    pub upstream: Position,
    /// Ours: upstream's, with our `config.json` if we have one.
    pub working: Position,
    /// Whether upstream's history does not contain what it was before.
    pub history_replaced: bool,
}

impl Pulled {
    /// States what was brought.
    pub fn new(upstream: Position, working: Position, history_replaced: bool) -> Self {
        Self {
            upstream,
            working,
            history_replaced,
        }
    }
}

/// A bundle that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleFacts {
    /// Its length in bytes.
    pub size: u64,
    /// The state that who imports it must have; none, if it is complete.
    pub base: Option<Position>,
    /// The state that it brings.
    pub tip: Position,
}

impl BundleFacts {
    /// States what was written.
    pub fn new(size: u64, base: Option<Position>, tip: Position) -> Self {
        Self { size, base, tip }
    }
}

/// What was packed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exported {
    /// All up to a state.
    UpTo {
        /// The state: who has imported what was packed has it.
        end: Position,
        /// The same state, less what the archives lacked.
        packed: Position,
    },
    /// Nothing, ever.
    Nothing,
    /// Another tool kept this mirror, and no account of it.
    Unknown,
}

/// The branch by which a bundle names its tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleBranch {
    /// `refs/heads/bundle/master`, as a rule.
    Bundle,
    /// `refs/heads/master`, if that is literally what was asked for.
    Master,
}

/// An index with a history: the one that a full mirror keeps.
///
/// Four states of it have names. *Upstream's* is as it was last fetched;
/// the *working* one is that with our `config.json`; the *mark* is where the last
/// finished run ended; the *shown* one is what clients see. Through
/// [`IndexBackend`] the shown state is read.
///
/// # Contract
///
/// - The shown state changes in one step, by [`withdraw`](Self::withdraw) and
///   [`publish`](Self::publish) alone, and is durable when they return.
/// - What is shown is the working state less what is held back; the caller has
///   made every crate of it durable.
#[async_trait]
pub trait HistoryIndex: IndexBackend {
    /// Finishes what a writer that died left undone. Called by every writer that
    /// has taken the store's lock.
    async fn recover(&self) -> Result<(), IndexError>;

    /// Fetches what upstream has and makes the working state of it. Shows nothing.
    async fn pull(&self) -> Result<Pulled, IndexError>;

    /// The state that `revision` names, or `None`. `HEAD` is the working state,
    /// and `mark` the mark, whatever the index does inside.
    async fn resolve(&self, revision: &str) -> Result<Option<Position>, IndexError>;

    /// The state that is shown, or `None` if nothing ever was.
    async fn shown(&self) -> Result<Option<Position>, IndexError>;

    /// The state that was fetched last, or `None` if nothing ever was.
    async fn upstream(&self) -> Result<Option<Position>, IndexError>;

    /// Whether `ancestor` is in the history of `of`, or is `of`.
    async fn contains(&self, of: &Position, ancestor: &Position) -> Result<bool, IndexError>;

    /// Where the last pack ended that was marked.
    async fn exported(&self) -> Result<Exported, IndexError>;

    /// Notes that the last pack was marked.
    async fn set_exported(&self) -> Result<(), IndexError>;

    /// Where the last pack ended, marked or not; `None` if there was none.
    async fn packed(&self) -> Result<Option<Position>, IndexError>;

    /// Notes where a pack ended, and which versions of that state neither it nor an
    /// earlier one had.
    async fn set_packed(&self, end: &Position, lacking: &Rows) -> Result<(), IndexError>;

    /// What the versions that `filter` selects differ by; without a start, all
    /// of the end is added.
    async fn difference(
        &self,
        start: Option<&Position>,
        end: &Position,
        filter: &VersionFilter,
    ) -> Result<Difference, IndexError>;

    /// How many versions there are in this state.
    async fn count(&self, at: &Position) -> Result<u64, IndexError>;

    /// The index file of a crate in this state, byte for byte.
    async fn file_at(&self, at: &Position, name: &CrateName) -> Result<Option<Bytes>, IndexError>;

    /// Shows these versions no more. Whether they were shown does not matter;
    /// the digests are not looked at.
    async fn withdraw(&self, versions: &Rows) -> Result<(), IndexError>;

    /// Moves the mark to `end` and shows `end`, less `held_back` and what
    /// `refused` names. Of a version that is held back, what was shown before
    /// stays shown, if anything was.
    async fn publish(
        &self,
        end: &Position,
        held_back: &Rows,
        refused: &[RefusedEntry],
    ) -> Result<Publication, IndexError>;

    /// Makes `config` the `config.json` of the working state; says whether that
    /// changed anything.
    async fn set_config(&self, config: &[u8]) -> Result<bool, IndexError>;

    /// Writes the bundle that brings who is at `start` to `end`: whole and durable,
    /// or not at all.
    async fn write_bundle(
        &self,
        start: Option<&Position>,
        end: &Position,
        branch: BundleBranch,
    ) -> Result<BundleFacts, IndexError>;

    /// The bundle that was written last: its length in bytes, and its bytes.
    async fn read_bundle(&self) -> Result<(u64, ByteStream), IndexError>;

    /// Takes in what a bundle brings, after judging it, and says which state that
    /// is. No name moves, and the next pull knows nothing of it yet.
    async fn stage_bundle(&self, body: ByteStream) -> Result<Position, IndexError>;

    /// Makes the bundle that was staged last what the next pull fetches.
    async fn keep_bundle(&self) -> Result<(), IndexError>;

    /// Forgets the bundle that was staged last, if there is one.
    async fn discard_bundle(&self) -> Result<(), IndexError>;
}
