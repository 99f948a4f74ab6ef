//! What a signature says.

use pgp::{
    crypto::hash::HashAlgorithm,
    packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData},
    types::{Duration, Fingerprint, KeyDetails as _, Timestamp},
};

use super::{
    DATA, KEY, OTHER, OpenPgp, RSA, SigningHash, body, fault, good_binary, packet, refusal,
    signing, trusting, verify,
};
use crate::openpgp::framing::tag;
use romt_core::ports::{SignatureError, SignatureFault};

/// A signature by [`KEY`] that `change` had its way with.
fn changed(change: impl FnOnce(&mut SignatureConfig)) -> Vec<u8> {
    signing::binary(&KEY.sign_with(DATA, HashAlgorithm::Sha256, change))
}

fn critical(data: SubpacketData) -> Subpacket {
    Subpacket::critical(data).unwrap()
}

#[test]
fn what_the_key_signed_is_trusted() {
    let verifier = trusting(&KEY);
    for hash in [
        SigningHash::Sha256,
        SigningHash::Sha384,
        SigningHash::Sha512,
    ] {
        for signer in [&*KEY, &*RSA] {
            let signature = signer.sign_detached_armored(DATA, hash);
            let signed = verify(&trusting(signer), signature.as_bytes(), DATA).unwrap();
            assert_eq!(signed.primary, signer.primary());
            assert_eq!(signed.signer, signer.signer());
            assert!(!signed.is_weak && signed.notes.is_empty(), "{signed:?}");
        }
        for data in [&b""[..], &vec![7; 100_000]] {
            let signature = KEY.sign_detached_armored(data, hash);
            assert!(verify(&verifier, signature.as_bytes(), data).is_ok());
        }
    }
}

#[test]
fn hostile_s01_no_signature_is_none() {
    let verifier = trusting(&KEY);
    assert_eq!(
        SignatureError::missing("x").fault(),
        SignatureFault::Missing
    );
    for empty in [&b""[..], b"\n \n", b"\0"] {
        assert_eq!(fault(&verifier, empty), SignatureFault::Malformed);
    }
}

#[test]
fn hostile_s02_only_the_accepted_keys_sign() {
    let verifier = trusting(&KEY);
    for foreign in [&*OTHER, &*RSA] {
        let signature = foreign.sign_detached_armored(DATA, SigningHash::Sha256);
        let (fault, message) = refusal(&verifier, signature.as_bytes());
        assert_eq!(fault, SignatureFault::UnknownKey);
        assert!(message.contains(&foreign.signer()), "{message}");
    }
}

#[test]
fn hostile_s02_a_key_id_is_not_a_key() {
    let id = KEY.secret().secret_subkeys[0].key.legacy_key_id();
    // As if the other key had the very same 64-bit id.
    let only_id = OTHER.sign_with(DATA, HashAlgorithm::Sha256, |config| {
        config.hashed_subpackets.remove(0);
        config.unhashed_subpackets = vec![signing::field(SubpacketData::IssuerKeyId(id))];
    });
    let verifier = trusting(&KEY);
    assert_eq!(
        fault(&verifier, &signing::binary(&only_id)),
        SignatureFault::Wrong
    );

    let mut print = [7; 20];
    print[12..].copy_from_slice(id.as_ref());
    let same_end = OTHER.sign_with(DATA, HashAlgorithm::Sha256, |config| {
        let issuer = SubpacketData::IssuerFingerprint(Fingerprint::V4(print));
        config.hashed_subpackets[0] = signing::field(issuer);
        config.unhashed_subpackets = vec![signing::field(SubpacketData::IssuerKeyId(id))];
    });
    let (fault, message) = refusal(&verifier, &signing::binary(&same_end));
    assert_eq!(fault, SignatureFault::UnknownKey);
    assert!(message.contains("0707070707"), "{message}");
}

#[test]
fn hostile_s03_a_signature_is_over_one_file() {
    for hash in [
        SigningHash::Sha256,
        SigningHash::Sha384,
        SigningHash::Sha512,
    ] {
        let signature = KEY.sign_detached(b"another file", hash);
        assert_eq!(fault(&trusting(&KEY), &signature), SignatureFault::Wrong);
    }
}

#[test]
fn hostile_s04_armour_must_be_whole_and_of_a_signature() {
    let verifier = trusting(&KEY);
    let good = KEY.sign_detached_armored(DATA, SigningHash::Sha256);
    assert!(verify(&verifier, good.as_bytes(), DATA).is_ok());
    assert!(verify(&verifier, good.replace('\n', "\r\n").as_bytes(), DATA).is_ok());
    for bad in [
        good.replace("-----END PGP SIGNATURE-----", ""),
        good.replace("\n=", "\n=AAAA\n="),
        format!("{good}{good}"),
        good.replace("PGP SIGNATURE", "PGP MESSAGE"),
        KEY.public_armored(),
        format!("x{good}"),
    ] {
        assert_eq!(
            fault(&verifier, bad.as_bytes()),
            SignatureFault::Malformed,
            "{bad}"
        );
    }
    // Over the limit nothing is parsed, not even what would be good.
    let long = good + &"\n".repeat(64 * 1024);
    assert_eq!(fault(&verifier, long.as_bytes()), SignatureFault::TooLarge);
    assert_eq!(
        fault(&verifier, &vec![0xc2; 100_000_000]),
        SignatureFault::TooLarge
    );
}

