//! Which keys may sign, and when they could.

use std::{fmt::Write as _, sync::Arc};

use pgp::{
    packet::{RevocationCode, Signature, SignatureType},
    types::{Fingerprint, KeyDetails, KeyId, SignatureBytes, Tag, VerifyingKey},
};
use romt_core::ports::SignatureFault;

use super::{
    certificate::{self, Certificate, Subkey},
    error::KeyFileError,
    time,
};

/// The least bits of an RSA modulus.
const MIN_RSA_BITS: usize = 2048;

/// All keys of the accepted certificates, those that may sign and those that may not:
/// so that a message can say that a key is known and why its word does not count.
#[derive(Debug)]
pub(super) struct Keyring {
    keys: Vec<Arc<Key>>,
}

/// A key, and what its certificate proves of it.
#[derive(Debug)]
pub(super) struct Key {
    material: Box<dyn VerifyingKey + Send + Sync>,
    /// In upper-case hexadecimal digits.
    pub(super) fingerprint: String,
    /// The fingerprint of its primary key.
    pub(super) primary: String,
    /// Why it may not sign, if so.
    barred: Option<&'static str>,
    /// Why its signatures prove nothing, if so.
    weak: Option<String>,
    /// Its own life, and that of its primary key.
    lives: Vec<Life>,
}

/// From when to when a key is good, in seconds since 1970.
#[derive(Clone, Debug)]
struct Life {
    created: u32,
    expires: Option<u64>,
    revoked: Option<Revoked>,
}

/// That a key was withdrawn.
#[derive(Clone, Copy, Debug)]
struct Revoked {
    at: u32,
    /// Whether what it signed before is doubtful as well: who has stolen a key can
    /// sign with any date.
    from_the_start: bool,
}

impl Keyring {
    /// The keys in `file`. Those may sign that are said to by their certificates and,
    /// if there are `pins`, whose fingerprints are among them.
    pub(super) fn read(file: &[u8], pins: Option<&[&str]>) -> Result<Self, KeyFileError> {
        let mut keys = Vec::new();
        for certificate in certificate::read(file)? {
            keys.extend(keys_of(&certificate));
        }
        for key in &mut keys {
            if pins.is_some_and(|pins| !pins.contains(&key.fingerprint.as_str())) {
                key.barred = Some("it is not among the pinned keys");
            }
        }
        let keyring = Self {
            keys: keys.into_iter().map(Arc::new).collect(),
        };
        keyring.must_have_signers(pins)?;
        Ok(keyring)
    }

    fn must_have_signers(&self, pins: Option<&[&str]>) -> Result<(), KeyFileError> {
        let missing = pins.into_iter().flatten().find(|pin| {
            let mut signers = self.keys.iter().filter(|key| key.barred.is_none());
            !signers.any(|key| key.fingerprint == **pin)
        });
        if let Some(pin) = missing {
            return Err(KeyFileError::NoSigner {
                reason: format!("{pin} is pinned and not there, or may not sign"),
            });
        }
        if self.keys.iter().all(|key| key.barred.is_some()) {
            let mut reason = String::new();
            for key in &self.keys {
                let separator = if reason.is_empty() { "" } else { "; " };
                let why = key.barred.unwrap_or_default();
                // Writing to a string does not fail.
                let _ = write!(reason, "{separator}{}: {why}", key.fingerprint);
            }
            return Err(KeyFileError::NoSigner { reason });
        }
        Ok(())
    }

    /// The keys with this fingerprint or key id, those that may not sign among them.
    pub(super) fn find(&self, issuer: &Issuer) -> Vec<Arc<Key>> {
        let is_it = |key: &&Arc<Key>| match issuer {
            Issuer::Fingerprint(print) => key.material.fingerprint() == *print,
            Issuer::KeyId(id) => key.material.legacy_key_id() == *id,
        };
        self.keys.iter().filter(is_it).cloned().collect()
    }

    /// The primary keys of those that may sign.
    pub(super) fn primaries(&self) -> impl Iterator<Item = &str> {
        let signers = self.keys.iter().filter(|key| key.barred.is_none());
        signers.map(|key| key.primary.as_str())
    }

