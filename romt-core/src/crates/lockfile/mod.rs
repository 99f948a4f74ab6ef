//! `Cargo.lock`, versions 1 to 4.

mod plain;

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::Deserialize;

use super::{CrateName, Version};
use crate::{Escaped, InvalidValue, Sha256Digest, defaults};

/// The largest lock file that is read, in bytes.
pub const MAX_LOCKFILE_SIZE: u64 = 64 * 1024 * 1024;

/// What a `Cargo.lock` locks, of the registry that is mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lockfile {
    /// The packages of the registry, in the file's order.
    pub crates: Vec<LockedCrate>,
    /// The packages that come from elsewhere.
    pub left_out: Vec<LeftOut>,
}

/// A registry package that a lock file pins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockedCrate {
    /// The crate.
    pub name: CrateName,
    /// The version.
    pub version: Version,
    /// The digest of the `.crate` file, where the lock file has it.
    pub checksum: Option<Sha256Digest>,
}

/// A package that no registry mirror can provide.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The package, as in `name 1.2.3`.
    pub package: Escaped,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a package comes from that is not of the mirrored registry.
///
/// Displayed as in "a git repository: https://…", without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The project itself.
    Workspace,
    /// A directory.
    Path(Escaped),
    /// A git repository.
    Git(Escaped),
    /// Another registry.
    Registry(Escaped),
    /// A source of a kind that is not known.
    Unknown(Escaped),
}

impl Origin {
    fn new(source: Option<&str>) -> Self {
        let Some(source) = source else {
            return Self::Workspace;
        };
        match source.split_once('+') {
            Some(("git", address)) => Self::Git(Escaped::address(address)),
            Some(("registry" | "sparse", address)) => Self::Registry(Escaped::address(address)),
            Some(("path", address)) => Self::Path(Escaped::address(address)),
            _ => Self::Unknown(Escaped::address(source)),
        }
    }

    /// Whether whoever has the project has the package too.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Workspace | Self::Path(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace => f.write_str("a path in the workspace"),
            Self::Path(path) => write!(f, "a path: {path}"),
            Self::Git(address) => write!(f, "a git repository: {address}"),
            Self::Registry(address) => write!(f, "another registry: {address}"),
            Self::Unknown(source) => write!(f, "an unknown source: {source}"),
        }
    }
}

/// Why a lock file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockfileError {
    /// It is over 64 MiB.
    #[error("it is larger than the limit of {MAX_LOCKFILE_SIZE} bytes")]
    TooLarge,
    /// It is no TOML, or not that of a lock file.
    #[error("it is not a lock file: {0}")]
    Syntax(Escaped),
    /// It is of a version that is not known.
    #[error("it has version {0}; versions 1 to 4 are known")]
    Version(u64),
    /// A name, version or checksum in it is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// It pins one version with two digests.
    #[error("it pins {0} with two different checksums")]
    Contradiction(Escaped),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Wire<'a> {
    version: Option<u64>,
    #[serde(borrow, default)]
    package: Vec<WirePackage<'a>>,
    // Version 1 keeps the checksums here, by package.
    #[serde(default)]
    metadata: HashMap<String, toml::Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct WirePackage<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    checksum: Option<Cow<'a, str>>,
}

impl Lockfile {
    /// Parses a lock file.
    ///
    /// Packages of crates.io are taken, whichever way cargo reached it, and
    /// those of `registry`, the URL of the index that is mirrored.
    pub fn parse(text: &str, registry: Option<&str>) -> Result<Self, LockfileError> {
        if text.len() as u64 > MAX_LOCKFILE_SIZE {
            return Err(LockfileError::TooLarge);
        }
        let wire = match plain::parse(text) {
            Some(wire) => wire,
            None => toml::from_str(text)
                .map_err(|error| LockfileError::Syntax(Escaped::new(error.message())))?,
        };
        if let Some(version) = wire.version.filter(|version| !(1..=4).contains(version)) {
            return Err(LockfileError::Version(version));
        }
        let mut lockfile = Self::default();
        for package in &wire.package {
            let source = package.source.as_deref();
            if source.is_some_and(|source| is_mirrored(source, registry)) {
                lockfile.crates.push(locked(package, &wire.metadata)?);
            } else {
                lockfile.left_out.push(LeftOut {
                    package: Escaped::new(format!("{} {}", package.name, package.version)),
                    origin: Origin::new(source),
                });
            }
        }
        lockfile.crates.shrink_to_fit();
        Ok(lockfile)
    }

    /// Adds what `other` locks, each package once.
    pub fn merge(&mut self, other: Self) -> Result<(), LockfileError> {
        self.crates.extend(other.crates);
        self.crates.sort();
        self.crates.dedup();
        for pair in self.crates.windows(2) {
            let [a, b] = pair else { continue };
            let same = a.name == b.name && a.version == b.version;
            if same && a.checksum.is_some() && b.checksum.is_some() {
                let package = format!("{} {}", a.name, a.version);
                return Err(LockfileError::Contradiction(Escaped::new(package)));
            }
        }
        // Of a package with and without a checksum, the one with it says more.
        self.crates.reverse();
        self.crates
            .dedup_by(|a, b| a.name == b.name && a.version == b.version);
        self.crates.reverse();
        for left_out in other.left_out {
            if !self.left_out.contains(&left_out) {
                self.left_out.push(left_out);
            }
        }
        Ok(())
    }
}

