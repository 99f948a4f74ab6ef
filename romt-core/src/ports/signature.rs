//! The port that says whether somebody vouches for bytes.

use std::fmt;

use crate::{ErrorClass, Escaped, Sha256Hasher};

/// Decides whether a detached signature over some bytes is one to be trusted.
///
/// `Display` names the verifier and the keys that it accepts.
///
/// # Contract
///
/// [`begin`](Self::begin) judges the signature file as far as that goes without the
/// bytes, and fails before any is read if it cannot be good. There is no silent way to
/// pass: a verifier that cannot do its work cannot be made.
pub trait SignatureVerifier: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Begins to check the signature file of what messages call `label`.
    fn begin(
        &self,
        label: &str,
        signature: &[u8],
    ) -> Result<Box<dyn SignatureCheck>, SignatureError>;
}

/// One check under way.
pub trait SignatureCheck: Send {
    /// Takes in the next bytes of what is signed.
    fn update(&mut self, bytes: &[u8]);

    /// Judges the whole. `sha256` has taken in the very same bytes, so that a signature
    /// over their SHA-256 digest costs no second hash of them.
    fn finish(self: Box<Self>, sha256: &Sha256Hasher) -> Result<Signed, SignatureError>;
}

/// Proof that a trusted key vouches for bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// The fingerprint of the primary key, in upper-case hexadecimal digits.
    pub primary: String,
    /// The fingerprint of the key that signed.
    pub signer: String,
    /// Whether the signature is by an algorithm that is no longer trusted for new ones.
    pub is_weak: bool,
    /// What the user should know: a date in the future, for example.
    pub notes: Vec<String>,
}

impl Signed {
    /// States that the key `signer` of `primary` vouches for bytes. For verifiers.
    pub fn new(primary: impl Into<String>, signer: impl Into<String>) -> Self {
        Self {
            primary: primary.into(),
            signer: signer.into(),
            is_weak: false,
            notes: Vec::new(),
        }
    }
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFault {
    /// There is none.
    Missing,
    /// It is none, or breaks the rules of its format.
    Malformed,
    /// It is larger, or has more parts, than is looked at.
    TooLarge,
    /// It is by a key that is not accepted.
    UnknownKey,
    /// It is over other bytes, or was changed.
    Wrong,
    /// It is by an algorithm that proves nothing any more.
    Weak,
    /// It, or its key, had expired or was revoked when it was made.
    Expired,
    /// It says something else than "these are the bytes".
    WrongKind,
}

/// Why there is no good signature.
#[derive(Debug, thiserror::Error)]
#[error("{label} has no good signature: {reason}")]
pub struct SignatureError {
    label: Escaped,
    fault: SignatureFault,
    reason: String,
}

impl SignatureError {
    /// An error about the signature of `label` for `reason`, which says what was seen
    /// and what would be accepted.
    pub fn new(label: impl AsRef<[u8]>, fault: SignatureFault, reason: impl Into<String>) -> Self {
        Self {
            label: Escaped::new(label),
            fault,
            reason: reason.into(),
        }
    }

    /// There is no signature of `label`.
    pub fn missing(label: impl AsRef<[u8]>) -> Self {
        Self::new(label, SignatureFault::Missing, "there is no signature file")
    }

    /// What is wrong.
    pub fn fault(&self) -> SignatureFault {
        self.fault
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self.fault {
            SignatureFault::TooLarge => ErrorClass::Refused,
            _ => ErrorClass::Integrity,
        }
    }
}
