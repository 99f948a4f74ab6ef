//! What goes wrong in a git index, in the words of the port.

use std::path::Path;

use romt_core::{ErrorClass, Escaped, ports::IndexError};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Makes errors that name the index they happened in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures<'a>(pub(super) &'a str);

impl Failures<'_> {
    /// A failure of the machinery, of any class.
    pub(super) fn class(
        self,
        action: &'static str,
        class: ErrorClass,
        cause: impl Into<Cause>,
    ) -> IndexError {
        IndexError::Backend {
            index: self.0.to_owned(),
            action,
            class,
            source: cause.into(),
        }
    }

    /// A failure of the repository: unreadable, damaged, in use.
    pub(super) fn storage(self, action: &'static str, cause: impl Into<Cause>) -> IndexError {
        self.class(action, ErrorClass::Storage, cause)
    }

    /// A failure at one file or directory.
    pub(super) fn at(
        self,
        action: &'static str,
        path: &Path,
        cause: impl std::fmt::Display,
    ) -> IndexError {
        let path = Escaped::new(path.as_os_str().as_encoded_bytes());
        self.storage(action, format!("{path}: {cause}"))
    }

    /// Something that is not done, though it could be.
    pub(super) fn refused(self, what: &str, reason: impl Into<String>) -> IndexError {
        IndexError::refused(self.0, what, reason)
    }

    /// A mistake of whoever called.
    pub(super) fn usage(self, action: &'static str, cause: impl Into<Cause>) -> IndexError {
        self.class(action, ErrorClass::Usage, cause)
    }
}
