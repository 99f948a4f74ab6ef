//! The index tree: a persistent map from crate names to index files.
//!
//! It lives below one key of any store and changes atomically, at a cost in
//! proportion to what changes:
//!
//! ```text
//! {prefix}/current              the root: which shards and segments make the state,
//!                               and a line with the digest of that
//! {prefix}/shards/{sha256}      records of some crates, sorted by name
//! {prefix}/segments/{sha256}    the bytes of many index files, one after the other
//! ```
//!
//! Shards and segments are named by their digests and never change, so a reader
//! that holds a root has one whole state. A writer adds shards and segments, then
//! replaces the root on the condition that nobody else did. What neither the new
//! root nor the one before it names is swept with the next change, which leaves
//! readers of the old root time to notice.
//!
//! A record is one line: `name segment offset length sha256 tag`. Index files are
//! small and many; packing them keeps the number of objects, and of flushes to
//! disk, at a few for thousands of crates.

mod format;
mod reader;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use romt_core::{InvalidValue, Key, Sha256Digest, Store, ports::StoreError};

pub(crate) use format::Record;
pub(crate) use reader::{Snapshot, Snapshots};
pub(crate) use writer::TreeWriter;

/// Where a tree is.
#[derive(Clone, Debug)]
pub(crate) struct TreePlace {
    pub(crate) store: Arc<dyn Store>,
    prefix: Key,
}

/// What is wrong with a tree.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error("`{key}` is damaged: {reason}")]
    Damaged { key: Key, reason: String },
}

impl TreePlace {
    pub(crate) fn new(store: Arc<dyn Store>, prefix: Key) -> Self {
        Self { store, prefix }
    }

    fn root(&self) -> Result<Key, InvalidValue> {
        self.prefix.join("current")
    }

    fn shards(&self) -> Result<Key, InvalidValue> {
        self.prefix.join("shards")
    }

    fn segments(&self) -> Result<Key, InvalidValue> {
        self.prefix.join("segments")
    }

    fn shard(&self, digest: &Sha256Digest) -> Result<Key, InvalidValue> {
        self.prefix.join(&format!("shards/{digest}"))
    }

    fn segment(&self, digest: &Sha256Digest) -> Result<Key, InvalidValue> {
        self.prefix.join(&format!("segments/{digest}"))
    }
}
