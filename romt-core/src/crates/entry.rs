//! One line of an index: one version of one crate.

use std::collections::BTreeMap;

use bytes::Bytes;
use semver::VersionReq;
use serde::Deserialize;

use super::{CrateName, Version};
use crate::{Escaped, InvalidValue, Sha256Digest};

/// The longest line that is read, in bytes.
pub const MAX_LINE_SIZE: usize = 1024 * 1024;

/// The deepest nesting of arrays and objects in a line.
const MAX_DEPTH: usize = 64;

/// The most object keys in a line.
const MAX_KEYS: usize = 100_000;

/// One version of a crate, as its index line states it.
///
/// The line is kept byte for byte and is what a mirror serves; what is parsed of
/// it only decides. Fields that romt does not know survive, and so do schema
/// numbers from the future.
///
/// ```
/// # use romt_core::IndexEntry;
/// let line = br#"{"name":"x","vers":"1.0.0","deps":[],"cksum":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","features":{},"yanked":false,"new":1}"#;
/// let entry = IndexEntry::parse(line.as_slice())?;
/// assert_eq!(entry.name().as_str(), "x");
/// assert_eq!(entry.line(), line.as_slice());
/// # Ok::<(), romt_core::crates::EntryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    line: Bytes,
    name: CrateName,
    version: Version,
    checksum: Sha256Digest,
    yanked: bool,
}

/// Why an index line is held back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The line is over 1 MiB.
    #[error("the line is longer than the limit of {MAX_LINE_SIZE} bytes")]
    TooLong,
    /// The line nests deeper than 64 levels.
    #[error("the line nests deeper than the limit of {MAX_DEPTH} levels")]
    TooDeep,
    /// The line has over 100,000 keys.
    #[error("the line has more than the limit of {MAX_KEYS} keys")]
    TooManyKeys,
    /// The line is not the JSON object that it should be.
    #[error("the line is not an index entry: {0}")]
    Syntax(Escaped),
    /// A name, version, digest or requirement in it is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
}

/// A feature table: what each feature switches on.
pub type FeatureMap = BTreeMap<String, Vec<String>>;

/// The parts of an index line that only some readers need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDetails {
    /// What the crate depends on.
    pub dependencies: Vec<Dependency>,
    /// The feature table.
    pub features: FeatureMap,
    /// The part of the feature table that old cargos must not see.
    pub features2: Option<FeatureMap>,
    /// The native library that the crate claims for itself.
    pub links: Option<String>,
    /// The oldest Rust that the crate says it builds with.
    pub rust_version: Option<String>,
    /// When the version was published, `YYYY-MM-DDThh:mm:ssZ`.
    pub pubtime: Option<String>,
    /// The schema of the line. 1 and 2 are known.
    pub schema: u32,
}

/// What a crate needs of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dependency {
    /// The crate, by its real name.
    pub package: CrateName,
    /// The versions that will do.
    pub requirement: VersionReq,
    /// Whether a feature decides if it is needed.
    pub optional: bool,
    /// When it is needed.
    pub kind: DependencyKind,
    /// For which targets it is needed; all of them if `None`.
    pub target: Option<String>,
    /// The registry that has it, if it is another one.
    pub registry: Option<String>,
}

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// To build and run the crate.
    Normal,
    /// To build the crate's build script.
    Build,
    /// To build the crate's tests and examples.
    Dev,
}

