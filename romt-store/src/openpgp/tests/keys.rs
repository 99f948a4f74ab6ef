//! Which keys may sign, and when.

use pgp::{
    composed::{KeyType, SecretKeyParamsBuilder, SignedPublicKey, SubkeyParamsBuilder},
    packet::{
        KeyFlags, RevocationCode, Signature, SignatureConfig, SignatureType, Subpacket,
        SubpacketData,
    },
    ser::Serialize as _,
    types::{Duration, KeyDetails as _, Password, Timestamp},
};
use romt_core::{ErrorClass, ports::SignatureFault};

use super::{
    DATA, KEY, KeyFileError, OTHER, OpenPgp, SigningHash, TestKey, fault, good_binary, packet,
    refusal, signing, trusting_public, verify,
};
use crate::openpgp::{RUST_RELEASE_KEY, RUST_RELEASE_PINS, framing::tag};

const DAY: u32 = 24 * 60 * 60;

fn public(key: &TestKey) -> SignedPublicKey {
    key.secret().to_public_key()
}

/// What every statement of a key begins with.
fn statement(key: &TestKey, kind: SignatureType, made: u32) -> SignatureConfig {
    let primary = &key.secret().primary_key;
    let hash = pgp::crypto::hash::HashAlgorithm::Sha256;
    let mut config = SignatureConfig::v4(kind, primary.algorithm(), hash);
    let time = Timestamp::from_secs(made);
    config.hashed_subpackets = vec![
        signing::field(SubpacketData::SignatureCreationTime(time)),
        signing::field(SubpacketData::IssuerFingerprint(primary.fingerprint())),
    ];
    config
}

/// A binding or revocation of `key`'s signing subkey.
fn on_subkey(key: &TestKey, kind: SignatureType, made: u32, fields: Vec<Subpacket>) -> Signature {
    let mut config = statement(key, kind, made);
    config.hashed_subpackets.extend(fields);
    let secret = key.secret();
    let primary = secret.primary_key.public_key();
    let subkey = &public(key).public_subkeys[0].key.clone();
    config
        .sign_subkey_binding(&secret.primary_key, primary, &Password::empty(), subkey)
        .unwrap()
}

/// A statement of `key` on its primary key.
fn on_primary(key: &TestKey, kind: SignatureType, made: u32, fields: Vec<Subpacket>) -> Signature {
    let mut config = statement(key, kind, made);
    config.hashed_subpackets.extend(fields);
    let primary = &key.secret().primary_key;
    config
        .sign_key(primary, &Password::empty(), primary.public_key())
        .unwrap()
}

fn signing_flag() -> Subpacket {
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    signing::field(SubpacketData::KeyFlags(flags))
}

/// The signature by which the signing subkey says that it belongs to its primary key.
fn back(key: &TestKey) -> Subpacket {
    let binding = &public(key).public_subkeys[0].signatures[0];
    let back = binding.embedded_signature().unwrap().clone();
    signing::field(SubpacketData::EmbeddedSignature(Box::new(back)))
}

fn expires_after(seconds: u32) -> Subpacket {
    signing::field(SubpacketData::KeyExpirationTime(Duration::from_secs(
        seconds,
    )))
}

fn reason(code: RevocationCode) -> Vec<Subpacket> {
    let data = SubpacketData::RevocationReason(code, b"".as_slice().into());
    vec![signing::field(data)]
}

/// The key with another binding of its signing subkey.
fn rebound(fields: Vec<Subpacket>) -> SignedPublicKey {
    let mut key = public(&KEY);
    let made = signing::KEY_MADE + 1;
    let binding = on_subkey(&KEY, SignatureType::SubkeyBinding, made, fields);
    key.public_subkeys[0].signatures = vec![binding];
    key
}

#[test]
fn the_rust_release_key_is_the_pinned_one() {
    let verifier = OpenPgp::rust_release().unwrap();
    let prints: Vec<&str> = verifier.fingerprints().collect();
    assert_eq!(prints, RUST_RELEASE_PINS);
    assert_eq!(prints[0], "108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE");
    assert_eq!(prints[1], "C13466B7E169A085188632165CB4A9347B3B09DC");
    assert!(verifier.to_string().contains(prints[1]), "{verifier}");
    // Without pins the certificate itself says the same: the third key only encrypts.
    let read = OpenPgp::from_key_file(RUST_RELEASE_KEY).unwrap();
    assert_eq!(read.fingerprints().collect::<Vec<_>>(), RUST_RELEASE_PINS);
    assert_eq!(fault(&verifier, &good_binary()), SignatureFault::UnknownKey);
}

