//! Chance and malice: nothing panics, nothing takes long, nothing false passes.

use std::time::Instant;

use rand::{Rng as _, rngs::StdRng};

use super::{DATA, KEY, OpenPgp, RSA, SigningHash, TestKey, packet, signing, trusting, verify};
use crate::openpgp::framing::tag;

/// Changes a few bytes of `file`, or cuts it, or doubles a part.
fn damaged(file: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..chance.gen_range(1..4) {
        let at = chance.gen_range(0..file.len());
        match chance.gen_range(0..8) {
            0 => file.truncate(at + 1),
            1 => drop(file.remove(at)),
            2 => file.insert(at, chance.r#gen()),
            3 => file[at] = chance.r#gen(),
            _ => file[at] ^= 1 << chance.gen_range(0..8),
        }
        if file.is_empty() {
            file.push(0);
        }
    }
    file
}

fn is_harmless(verifier: &OpenPgp, key: &TestKey, signature: &[u8]) -> bool {
    // What still passes must be the key's word on the very same bytes, and no other's.
    verify(verifier, signature, DATA).is_ok_and(|signed| signed.signer == key.signer())
        && verify(verifier, signature, b"another file").is_err()
}

#[test]
fn hostile_s12_damaged_signatures_are_refused_or_harmless() {
    let mut chance = signing::seeded("signatures");
    for (key, rounds) in [(&*KEY, 1500), (&*RSA, 300)] {
        let verifier = trusting(key).with_sha1_before(u32::MAX);
        let armored = key
            .sign_detached_armored(DATA, SigningHash::Sha512)
            .into_bytes();
        let binary = key.sign_detached(DATA, SigningHash::Sha256);
        let mut refused = 0;
        for _ in 0..rounds {
            for good in [&armored, &binary] {
                let bad = damaged(good, &mut chance);
                if verify(&verifier, &bad, DATA).is_err() {
                    refused += 1;
                } else {
                    assert!(is_harmless(&verifier, key, &bad), "{bad:?}");
                }
            }
        }
        assert!(refused > rounds, "{refused}");
    }
}

#[test]
fn hostile_s12_every_single_flip_in_what_is_hashed_is_noticed() {
    let verifier = trusting(&KEY);
    let good = KEY.sign_detached(DATA, SigningHash::Sha256);
    let body = super::body(&good);
    let hashed = 6 + usize::from(u16::from_be_bytes([body[4], body[5]]));
    for bit in 0..hashed * 8 {
        let mut body = body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        let bad = packet(tag::SIGNATURE, &body);
        assert!(verify(&verifier, &bad, DATA).is_err(), "{bit}");
    }
    for bit in 0..DATA.len() * 8 {
        let mut data = DATA.to_vec();
        data[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&verifier, &good, &data).is_err(), "{bit}");
    }
}

#[test]
fn hostile_s15_damaged_key_files_do_no_harm() {
    let mut chance = signing::seeded("keys");
    let foreign = RSA.sign_detached(DATA, SigningHash::Sha256);
    for good in [KEY.public_armored().into_bytes(), KEY.public_binary()] {
        for _ in 0..500 {
            if let Ok(verifier) = OpenPgp::from_key_file(&damaged(&good, &mut chance)) {
                assert!(verifier.fingerprints().next().is_some());
                assert!(verify(&verifier, &foreign, DATA).is_err());
            }
        }
    }
}

#[test]
fn hostile_s12_a_megabyte_of_anything_takes_less_than_a_second() {
    const SIZE: usize = 1024 * 1024;
    let mut chance = signing::seeded("a megabyte");
    let noise: Vec<u8> = (0..SIZE).map(|_| chance.r#gen()).collect();
    let verifier = trusting(&KEY);
    let key = KEY.public_binary();
    let head = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
    let fill = |unit: &[u8]| unit.repeat(SIZE / unit.len());
    for (name, file) in [
        ("noise", noise.clone()),
        ("binary noise", [&[0xc2], &noise[1..]].concat()),
        ("zeros", vec![0; SIZE]),
        ("empty packets", fill(&packet(tag::SIGNATURE, b""))),
        ("armour", fill(head.as_bytes())),
        (
            "headers",
            [head, &"a: b\n".repeat(SIZE / 5 - 40)]
                .concat()
                .into_bytes(),
        ),
        (
            "base64",
            [head, "\n", &"AAAA".repeat(SIZE / 4 - 40)]
                .concat()
                .into_bytes(),
        ),
        ("lines", [head.as_bytes(), &fill(b"\n")[40..]].concat()),
        ("keys", fill(&key)),
        (
            "signatures",
            [
                &key[..],
                &fill(&KEY.sign_detached(DATA, SigningHash::Sha256))[key.len()..],
            ]
            .concat(),
        ),
        ("one packet", packet(tag::PUBLIC_KEY, &noise[6..])),
        (
            "one user id",
            [&key[..], &packet(tag::USER_ID, &noise[6 + key.len()..])].concat(),
        ),
    ] {
        assert!(file.len() <= SIZE, "{name}");
        let began = Instant::now();
        let _ = OpenPgp::from_key_file(&file);
        assert!(verify(&verifier, &file, DATA).is_err(), "{name}");
        assert!(
            verify(&verifier, &file[..64 * 1024], DATA).is_err(),
            "{name}"
        );
        let took = began.elapsed();
        assert!(took.as_secs_f64() < 1.0, "{name}: {took:?}");
    }
}
