//! The rows S-01 to S-16 of what must be refused, and what must not be.

mod hostile;
mod keys;
mod operators;
mod signatures;
mod weak;

use std::sync::LazyLock;

use pgp::{composed::SignedPublicKey, ser::Serialize as _};
use romt_core::{
    ErrorClass, Sha256Hasher,
    ports::{SignatureError, SignatureFault, SignatureVerifier as _, Signed},
};

use super::{KeyFileError, OpenPgp, framing};
use crate::conformance::signing::{self, SigningHash, TestKey};

const DATA: &[u8] = b"manifest-version = \"2\"\n";

static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::generate("Test <test@example.com>"));
static OTHER: LazyLock<TestKey> = LazyLock::new(|| TestKey::generate("Other <other@example.com>"));
/// By the same user id as [`KEY`].
static RSA: LazyLock<TestKey> =
    LazyLock::new(|| TestKey::generate_rsa("Test <test@example.com>", 2048));

/// Trusts `key`.
fn trusting(key: &TestKey) -> OpenPgp {
    OpenPgp::from_key_file(key.public_armored().as_bytes()).unwrap()
}

fn trusting_public(key: &SignedPublicKey) -> Result<OpenPgp, KeyFileError> {
    OpenPgp::from_key_file(&key.to_bytes().unwrap())
}

/// What `verifier` says of `signature` over `data`, which comes in pieces.
fn verify(verifier: &OpenPgp, signature: &[u8], data: &[u8]) -> Result<Signed, SignatureError> {
    let mut check = verifier.begin("a-file.toml", signature)?;
    let mut sha256 = Sha256Hasher::new();
    for piece in data.chunks(7) {
        check.update(piece);
        sha256.update(piece);
    }
    check.finish(&sha256)
}

/// Why `signature` is refused; the message must say what is needed to act on it.
fn refusal(verifier: &OpenPgp, signature: &[u8]) -> (SignatureFault, String) {
    let error = verify(verifier, signature, DATA).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("a-file.toml"), "{message}");
    for print in verifier.fingerprints() {
        assert!(message.contains(print), "{message}");
    }
    let class = match error.fault() {
        SignatureFault::TooLarge => ErrorClass::Refused,
        _ => ErrorClass::Integrity,
    };
    assert_eq!(error.class(), class);
    (error.fault(), message)
}

fn fault(verifier: &OpenPgp, signature: &[u8]) -> SignatureFault {
    refusal(verifier, signature).0
}

/// The body of the only packet in `signature`.
fn body(signature: &[u8]) -> Vec<u8> {
    let packet = framing::packets(signature).next().unwrap().unwrap();
    packet.body.to_vec()
}

/// A packet of type `tag` around `body`.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 255][..], &length, body].concat()
}

fn good_binary() -> Vec<u8> {
    KEY.sign_detached(DATA, SigningHash::Sha256)
}