#[test]
fn hostile_s05_a_binary_signature_is_one() {
    assert!(verify(&trusting(&KEY), &good_binary(), DATA).is_ok());
}

#[test]
fn hostile_s06_one_good_signature_of_sixteen_is_enough() {
    let verifier = trusting(&KEY);
    let bad = [
        OTHER.sign_detached(DATA, SigningHash::Sha256),
        KEY.sign_detached(b"another file", SigningHash::Sha512),
        packet(tag::SIGNATURE, b"\x09unknown version"),
    ]
    .concat()
    .repeat(5);
    assert!(verify(&verifier, &[bad.clone(), good_binary()].concat(), DATA).is_ok());
    assert!(verify(&verifier, &[good_binary(), bad.clone()].concat(), DATA).is_ok());
    assert_eq!(fault(&verifier, &bad), SignatureFault::Wrong);
}

#[test]
fn hostile_s06_packets_beyond_the_sixteenth_are_not_looked_at() {
    let verifier = trusting(&KEY);
    let unknown = OTHER.sign_detached(DATA, SigningHash::Sha256);
    let late = [unknown.repeat(16), good_binary()].concat();
    assert_eq!(fault(&verifier, &late), SignatureFault::TooLarge);

    let began = std::time::Instant::now();
    let flood = packet(tag::SIGNATURE, b"").repeat(10_000);
    assert_eq!(fault(&verifier, &flood), SignatureFault::TooLarge);
    assert_eq!(
        fault(&verifier, &[0xc2, 0].repeat(10_000)),
        SignatureFault::TooLarge
    );
    assert!(began.elapsed().as_secs_f64() < 1.0);
}

#[test]
fn hostile_s08_a_signature_that_expires_is_refused_whatever_the_clock_says() {
    let verifier = trusting(&KEY);
    for seconds in [1, u32::MAX] {
        let data = SubpacketData::SignatureExpirationTime(Duration::from_secs(seconds));
        let expires = changed(|config| config.hashed_subpackets.push(signing::field(data)));
        assert_eq!(fault(&verifier, &expires), SignatureFault::Expired);
    }
    let data = SubpacketData::SignatureExpirationTime(Duration::from_secs(0));
    let never = changed(|config| config.hashed_subpackets.push(signing::field(data)));
    assert!(verify(&verifier, &never, DATA).is_ok());
}

#[test]
fn hostile_s08_a_date_in_the_future_is_noted() {
    let future = changed(|config| {
        let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(u32::MAX));
        config.hashed_subpackets[1] = signing::field(time);
    });
    let signed = verify(&trusting(&KEY), &future, DATA).unwrap();
    assert!(!signed.is_weak);
    assert!(signed.notes[0].contains("in the future"), "{signed:?}");
    assert!(signed.notes[0].contains("a-file.toml"), "{signed:?}");
}

#[test]
fn hostile_s08_a_signature_says_once_when_it_was_made() {
    let verifier = trusting(&KEY);
    let never = changed(|config| drop(config.hashed_subpackets.remove(1)));
    let twice = changed(|config| {
        let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(signing::SIGNED + 1));
        config.hashed_subpackets.push(signing::field(time));
    });
    let unhashed = changed(|config| {
        let time = config.hashed_subpackets.remove(1);
        config.unhashed_subpackets.push(time);
    });
    for bad in [never, twice, unhashed] {
        assert_eq!(fault(&verifier, &bad), SignatureFault::Malformed);
    }
}

#[test]
fn hostile_s09_only_a_binary_document_is_signed() {
    let verifier = trusting(&KEY);
    let text = changed(|config| config.typ = SignatureType::Text);
    assert_eq!(fault(&verifier, &text), SignatureFault::WrongKind);
    for kind in [0x02, 0x10, 0x13, 0x18, 0x1f, 0x20, 0x40, 0x50, 0xff] {
        let mut body = body(&good_binary());
        body[1] = kind;
        let other = packet(tag::SIGNATURE, &body);
        assert_eq!(
            fault(&verifier, &other),
            SignatureFault::WrongKind,
            "{kind:#x}"
        );
    }
}

