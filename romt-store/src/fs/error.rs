//! How a directory tree fails, and what becomes of it behind the port.

use std::{io, path::PathBuf};

use romt_core::{Key, ports::StoreError};

use super::flush::copy_of;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsOpenError {
    /// There is nothing at the path. The disk may not be mounted.
    #[error("there is no directory `{}`", path.display())]
    Missing {
        /// The root that was asked for.
        path: PathBuf,
    },
    /// What is at the path is no directory.
    #[error("`{}` is not a directory", path.display())]
    NotDirectory {
        /// The root that was asked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// What can happen at a key. [`FsError::at`] folds it into the port's error.
#[derive(Debug)]
pub(super) enum FsError {
    /// There is nothing.
    NotFound,
    /// A directory on the way is a file, so there can be nothing.
    BelowFile,
    /// There is an object, and there should be none.
    Exists,
    /// There is another object than the caller had seen.
    Changed,
    /// There is something that is no object.
    Refused(&'static str),
    /// The object is too short for the range.
    Range { size: u64 },
    /// The system failed.
    Io {
        action: &'static str,
        source: io::Error,
    },
}

impl FsError {
    /// For [`Result::map_err`]: the system failed while doing `action`.
    pub(super) fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// The error again, for somebody else whom the same thing befell.
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::NotFound => Self::NotFound,
            Self::BelowFile => Self::BelowFile,
            Self::Exists => Self::Exists,
            Self::Changed => Self::Changed,
            Self::Refused(found) => Self::Refused(found),
            Self::Range { size } => Self::Range { size: *size },
            Self::Io { action, source } => Self::Io {
                action,
                source: copy_of(source),
            },
        }
    }

    /// The port's error, for `key` in `store`.
    pub(super) fn at(self, store: &dyn ToString, key: &Key) -> StoreError {
        let key = key.clone();
        let store = || store.to_string();
        match self {
            Self::NotFound => StoreError::NotFound { key },
            Self::Exists => StoreError::AlreadyExists { key },
            Self::Changed => StoreError::Precondition { key },
            Self::Range { size } => StoreError::RangeNotSatisfiable { key, size },
            Self::BelowFile => StoreError::Refused {
                store: store(),
                key,
                found: "below something that is no directory",
            },
            Self::Refused(found) => StoreError::Refused {
                store: store(),
                key,
                found,
            },
            Self::Io { action, source } => StoreError::Backend {
                store: store(),
                action,
                key,
                source: Box::new(source),
            },
        }
    }
}
