//! Where romt's bytes live, and where they come from.
//!
//! | store | holds its objects |
//! |---|---|
//! | [`FsStore`] | in a directory |
//! | [`MemoryStore`] | in this process, for tests and for embedding |
//!
//! | source | takes its bytes from |
//! |---|---|
//! | [`HttpSource`] | an HTTP server |
//! | [`PathSource`] | a directory |
//! | [`StoreSource`] | another store |
//! | [`CargoHomeSource`] | what cargo has downloaded on this machine |
//! | [`SeededSource`] | a cargo home if it can, another source otherwise |
//!
//! | signature verifier | trusts |
//! |---|---|
//! | [`OpenPgp`] | what a pinned OpenPGP key has signed |
//! | [`Operators`] | what enough people have signed |

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod http;

mod archive_file;
mod cargo_home;
#[cfg(feature = "conformance")]
mod faulty;
mod fs;
mod local_file;
mod memory;
mod openpgp;
mod path;
mod range;
mod sealed;
mod store_source;

pub use archive_file::{ArchiveFile, ArchiveInput};
pub use cargo_home::{CachedCrate, CargoHomeError, CargoHomeSource, SeededSource};
pub use fs::{FsOpenError, FsStore, FsStoreOptions, SyncPolicy};
pub use http::{HttpClient, HttpOptions, HttpSource, PLAIN_HTTP_REFUSED, ProxyChoice};
pub use memory::MemoryStore;
pub use openpgp::{KeyFileError, OpenPgp, Operators};
pub use path::PathSource;
pub use sealed::{Seal, SealError, SealedArchive, open_archive};
pub use store_source::StoreSource;
