//! What a signature packet says, and whether that can be believed of the right bytes:
//! everything about a signature but the arithmetic.

use std::sync::Arc;

use pgp::{
    crypto::hash::HashAlgorithm,
    packet::{Signature, SignatureConfig, Subpacket, SubpacketData},
    types::{SignatureBytes, Tag},
};
use romt_core::ports::SignatureFault;

use super::{
    certificate,
    keyring::{Issuer, Key, Keyring},
    time,
};

/// The signature type that says "these are the bytes": RFC 9580, section 5.2.1.
const BINARY_DOCUMENT: u8 = 0;

/// What is wrong with a signature, and in words.
pub(super) type Objection = (SignatureFault, String);

/// A signature that is good if its arithmetic is.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Whose it may be.
    pub(super) keys: Vec<Arc<Key>>,
    pub(super) issuer: Issuer,
    pub(super) hash: HashAlgorithm,
    pub(super) is_weak: bool,
    /// When it was made, in seconds since 1970.
    pub(super) made: u32,
    /// What is hashed behind the signed bytes.
    pub(super) trailer: Vec<u8>,
    /// The first two bytes of the digest.
    pub(super) hint: [u8; 2],
    pub(super) signature: SignatureBytes,
}

/// Reads and judges the signature packet with this body.
///
/// SHA-1 is accepted for what was made before `sha1_before`.
pub(super) fn judge(
    body: &[u8],
    keyring: &Keyring,
    sha1_before: Option<u32>,
) -> Result<Candidate, Objection> {
    let (signature, trailer) = parse(body)?;
    let (Some(config), Some(arithmetic), Some(hint)) = (
        signature.config(),
        signature.signature(),
        signature.signed_hash_value(),
    ) else {
        return Err(malformed("a signature of an unknown kind"));
    };
    let kind = u8::from(config.typ());
    if kind != BINARY_DOCUMENT {
        let reason = format!("it is a signature of type {kind:#04x}, not over a file");
        return Err((SignatureFault::WrongKind, reason));
    }
    must_be_understood(config)?;
    let issuer = issuer(config)?;
    let made = made(config)?;
    let keys = believable(keyring.find(&issuer), u8::from(config.pub_alg), made)
        .map_err(|(fault, reason)| (fault, format!("{reason} ({issuer})")))?;
    let is_weak = judge_hash(config.hash_alg, made, sha1_before)?;
    must_not_expire(config)?;
    Ok(Candidate {
        keys,
        issuer,
        hash: config.hash_alg,
        is_weak,
        made,
        trailer,
        hint,
        signature: arithmetic.clone(),
    })
}

/// The packet, and what of it is hashed behind the signed bytes: RFC 9580, section 5.2.4.
fn parse(body: &[u8]) -> Result<(Signature, Vec<u8>), Objection> {
    const SHORT: &str = "a signature ends before its end";
    let version = *body.first().ok_or_else(|| malformed(SHORT))?;
    if version != 4 {
        return Err(malformed(format!(
            "a signature of version {version}, not 4"
        )));
    }
    let &[high, low] = body.get(4..6).ok_or_else(|| malformed(SHORT))? else {
        return Err(malformed(SHORT));
    };
    let length = 6 + usize::from(u16::from_be_bytes([high, low]));
    let hashed = body.get(..length).ok_or_else(|| malformed(SHORT))?;
    // The bytes as they came are hashed, not what a parser would write in their place.
    let mut trailer = hashed.to_vec();
    trailer.extend([4, 0xff]);
    // Six more than 16 bits.
    trailer.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());

    let mut rest = body;
    let signature =
        Signature::try_from_reader(certificate::header(Tag::Signature, body), &mut rest)
            .map_err(|_| malformed("a signature that cannot be read"))?;
    if !rest.is_empty() {
        return Err(malformed("a signature with something behind its end"));
    }
    Ok((signature, trailer))
}

/// Whoever marks a field as critical wants the signature refused by those who do not
/// heed it. So these are the ones that are heeded, or that limit nothing.
fn must_be_understood(config: &SignatureConfig) -> Result<(), Objection> {
    let is_understood = |field: &Subpacket| {
        matches!(
            field.data,
            SubpacketData::SignatureCreationTime(_)
                | SubpacketData::SignatureExpirationTime(_)
                | SubpacketData::IssuerKeyId(_)
                | SubpacketData::IssuerFingerprint(_)
                | SubpacketData::SignersUserID(_)
                | SubpacketData::PolicyURI(_)
        )
    };
    match fields(config).find(|field| field.is_critical && !is_understood(field)) {
        None => Ok(()),
        Some(field) => Err((
            SignatureFault::WrongKind,
            format!(
                "it has a critical field of type {} that is not understood",
                field.typ().as_u8(false)
            ),
        )),
    }
}