/// Whether `source` is the registry that is mirrored, in whichever spelling.
fn is_mirrored(source: &str, registry: Option<&str>) -> bool {
    [
        Some(defaults::LOCKED_CRATES_IO),
        Some(defaults::SPARSE_INDEX),
        registry,
    ]
    .into_iter()
    .flatten()
    .any(|url| trimmed(source) == trimmed(url))
}

/// A registry's URL without what two spellings of it may differ in.
fn trimmed(url: &str) -> &str {
    let url = url.strip_prefix("sparse+").unwrap_or(url);
    url.trim_end_matches('/')
}

fn locked(
    package: &WirePackage<'_>,
    metadata: &HashMap<String, toml::Value>,
) -> Result<LockedCrate, LockfileError> {
    let from_metadata = || {
        let source = package.source.as_deref()?;
        let key = format!("checksum {} {} ({source})", package.name, package.version);
        metadata.get(&key)?.as_str()
    };
    let checksum = package.checksum.as_deref().or_else(from_metadata);
    Ok(LockedCrate {
        name: package.name.parse()?,
        version: package.version.parse()?,
        checksum: checksum
            .filter(|text| *text != "<none>")
            .map(str::parse)
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SOURCE: &str = defaults::LOCKED_CRATES_IO;

    fn parse(text: &str) -> Lockfile {
        Lockfile::parse(text, None).unwrap()
    }

    #[test]
    fn versions_1_to_4_are_read() {
        let v1 = format!(
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{SOURCE}\"\n\
             [metadata]\n\"checksum a 1.0.0 ({SOURCE})\" = \"{SUM}\"\n"
        );
        let later = |head: &str| {
            format!(
                "{head}[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{SOURCE}\"\n\
                 checksum = \"{SUM}\"\n"
            )
        };
        for text in [
            v1,
            later(""),
            later("version = 3\n"),
            later("version = 4\n"),
        ] {
            let lock = parse(&text);
            assert_eq!(lock.crates.len(), 1);
            assert_eq!(
                lock.crates[0].checksum,
                Some(SUM.parse().unwrap()),
                "{text}"
            );
        }
        let v5 = Lockfile::parse("version = 5\n", None);
        assert!(matches!(v5, Err(LockfileError::Version(5))));
    }

    #[test]
    fn what_comes_from_elsewhere_is_named_and_left_out() {
        let lock = parse(
            "[[package]]\nname = \"me\"\nversion = \"0.1.0\"\n\
             [[package]]\nname = \"g\"\nversion = \"0.1.0\"\nsource = \"git+https://u:p@h/g#abc\"\n\
             [[package]]\nname = \"o\"\nversion = \"0.1.0\"\nsource = \"sparse+https://other/i/\"\n\
             [[package]]\nname = \"p\"\nversion = \"0.1.0\"\nsource = \"path+a path/x\"\n\
             [[package]]\nname = \"u\"\nversion = \"0.1.0\"\nsource = \"ftp://u:p@h/\"\n",
        );
        assert!(lock.crates.is_empty());
        let origins = lock.left_out.iter().map(|l| l.origin.to_string());
        let origins: Vec<_> = origins.collect();
        assert_eq!(
            origins,
            [
                "a path in the workspace",
                "a git repository: https://h/g#abc",
                "another registry: https://other/i/",
                "a path: a path/x",
                "an unknown source: ftp://h/"
            ]
        );
        let local = lock.left_out.iter().map(|l| l.origin.is_local());
        assert_eq!(local.collect::<Vec<_>>(), [true, false, false, true, false]);
    }

    #[test]
    fn the_mirrored_registry_counts_in_every_spelling() {
        let package = |source: &str| {
            format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n")
        };
        let registry = Some("sparse+https://other/i/");
        for source in [
            SOURCE,
            &format!("sparse+{}", defaults::SPARSE_INDEX),
            "sparse+https://other/i/",
            "sparse+https://other/i",
        ] {
            let lock = Lockfile::parse(&package(source), registry).unwrap();
            assert_eq!(lock.crates.len(), 1, "{source}");
        }
    }

    #[test]
    fn merging_keeps_each_package_once_and_finds_contradictions() {
        let locked = |checksum: Option<&str>| Lockfile {
            crates: vec![LockedCrate {
                name: "a".parse().unwrap(),
                version: "1.0.0".parse().unwrap(),
                checksum: checksum.map(|text| text.parse().unwrap()),
            }],
            left_out: vec![],
        };
        let mut all = locked(None);
        all.merge(locked(Some(SUM))).unwrap();
        all.merge(locked(Some(SUM))).unwrap();
        assert_eq!(all.crates, locked(Some(SUM)).crates);
        let other = Sha256Digest::of("other").to_string();
        assert!(matches!(
            all.merge(locked(Some(&other))),
            Err(LockfileError::Contradiction(_))
        ));
    }

    #[test]
    fn hostile_i01_names_and_versions_are_checked_at_the_edge() {
        for (name, version) in [("../../x", "1.0.0"), ("a", "../x"), ("a/b", "1.0.0")] {
            let text = format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{SOURCE}\"\n"
            );
            assert!(matches!(
                Lockfile::parse(&text, None),
                Err(LockfileError::Invalid(_))
            ));
        }
        assert!(matches!(
            Lockfile::parse("<html>", None),
            Err(LockfileError::Syntax(_))
        ));
    }
}
