//! romt's indexes: adapters of the [`IndexBackend`](romt_core::IndexBackend) port.
//!
//! | adapter | what it is |
//! |---|---|
//! | [`SparseIndex`] | an upstream's sparse index, reached through any `Source` |
//! | [`SnapshotIndex`] | the index that a mirror shows, kept in any `Store` |
//! | [`GitIndex`] | the index of a full mirror: a git repository with its history |
//! | [`PlainIndex`] | plain sparse files in any `Store`, to be served as they are |
//!
//! `SparseIndex` and `SnapshotIndex` keep what they know in an *index tree*: a map
//! from crate names to index files that changes from one whole state to the next by
//! replacing one small object. See the module of that name in the source for its
//! format.

mod git;
mod note;
mod origin;
mod plain;
mod snapshot;
mod sparse;
mod tree;

pub use git::{GitIndex, GitOptions, GitProtocol, UploadError};
pub use plain::PlainIndex;
pub use snapshot::SnapshotIndex;
pub use sparse::SparseIndex;

/// How many versions an index file has: its lines.
fn versions_in(body: &[u8]) -> u64 {
    let lines = body.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.trim_ascii().is_empty()).count() as u64
}

/// The configuration of an index whose crates lie beside it. Where clients find
/// them depends on who asks, so a server makes its own.
fn own_config(
    index: &impl std::fmt::Display,
) -> Result<romt_core::crates::IndexConfig, romt_core::ports::IndexError> {
    let text = br#"{"dl":"crates/{lowerprefix}/{crate}/{crate}-{version}.crate"}"#;
    romt_core::crates::IndexConfig::parse(text).map_err(|source| {
        romt_core::ports::IndexError::Config {
            index: index.to_string(),
            source,
        }
    })
}