/// Who signed, by all fields that say so. They may be unhashed: what they name is then
/// tried, and arithmetic decides.
fn issuer(config: &SignatureConfig) -> Result<Issuer, Objection> {
    let mut print = None;
    let mut id = None;
    for field in fields(config) {
        let is_same = match &field.data {
            SubpacketData::IssuerFingerprint(one) => *print.get_or_insert(one) == one,
            SubpacketData::IssuerKeyId(one) => *id.get_or_insert(one) == one,
            _ => true,
        };
        if !is_same {
            return Err(malformed("its issuer fields disagree"));
        }
    }
    match (print, id) {
        // The key id of version 4 is the end of the fingerprint.
        (Some(print), Some(id)) if !print.as_bytes().ends_with(id.as_ref()) => {
            Err(malformed("its issuer fields disagree"))
        }
        (Some(print), _) => Ok(Issuer::Fingerprint(print.clone())),
        (None, Some(id)) => Ok(Issuer::KeyId(*id)),
        (None, None) => Err(malformed("it does not say by whom it is")),
    }
}

/// When the signature was made: one hashed field.
fn made(config: &SignatureConfig) -> Result<u32, Objection> {
    let mut times = config
        .hashed_subpackets()
        .filter_map(|field| match field.data {
            SubpacketData::SignatureCreationTime(time) => Some(time.as_secs()),
            _ => None,
        });
    match (times.next(), times.next()) {
        (Some(time), None) => Ok(time),
        _ => Err(malformed("it does not say once when it was made")),
    }
}

/// Those of `keys` that could sign at `made` by this algorithm, or what forbids it.
fn believable(keys: Vec<Arc<Key>>, algorithm: u8, made: u32) -> Result<Vec<Arc<Key>>, Objection> {
    let mut objection = (
        SignatureFault::UnknownKey,
        "it is by an unknown key".to_owned(),
    );
    let mut good = Vec::new();
    for key in keys {
        if let Some(why) = key.objection(made) {
            objection = why;
        } else if key.algorithm() == algorithm {
            good.push(key);
        } else {
            objection = malformed("its algorithm is not that of its key");
        }
    }
    if good.is_empty() {
        Err(objection)
    } else {
        Ok(good)
    }
}

/// Whether the algorithm is weak but accepted all the same.
fn judge_hash(hash: HashAlgorithm, made: u32, sha1_before: Option<u32>) -> Result<bool, Objection> {
    match (hash, sha1_before) {
        (HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512, _) => Ok(false),
        (HashAlgorithm::Sha1, Some(limit)) if made < limit => Ok(true),
        (HashAlgorithm::Sha1, Some(limit)) => Err((
            SignatureFault::Weak,
            format!(
                "weak: it is by SHA-1, which is accepted before {} only, and was made on {}",
                time::show(limit.into()),
                time::show(made.into())
            ),
        )),
        (HashAlgorithm::Other(number), _) => Err(malformed(format!(
            "it is by the unknown hash algorithm {number}"
        ))),
        _ => Err((SignatureFault::Weak, format!("weak: it is by {hash}"))),
    }
}

/// A signature that expires by itself is good today and not tomorrow, by a clock that
/// may be wrong; a mirror's verdict may not depend on it.
fn must_not_expire(config: &SignatureConfig) -> Result<(), Objection> {
    let lifetimes = config
        .hashed_subpackets()
        .filter_map(|field| match field.data {
            SubpacketData::SignatureExpirationTime(time) => Some(time.as_secs()),
            _ => None,
        });
    // Zero is for ever.
    match lifetimes.filter(|seconds| *seconds > 0).min() {
        None => Ok(()),
        Some(seconds) => Err((
            SignatureFault::Expired,
            format!("it is good for {seconds} seconds only; a mirror needs one without an end"),
        )),
    }
}

fn fields(config: &SignatureConfig) -> impl Iterator<Item = &Subpacket> {
    config
        .hashed_subpackets()
        .chain(config.unhashed_subpackets())
}

fn malformed(reason: impl Into<String>) -> Objection {
    (SignatureFault::Malformed, reason.into())
}
