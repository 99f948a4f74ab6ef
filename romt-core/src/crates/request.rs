//! Crates asked for by name.

use std::{fmt, str::FromStr};

use semver::VersionReq;

use super::CrateName;
use crate::InvalidValue;

/// A crate and the versions of it that will do, as a user types it.
///
/// `serde` is any version, `serde@1` is what `serde = "1"` means in a manifest.
///
/// ```
/// # use romt_core::CrateRequest;
/// let request: CrateRequest = "serde@1.0.100".parse()?;
/// assert_eq!(request.to_string(), "serde@^1.0.100");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CrateRequest {
    /// The crate.
    pub name: CrateName,
    /// The versions that will do.
    pub requirement: VersionReq,
}

impl FromStr for CrateRequest {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, requirement) = text.split_once('@').unwrap_or((text, "*"));
        let requirement = VersionReq::parse(requirement.trim()).map_err(|error| {
            InvalidValue::new(
                "crate request",
                text,
                format!("{error}; write NAME or NAME@REQUIREMENT"),
            )
        })?;
        Ok(Self {
            name: name.trim().parse()?,
            requirement,
        })
    }
}

impl fmt::Display for CrateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.requirement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_takes_any_version() {
        let request: CrateRequest = "tokio".parse().unwrap();
        assert_eq!(request.requirement, VersionReq::STAR);
    }

    #[test]
    fn a_requirement_means_what_it_means_in_a_manifest() {
        let request: CrateRequest = "serde@1.2".parse().unwrap();
        assert!(request.requirement.matches(&"1.9.0".parse().unwrap()));
        assert!(!request.requirement.matches(&"2.0.0".parse().unwrap()));
        let exact: CrateRequest = "serde@=1.2.3".parse().unwrap();
        assert!(!exact.requirement.matches(&"1.2.4".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_named() {
        for bad in ["", "@1", "serde@", "serde@one", "../x@1", "a b"] {
            assert!(bad.parse::<CrateRequest>().is_err(), "{bad:?}");
        }
    }
}