#[test]
fn hostile_s08_a_signature_after_its_key_expired_is_refused() {
    let lived = signing::SIGNED - signing::KEY_MADE;
    let bound = |seconds| {
        let key = rebound(vec![signing_flag(), back(&KEY), expires_after(seconds)]);
        trusting_public(&key).unwrap()
    };
    assert!(verify(&bound(lived + 1), &good_binary(), DATA).is_ok());
    assert!(verify(&bound(0), &good_binary(), DATA).is_ok());
    assert_eq!(
        fault(&bound(lived), &good_binary()),
        SignatureFault::Expired
    );
    assert_eq!(fault(&bound(1), &good_binary()), SignatureFault::Expired);
    // So it is with the primary key, whose life the subkey shares.
    // What it says last counts.
    let mut key = public(&KEY);
    let fields = vec![signing_flag(), expires_after(lived)];
    key.details.direct_signatures = vec![on_primary(&KEY, SignatureType::Key, u32::MAX, fields)];
    let verifier = trusting_public(&key).unwrap();
    assert_eq!(fault(&verifier, &good_binary()), SignatureFault::Expired);
}

#[test]
fn hostile_s08_a_signature_before_its_key_is_refused() {
    let early = KEY.sign_with(DATA, pgp::crypto::hash::HashAlgorithm::Sha256, |config| {
        let time = Timestamp::from_secs(signing::KEY_MADE - 1);
        let time = SubpacketData::SignatureCreationTime(time);
        config.hashed_subpackets[1] = signing::field(time);
    });
    let verifier = super::trusting(&KEY);
    let (fault, message) = refusal(&verifier, &signing::binary(&early));
    assert_eq!(fault, SignatureFault::Expired);
    assert!(message.contains("before its key"), "{message}");
}

#[test]
fn hostile_s08_revocation_is_judged_at_the_time_of_the_signature() {
    let revoked = |code, made| {
        let mut primary = public(&KEY);
        let fields = reason(code);
        primary.details.revocation_signatures =
            vec![on_primary(&KEY, SignatureType::KeyRevocation, made, fields)];
        let mut subkey = public(&KEY);
        let revocation = on_subkey(&KEY, SignatureType::SubkeyRevocation, made, reason(code));
        subkey.public_subkeys[0].signatures.push(revocation);
        [primary, subkey].map(|key| trusting_public(&key).unwrap())
    };
    for code in [RevocationCode::KeySuperseded, RevocationCode::KeyRetired] {
        for verifier in revoked(code, signing::SIGNED + DAY) {
            assert!(verify(&verifier, &good_binary(), DATA).is_ok());
        }
        for verifier in revoked(code, signing::SIGNED) {
            assert_eq!(fault(&verifier, &good_binary()), SignatureFault::Expired);
        }
    }
    // Whoever has stolen a key can write any date.
    for code in [RevocationCode::KeyCompromised, RevocationCode::NoReason] {
        for verifier in revoked(code, signing::SIGNED + DAY) {
            assert_eq!(fault(&verifier, &good_binary()), SignatureFault::Expired);
        }
    }
}

#[test]
fn hostile_s08_nobody_else_revokes_a_key() {
    let mut key = public(&KEY);
    let fields = reason(RevocationCode::KeyCompromised);
    let foreign = on_primary(
        &OTHER,
        SignatureType::KeyRevocation,
        signing::KEY_MADE,
        fields,
    );
    key.details.revocation_signatures = vec![foreign];
    let verifier = trusting_public(&key).unwrap();
    assert!(verify(&verifier, &good_binary(), DATA).is_ok());
}

#[test]
fn hostile_s10_a_key_that_is_not_flagged_does_not_sign() {
    let verifier = trusting_public(&rebound(vec![back(&KEY)])).unwrap();
    let (fault, message) = refusal(&verifier, &good_binary());
    assert_eq!(fault, SignatureFault::UnknownKey);
    assert!(message.contains("not flagged for signing"), "{message}");
    assert_eq!(verifier.fingerprints().collect::<Vec<_>>(), [KEY.primary()]);
}

#[test]
fn hostile_s10_a_subkey_must_be_bound_both_ways() {
    let one_way = trusting_public(&rebound(vec![signing_flag()])).unwrap();
    assert_eq!(fault(&one_way, &good_binary()), SignatureFault::UnknownKey);

    // A primary key that adopts another's subkey cannot make that one agree.
    let mut adopted = public(&OTHER);
    adopted.public_subkeys = public(&KEY).public_subkeys;
    let verifier = trusting_public(&adopted).unwrap();
    let (fault, message) = refusal(&verifier, &good_binary());
    assert_eq!(fault, SignatureFault::UnknownKey);
    assert!(message.contains("binds it"), "{message}");
}

#[test]
fn hostile_s10_an_unpinned_subkey_of_a_pinned_key_does_not_sign() {
    let file = KEY.public_binary();
    let primary = KEY.primary();
    let verifier = OpenPgp::pinned(&file, Some(&[&primary])).unwrap();
    let (fault, message) = refusal(&verifier, &good_binary());
    assert_eq!(fault, SignatureFault::UnknownKey);
    assert!(message.contains("pinned"), "{message}");
    let signer = KEY.signer();
    let verifier = OpenPgp::pinned(&file, Some(&[&signer])).unwrap();
    assert!(verify(&verifier, &good_binary(), DATA).is_ok());
}