    /// The fingerprints of the keys that may sign.
    pub(super) fn signers(&self) -> impl Iterator<Item = &str> {
        let signers = self.keys.iter().filter(|key| key.barred.is_none());
        signers.map(|key| key.fingerprint.as_str())
    }
}

/// By whom a signature says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    Fingerprint(Fingerprint),
    KeyId(KeyId),
}

impl std::fmt::Display for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(print) => write!(f, "the key {print:X}"),
            Self::KeyId(id) => write!(f, "the key id {}", hex(id.as_ref())),
        }
    }
}

impl Key {
    /// What forbids to believe a signature that this key made at `time`.
    pub(super) fn objection(&self, time: u32) -> Option<(SignatureFault, String)> {
        if let Some(why) = self.barred {
            return Some((
                SignatureFault::UnknownKey,
                format!("the key may not sign: {why}"),
            ));
        }
        if let Some(why) = &self.weak {
            return Some((SignatureFault::Weak, format!("weak key: {why}")));
        }
        let objection = self.lives.iter().find_map(|life| life.objection(time));
        objection.map(|why| (SignatureFault::Expired, why))
    }

    /// The public key algorithm's number.
    pub(super) fn algorithm(&self) -> u8 {
        self.material.algorithm().into()
    }

    /// Whether `signature` is this key's over `digest`.
    pub(super) fn verifies(
        &self,
        hash: pgp::crypto::hash::HashAlgorithm,
        digest: &[u8],
        signature: &SignatureBytes,
    ) -> bool {
        self.material.verify(hash, digest, signature).is_ok()
    }
}

impl Life {
    /// The life that begins with `created`, as `binding` ends it.
    fn new(created: u32, binding: Option<&Signature>, revoked: Option<Revoked>) -> Self {
        // Zero is for ever.
        let duration = binding.and_then(Signature::key_expiration_time);
        let duration = duration
            .map(pgp::types::Duration::as_secs)
            .filter(|secs| *secs > 0);
        Self {
            created,
            expires: duration.map(|secs| u64::from(created) + u64::from(secs)),
            revoked,
        }
    }

    fn objection(&self, time: u32) -> Option<String> {
        let made = time::show(time.into());
        if time < self.created {
            return Some(format!("it was made on {made}, before its key"));
        }
        if let Some(end) = self.expires.filter(|end| u64::from(time) >= *end) {
            let end = time::show(end);
            return Some(format!(
                "it was made on {made}, but its key expired on {end}"
            ));
        }
        let revoked = self.revoked?;
        let on = time::show(revoked.at.into());
        if revoked.from_the_start {
            return Some(format!("its key was revoked as unsafe on {on}"));
        }
        (time >= revoked.at)
            .then(|| format!("it was made on {made}, but its key was revoked on {on}"))
    }
}

fn keys_of(certificate: &Certificate) -> Vec<Key> {
    let primary = &certificate.primary;
    let print = fingerprint(primary);
    let own = self_signature(certificate);
    let revoked = revocation(&certificate.direct, |signature| {
        is(signature, SignatureType::KeyRevocation) && signature.verify_key(primary).is_ok()
    });
    let life = Life::new(primary.created_at().as_secs(), own, revoked);
    let barred = match own {
        None => Some("it has no self-signature that holds"),
        Some(own) if !own.key_flags().sign() => Some("it is not flagged for signing"),
        Some(_) => None,
    };
    let mut keys = vec![Key {
        material: Box::new(primary.clone()),
        fingerprint: print.clone(),
        primary: print.clone(),
        barred,
        weak: weakness(&certificate.body),
        lives: vec![life.clone()],
    }];
    let is_own = own.is_some();
    for subkey in &certificate.subkeys {
        keys.push(key_of(certificate, subkey, &print, &life, is_own));
    }
    keys
}

