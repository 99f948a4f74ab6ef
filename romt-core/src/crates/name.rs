//! Crate names and the directories that follow from them.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::InvalidValue;

/// The longest crate name, in bytes.
const MAX_LENGTH: usize = 64;

/// The name of a crate, in the case in which it was published.
///
/// 1 to 64 ASCII letters, digits, `-` and `_`, the first a letter. Names are
/// compared as they are: cargo tells `Foo` from `foo` and `a-b` from `a_b`.
///
/// ```
/// # use romt_core::{CrateName, PrefixStyle};
/// let name: CrateName = "MyCrate".parse()?;
/// assert_eq!(name.prefix(PrefixStyle::Lower), "my/cr");
/// assert_eq!(name.prefix(PrefixStyle::Mixed), "My/Cr");
/// assert_eq!(name.index_path(), "my/cr/mycrate");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrateName(Arc<str>);

/// How the directories above a crate spell the crate's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrefixStyle {
    /// In lower case, as in cargo's index and `{lowerprefix}`.
    #[default]
    Lower,
    /// As the crate spells it, as in cargo's `{prefix}`.
    Mixed,
}

impl CrateName {
    /// The name as published.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in lower case, which names its file in an index.
    pub fn to_lowercase(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The directories that cargo puts above the crate: `1`, `2`, `3/c` or
    /// `ca/rg` for names of one, two, three, and four or more letters.
    pub fn prefix(&self, style: PrefixStyle) -> String {
        let name: &str = &self.0;
        let prefix = match name.len() {
            1 => "1".to_owned(),
            2 => "2".to_owned(),
            3 => format!("3/{}", &name[..1]),
            _ => format!("{}/{}", &name[..2], &name[2..4]),
        };
        match style {
            PrefixStyle::Lower => prefix.to_ascii_lowercase(),
            PrefixStyle::Mixed => prefix,
        }
    }

    /// Where an index keeps this crate's file: prefix and name in lower case.
    pub fn index_path(&self) -> String {
        format!(
            "{}/{}",
            self.prefix(PrefixStyle::Lower),
            self.to_lowercase()
        )
    }
}

impl FromStr for CrateName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| Err(InvalidValue::new("crate name", text, reason));
        let Some(first) = text.bytes().next() else {
            return invalid("it is empty");
        };
        if text.len() > MAX_LENGTH {
            return invalid("it is longer than 64 bytes");
        }
        if !first.is_ascii_alphabetic() {
            return invalid("its first character must be an ASCII letter");
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return invalid("only ASCII letters, digits, `-` and `_` are allowed");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for CrateName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for CrateName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CrateName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CrateName {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_follow_cargo_for_every_length() {
        for (text, lower, mixed, path) in [
            ("X", "1", "1", "1/x"),
            ("yY", "2", "2", "2/yy"),
            ("Zzz", "3/z", "3/Z", "3/z/zzz"),
            ("Beta-Lib", "be/ta", "Be/ta", "be/ta/beta-lib"),
            ("my-Pub", "my/-p", "my/-P", "my/-p/my-pub"),
        ] {
            assert_eq!(name(text).prefix(PrefixStyle::Lower), lower);
            assert_eq!(name(text).prefix(PrefixStyle::Mixed), mixed);
            assert_eq!(name(text).index_path(), path);
        }
    }

    #[test]
    fn hostile_i01_path_like_names_are_refused() {
        for bad in ["../../x", "/etc/x", "a/b", "a\\b", "..", ".", "C:x", "a\0"] {
            assert!(bad.parse::<CrateName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hostile_i04_length_and_alphabet_are_bounded() {
        for bad in [
            "",
            "1a",
            "-a",
            "_a",
            "é",
            "aé",
            "abé",
            "ab\u{2028}",
            "a b",
            "a+b",
        ] {
            assert!(bad.parse::<CrateName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(64).parse::<CrateName>().is_ok());
        assert!("a".repeat(65).parse::<CrateName>().is_err());
    }
}