#[test]
fn hostile_s11_a_critical_field_must_be_understood() {
    let verifier = trusting(&KEY);
    let unknown = || SubpacketData::Experimental(101, b"x".as_slice().into());
    let hashed = changed(|config| config.hashed_subpackets.push(critical(unknown())));
    let unhashed = changed(|config| {
        let data = SubpacketData::Other(99, b"x".as_slice().into());
        config.unhashed_subpackets.push(critical(data));
    });
    let to_another = changed(|config| {
        let print = Fingerprint::V4([7; 20]);
        let data = SubpacketData::IntendedRecipientFingerprint(print);
        config.hashed_subpackets.push(critical(data));
    });
    for bad in [hashed, unhashed, to_another] {
        assert_eq!(fault(&verifier, &bad), SignatureFault::WrongKind);
    }
    let harmless = changed(|config| {
        config.hashed_subpackets.push(signing::field(unknown()));
        let time = config.hashed_subpackets.remove(1);
        config.hashed_subpackets.push(critical(time.data));
    });
    assert!(verify(&verifier, &harmless, DATA).is_ok());
}

#[test]
fn hostile_s11_issuers_must_agree() {
    let verifier = trusting(&KEY);
    let other = &OTHER.secret().secret_subkeys[0].key;
    let id = changed(|config| {
        let data = SubpacketData::IssuerKeyId(other.legacy_key_id());
        config.unhashed_subpackets = vec![signing::field(data)];
    });
    let two_ids = changed(|config| {
        let data = SubpacketData::IssuerKeyId(other.legacy_key_id());
        config.unhashed_subpackets.push(signing::field(data));
    });
    let two_prints = changed(|config| {
        let data = SubpacketData::IssuerFingerprint(other.fingerprint());
        config.unhashed_subpackets.push(signing::field(data));
    });
    let nobody = changed(|config| {
        config.hashed_subpackets.remove(0);
        config.unhashed_subpackets.clear();
    });
    for bad in [id, two_ids, two_prints, nobody] {
        assert_eq!(fault(&verifier, &bad), SignatureFault::Malformed);
    }
    // Old signatures have the key id only.
    let old = changed(|config| drop(config.hashed_subpackets.remove(0)));
    assert!(verify(&verifier, &old, DATA).is_ok());
}

#[test]
fn hostile_s12_packets_of_other_kinds_are_refused() {
    let verifier = trusting(&KEY);
    let good = body(&good_binary());
    for version in [0, 2, 3, 5, 6, 255] {
        let mut body = good.clone();
        body[0] = version;
        let bad = packet(tag::SIGNATURE, &body);
        assert_eq!(
            fault(&verifier, &bad),
            SignatureFault::Malformed,
            "{version}"
        );
    }
    for (offset, values) in [(2, [0, 1, 2, 18, 99]), (3, [0, 4, 99, 110, 255])] {
        for value in values {
            let mut body = good.clone();
            body[offset] = value;
            let fault = fault(&verifier, &packet(tag::SIGNATURE, &body));
            assert!(
                matches!(fault, SignatureFault::Malformed | SignatureFault::Weak),
                "{offset} {value} {fault:?}"
            );
        }
    }
    for tag in [1, 4, 5, 6, 8, 11, 18, 20, 40, 63] {
        let nested = packet(tag, &good_binary());
        assert_eq!(
            fault(&verifier, &nested),
            SignatureFault::Malformed,
            "{tag}"
        );
        let behind = [good_binary(), packet(tag, b"")].concat();
        assert_eq!(
            fault(&verifier, &behind),
            SignatureFault::Malformed,
            "{tag}"
        );
    }
}

#[test]
fn hostile_s12_lengths_that_lie_are_refused() {
    let verifier = trusting(&KEY);
    let good = body(&good_binary());
    let mut long_fields = good.clone();
    long_fields[4..6].copy_from_slice(&[255, 255]);
    let mut filled = long_fields.clone();
    filled.resize(65_000, 0);
    let mut partial = vec![0xc2, 224 + 6];
    partial.extend(&good);
    for bad in [
        packet(tag::SIGNATURE, &good[..good.len() - 1]),
        packet(tag::SIGNATURE, &[&good[..], b"x"].concat()),
        packet(tag::SIGNATURE, &good[..5]),
        packet(tag::SIGNATURE, &long_fields),
        packet(tag::SIGNATURE, &filled),
        good_binary()[..good.len()].to_vec(),
        partial,
    ] {
        assert_eq!(fault(&verifier, &bad), SignatureFault::Malformed, "{bad:?}");
    }
}

#[test]
fn hostile_s13_the_bytes_that_are_judged_are_those_that_passed() {
    use romt_core::{Sha256Hasher, ports::SignatureVerifier as _};
    let verifier: OpenPgp = trusting(&KEY);
    for hash in [SigningHash::Sha256, SigningHash::Sha512] {
        let mut signature = KEY.sign_detached(DATA, hash);
        let mut check = verifier.begin("x", &signature).unwrap();
        // What becomes of the signature file now makes no difference.
        signature.fill(0);
        check.update(DATA);
        let mut sha256 = Sha256Hasher::new();
        sha256.update(DATA);
        assert!(check.finish(&sha256).is_ok());

        // A caller that keeps more bytes than it showed gets no proof.
        let mut check = verifier.begin("x", &KEY.sign_detached(DATA, hash)).unwrap();
        check.update(DATA);
        sha256.update(b"more");
        assert!(check.finish(&sha256).is_err());
    }
}
