//! Channels, versions, and the names of manifests.

use std::{fmt, str::FromStr};

use super::ReleaseDate;
use crate::InvalidValue;

/// A release channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Released every six weeks.
    Stable,
    /// The next stable.
    Beta,
    /// Made every night.
    Nightly,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 3] = [Self::Stable, Self::Beta, Self::Nightly];

    /// The channel as manifests and commands spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Beta => "beta",
            Self::Nightly => "nightly",
        }
    }
}

impl FromStr for Channel {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found
            .ok_or_else(|| InvalidValue::new("channel", text, "it must be stable, beta or nightly"))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The version of a release as a manifest's name spells it: `1.76.0`,
/// `1.77.0-beta` or `1.77.0-beta.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseVersion {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// Whether it is a beta, or the release itself.
    pub stage: Stage,
}

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The newest beta, or the one with this number.
    Beta(Option<u64>),
    /// The release.
    Release,
}

impl FromStr for ReleaseVersion {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_version(text).ok_or_else(|| {
            let form = "it must be like 1.76.0, 1.77.0-beta or 1.77.0-beta.1";
            InvalidValue::new("release version", text, form)
        })
    }
}

fn parse_version(text: &str) -> Option<ReleaseVersion> {
    let (numbers, stage) = match text.split_once('-') {
        None => (text, Stage::Release),
        Some((numbers, "beta")) => (numbers, Stage::Beta(None)),
        Some((numbers, beta)) => {
            let beta = number(beta.strip_prefix("beta.")?)?;
            (numbers, Stage::Beta(Some(beta)))
        }
    };
    let [major, minor, patch] = numbers_of(numbers)?;
    Some(ReleaseVersion {
        major,
        minor,
        patch,
        stage,
    })
}

/// `N` numbers between dots, each as one writes it.
pub(crate) fn numbers_of<const N: usize>(text: &str) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split('.');
    for slot in &mut numbers {
        *slot = number(parts.next()?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number without signs and leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    if !is_plain || is_padded {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.stage {
            Stage::Release => Ok(()),
            Stage::Beta(None) => f.write_str("-beta"),
            Stage::Beta(Some(number)) => write!(f, "-beta.{number}"),
        }
    }
}

/// What names a release: all that may stand in `channel-rust-{}.toml`.
///
/// ```
/// # use romt_core::toolchain::ReleaseName;
/// for name in ["nightly", "1.76", "1.76.0", "1.77.0-beta.1", "1.77.0-beta"] {
///     assert_eq!(name.parse::<ReleaseName>()?.to_string(), name);
/// }
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseName {
    /// The newest of a channel.
    Channel(Channel),
    /// The newest patch release of a minor version, as in `1.76`.
    Minor {
        /// The first number.
        major: u64,
        /// The second number.
        minor: u64,
    },
    /// A version.
    Version(ReleaseVersion),
}

impl From<Channel> for ReleaseName {
    fn from(channel: Channel) -> Self {
        Self::Channel(channel)
    }
}

impl FromStr for ReleaseName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(channel) = text.parse() {
            return Ok(Self::Channel(channel));
        }
        if let Some([major, minor]) = numbers_of(text) {
            return Ok(Self::Minor { major, minor });
        }
        parse_version(text).map(Self::Version).ok_or_else(|| {
            let form = "it must be nightly, beta, stable, or like 1.76, 1.76.0 or 1.77.0-beta.1";
            InvalidValue::new("release name", text, form)
        })
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => f.write_str(channel.as_str()),
            Self::Minor { major, minor } => write!(f, "{major}.{minor}"),
            Self::Version(version) => version.fmt(f),
        }
    }
}

/// Names one manifest: a release, either the newest or that of a day.
///
/// Displayed as a SPEC, as in `nightly-2024-02-10`.
///
/// ```
/// # use romt_core::toolchain::ManifestName;
/// let name = ManifestName {
///     release: "nightly".parse()?,
///     date: Some("2024-02-10".parse()?),
/// };
/// assert_eq!(name.file_name(), "channel-rust-nightly.toml");
/// assert_eq!(name.to_string(), "nightly-2024-02-10");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestName {
    /// The release.
    pub release: ReleaseName,
    /// The day in whose directory the manifest is; without one it lies at the
    /// top of `dist/`.
    pub date: Option<ReleaseDate>,
}

impl ManifestName {
    /// The name of the manifest's file, `channel-rust-{release}.toml`.
    pub fn file_name(&self) -> String {
        format!("channel-rust-{}.toml", self.release)
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.release.fmt(f)?;
        match self.date {
            Some(date) => write!(f, "-{date}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_they_are_released() {
        let order = [
            "1.9.0",
            "1.76.0-beta",
            "1.76.0-beta.2",
            "1.76.0-beta.10",
            "1.76.0",
            "1.76.1",
            "1.100.0",
        ];
        let parsed: Vec<ReleaseVersion> = order.iter().map(|it| it.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        for (text, version) in order.iter().zip(parsed) {
            assert_eq!(version.to_string(), *text);
        }
    }

    #[test]
    fn hostile_m08_release_names_are_strict() {
        for bad in [
            "",
            "1",
            "1.",
            "1.76.",
            ".76",
            "01.76",
            "1.076.0",
            "1.76.0.0",
            "+1.76.0",
            "1.76.0-",
            "1.76.0-alpha",
            "1.76.0-beta.",
            "1.76.0-beta.01",
            "1.76.0-beta.1.2",
            "1.76-beta",
            "1.76.0-nightly",
            "1.0/../x",
            "Stable",
            "stable ",
            "99999999999999999999.0.0",
        ] {
            assert!(bad.parse::<ReleaseName>().is_err(), "{bad:?}");
        }
    }
}
