//! One thing to mirror.

use std::sync::Arc;

use crate::{Key, Location, Sha256Digest};

/// One file that belongs in the mirror: its name there, what its bytes must be,
/// and where upstream has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// What it is, for people: `serde 1.0.200`.
    pub label: Arc<str>,
    /// Its name in the store.
    pub key: Key,
    /// The digest of its bytes.
    pub digest: Sha256Digest,
    /// Where upstream has it.
    pub location: Location,
    /// How many bytes it has, as claimed by upstream, if that is known.
    pub size: Option<u64>,
}

impl Artifact {
    /// An artifact of unknown size.
    pub fn new(
        label: impl Into<Arc<str>>,
        key: Key,
        digest: Sha256Digest,
        location: Location,
    ) -> Self {
        Self {
            label: label.into(),
            key,
            digest,
            location,
            size: None,
        }
    }

    /// Records what upstream claims of the size, in bytes.
    #[must_use]
    pub fn with_size(mut self, size: Option<u64>) -> Self {
        self.size = size;
        self
    }
}
