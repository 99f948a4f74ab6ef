//! Versions of rustup.

use std::{fmt, str::FromStr};

use crate::{InvalidValue, toolchain::numbers_of};

/// A version of rustup, `X.Y.Z`; `1.10.0` comes after `1.9.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RustupVersion([u64; 3]);

impl FromStr for RustupVersion {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = numbers_of(text);
        numbers
            .map(Self)
            .ok_or_else(|| InvalidValue::new("rustup version", text, "it must be like 1.28.2"))
    }
}

impl fmt::Display for RustupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        f.pad(&format!("{major}.{minor}.{patch}"))
    }
}

impl fmt::Debug for RustupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let order = ["0.7.9", "1.9.0", "1.10.0", "1.10.1", "10.0.0"];
        let parsed: Vec<RustupVersion> = order.iter().map(|it| it.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        for (text, version) in order.iter().zip(parsed) {
            assert_eq!(version.to_string(), *text);
        }
        let padded = format!("{:8}|", "1.9.0".parse::<RustupVersion>().unwrap());
        assert_eq!(padded, "1.9.0   |");
    }

    #[test]
    fn hostile_m12_versions_are_three_numbers() {
        for bad in [
            "",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "../../x",
            "1.2.3-beta",
            "01.2.3",
            "1.2.+3",
            " 1.2.3",
        ] {
            assert!(bad.parse::<RustupVersion>().is_err(), "{bad:?}");
        }
    }
}
