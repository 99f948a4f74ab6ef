//! romt's indexes: adapters of the [`IndexBackend`](romt_core::IndexBackend) port.
//!
//! | adapter | what it is |
//! |---|---|
//! | [`SparseIndex`] | an upstream's sparse index, reached through any `Source` |
//! | [`SnapshotIndex`] | the index that a mirror shows, kept in any `Store` |
//!
//! Both keep what they know in an *index tree*: a map from crate names to index
//! files that changes from one whole state to the next by replacing one small
//! object. See the module of that name in the source for its format.

mod snapshot;
mod sparse;
mod tree;

pub use snapshot::SnapshotIndex;
pub use sparse::SparseIndex;
