//! The archive that carries crates and their index over an air gap.
//!
//! `crates.tar.gz` is the archive of romt for Python, which both tools read and
//! write:
//!
//! ```text
//! ARCHIVE_FORMAT                          `1` or `2` and a newline; absent in the oldest
//! git/crates.io-index/origin.bundle       the index, once
//! crates/{prefix}/{name}/{name}-{version}.crate
//! ```
//!
//! [`ArchiveWriter`] makes one, the same bytes from the same members.
//! [`ArchiveReader`] reads one from a medium that nobody vouches for: it admits
//! what the list above allows and refuses everything else, it hands out members
//! under names that it computed from validated parts, and it never writes a file.
//!
//! What members *hold* is not judged here: whether a crate is the one that the
//! index names is for whoever reads the bundle.
//!
//! Everything here blocks. Asynchronous callers put it on a thread of its own.

mod blocks;
mod decode;
mod error;
mod feed;
mod gzip;
mod header;
mod member;
mod pax;
mod pipe;
mod reader;
mod sidecar;
mod tree_reader;
mod tree_writer;
mod writer;

pub use error::{ArchiveError, Place};
pub use feed::{ArchiveFeed, FedFile};
pub use gzip::GzipLevel;
pub use member::Member;
pub use pipe::{ArchiveOutput, ArchivePipe};
pub use reader::{ArchiveReader, ArchiveSummary, Entry};
pub use sidecar::{MAX_SIDECAR_SIZE, SIDECAR_ENDING, Sidecar};
pub use tree_reader::{TreeEntry, TreeReader};
pub use tree_writer::{ArchiveWriteError, Compression, TreeWriter};
pub use writer::ArchiveWriter;

use crate::PrefixStyle;

/// The member that says which format an archive has.
const FORMAT_MEMBER: &str = "ARCHIVE_FORMAT";

/// The member that holds the index.
const BUNDLE_MEMBER: &str = "git/crates.io-index/origin.bundle";

/// Which directories an archive puts its crates into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// Format 1: directories spelled as the crate is.
    Mixed,
    /// Format 2: directories in lower case.
    #[default]
    Lower,
}

impl ArchiveFormat {
    /// The number by which `ARCHIVE_FORMAT` knows it.
    pub fn number(self) -> u8 {
        match self {
            Self::Mixed => 1,
            Self::Lower => 2,
        }
    }

    /// How it spells the directories above a crate.
    pub fn prefix_style(self) -> PrefixStyle {
        match self {
            Self::Mixed => PrefixStyle::Mixed,
            Self::Lower => PrefixStyle::Lower,
        }
    }
}

/// How much an archive may demand of its reader.
///
/// # Defaults
///
/// 5,000,000 members; crates up to 512 MiB and a bundle up to 64 GiB; beyond
/// 1 GiB, at most 20 bytes for each compressed one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// How many members, directories included.
    pub members: u64,
    /// The longest crate, in bytes.
    pub crate_size: u64,
    /// The longest bundle, in bytes.
    pub bundle_size: u64,
    /// How many bytes one compressed byte may become.
    pub expansion: u64,
    /// From how many bytes on that counts.
    pub expansion_free: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            members: 5_000_000,
            crate_size: 512 << 20,
            bundle_size: 64 << 30,
            expansion: 20,
            expansion_free: 1 << 30,
        }
    }
}

impl ArchiveLimits {
    /// With at most this many members.
    #[must_use]
    pub fn with_members(mut self, members: u64) -> Self {
        self.members = members;
        self
    }

    /// With crates of at most this many bytes.
    #[must_use]
    pub fn with_crate_size(mut self, bytes: u64) -> Self {
        self.crate_size = bytes;
        self
    }

    /// With a bundle of at most this many bytes.
    #[must_use]
    pub fn with_bundle_size(mut self, bytes: u64) -> Self {
        self.bundle_size = bytes;
        self
    }

    /// With at most `ratio` bytes for each compressed one, beyond `free` bytes.
    #[must_use]
    pub fn with_expansion(mut self, ratio: u64, free: u64) -> Self {
        self.expansion = ratio;
        self.expansion_free = free;
        self
    }
}

/// The names that an archive has, told apart without regard to case, in a few
/// bytes each.
#[derive(Debug, Default)]
struct SeenNames(std::collections::HashSet<u128>);

impl SeenNames {
    /// Takes note of `path`; `false` if it was there.
    fn insert(&mut self, path: &str) -> bool {
        let digest = crate::Sha256Digest::of(path.to_ascii_lowercase());
        let mut half = [0; 16];
        half.copy_from_slice(&digest.as_bytes()[..16]);
        self.0.insert(u128::from_le_bytes(half))
    }
}
