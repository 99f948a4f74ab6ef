//! Where romt's bytes live, and where they come from.
//!
//! | store | holds its objects |
//! |---|---|
//! | [`FsStore`] | in a directory |
//! | [`MemoryStore`] | in this process, for tests and for embedding |

#[cfg(feature = "conformance")]
pub mod conformance;

#[cfg(feature = "conformance")]
mod faulty;
mod fs;
mod memory;
mod range;

pub use fs::{FsOpenError, FsStore, FsStoreOptions, SyncPolicy};
pub use memory::MemoryStore;