impl IndexEntry {
    /// Parses one line, without its line feed.
    pub fn parse(line: impl Into<Bytes>) -> Result<Self, EntryError> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            name: std::borrow::Cow<'a, str>,
            #[serde(borrow)]
            vers: std::borrow::Cow<'a, str>,
            #[serde(borrow)]
            cksum: std::borrow::Cow<'a, str>,
            // Must be there and be a list; what is in it is read when needed.
            #[serde(rename = "deps")]
            _deps: Vec<serde::de::IgnoredAny>,
            #[serde(default)]
            yanked: Option<bool>,
        }

        let line = line.into();
        check_shape(&line)?;
        let wire: Wire<'_> = serde_json::from_slice(&line).map_err(|e| syntax(&e))?;
        let (name, version) = (wire.name.parse()?, wire.vers.parse()?);
        let checksum = wire.cksum.parse()?;
        let yanked = wire.yanked.unwrap_or(false);
        Ok(Self {
            line,
            name,
            version,
            checksum,
            yanked,
        })
    }

    /// The line as upstream wrote it, without its line feed.
    pub fn line(&self) -> &Bytes {
        &self.line
    }

    /// The crate's name.
    pub fn name(&self) -> &CrateName {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The digest of the `.crate` file.
    pub fn checksum(&self) -> &Sha256Digest {
        &self.checksum
    }

    /// Whether the version is withdrawn from new resolutions.
    pub fn yanked(&self) -> bool {
        self.yanked
    }

    /// The entry with a line of its own memory, so that a large file that it was
    /// cut from can be let go.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.line = Bytes::copy_from_slice(&self.line);
        self
    }

    /// Parses the rest of the line.
    pub fn details(&self) -> Result<EntryDetails, EntryError> {
        #[derive(Deserialize)]
        struct Wire {
            deps: Vec<WireDependency>,
            #[serde(default)]
            features: FeatureMap,
            #[serde(default)]
            features2: Option<FeatureMap>,
            #[serde(default)]
            links: Option<String>,
            #[serde(default)]
            rust_version: Option<String>,
            #[serde(default)]
            pubtime: Option<String>,
            #[serde(default)]
            v: Option<u32>,
        }

        let wire: Wire = serde_json::from_slice(&self.line).map_err(|e| syntax(&e))?;
        let dependencies: Result<_, _> = wire.deps.into_iter().map(Dependency::try_from).collect();
        Ok(EntryDetails {
            dependencies: dependencies?,
            features: wire.features,
            features2: wire.features2,
            links: wire.links,
            rust_version: wire.rust_version,
            pubtime: wire.pubtime,
            schema: wire.v.unwrap_or(1),
        })
    }
}

#[derive(Deserialize)]
struct WireDependency {
    name: String,
    #[serde(default)]
    package: Option<String>,
    req: String,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    registry: Option<String>,
}

impl TryFrom<WireDependency> for Dependency {
    type Error = EntryError;

    fn try_from(wire: WireDependency) -> Result<Self, EntryError> {
        let requirement = VersionReq::parse(&wire.req).map_err(|error| {
            InvalidValue::new("version requirement", &wire.req, error.to_string())
        })?;
        // `name` is the alias where the crate was renamed.
        Ok(Self {
            package: wire.package.unwrap_or(wire.name).parse()?,
            requirement,
            optional: wire.optional,
            kind: match wire.kind.as_deref() {
                Some("dev") => DependencyKind::Dev,
                Some("build") => DependencyKind::Build,
                _ => DependencyKind::Normal,
            },
            target: wire.target,
            registry: wire.registry,
        })
    }
}

fn syntax(error: &serde_json::Error) -> EntryError {
    EntryError::Syntax(Escaped::new(error.to_string()))
}

