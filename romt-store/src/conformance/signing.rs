//! Keys for tests: they sign as the Rust project's release key does, and `gpg` takes
//! their signatures as well.
//!
//! ```
//! use romt_core::{Sha256Hasher, ports::SignatureVerifier as _};
//! use romt_store::{
//!     OpenPgp,
//!     conformance::signing::{SigningHash, TestKey},
//! };
//!
//! let key = TestKey::generate("Test <test@example.com>");
//! let verifier = OpenPgp::from_key_file(key.public_armored().as_bytes()).unwrap();
//! let signature = key.sign_detached_armored(b"data", SigningHash::Sha256);
//!
//! let check = verifier.begin("a file", signature.as_bytes()).unwrap();
//! let mut sha256 = Sha256Hasher::new();
//! sha256.update(b"data");
//! let signed = check.finish(&sha256).unwrap();
//! assert_eq!(signed.signer, key.signer());
//! ```

use pgp::{
    composed::{
        ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
        SignedSecretKey, SubkeyParamsBuilder,
    },
    crypto::hash::HashAlgorithm,
    packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData},
    ser::Serialize as _,
    types::{KeyDetails as _, Password, Timestamp},
};
use rand::{SeedableRng as _, rngs::StdRng};
use romt_core::Sha256Digest;

/// When test keys are made and when they sign, in seconds since 1970: the first of
/// January and of February 2020.
pub const KEY_MADE: u32 = 1_577_836_800;
/// See [`KEY_MADE`].
pub const SIGNED: u32 = 1_580_515_200;

/// What a test signature hashes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningHash {
    /// SHA-1, which only RSA keys sign with.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl From<SigningHash> for HashAlgorithm {
    fn from(hash: SigningHash) -> Self {
        match hash {
            SigningHash::Sha1 => Self::Sha1,
            SigningHash::Sha256 => Self::Sha256,
            SigningHash::Sha384 => Self::Sha384,
            SigningHash::Sha512 => Self::Sha512,
        }
    }
}

/// A key pair: a primary key, and a subkey that signs.
///
/// The same user id always gives the same keys, and so the same fingerprints and the
/// same signatures over files. What binds the keys together is dated when it is made.
#[derive(Clone, Debug)]
pub struct TestKey {
    secret: SignedSecretKey,
}

impl TestKey {
    /// The Ed25519 keys of `user_id`.
    pub fn generate(user_id: &str) -> Self {
        Self::of_type(user_id, &KeyType::Ed25519Legacy)
    }

    /// The RSA keys of `user_id`. Finding them takes seconds where there are many bits.
    pub fn generate_rsa(user_id: &str, bits: u32) -> Self {
        Self::of_type(user_id, &KeyType::Rsa(bits))
    }

    fn of_type(user_id: &str, kind: &KeyType) -> Self {
        let made = Timestamp::from_secs(KEY_MADE);
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind.clone())
            .can_sign(true)
            .created_at(made)
            .build()
            .expect("a signing subkey is complete");
        let keys = SecretKeyParamsBuilder::default()
            .key_type(kind.clone())
            .can_certify(true)
            .can_sign(true)
            .created_at(made)
            .primary_user_id(user_id.to_owned())
            .subkeys(vec![subkey])
            .build()
            .expect("a primary key with a user id is complete");
        Self::from_secret(
            keys.generate(seeded(user_id))
                .expect("a key of a known type can be made"),
        )
    }

    pub(crate) fn from_secret(secret: SignedSecretKey) -> Self {
        Self { secret }
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &SignedSecretKey {
        &self.secret
    }

    /// The fingerprint of the primary key, in upper-case hexadecimal digits.
    pub fn primary(&self) -> String {
        format!("{:X}", self.secret.fingerprint())
    }

    /// The fingerprint of the subkey that signs.
    pub fn signer(&self) -> String {
        format!("{:X}", self.secret.secret_subkeys[0].key.fingerprint())
    }

    /// The public keys, in the form of `gpg --armor --export`.
    pub fn public_armored(&self) -> String {
        self.public()
            .to_armored_string(ArmorOptions::default())
            .expect("a key can be written to memory")
    }

    /// The public keys, in the form of `gpg --export`.
    pub fn public_binary(&self) -> Vec<u8> {
        self.public()
            .to_bytes()
            .expect("a key can be written to memory")
    }

    fn public(&self) -> SignedPublicKey {
        self.secret.to_public_key()
    }

    /// A signature over `data`, in the form of `gpg --armor --detach-sign`.
    pub fn sign_detached_armored(&self, data: &[u8], hash: SigningHash) -> String {
        armored(&self.signature(data, hash))
    }

    /// A signature over `data`, in the form of `gpg --detach-sign`.
    pub fn sign_detached(&self, data: &[u8], hash: SigningHash) -> Vec<u8> {
        binary(&self.signature(data, hash))
    }

    fn signature(&self, data: &[u8], hash: SigningHash) -> Signature {
        self.sign_with(data, hash.into(), |_| {})
    }

    /// A signature that `change` has had its way with before it was made.
    pub(crate) fn sign_with(
        &self,
        data: &[u8],
        hash: HashAlgorithm,
        change: impl FnOnce(&mut SignatureConfig),
    ) -> Signature {
        let key = &self.secret.secret_subkeys[0].key;
        let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), hash);
        config.hashed_subpackets = vec![
            field(SubpacketData::IssuerFingerprint(key.fingerprint())),
            field(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
                SIGNED,
            ))),
        ];
        config.unhashed_subpackets = vec![field(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
        change(&mut config);
        config
            .sign(key, &Password::empty(), data)
            .expect("an unlocked key signs")
    }
}

/// A field that whoever does not know it may ignore.
pub(crate) fn field(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).expect("a field of a test is short")
}

pub(crate) fn armored(signature: &Signature) -> String {
    DetachedSignature::new(signature.clone())
        .to_armored_string(ArmorOptions::default())
        .expect("a signature can be written to memory")
}

pub(crate) fn binary(signature: &Signature) -> Vec<u8> {
    DetachedSignature::new(signature.clone())
        .to_bytes()
        .expect("a signature can be written to memory")
}

/// Chance that comes out the same every time.
pub(crate) fn seeded(seed: &str) -> StdRng {
    StdRng::from_seed(*Sha256Digest::of(seed).as_bytes())
}
