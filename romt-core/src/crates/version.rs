//! Crate versions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::InvalidValue;

/// The longest version, in bytes.
const MAX_LENGTH: usize = 150;

/// The version of a crate: SemVer 2 as cargo reads it, build metadata included.
///
/// Two versions that differ in build metadata only are different versions with
/// different files, so equality and order take it into account.
///
/// ```
/// # use romt_core::Version;
/// let version: Version = "1.2.3-rc.1+b7".parse()?;
/// assert_eq!(version.to_string(), "1.2.3-rc.1+b7");
/// assert!(version.semver().pre.as_str() == "rc.1");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

impl Version {
    /// The version, parsed.
    pub fn semver(&self) -> &semver::Version {
        &self.0
    }
}

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidValue::new(
                "version",
                text,
                "it is longer than 150 bytes",
            ));
        }
        semver::Version::parse(text)
            .map(Self)
            .map_err(|error| InvalidValue::new("version", text, error.to_string()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_versions_keep_their_text() {
        for good in [
            "0.0.0",
            "1.2.3",
            "1.0.0-alpha.1",
            "1.0.0+b1",
            "1.0.0-rc.1+20260101",
        ] {
            assert_eq!(good.parse::<Version>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn build_metadata_distinguishes() {
        let plain: Version = "110.0.0".parse().unwrap();
        let built: Version = "110.0.0+1.1.0f".parse().unwrap();
        assert_ne!(plain, built);
    }

    #[test]
    fn hostile_i02_versions_are_checked() {
        for bad in [
            "",
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3/../x",
            "../../x",
            "01.2.3",
            "1.2.3 ",
            "1.2.3+",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
        assert!(
            format!("1.2.3-{}", "a".repeat(200))
                .parse::<Version>()
                .is_err()
        );
    }
}
