//! The port that decides whether bytes may be trusted.

use std::{fmt, sync::Arc};

use crate::{ErrorClass, Sha256Digest, Sha256Hasher};

/// What is known of some bytes before they are seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Evidence {
    /// What the bytes are, for messages.
    pub label: Arc<str>,
    /// The digest that they must have.
    pub digest: Sha256Digest,
    /// The most bytes that there may be.
    pub size_limit: u64,
}

impl Evidence {
    /// Evidence for the thing called `label`.
    pub fn new(label: impl Into<Arc<str>>, digest: Sha256Digest, size_limit: u64) -> Self {
        Self {
            label: label.into(),
            digest,
            size_limit,
        }
    }
}

/// Proof that bytes were checked to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The digest of the bytes.
    pub digest: Sha256Digest,
    /// How many bytes there were.
    pub size: u64,
}

impl Verified {
    /// States that bytes of this digest and size passed. For verifiers.
    pub fn new(digest: Sha256Digest, size: u64) -> Self {
        Self { digest, size }
    }
}

/// Decides whether bytes may be trusted, while they stream by.
///
/// # Contract
///
/// [`begin`](Self::begin) fails if the verifier cannot do its work, before any
/// byte is asked for; there is no silent way to pass.
pub trait Verifier: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Begins to check one thing.
    fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError>;
}

/// One check under way.
pub trait Check: Send {
    /// Takes in the next bytes; fails as soon as they cannot be right.
    fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError>;

    /// Judges the whole, once all bytes have been seen.
    fn finish(self: Box<Self>) -> Result<Verified, VerifyError>;
}

/// Why bytes may not be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The digest is another one.
    #[error("the digest of {label} differs: expected {expected}, got {actual} ({size} bytes)")]
    Digest {
        /// What was checked.
        label: Arc<str>,
        /// The digest that it should have.
        expected: Sha256Digest,
        /// The digest that it has.
        actual: Sha256Digest,
        /// How many bytes came.
        size: u64,
    },
    /// There are more bytes than there may be.
    #[error("{label} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was checked.
        label: Arc<str>,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is no good signature.
    #[error(transparent)]
    Signature(#[from] super::SignatureError),
    /// The verifier cannot do its work.
    #[error("{verifier} cannot check {label}: {reason}")]
    Unavailable {
        /// The verifier.
        verifier: String,
        /// What was to be checked.
        label: Arc<str>,
        /// Why not.
        reason: String,
    },
}

impl VerifyError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Digest { .. } => ErrorClass::Integrity,
            Self::TooLarge { .. } => ErrorClass::Refused,
            Self::Signature(error) => error.class(),
            Self::Unavailable { .. } => ErrorClass::Usage,
        }
    }
}

/// Trusts bytes that have the expected SHA-256 digest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sha256Verifier;

impl fmt::Display for Sha256Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHA-256")
    }
}

impl Verifier for Sha256Verifier {
    fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError> {
        Ok(Box::new(Sha256Check {
            evidence: evidence.clone(),
            hasher: Sha256Hasher::new(),
        }))
    }
}

struct Sha256Check {
    evidence: Evidence,
    hasher: Sha256Hasher,
}

impl Check for Sha256Check {
    fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        let length = self.hasher.length().saturating_add(bytes.len() as u64);
        if length > self.evidence.size_limit {
            return Err(VerifyError::TooLarge {
                label: self.evidence.label.clone(),
                limit: self.evidence.size_limit,
            });
        }
        self.hasher.update(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Verified, VerifyError> {
        let size = self.hasher.length();
        let actual = self.hasher.finish();
        if actual == self.evidence.digest {
            return Ok(Verified::new(actual, size));
        }
        Err(VerifyError::Digest {
            label: self.evidence.label,
            expected: self.evidence.digest,
            actual,
            size,
        })
    }
}

/// Trusts bytes that every one of several verifiers trusts.
#[derive(Clone, Debug)]
pub struct AllOf(Vec<Arc<dyn Verifier>>);

impl AllOf {
    /// All of `verifiers`. SHA-256 is always among them, so that the empty list
    /// trusts nothing that the digest does not.
    pub fn new(verifiers: impl IntoIterator<Item = Arc<dyn Verifier>>) -> Self {
        let sha256: Arc<dyn Verifier> = Arc::new(Sha256Verifier);
        Self(std::iter::once(sha256).chain(verifiers).collect())
    }
}

impl fmt::Display for AllOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, verifier) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " and " };
            write!(f, "{separator}{verifier}")?;
        }
        Ok(())
    }
}

impl Verifier for AllOf {
    fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError> {
        let checks: Result<Vec<_>, _> = self.0.iter().map(|v| v.begin(evidence)).collect();
        Ok(Box::new(AllChecks(checks?)))
    }
}

struct AllChecks(Vec<Box<dyn Check>>);

impl Check for AllChecks {
    fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        self.0.iter_mut().try_for_each(|check| check.update(bytes))
    }

    fn finish(self: Box<Self>) -> Result<Verified, VerifyError> {
        let mut verdict = None;
        for check in self.0 {
            let verified = check.finish()?;
            verdict.get_or_insert(verified);
        }
        verdict.ok_or_else(|| VerifyError::Unavailable {
            verifier: "all-of".into(),
            label: "".into(),
            reason: "it has no verifier".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verifier: &dyn Verifier, bytes: &[u8], limit: u64) -> Result<Verified, VerifyError> {
        let evidence = Evidence::new("x", Sha256Digest::of("right"), limit);
        let mut check = verifier.begin(&evidence)?;
        check.update(bytes)?;
        check.finish()
    }

    #[derive(Debug)]
    struct Broken;

    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a broken verifier")
        }
    }

    impl Verifier for Broken {
        fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError> {
            Err(VerifyError::Unavailable {
                verifier: self.to_string(),
                label: evidence.label.clone(),
                reason: "no key".into(),
            })
        }
    }

    #[test]
    fn only_the_right_bytes_pass() {
        assert_eq!(check(&Sha256Verifier, b"right", 5).unwrap().size, 5);
        assert!(matches!(
            check(&Sha256Verifier, b"wrong", 5),
            Err(VerifyError::Digest { .. })
        ));
    }

    #[test]
    fn hostile_u02_the_limit_cuts_before_the_end() {
        assert!(matches!(
            check(&Sha256Verifier, b"right", 4),
            Err(VerifyError::TooLarge { limit: 4, .. })
        ));
    }

    #[test]
    fn hostile_s14_a_verifier_that_cannot_start_fails_everything() {
        let all = AllOf::new([Arc::new(Broken) as Arc<dyn Verifier>]);
        assert!(matches!(
            check(&all, b"right", 5),
            Err(VerifyError::Unavailable { .. })
        ));
        assert!(check(&AllOf::new([]), b"right", 5).is_ok());
        assert!(check(&AllOf::new([]), b"wrong", 5).is_err());
    }
}
