//! Why a client is given no answer.

use romt_core::ports::IndexError;

/// Why a request for the history of an index is not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The request is not what git sends.
    #[error("the request is not as git makes it: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<Malformed> for UploadError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed { what }
    }
}
