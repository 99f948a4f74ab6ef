//! Public keys as packets tell of them: RFC 9580, section 10.1.
//!
//! A certificate is a primary key and what hangs on it. Here it is only taken apart;
//! [`keyring`](super::keyring) says what it proves.

use pgp::{
    packet::{PacketHeader, PublicKey, PublicSubkey, Signature, UserId},
    types::{KeyDetails, KeyVersion, Tag},
};

use super::{
    armor,
    error::KeyFileError,
    framing::{self, RawPacket, tag},
};

/// The most bytes of a key file, the most primary keys in it, and the most packets.
const MAX_FILE: usize = 1024 * 1024;
const MAX_KEYS: usize = 16;
const MAX_PACKETS: usize = 2048;

/// A primary key with everything that is said of it.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) primary: PublicKey,
    /// The body of the primary key's packet.
    pub(super) body: Vec<u8>,
    /// Signatures on the key itself.
    pub(super) direct: Vec<Signature>,
    pub(super) users: Vec<(UserId, Vec<Signature>)>,
    pub(super) subkeys: Vec<Subkey>,
}

/// A subkey with what is said of it.
#[derive(Debug)]
pub(super) struct Subkey {
    pub(super) key: PublicSubkey,
    pub(super) body: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

/// The certificates in a file: binary, or armoured in one block or several.
pub(super) fn read(file: &[u8]) -> Result<Vec<Certificate>, KeyFileError> {
    if file.len() > MAX_FILE {
        return Err(KeyFileError::TooLarge {
            what: "too many bytes",
            limit: MAX_FILE,
        });
    }
    let bytes = unarmored(file)?;
    let packets = framed(&bytes)?;
    let mut certificates = Vec::new();
    for packet in packets {
        add(&mut certificates, packet)?;
    }
    if certificates.is_empty() {
        return Err(KeyFileError::NoSigner {
            reason: "it has no key at all".into(),
        });
    }
    Ok(certificates)
}

fn unarmored(file: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    if armor::is_binary(file) {
        return Ok(file.to_vec());
    }
    let blocks = armor::decode(file, MAX_KEYS).map_err(malformed)?;
    for block in &blocks {
        match block.kind.as_str() {
            "PGP PUBLIC KEY BLOCK" => {}
            "PGP PRIVATE KEY BLOCK" => return Err(KeyFileError::SecretKey),
            _ => return Err(malformed("it is armour, but not of public keys")),
        }
    }
    Ok(blocks.into_iter().flat_map(|block| block.bytes).collect())
}

/// All packets, once it is clear that there are not too many and none is secret.
fn framed(bytes: &[u8]) -> Result<Vec<RawPacket<'_>>, KeyFileError> {
    let packets: Result<Vec<_>, _> = framing::packets(bytes).take(MAX_PACKETS + 1).collect();
    let packets = packets.map_err(malformed)?;
    let count = |tag| packets.iter().filter(|packet| packet.tag == tag).count();
    if count(tag::SECRET_KEY) + count(tag::SECRET_SUBKEY) > 0 {
        return Err(KeyFileError::SecretKey);
    }
    for (what, actual, limit) in [
        ("too many keys", count(tag::PUBLIC_KEY), MAX_KEYS),
        ("too many packets", packets.len(), MAX_PACKETS),
    ] {
        if actual > limit {
            return Err(KeyFileError::TooLarge { what, limit });
        }
    }
    Ok(packets)
}

fn add(certificates: &mut Vec<Certificate>, packet: RawPacket<'_>) -> Result<(), KeyFileError> {
    let body = packet.body;
    if packet.tag == tag::PUBLIC_KEY {
        let primary = PublicKey::try_from_reader(header(Tag::PublicKey, body), body)
            .map_err(|_| malformed("it has a key of an unknown kind"))?;
        must_be_version_4(&primary)?;
        certificates.push(Certificate {
            primary,
            body: body.to_vec(),
            direct: Vec::new(),
            users: Vec::new(),
            subkeys: Vec::new(),
        });
        return Ok(());
    }
    let Some(certificate) = certificates.last_mut() else {
        return Err(malformed("it does not begin with a public key"));
    };
    match packet.tag {
        tag::USER_ID | tag::USER_ATTRIBUTE => {
            // Nothing is read from an attribute (a photograph); it is kept so that the
            // signatures behind it are not taken for those of a user id.
            let user = UserId::try_from_reader(header(Tag::UserId, body), body)
                .map_err(|_| malformed("it has a user id that cannot be read"))?;
            certificate.users.push((user, Vec::new()));
        }
        tag::PUBLIC_SUBKEY => {
            let key = PublicSubkey::try_from_reader(header(Tag::PublicSubkey, body), body)
                .map_err(|_| malformed("it has a subkey of an unknown kind"))?;
            must_be_version_4(&key)?;
            certificate.subkeys.push(Subkey {
                key,
                body: body.to_vec(),
                signatures: Vec::new(),
            });
        }
        tag::SIGNATURE => {
            let signature = Signature::try_from_reader(header(Tag::Signature, body), body)
                .map_err(|_| malformed("it has a signature that cannot be read"))?;
            certificate.signatures().push(signature);
        }
        tag::MARKER | tag::TRUST | tag::PADDING => {}
        _ => return Err(malformed("it has packets that belong to no public key")),
    }
    Ok(())
}

impl Certificate {
    /// The signatures on what came last.
    fn signatures(&mut self) -> &mut Vec<Signature> {
        if let Some(subkey) = self.subkeys.last_mut() {
            &mut subkey.signatures
        } else if let Some((_, signatures)) = self.users.last_mut() {
            signatures
        } else {
            &mut self.direct
        }
    }
}

/// A head for a packet of which only the content matters.
pub(super) fn header(tag: Tag, body: &[u8]) -> PacketHeader {
    // Every body comes out of a file of less than 2^32 bytes.
    PacketHeader::new_fixed(tag, u32::try_from(body.len()).unwrap_or(u32::MAX))
}

fn must_be_version_4(key: &impl KeyDetails) -> Result<(), KeyFileError> {
    if key.version() == KeyVersion::V4 {
        return Ok(());
    }
    Err(malformed("it has a key of another version than 4"))
}

fn malformed(reason: impl Into<String>) -> KeyFileError {
    KeyFileError::Malformed {
        reason: reason.into(),
    }
}