#[test]
fn hostile_s14_a_verifier_without_its_keys_cannot_be_made() {
    for (file, pins) in [
        (RUST_RELEASE_KEY.to_vec(), vec![KEY.primary()]),
        (
            KEY.public_binary(),
            RUST_RELEASE_PINS.map(String::from).to_vec(),
        ),
        // The key that only encrypts.
        (
            RUST_RELEASE_KEY.to_vec(),
            vec!["29D57CE15D76E78CD57D326A8E9AA3F7AB3F5826".into()],
        ),
    ] {
        let pins: Vec<&str> = pins.iter().map(String::as_str).collect();
        let error = OpenPgp::pinned(&file, Some(&pins)).unwrap_err();
        assert!(matches!(error, KeyFileError::NoSigner { .. }), "{error}");
        assert!(error.to_string().contains(pins[0]), "{error}");
        assert_eq!(error.class(), ErrorClass::Usage);
    }
}

#[test]
fn hostile_s14_keys_that_may_not_sign_are_no_verifier() {
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_authenticate(true)
        .build()
        .unwrap();
    let keys = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .primary_user_id("No signer <none@example.com>".into())
        .subkeys(vec![subkey])
        .build()
        .unwrap();
    let secret = keys.generate(signing::seeded("no signer")).unwrap();
    let error = trusting_public(&secret.to_public_key()).unwrap_err();
    assert!(matches!(error, KeyFileError::NoSigner { .. }), "{error}");

    // A key without a self-signature is a number that anybody can write down.
    let mut bare = public(&KEY);
    bare.details.users.clear();
    let error = trusting_public(&bare).unwrap_err();
    assert!(matches!(error, KeyFileError::NoSigner { .. }), "{error}");
}

#[test]
fn several_keys_in_one_file_are_all_accepted() {
    let armored = KEY.public_armored() + &OTHER.public_armored();
    let binary = [KEY.public_binary(), OTHER.public_binary()].concat();
    for file in [armored.as_bytes(), &binary] {
        let verifier = OpenPgp::from_key_file(file).unwrap();
        assert_eq!(verifier.fingerprints().count(), 4);
        for key in [&*KEY, &*OTHER] {
            let signature = key.sign_detached(DATA, SigningHash::Sha512);
            assert_eq!(
                verify(&verifier, &signature, DATA).unwrap().primary,
                key.primary()
            );
        }
    }
    assert!(OpenPgp::from_key_file(&KEY.public_binary().repeat(16)).is_ok());
}

#[test]
fn hostile_s15_key_files_that_are_none_are_refused() {
    let armored = KEY.public_armored();
    let signature = KEY.sign_detached_armored(DATA, SigningHash::Sha256);
    for (name, file) in [
        ("nothing", vec![]),
        ("blank", b"\n\n".to_vec()),
        ("nonsense", b"nonsense".to_vec()),
        ("binary nonsense", vec![0xff; 1000]),
        ("a signature", signature.into_bytes()),
        ("a binary signature", good_binary()),
        (
            "a cut key",
            armored.as_bytes()[..armored.len() / 2].to_vec(),
        ),
        ("a user id", packet(tag::USER_ID, b"x")),
        ("a message", packet(8, b"x")),
        (
            "half a key",
            packet(tag::PUBLIC_KEY, &[4, 0, 0, 0, 0, 1, 8]),
        ),
        (
            "a key of version 3",
            packet(tag::PUBLIC_KEY, &[3, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1]),
        ),
    ] {
        let error = OpenPgp::from_key_file(&file).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage, "{name}: {error}");
        assert!(
            matches!(
                error,
                KeyFileError::NoSigner { .. } | KeyFileError::Malformed { .. }
            ),
            "{name}: {error}"
        );
    }
}

#[test]
fn hostile_s15_a_thousand_keys_are_too_many() {
    for count in [17, 1000] {
        let file = KEY.public_binary().repeat(count);
        let error = OpenPgp::from_key_file(&file).unwrap_err();
        assert!(
            matches!(error, KeyFileError::TooLarge { limit: 16, .. }),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::Usage);
    }
    let blocks = KEY.public_armored().repeat(17);
    assert!(OpenPgp::from_key_file(blocks.as_bytes()).is_err());
    let error = OpenPgp::from_key_file(&vec![0xc2; 1024 * 1024 + 1]).unwrap_err();
    assert!(matches!(error, KeyFileError::TooLarge { .. }), "{error}");
}

#[test]
fn hostile_s15_a_secret_key_is_refused_with_a_warning() {
    let secret = KEY.secret();
    let armored = secret.to_armored_string(pgp::composed::ArmorOptions::default());
    let binary = secret.to_bytes().unwrap();
    // Also behind a public key, and with a false label.
    let behind = [KEY.public_binary(), binary.clone()].concat();
    let renamed = armored.as_ref().unwrap().replace("PRIVATE", "PUBLIC");
    for file in [
        armored.unwrap().into_bytes(),
        binary,
        behind,
        renamed.into_bytes(),
    ] {
        let error = OpenPgp::from_key_file(&file).unwrap_err();
        assert!(matches!(error, KeyFileError::SecretKey), "{error}");
        assert!(error.to_string().contains("should not be here"), "{error}");
        assert_eq!(error.class(), ErrorClass::Usage);
    }
}
