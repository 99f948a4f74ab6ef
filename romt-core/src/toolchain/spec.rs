//! Which toolchains somebody wants.

use std::{fmt, str::FromStr};

use super::{ManifestName, ReleaseDate, ReleaseName, parts};
use crate::InvalidValue;

/// Which toolchain somebody wants, the SPEC of romt for Python.
///
/// `RELEASE`, `RELEASE-DATE`, `DATE` (the same as `*-DATE`) or `*` (the same as
/// `*-*`); a RELEASE is a [`ReleaseName`] or `*`, a DATE a [`ReleaseDate`],
/// `latest` or `*`. What has a `*` or `latest` in it is *wild* and means what a
/// mirror already has.
///
/// ```
/// # use romt_core::toolchain::ToolchainSpec;
/// let spec: ToolchainSpec = "nightly-2024-02-10".parse()?;
/// assert!(!spec.is_wild());
/// let name = spec.as_name().expect("it is not wild");
/// assert_eq!(name.file_name(), "channel-rust-nightly.toml");
/// assert!("stable-latest".parse::<ToolchainSpec>()?.is_wild());
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToolchainSpec {
    name: SpecName,
    date: SpecDate,
}

/// Which releases a [`ToolchainSpec`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecName {
    /// Any channel.
    Any,
    /// This one.
    Named(ReleaseName),
}

/// Which days a [`ToolchainSpec`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecDate {
    /// What lies at the top of `dist/`.
    Undated,
    /// This day.
    On(ReleaseDate),
    /// The newest day that has a match.
    Latest,
    /// Any day.
    Any,
}

impl ToolchainSpec {
    /// Parses the values of a list option: parts between commas and white space,
    /// in order, each of them once.
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
        self.as_name().is_none()
    }

    /// The manifest it names, unless it is wild.
    pub fn as_name(&self) -> Option<ManifestName> {
        let SpecName::Named(release) = self.name else {
            return None;
        };
        let date = match self.date {
            SpecDate::Undated => None,
            SpecDate::On(date) => Some(date),
            SpecDate::Latest | SpecDate::Any => return None,
        };
        Some(ManifestName { release, date })
    }

    /// Which releases it means.
    pub fn name(&self) -> &SpecName {
        &self.name
    }

    /// Which days it means.
    pub fn date(&self) -> SpecDate {
        self.date
    }
}

impl From<ManifestName> for ToolchainSpec {
    fn from(name: ManifestName) -> Self {
        Self {
            name: SpecName::Named(name.release),
            date: name.date.map_or(SpecDate::Undated, SpecDate::On),
        }
    }
}

impl FromStr for ToolchainSpec {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, date) = match parse_date(text) {
            // Without a release; `*` alone is `*-*`.
            Some(date) => ("*", date),
            None => split_date(text),
        };
        let name = match name {
            "*" if date != SpecDate::Undated => Ok(SpecName::Any),
            name => name.parse().map(SpecName::Named),
        };
        match name {
            Ok(name) => Ok(Self { name, date }),
            Err(error) => Err(InvalidValue::of_argument("SPEC", text, error.reason())),
        }
    }
}

fn parse_date(text: &str) -> Option<SpecDate> {
    match text {
        "*" => Some(SpecDate::Any),
        "latest" => Some(SpecDate::Latest),
        date => date.parse().ok().map(SpecDate::On),
    }
}

/// The release and the date of `RELEASE-DATE`. A date has dashes itself, and so
/// have the names of betas.
fn split_date(text: &str) -> (&str, SpecDate) {
    for (at, _) in text.match_indices('-') {
        if let Some(date) = parse_date(&text[at + 1..]) {
            return (&text[..at], date);
        }
    }
    (text, SpecDate::Undated)
}

impl fmt::Display for ToolchainSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let SpecName::Named(release) = self.name {
            release.fmt(f)?;
            if self.date != SpecDate::Undated {
                f.write_str("-")?;
            }
        }
        match self.date {
            SpecDate::Undated => Ok(()),
            SpecDate::On(date) => date.fmt(f),
            SpecDate::Latest => f.write_str("latest"),
            SpecDate::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ToolchainSpec {
        text.parse().unwrap()
    }

    #[test]
    fn specs_name_the_manifests_of_the_python_tool() {
        for (text, date, file) in [
            ("stable", None, "channel-rust-stable.toml"),
            ("1.76.0", None, "channel-rust-1.76.0.toml"),
            (
                "nightly-2024-02-10",
                Some("2024-02-10"),
                "channel-rust-nightly.toml",
            ),
            (
                "1.76.0-2024-02-08",
                Some("2024-02-08"),
                "channel-rust-1.76.0.toml",
            ),
            ("1.76", None, "channel-rust-1.76.toml"),
            (
                "1.77.0-beta.1-2024-02-10",
                Some("2024-02-10"),
                "channel-rust-1.77.0-beta.1.toml",
            ),
            ("1.77.0-beta", None, "channel-rust-1.77.0-beta.toml"),
        ] {
            let name = spec(text).as_name().unwrap();
            assert_eq!(name.file_name(), file);
            assert_eq!(name.date, date.map(|date| date.parse().unwrap()));
            assert_eq!(name.to_string(), text);
            assert_eq!(spec(text).to_string(), text);
            assert_eq!(ToolchainSpec::from(name), spec(text));
        }
    }

    #[test]
    fn statement_48_wild_specs_name_nothing() {
        let any = (SpecName::Any, SpecDate::Any);
        let stable = SpecName::Named("stable".parse().unwrap());
        let day = SpecDate::On("2024-02-08".parse().unwrap());
        for (text, (name, date)) in [
            ("*", any),
            ("*-*", any),
            ("latest", (SpecName::Any, SpecDate::Latest)),
            ("*-latest", (SpecName::Any, SpecDate::Latest)),
            ("2024-02-08", (SpecName::Any, day)),
            ("*-2024-02-08", (SpecName::Any, day)),
            ("stable-*", (stable, SpecDate::Any)),
            ("stable-latest", (stable, SpecDate::Latest)),
        ] {
            let spec = spec(text);
            assert!(spec.is_wild() && spec.as_name().is_none(), "{text}");
            assert_eq!((*spec.name(), spec.date()), (name, date), "{text}");
            assert_eq!(spec.to_string().parse(), Ok(spec));
        }
        assert_eq!(spec("stable-*").to_string(), "stable-*");
        assert_eq!(spec("latest").to_string(), "latest");
    }

    #[test]
    fn what_is_no_spec_is_refused_in_the_words_of_the_python_tool() {
        for bad in [
            "",
            "stable-x86_64-unknown-linux-gnu",
            "stable-2024-2-8",
            "stable-2024-02-30",
            "stable-",
            "-latest",
            "-2024-02-08",
            "**",
            "*-",
            "Stable",
            "stable-latest-latest",
            "*-*-*",
            "stable-../x",
            "1.76.0-2024-02-08-*",
        ] {
            let error = bad.parse::<ToolchainSpec>().unwrap_err().to_string();
            let expected = format!("invalid SPEC '{bad}'");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn quirk_q13_lists_of_specs_drop_empty_parts_and_repetitions() {
        let specs = ToolchainSpec::parse_all(&["stable, nightly", " beta", "stable,*,*-*"]);
        let shown: Vec<String> = specs.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["stable", "nightly", "beta", "*"]);
        assert_eq!(ToolchainSpec::parse_all(&[" ,"]).unwrap(), []);
        let error = ToolchainSpec::parse_all(&["stable,frob"]).unwrap_err();
        assert!(error.to_string().starts_with("invalid SPEC 'frob'"));
    }
}
