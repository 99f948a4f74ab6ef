//! Several people who must sign.

use pgp::{
    composed::{KeyType, SecretKeyParamsBuilder, SubkeyParamsBuilder},
    types::Timestamp,
};
use romt_core::ports::SignatureFault;

use super::{DATA, KEY, OTHER};
use crate::{
    KeyFileError, Operators,
    conformance::signing::{KEY_MADE, SigningHash, TestKey, seeded},
};

fn people(keys: &[&TestKey], threshold: usize) -> Result<Operators, KeyFileError> {
    let files: Vec<String> = keys.iter().map(|key| key.public_armored()).collect();
    Operators::new(files, threshold)
}

fn by(keys: &[&TestKey]) -> Vec<u8> {
    let blocks = keys
        .iter()
        .map(|key| key.sign_detached_armored(DATA, SigningHash::Sha512));
    blocks.collect::<String>().into_bytes()
}

/// A key with two subkeys that sign, and the same with the other one used.
fn of_two_subkeys() -> (TestKey, TestKey) {
    let made = Timestamp::from_secs(KEY_MADE);
    let subkey = || {
        let mut subkey = SubkeyParamsBuilder::default();
        subkey
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .created_at(made);
        subkey.build().unwrap()
    };
    let keys = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .created_at(made)
        .primary_user_id("Two <two@example.com>".to_owned())
        .subkeys(vec![subkey(), subkey()])
        .build()
        .unwrap();
    let secret = keys.generate(seeded("two")).unwrap();
    let mut other = secret.clone();
    other.secret_subkeys.reverse();
    (TestKey::from_secret(secret), TestKey::from_secret(other))
}

#[test]
fn hostile_s16_one_person_who_signs_twice_is_one() {
    let both = people(&[&KEY, &OTHER], 2).unwrap();
    let signed = both.check("x", &by(&[&KEY, &OTHER]), DATA).unwrap();
    assert_eq!(signed.len(), 2);
    assert!(both.check("x", &by(&[&OTHER, &KEY]), DATA).is_ok());
    for twice in [
        by(&[&KEY, &KEY]),
        by(&[&KEY]),
        by(&[&OTHER, &OTHER, &OTHER]),
    ] {
        let error = both.check("x.romt.json", &twice, DATA).unwrap_err();
        assert_eq!(error.fault(), SignatureFault::Missing);
        let message = error.to_string();
        assert!(message.contains("1 of the 2 people"), "{message}");
        assert!(message.contains("x.romt.json"), "{message}");
    }
}

#[test]
fn hostile_s16_two_subkeys_of_one_person_are_one() {
    let (first, second) = of_two_subkeys();
    assert_ne!(first.signer(), second.signer());
    assert_eq!(first.primary(), second.primary());
    let both = people(&[&first, &KEY], 2).unwrap();
    // Each of them is good by itself.
    for key in [&first, &second] {
        let one = people(&[&first], 1).unwrap();
        assert_eq!(
            one.check("x", &by(&[key]), DATA).unwrap()[0].signer,
            key.signer()
        );
    }
    let error = both.check("x", &by(&[&first, &second]), DATA).unwrap_err();
    assert_eq!(error.fault(), SignatureFault::Missing);
    assert!(both.check("x", &by(&[&second, &first, &KEY]), DATA).is_ok());
    // That the file of a key is given twice makes nobody two people.
    assert!(matches!(
        people(&[&first, &second], 2),
        Err(KeyFileError::TooFew {
            people: 1,
            threshold: 2
        })
    ));
}

#[test]
fn hostile_s16_people_are_counted_whose_signatures_are_good() {
    let stranger = TestKey::generate("Stranger <s@example.com>");
    let both = people(&[&KEY, &OTHER], 2).unwrap();
    let fault =
        |signatures: &[u8], data: &[u8]| both.check("x", signatures, data).unwrap_err().fault();
    assert_eq!(
        fault(&by(&[&KEY, &stranger]), DATA),
        SignatureFault::Missing
    );
    assert_eq!(fault(&by(&[&stranger]), DATA), SignatureFault::UnknownKey);
    assert_eq!(
        fault(&by(&[&KEY, &OTHER]), b"other bytes"),
        SignatureFault::Wrong
    );
    assert_eq!(fault(b"", DATA), SignatureFault::Malformed);
    let many = by(&[&stranger; 17]);
    assert_eq!(fault(&many, DATA), SignatureFault::Malformed);
    assert!(matches!(
        people(&[&KEY], 0),
        Err(KeyFileError::TooFew { .. })
    ));
}
