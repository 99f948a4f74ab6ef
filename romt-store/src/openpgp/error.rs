//! Why keys cannot be used.

use romt_core::ErrorClass;

/// Why a key file cannot be what signatures are judged by.
///
/// All of them are for whoever gave the file to mend, before anything is fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is more of it than is looked at.
    #[error("the key file has {what}, more than the limit of {limit}")]
    TooLarge {
        /// What there is too much of, with the unit.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// It is no file of public keys.
    #[error("the key file cannot be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// It has a secret key, which has no business on this machine.
    #[error(
        "the key file has a secret key: whoever has it can sign anything in its name, and it should not be here; export the public key instead (`gpg --armor --export`)"
    )]
    SecretKey,
    /// It has no key that may sign.
    #[error("the key file has no key that may sign: {reason}")]
    NoSigner {
        /// Which keys it has, or what is missing.
        reason: String,
    },
    /// There are not as many people as must sign.
    #[error(
        "the keys given are of {people} people, and {threshold} must sign: at least one must, and no more than there are can"
    )]
    TooFew {
        /// Of how many people there are keys.
        people: usize,
        /// How many must sign.
        threshold: usize,
    },
}

impl KeyFileError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }
}