fn key_of(
    certificate: &Certificate,
    subkey: &Subkey,
    primary: &str,
    life: &Life,
    is_own: bool,
) -> Key {
    let holds = |signature: &Signature, kind| {
        is(signature, kind)
            && signature
                .verify_subkey_binding(&certificate.primary, &subkey.key)
                .is_ok()
    };
    let bindings = subkey.signatures.iter();
    let binding = latest(bindings.filter(|one| holds(one, SignatureType::SubkeyBinding)));
    let revoked = revocation(&subkey.signatures, |one| {
        holds(one, SignatureType::SubkeyRevocation)
    });
    let barred = match binding {
        _ if !is_own => Some("its primary key has no self-signature that holds"),
        None => Some("nothing that holds binds it to its primary key"),
        Some(binding) if !binding.key_flags().sign() => Some("it is not flagged for signing"),
        Some(binding) if !is_bound_back(certificate, subkey, binding) => {
            Some("it does not say itself that it belongs to its primary key")
        }
        Some(_) => None,
    };
    let own = Life::new(subkey.key.created_at().as_secs(), binding, revoked);
    Key {
        material: Box::new(subkey.key.clone()),
        fingerprint: fingerprint(&subkey.key),
        primary: primary.to_owned(),
        barred,
        weak: weakness(&subkey.body),
        lives: vec![own, life.clone()],
    }
}

/// A subkey that signs must say so too, or anybody could adopt somebody else's.
fn is_bound_back(certificate: &Certificate, subkey: &Subkey, binding: &Signature) -> bool {
    let back = binding.embedded_signature();
    back.is_some_and(|back| {
        let holds = back.verify_primary_key_binding(&subkey.key, &certificate.primary);
        holds.is_ok()
    })
}

/// The last self-signature on the primary key, directly or on one of its user ids.
fn self_signature(certificate: &Certificate) -> Option<&Signature> {
    let key = &certificate.primary;
    let direct = certificate
        .direct
        .iter()
        .filter(|signature| is(signature, SignatureType::Key) && signature.verify_key(key).is_ok());
    let on_users = certificate.users.iter().flat_map(|(user, signatures)| {
        signatures.iter().filter(move |signature| {
            signature.is_certification()
                && !is(signature, SignatureType::CertRevocation)
                && claims(signature, key)
                && signature
                    .verify_certification(key, Tag::UserId, user)
                    .is_ok()
        })
    });
    latest(direct.chain(on_users))
}

/// Whether a signature may be by `key`; spares the arithmetic for those of others.
fn claims(signature: &Signature, key: &impl KeyDetails) -> bool {
    let ids = signature.issuer_key_id();
    ids.is_empty() || ids.contains(&&key.legacy_key_id())
}

fn latest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| made(signature))
}

/// When a signature was made, or zero if it does not say.
fn made(signature: &Signature) -> u32 {
    signature
        .created()
        .map_or(0, pgp::types::Timestamp::as_secs)
}

fn is(signature: &Signature, kind: SignatureType) -> bool {
    signature.typ() == Some(kind)
}

/// The gravest of the revocations that hold.
fn revocation(signatures: &[Signature], holds: impl Fn(&Signature) -> bool) -> Option<Revoked> {
    let revocations = signatures.iter().filter(|signature| holds(signature));
    revocations
        .map(|signature| Revoked {
            at: made(signature),
            from_the_start: !matches!(
                signature.revocation_reason_code(),
                Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
            ),
        })
        .min_by_key(|revoked| (!revoked.from_the_start, revoked.at))
}

/// Why no signature of the key with this packet body would prove anything.
fn weakness(body: &[u8]) -> Option<String> {
    let algorithm = *body.get(5)?;
    match algorithm {
        // RSA: the modulus comes first, behind its length in bits.
        1 | 3 => {
            let claimed = usize::from(u16::from_be_bytes([*body.get(6)?, *body.get(7)?]));
            let modulus = body.get(8..8 + claimed.div_ceil(8))?;
            let zeros: usize = modulus.iter().take_while(|byte| **byte == 0).count();
            let first = modulus
                .get(zeros)
                .map_or(0, |byte| byte.leading_zeros() as usize);
            let bits = (modulus.len() - zeros) * 8 - first;
            (bits < MIN_RSA_BITS).then(|| format!("RSA of {bits} bits"))
        }
        // ECDSA, EdDSA in its old and new form, Ed448.
        19 | 22 | 27 | 28 => None,
        other => Some(format!("the public key algorithm {other}")),
    }
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}
