//! Components, the parts of a toolchain, and profiles, the usual sets of them.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use super::target::check_name;
use crate::InvalidValue;

/// The longest component name, in bytes.
const MAX_LENGTH: usize = 128;

/// The name of a component, which manifests call a package, as in `rust-std`.
///
/// 1 to 128 ASCII letters, digits, `.`, `_`, `-` and `+`, the first a letter or
/// digit. Some have another name for users: `clippy` is `clippy-preview`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(Arc<str>);

impl ComponentName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check_name(text, MAX_LENGTH) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => Err(InvalidValue::new("component name", text, reason)),
        }
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A set of components that rustup installs together. Which ones they are, the
/// manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// What compiles.
    Minimal,
    /// That, documentation, and what most people use.
    Default,
    /// Everything.
    Complete,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Minimal, Self::Default, Self::Complete];

    /// The profile as manifests and rustup spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Default => "default",
            Self::Complete => "complete",
        }
    }
}

impl FromStr for Profile {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            InvalidValue::new("profile", text, "it must be minimal, default or complete")
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_m08_components_are_fit_for_paths() {
        let good = "gcc-x86_64-unknown-linux-gnu-preview";
        assert_eq!(good.parse::<ComponentName>().unwrap().as_str(), good);
        for bad in ["", "..", "a/b", "!a", "a\n", "aux", &"a".repeat(129)] {
            assert!(bad.parse::<ComponentName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn profiles_keep_their_text() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("Minimal".parse::<Profile>().is_err());
    }
}
