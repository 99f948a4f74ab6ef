//! Algorithms that prove nothing any more.

use pgp::{
    composed::{KeyType, SignedKeyDetails, SignedPublicKey},
    crypto::hash::HashAlgorithm,
    packet::{
        KeyFlags, PubKeyInner, PublicKey, SecretKey, Signature, SignatureConfig, SignatureType,
        SubpacketData,
    },
    types::{KeyDetails as _, KeyVersion, Password, SigningKey, Timestamp},
};
use romt_core::ports::SignatureFault;
use sha1_checked::{Sha1, digest::DynDigest};

use super::{DATA, RSA, SigningHash, fault, refusal, signing, trusting, verify};

/// The first of the two files of 640 bytes by which chosen-prefix collisions of SHA-1
/// were shown (Leurent and Peyrin, 2020).
const COLLIDING: &str = include_str!("sha-mbles-1.hex");

fn colliding() -> Vec<u8> {
    let digits: Vec<u8> = COLLIDING.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A signature by [`RSA`] over `data` by a SHA-1 that does not notice collisions.
fn signed_blindly(data: &[u8]) -> Signature {
    let key = &RSA.secret().secret_subkeys[0].key;
    let hash = HashAlgorithm::Sha1;
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), hash);
    let time = Timestamp::from_secs(signing::SIGNED);
    config.hashed_subpackets = vec![
        signing::field(SubpacketData::SignatureCreationTime(time)),
        signing::field(SubpacketData::IssuerFingerprint(key.fingerprint())),
    ];
    let blind = Sha1::builder().detect_collision(false).build();
    let mut hasher: Box<dyn DynDigest + Send> = Box::new(blind);
    hasher.update(data);
    let length = config.hash_signature_data(&mut hasher).unwrap();
    hasher.update(&config.trailer(length).unwrap());
    let digest = hasher.finalize();
    let signature = SigningKey::sign(key, &Password::empty(), hash, &digest).unwrap();
    Signature::from_config(config, [digest[0], digest[1]], signature).unwrap()
}

#[test]
fn hostile_s07_weak_hashes_are_refused() {
    let verifier = trusting(&RSA);
    for hash in [
        HashAlgorithm::Md5,
        HashAlgorithm::Ripemd160,
        HashAlgorithm::Sha1,
    ] {
        let signature = RSA.sign_with(DATA, hash, |_| {});
        let (fault, message) = refusal(&verifier, &signing::binary(&signature));
        assert_eq!(fault, SignatureFault::Weak);
        assert!(message.contains("weak"), "{message}");
        assert!(message.contains(&hash.to_string()), "{message}");
    }
    // Not broken, but not on the list either.
    for hash in [
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha3_256,
        HashAlgorithm::Sha3_512,
    ] {
        let signature = RSA.sign_with(DATA, hash, |_| {});
        assert_eq!(
            fault(&verifier, &signing::binary(&signature)),
            SignatureFault::Weak
        );
    }
}

/// A primary key of RSA with `bits` that says of itself that it signs; the builder of
/// keys makes no short ones.
fn rsa_key(bits: u32) -> SecretKey {
    let kind = KeyType::Rsa(bits);
    let (public, secret) = kind.generate(signing::seeded("short")).unwrap();
    let made = Timestamp::from_secs(signing::KEY_MADE);
    let inner = PubKeyInner::new(KeyVersion::V4, kind.to_alg(), made, None, public).unwrap();
    SecretKey::new(PublicKey::from_inner(inner).unwrap(), secret).unwrap()
}

/// What `key` states, of the type `kind`.
fn statement(key: &SecretKey, kind: SignatureType) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha256);
    let time = Timestamp::from_secs(signing::SIGNED);
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    config.hashed_subpackets = vec![
        signing::field(SubpacketData::SignatureCreationTime(time)),
        signing::field(SubpacketData::IssuerFingerprint(key.fingerprint())),
        signing::field(SubpacketData::KeyFlags(flags)),
    ];
    config
}

#[test]
fn hostile_s07_short_rsa_keys_are_refused() {
    for (bits, is_long) in [(1024, false), (2040, false), (2048, true)] {
        let key = rsa_key(bits);
        let none = Password::empty();
        let own = statement(&key, SignatureType::Key);
        let own = own.sign_key(&key, &none, key.public_key()).unwrap();
        let details = SignedKeyDetails::new(vec![], vec![own], vec![], vec![]);
        let public = SignedPublicKey::new(key.public_key().clone(), details, vec![]);
        let verifier = super::trusting_public(&public).unwrap();

        let signature = statement(&key, SignatureType::Binary);
        let signature = signing::binary(&signature.sign(&key, &none, DATA).unwrap());
        if is_long {
            assert!(verify(&verifier, &signature, DATA).is_ok());
            continue;
        }
        let (fault, message) = refusal(&verifier, &signature);
        assert_eq!(fault, SignatureFault::Weak);
        assert!(
            message.contains(&format!("RSA of {bits} bits")),
            "{message}"
        );
    }
}

#[test]
fn hostile_s07_sha1_is_accepted_before_a_date_and_marked() {
    let signature = RSA.sign_detached(DATA, SigningHash::Sha1);
    let verifier = trusting(&RSA).with_sha1_before(signing::SIGNED + 1);
    let signed = verify(&verifier, &signature, DATA).unwrap();
    assert!(signed.is_weak);
    assert!(signed.notes[0].contains("weak"), "{signed:?}");
    assert_eq!(
        super::refusal(&verifier, &RSA.sign_detached(b"x", SigningHash::Sha1)).0,
        SignatureFault::Wrong
    );

    let verifier = trusting(&RSA).with_sha1_before(signing::SIGNED);
    let (fault, message) = refusal(&verifier, &signature);
    assert_eq!(fault, SignatureFault::Weak);
    assert!(message.contains("2020"), "{message}");
    // The others stay as they were.
    let strong = RSA.sign_detached(DATA, SigningHash::Sha512);
    assert!(!verify(&verifier, &strong, DATA).unwrap().is_weak);
    let md5 = RSA.sign_with(DATA, HashAlgorithm::Md5, |_| {});
    assert_eq!(
        super::fault(&verifier, &signing::binary(&md5)),
        SignatureFault::Weak
    );
}

#[test]
fn hostile_s07_bytes_that_were_made_to_collide_are_noticed() {
    let verifier = trusting(&RSA).with_sha1_before(u32::MAX);
    let harmless = signing::binary(&signed_blindly(DATA));
    assert!(verify(&verifier, &harmless, DATA).unwrap().is_weak);

    let data = colliding();
    assert_eq!(data.len(), 640);
    let signature = signing::binary(&signed_blindly(&data));
    let error = verify(&verifier, &signature, &data).unwrap_err();
    assert_eq!(error.fault(), SignatureFault::Wrong);
}
