//! Which versions of rustup somebody wants.

use std::{fmt, str::FromStr};

use super::RustupVersion;
use crate::{InvalidValue, toolchain::parts};

/// Which versions of rustup somebody wants, the SPEC of romt for Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RustupSpec {
    /// This one.
    Version(RustupVersion),
    /// The one that `release-stable.toml` names.
    Stable,
    /// The highest that a mirror has.
    Latest,
    /// All that a mirror has; written `*`.
    Any,
}

impl RustupSpec {
    /// Parses the values of a list option: parts between commas and white space,
    /// in order, each of them once.
    ///
    /// ```
    /// # use romt_core::rustup::RustupSpec;
    /// let specs = RustupSpec::parse_all(&["stable, 1.28.2"])?;
    /// assert_eq!(specs.len(), 2);
    /// # Ok::<(), romt_core::InvalidValue>(())
    /// ```
    pub fn parse_all<S: AsRef<str>>(values: &[S]) -> Result<Vec<Self>, InvalidValue> {
        let mut specs = Vec::new();
        for part in parts(values) {
            let spec = part.parse()?;
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        Ok(specs)
    }

    /// Whether it means what a mirror already has, instead of naming something.
    pub fn is_wild(&self) -> bool {
        matches!(self, Self::Latest | Self::Any)
    }
}

impl FromStr for RustupSpec {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stable" => Ok(Self::Stable),
            "latest" => Ok(Self::Latest),
            "*" => Ok(Self::Any),
            version => version.parse().map(Self::Version).map_err(|_| {
                let form = "it must be stable, latest, * or like 1.28.2";
                InvalidValue::of_argument("SPEC", text, form)
            }),
        }
    }
}

impl fmt::Display for RustupSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Stable => f.pad("stable"),
            Self::Latest => f.pad("latest"),
            Self::Any => f.pad("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirk_q13_lists_of_specs_drop_empty_parts_and_repetitions() {
        let specs = RustupSpec::parse_all(&[" stable,, 1.9.0", "latest *", "1.9.0"]).unwrap();
        let shown: Vec<String> = specs.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["stable", "1.9.0", "latest", "*"]);
        let wild: Vec<bool> = specs.iter().map(RustupSpec::is_wild).collect();
        assert_eq!(wild, [false, false, true, true]);
    }

    #[test]
    fn what_is_no_spec_is_refused_in_the_words_of_the_python_tool() {
        for bad in ["beta", "1.9", "*-*", "../x", "Stable"] {
            let error = RustupSpec::parse_all(&[bad]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("invalid SPEC '{bad}'")),
                "{error}"
            );
        }
    }
}
