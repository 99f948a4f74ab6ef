//! Crates: their names, versions, index entries and how a set of them is chosen.
//!
//! The formats are cargo's: the [registry index] and the lock file.
//!
//! [registry index]: https://doc.rust-lang.org/cargo/reference/registry-index.html

mod closure;
mod config;
mod entry;
mod filter;
mod index_file;
mod lockfile;
mod name;
mod request;
mod rows;
mod version;

pub use closure::{Closure, ClosureError, ClosureOptions, Unresolved, resolve_closure};
pub use config::{ConfigError, DownloadTemplate, IndexConfig, MAX_CONFIG_SIZE};
pub use entry::{
    Dependency, DependencyKind, EntryDetails, EntryError, FeatureMap, IndexEntry, MAX_LINE_SIZE,
};
pub use filter::VersionFilter;
pub use index_file::{IndexFile, IndexFileError, MAX_INDEX_FILE_SIZE, RejectedLine};
pub use lockfile::{LeftOut, LockedCrate, Lockfile, LockfileError, MAX_LOCKFILE_SIZE, Origin};
pub use name::{CrateName, PrefixStyle};
pub use request::CrateRequest;
pub use rows::{CrateRows, Rows, VersionRow};
pub use version::Version;