/// Bounds a line's length, depth and number of keys before anything recurses
/// over it or allocates for it.
fn check_shape(line: &[u8]) -> Result<(), EntryError> {
    if line.len() > MAX_LINE_SIZE {
        return Err(EntryError::TooLong);
    }
    let (mut depth, mut keys) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in line {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(EntryError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => {
                keys += 1;
                if keys > MAX_KEYS {
                    return Err(EntryError::TooManyKeys);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn line(extra: &str) -> String {
        format!(r#"{{"name":"x","vers":"1.0.0","deps":[],"cksum":"{SUM}"{extra}}}"#)
    }

    fn parse(text: &str) -> Result<IndexEntry, EntryError> {
        IndexEntry::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn the_fields_are_accessible() {
        let text = line(
            r#","features":{"a":["b"]},"features2":{"c":["dep:d"]},"yanked":true,"links":"z",
            "rust_version":"1.70","pubtime":"2026-01-01T00:00:00Z","v":2"#,
        );
        let entry = parse(&text).unwrap();
        assert!(entry.yanked());
        let details = entry.details().unwrap();
        assert_eq!(details.links.as_deref(), Some("z"));
        assert_eq!(details.pubtime.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(details.rust_version.as_deref(), Some("1.70"));
        assert_eq!(details.features2.unwrap()["c"], ["dep:d"]);
        assert_eq!(details.features["a"], ["b"]);
        assert_eq!(details.schema, 2);
    }

    #[test]
    fn renamed_dependencies_go_by_their_real_name() {
        let text = format!(
            r#"{{"name":"x","vers":"1.0.0","cksum":"{SUM}","deps":[
            {{"name":"alias","package":"real","req":"^1","optional":true,"kind":"build","target":"cfg(windows)"}},
            {{"name":"tests","req":"*","kind":"dev"}}]}}"#
        );
        let dependencies = parse(&text).unwrap().details().unwrap().dependencies;
        assert_eq!(dependencies[0].package.as_str(), "real");
        assert_eq!(dependencies[0].kind, DependencyKind::Build);
        assert!(dependencies[0].optional);
        assert_eq!(dependencies[0].target.as_deref(), Some("cfg(windows)"));
        assert_eq!(dependencies[1].kind, DependencyKind::Dev);
    }

    #[test]
    fn hostile_i10_what_is_unknown_is_kept_verbatim() {
        for extra in [
            r#","v":99,"new":{"a":[1,2]}"#,
            r#","pubtime":"yesterday""#,
            "  ,  \"yanked\" : null ",
            ",\"x\":\"\u{2028}\u{85}\"",
        ] {
            let text = line(extra);
            assert_eq!(parse(&text).unwrap().line(), text.as_bytes());
        }
    }

    #[test]
    fn hostile_i05_checksums_are_64_lower_case_hex_digits() {
        for bad in ["", "abc", &SUM.to_uppercase(), &SUM[1..]] {
            let text = format!(r#"{{"name":"x","vers":"1.0.0","deps":[],"cksum":"{bad}"}}"#);
            assert!(matches!(parse(&text), Err(EntryError::Invalid(_))), "{bad}");
        }
        assert!(parse(r#"{"name":"x","vers":"1.0.0","deps":[]}"#).is_err());
    }

    #[test]
    fn hostile_i08_what_is_no_entry_is_refused() {
        let good = line("");
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "not json",
            &format!("{good}{good}"),
            &format!("\u{feff}{good}"),
            &format!("{good}\0"),
            &line(r#","bad":"\ud800x"#),
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&format!("{good}\r")).is_ok(), "CRLF is tolerated");
    }

    #[test]
    fn hostile_i09_depth_keys_and_repetition_are_bounded() {
        let deep = line(&format!(
            r#","x":{}{}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        ));
        assert!(matches!(parse(&deep), Err(EntryError::TooDeep)));
        let keys: Vec<String> = (0..100_001).map(|i| format!(r#""{i}":1"#)).collect();
        let many = line(&format!(r#","x":{{{}}}"#, keys.join(",")));
        assert!(matches!(
            parse(&many),
            Err(EntryError::TooManyKeys | EntryError::TooLong)
        ));
        assert!(matches!(
            parse(&line(r#","name":"y""#)),
            Err(EntryError::Syntax(_))
        ));
        assert!(
            parse(&line(r#","x":1e999999"#)).is_ok(),
            "an unknown number is not looked at"
        );
        let long = line(&format!(r#","x":"{}""#, "y".repeat(MAX_LINE_SIZE)));
        assert!(matches!(parse(&long), Err(EntryError::TooLong)));
    }

    #[test]
    fn hostile_i02_odd_requirements_fail_the_details_only() {
        let text = format!(
            r#"{{"name":"x","vers":"1.0.0","cksum":"{SUM}","deps":[{{"name":"y","req":"../.."}}]}}"#
        );
        assert!(parse(&text).unwrap().details().is_err());
    }
}
