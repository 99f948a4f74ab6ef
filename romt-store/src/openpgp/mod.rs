//! Detached OpenPGP signatures, judged by pinned keys.
//!
//! The crate `pgp` reads packets and does arithmetic. What is trusted is decided here:
//!
//! - Only keys of the given certificates sign, named by their whole fingerprints. How
//!   *they* are bound together may be by SHA-1, as is the release key of 2013: whoever
//!   gave the keys vouches for them.
//! - A signature must be of version 4, over a file as it is, by SHA-256, SHA-384 or
//!   SHA-512, and by RSA of at least 2,048 bits or an elliptic curve. SHA-1 is accepted
//!   on request, before a date, unless the bytes were made to collide.
//! - Whether a key had expired or was revoked is judged at the time that the signature
//!   says it was made. The clock of this machine decides nothing; a date in its future
//!   is noted.
//! - A critical field that is not understood, or issuers that disagree, are refused.
//! - At most 64 KiB and 16 packets are looked at.

mod armor;
mod certificate;
mod check;
mod error;
mod framing;
mod judge;
mod keyring;
mod operators;
mod time;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use romt_core::ports::{SignatureCheck, SignatureError, SignatureFault, SignatureVerifier};

pub use error::KeyFileError;
pub use operators::Operators;

use check::FileCheck;
use framing::tag;
use judge::{Candidate, Objection};
use keyring::Keyring;

/// The most bytes of a signature file, and the most packets in it that are looked at.
const MAX_FILE: usize = 64 * 1024;
const MAX_PACKETS: usize = 16;

/// The public key of the Rust project's releases, as it publishes it.
const RUST_RELEASE_KEY: &[u8] = include_bytes!("rust-release-key.asc");

/// Its primary key, and the subkey that signs.
const RUST_RELEASE_PINS: [&str; 2] = [
    "108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE",
    "C13466B7E169A085188632165CB4A9347B3B09DC",
];

/// Trusts files that a pinned OpenPGP key has signed.
///
/// ```
/// use romt_core::ports::SignatureVerifier as _;
/// use romt_store::OpenPgp;
///
/// let verifier = OpenPgp::rust_release().unwrap();
/// let verdict = verifier.begin("channel-rust-stable.toml", b"not a signature");
/// assert!(verdict.is_err());
/// ```
#[derive(Clone, Debug)]
pub struct OpenPgp {
    keyring: Arc<Keyring>,
    /// The fingerprints that are accepted, for messages.
    accepted: Arc<str>,
    sha1_before: Option<u32>,
}

impl OpenPgp {
    /// Trusts what the Rust project signs its releases with.
    pub fn rust_release() -> Result<Self, KeyFileError> {
        Self::pinned(RUST_RELEASE_KEY, Some(&RUST_RELEASE_PINS))
    }

    /// Trusts the keys in `file`: public keys, armoured or not, at most 16 and 1 MiB.
    /// Every primary key and subkey signs that is flagged for it and bound as it must be.
    pub fn from_key_file(file: &[u8]) -> Result<Self, KeyFileError> {
        Self::pinned(file, None)
    }

    fn pinned(file: &[u8], pins: Option<&[&str]>) -> Result<Self, KeyFileError> {
        let keyring = Keyring::read(file, pins)?;
        let accepted: Vec<&str> = keyring.signers().collect();
        Ok(Self {
            accepted: accepted.join(", ").into(),
            keyring: Arc::new(keyring),
            sha1_before: None,
        })
    }

    /// Also trusts signatures by SHA-1 that say they were made before `time`, in seconds
    /// since 1970, and marks them as weak. Old manifests have no others.
    #[must_use]
    pub fn with_sha1_before(mut self, time: u32) -> Self {
        self.sha1_before = Some(time);
        self
    }

    /// The fingerprints of the keys that may sign, in upper-case hexadecimal digits.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.keyring.signers()
    }

    /// The fingerprints of the primary keys of those.
    fn primaries(&self) -> impl Iterator<Item = &str> {
        self.keyring.primaries()
    }

    /// The signatures in `file` that are good if their arithmetic is: at least one.
    fn candidates(&self, file: &[u8]) -> Result<Vec<Candidate>, Objection> {
        self.candidates_in(&unarmored(file, 1)?)
    }

    /// The same, of packets without their armour.
    fn candidates_in(&self, bytes: &[u8]) -> Result<Vec<Candidate>, Objection> {
        let mut packets = framing::packets(bytes);
        let mut candidates = Vec::new();
        let mut objections = Vec::new();
        for packet in packets.by_ref().take(MAX_PACKETS) {
            let packet = packet.map_err(malformed)?;
            if packet.tag != tag::SIGNATURE {
                let reason = format!("it has a packet of type {}", packet.tag);
                return Err(malformed(reason));
            }
            match judge::judge(packet.body, &self.keyring, self.sha1_before) {
                Ok(candidate) => candidates.push(candidate),
                Err(objection) => objections.push(objection),
            }
        }
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        if packets.next().is_some() {
            let reason =
                format!("none of its first {MAX_PACKETS} packets is one, and there are more");
            return Err((SignatureFault::TooLarge, reason));
        }
        // What is wrong with a known key's says more than that there is an unknown one.
        let by_unknown = |objection: &Objection| objection.0 == SignatureFault::UnknownKey;
        objections.sort_by_key(by_unknown);
        let first = objections.into_iter().next();
        Err(first.unwrap_or_else(|| malformed("it is empty")))
    }
}

/// The packets in a file of signatures, which may have so many blocks of armour.
fn unarmored(file: &[u8], blocks: usize) -> Result<Vec<u8>, Objection> {
    if file.len() > MAX_FILE {
        let reason = format!("it has {} bytes; the limit is {MAX_FILE}", file.len());
        return Err((SignatureFault::TooLarge, reason));
    }
    if armor::is_binary(file) {
        return Ok(file.to_vec());
    }
    let blocks = armor::decode(file, blocks).map_err(malformed)?;
    if blocks.is_empty() {
        return Err(malformed("it is empty"));
    }
    if blocks.iter().any(|block| block.kind != "PGP SIGNATURE") {
        return Err(malformed("it is armour, but not of a signature"));
    }
    Ok(blocks.into_iter().flat_map(|block| block.bytes).collect())
}

fn malformed(reason: impl Into<String>) -> Objection {
    (SignatureFault::Malformed, reason.into())
}

impl fmt::Display for OpenPgp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenPGP signatures by {}", self.accepted)
    }
}

impl SignatureVerifier for OpenPgp {
    fn begin(
        &self,
        label: &str,
        signature: &[u8],
    ) -> Result<Box<dyn SignatureCheck>, SignatureError> {
        match self.candidates(signature) {
            Ok(candidates) => {
                let check = FileCheck::new(label, self.accepted.clone(), candidates);
                Ok(Box::new(check))
            }
            Err((fault, reason)) => {
                let reason = format!("{reason}; accepted: {}", self.accepted);
                Err(SignatureError::new(label, fault, reason))
            }
        }
    }
}
