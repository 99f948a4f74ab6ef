//! The arithmetic: bytes are hashed as they pass, and the digests judged at the end.

use std::sync::Arc;

use pgp::crypto::hash::HashAlgorithm;
use romt_core::{
    Sha256Hasher,
    ports::{SignatureCheck, SignatureError, SignatureFault, Signed},
};
use sha1_checked::{CollisionResult, Sha1};
use sha2::{Digest as _, Sha384, Sha512};

use super::{judge::Candidate, time};

/// One file's check. SHA-256 is not here: the caller hashes by it anyway.
#[derive(Debug)]
pub(super) struct FileCheck {
    label: String,
    accepted: Arc<str>,
    candidates: Vec<Candidate>,
    /// How many bytes the hashers here have taken in.
    length: u64,
    sha1: Option<Sha1>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl FileCheck {
    /// A check that passes if one of `candidates` does.
    pub(super) fn new(label: &str, accepted: Arc<str>, candidates: Vec<Candidate>) -> Self {
        let needs = |hash| candidates.iter().any(|candidate| candidate.hash == hash);
        Self {
            label: label.to_owned(),
            accepted,
            length: 0,
            sha1: needs(HashAlgorithm::Sha1).then(Sha1::new),
            sha384: needs(HashAlgorithm::Sha384).then(Sha384::default),
            sha512: needs(HashAlgorithm::Sha512).then(Sha512::default),
            candidates,
        }
    }

    /// The digest that `candidate` has to be a signature of, if there is one to trust.
    fn digest(&self, candidate: &Candidate, sha256: &Sha256Hasher) -> Option<Vec<u8>> {
        let trailer = &candidate.trailer;
        // A digest of ours is of the caller's bytes only if we have seen them all.
        if candidate.hash != HashAlgorithm::Sha256 && self.length != sha256.length() {
            return None;
        }
        match candidate.hash {
            HashAlgorithm::Sha256 => {
                let mut hasher = sha256.clone();
                hasher.update(trailer);
                Some(hasher.finish().as_bytes().to_vec())
            }
            HashAlgorithm::Sha384 => {
                let hasher = self.sha384.clone()?.chain_update(trailer);
                Some(hasher.finalize().to_vec())
            }
            HashAlgorithm::Sha512 => {
                let hasher = self.sha512.clone()?.chain_update(trailer);
                Some(hasher.finalize().to_vec())
            }
            HashAlgorithm::Sha1 => {
                let mut hasher = self.sha1.clone()?;
                sha1_checked::Digest::update(&mut hasher, trailer);
                match hasher.try_finalize() {
                    CollisionResult::Ok(digest) => Some(digest.to_vec()),
                    // Bytes that were made to collide.
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// All good signatures.
    pub(super) fn finish_all(&self, sha256: &Sha256Hasher) -> Vec<Signed> {
        let candidates = self.candidates.iter();
        candidates
            .filter_map(|candidate| self.judge(candidate, sha256))
            .collect()
    }

    /// Whether `candidate` is good, and by which key.
    fn judge(&self, candidate: &Candidate, sha256: &Sha256Hasher) -> Option<Signed> {
        let digest = self.digest(candidate, sha256)?;
        if !digest.starts_with(&candidate.hint) {
            return None;
        }
        let verifies = |key: &&Arc<super::keyring::Key>| {
            key.verifies(candidate.hash, &digest, &candidate.signature)
        };
        let key = candidate.keys.iter().find(verifies)?;
        let mut signed = Signed::new(key.primary.clone(), key.fingerprint.clone());
        signed.is_weak = candidate.is_weak;
        if candidate.is_weak {
            signed.notes.push(format!(
                "the signature of {} is weak, by {}",
                self.label, candidate.hash
            ));
        }
        if time::is_future(candidate.made) {
            signed.notes.push(format!(
                "the signature of {} is dated {}, in the future by this machine's clock",
                self.label,
                time::show(candidate.made.into())
            ));
        }
        Some(signed)
    }
}

impl SignatureCheck for FileCheck {
    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(hasher) = &mut self.sha1 {
            sha1_checked::Digest::update(hasher, bytes);
        }
        if let Some(hasher) = &mut self.sha384 {
            sha2::Digest::update(hasher, bytes);
        }
        if let Some(hasher) = &mut self.sha512 {
            sha2::Digest::update(hasher, bytes);
        }
    }

    fn finish(self: Box<Self>, sha256: &Sha256Hasher) -> Result<Signed, SignatureError> {
        let good = |candidate| self.judge(candidate, sha256);
        if let Some(signed) = self.candidates.iter().find_map(good) {
            return Ok(signed);
        }
        let issuer = self.candidates.first().map(|one| one.issuer.to_string());
        let issuer = issuer.unwrap_or_default();
        Err(SignatureError::new(
            &self.label,
            SignatureFault::Wrong,
            format!(
                "the signature by {issuer} is not over these bytes, or was changed; accepted: {}",
                self.accepted
            ),
        ))
    }
}
