//! The domain, the ports and the pipelines of romt, the Rust offline mirror tool.
//!
//! romt lets people use Rust where there is no internet: it mirrors crates,
//! carries them over an air gap and serves them to unmodified cargo. This crate
//! holds what that *is*: names, digests, index entries, the order in which things
//! become visible. It has no network, no disk and no git; those are adapters
//! behind four [`ports`], and live in `romt-store` and `romt-index`.
//!
//! # The way through
//!
//! [`Mirror::sync`] takes a [`Selection`] (lock files, crate names) and an
//! [`Upstream`] and does: plan what should be here → leave out what is → fetch →
//! verify while streaming → put → publish.
//!
//! # The promise
//!
//! A client never sees an index entry whose crate cannot be downloaded from the
//! same mirror. So crates come first, durably, and the index last, in one step.

pub mod crates;
pub mod defaults;
pub mod digest_file;
pub mod dist;
pub mod full;
pub mod installers;
pub mod ports;
pub mod progress;
pub mod rustup;
pub mod sync;
pub mod toolchain;
pub mod transfer;

mod artifact;
mod class;
mod digest;
mod escape;
mod key;
mod layout;
mod mirror;

pub use artifact::Artifact;
pub use class::ErrorClass;
pub use crates::{CrateName, CrateRequest, IndexEntry, Lockfile, PrefixStyle, Version};
pub use digest::{Sha256Digest, Sha256Hasher};
pub use escape::{Escaped, InvalidValue};
pub use key::{Key, MAX_KEY_LENGTH};
pub use layout::{DistLayout, LayoutError, MirrorLayout, PartAt, RustupLayout};
pub use mirror::{Mirror, Upstream};
pub use ports::{
    ByteStream, IndexBackend, IndexPublisher, Location, Source, Store, StoreExt, Verifier,
};
pub use progress::{Event, EventSink};
pub use sync::{Selection, SyncError, SyncOptions, SyncOutcome};
