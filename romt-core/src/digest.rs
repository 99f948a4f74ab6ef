//! SHA-256 digests and the hasher that makes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::InvalidValue;

/// A SHA-256 digest, the name by which a mirror knows bytes to be right.
///
/// Its text form is 64 lower-case hexadecimal digits. Upper case is refused:
/// cargo compares the text of an index's `cksum`, so an upper-case digest could
/// never be satisfied.
///
/// ```
/// # use romt_core::Sha256Digest;
/// let empty = Sha256Digest::of(b"");
/// assert_eq!(
///     empty.to_string(),
///     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
/// );
/// assert_eq!(empty.to_string().parse(), Ok(empty));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// The digest whose 32 bytes are `bytes`.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256Digest {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| InvalidValue::new("SHA-256 digest", text, reason);
        if text.len() != 64 {
            return Err(invalid("it must have 64 hexadecimal digits"));
        }
        // An index has millions of them, so nothing branches on a good digit.
        let (mut bytes, mut worst) = ([0; 32], 0);
        for (byte, [high, low]) in bytes.iter_mut().zip(text.as_bytes().as_chunks().0) {
            let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
            *byte = high << 4 | low;
            worst |= high | low;
        }
        if worst < 16 {
            return Ok(Self(bytes));
        }
        Err(if text.bytes().any(|b| b.is_ascii_uppercase()) {
            invalid("its digits must be lower case")
        } else {
            invalid("it must have hexadecimal digits only")
        })
    }
}

/// What each byte is as a hexadecimal digit; 16 and more for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0x10; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes bytes as they pass by.
#[derive(Clone, Debug, Default)]
pub struct Sha256Hasher {
    inner: Sha256,
    length: u64,
}

impl Sha256Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// How many bytes have been taken in.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.inner.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_in_pieces_equals_hashing_at_once() {
        let mut hasher = Sha256Hasher::new();
        hasher.update(b"hello ");
        hasher.update(b"world");
        assert_eq!(hasher.length(), 11);
        assert_eq!(hasher.finish(), Sha256Digest::of("hello world"));
    }

    #[test]
    fn hostile_i05_digests_are_64_lower_case_hex_digits() {
        let good = Sha256Digest::of("x").to_string();
        assert!(good.parse::<Sha256Digest>().is_ok());
        for bad in [
            "",
            "abc",
            &good[..63],
            &good.to_uppercase(),
            &format!("{good}0"),
            &format!("g{}", &good[1..]),
            &"é".repeat(32),
        ] {
            let error = bad.parse::<Sha256Digest>().unwrap_err();
            assert_eq!(error.kind(), "SHA-256 digest", "{bad}");
        }
    }
}
