//! Why an archive is refused, and where in it.

use std::{fmt, io};

use crate::{ErrorClass, Escaped};

/// Where in an archive something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    number: u64,
    name: Option<Escaped>,
    offset: u64,
}

impl Place {
    pub(super) fn new(number: u64, name: Option<Escaped>, offset: u64) -> Self {
        Self {
            number,
            name,
            offset,
        }
    }

    /// The number of the member, from 1, directories counted.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The name of the member as the archive has it, safe to print. None if the
    /// archive breaks off, or breaks the rules, before it gives one.
    pub fn name(&self) -> Option<&Escaped> {
        self.name.as_ref()
    }

    /// How many bytes of the archive come before the member's first header. They
    /// are counted after decompression.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member #{}", self.number)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " at byte {}", self.offset)
    }
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive is malformed, damaged, hostile or out of limits.
    #[error("{archive}, {place}: {reason}")]
    Refused {
        /// The archive.
        archive: Escaped,
        /// Where the fault is.
        place: Place,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The medium failed.
    #[error("{archive} could not be read beyond {place}")]
    Read {
        /// The archive.
        archive: Escaped,
        /// The member that was being read.
        place: Place,
        /// What the medium said.
        #[source]
        source: io::Error,
    },
}

impl ArchiveError {
    /// The class of the failure.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { .. } => ErrorClass::Refused,
            Self::Read { .. } => ErrorClass::Storage,
        }
    }

    /// Where in the archive it happened.
    pub fn place(&self) -> &Place {
        match self {
            Self::Refused { place, .. } | Self::Read { place, .. } => place,
        }
    }
}

/// For [`Read`](io::Read), which knows no other error. The archive's own comes
/// back out of it by `downcast`.
impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        let kind = match &error {
            ArchiveError::Refused { .. } => io::ErrorKind::InvalidData,
            ArchiveError::Read { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}
