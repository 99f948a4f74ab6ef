//! A registry whose every byte follows from a seed.

use std::{collections::BTreeMap, fmt::Write as _};

use romt_core::{CrateName, PrefixStyle, Sha256Digest};

use super::Random;

/// How many crates a whole registry has.
const CRATES: usize = 40;

/// Names that are worth having: short ones, long ones, one in mixed case, one
/// that no Windows has files for, and one with separators.
const ODD_NAMES: [&str; 8] = [
    "a",
    "bc",
    "Def",
    "aux",
    "MixedCase",
    "con_sole",
    "with-dash",
    "q9",
];

/// One version of one crate.
#[derive(Clone, Debug)]
pub struct Release {
    pub name: String,
    pub version: String,
    pub bytes: Vec<u8>,
    pub yanked: bool,
    digest: String,
}

impl Release {
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The index line, without its line feed.
    pub fn line(&self) -> String {
        format!(
            r#"{{"name":"{}","vers":"{}","deps":[],"cksum":"{}","features":{{}},"yanked":{},"unknown":[1]}}"#,
            self.name,
            self.version,
            self.digest(),
            self.yanked
        )
    }

    /// Where the upstream has the crate.
    pub fn path(&self) -> String {
        format!("dl/{}/{}-{}.crate", self.name, self.name, self.version)
    }

    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// Crates by name; the versions in the order of the index.
#[derive(Clone, Debug, Default)]
pub struct Registry(pub BTreeMap<String, Vec<Release>>);

impl Registry {
    /// 40 crates with 3 versions each.
    pub fn whole() -> Self {
        let mut registry = Self::default();
        for number in 0..CRATES {
            let name = ODD_NAMES
                .get(number)
                .map_or_else(|| format!("crate{number:02}"), |&name| name.to_owned());
            for version in ["0.1.0", "0.1.1", "1.0.0"] {
                registry.add(&name, version);
            }
        }
        // Build metadata is a part of the file's name.
        registry.0.get_mut("MixedCase").unwrap()[2].version = "1.0.0+build.7".into();
        registry
    }

    /// What the whole registry was before: fewer crates, fewer versions, and
    /// other versions yanked.
    pub fn earlier() -> Self {
        let mut registry = Self::whole();
        for (number, releases) in registry.0.values_mut().enumerate() {
            match number % 4 {
                0 => releases.truncate(1),
                1 => releases[0].yanked ^= true,
                2 => releases.truncate(2),
                _ => {}
            }
        }
        let mut number = 0;
        registry.0.retain(|_, _| {
            number += 1;
            number % 5 != 0
        });
        registry
    }

    /// A few crates, for what concerns one.
    pub fn small() -> Self {
        let mut registry = Self::whole();
        let mut number = 0;
        registry.0.retain(|name, _| {
            number += 1;
            number % 5 == 0 || name == "aux" || name == "MixedCase"
        });
        registry
    }

    /// Adds a release with contents of 1 to 60 KB.
    pub fn add(&mut self, name: &str, version: &str) {
        let seed = format!("{name}@{version}")
            .bytes()
            .fold(7_u64, |seed, byte| {
                seed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)
            });
        let mut random = Random::new(seed);
        let size = 1024 + random.below(59 * 1024);
        let bytes = (0..size.div_ceil(8)).flat_map(|_| random.next().to_le_bytes());
        let bytes: Vec<u8> = bytes.take(size).collect();
        let release = Release {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: Sha256Digest::of(&bytes).to_string(),
            bytes,
            yanked: random.below(6) == 0,
        };
        self.0.entry(name.to_owned()).or_default().push(release);
    }

    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.0.values().flatten()
    }

    /// The release at `place` in the registry's order.
    pub fn nth(&self, place: usize) -> &Release {
        self.releases().nth(place).unwrap()
    }

    pub fn without(&self, lacking: &[(String, String)]) -> Self {
        let mut registry = self.clone();
        for releases in registry.0.values_mut() {
            releases.retain(|release| {
                !lacking.contains(&(release.name.clone(), release.version.clone()))
            });
        }
        registry.0.retain(|_, releases| !releases.is_empty());
        registry
    }

    /// The index files, by their paths.
    pub fn index(&self) -> BTreeMap<String, String> {
        let files = self.0.iter().map(|(name, releases)| {
            let mut body = String::new();
            for release in releases {
                writeln!(body, "{}", release.line()).unwrap();
            }
            (index_path(name), body)
        });
        files.collect()
    }

    /// A lock file that pins every version of every crate.
    pub fn lockfile(&self) -> String {
        let mut text = "version = 4\n".to_owned();
        for release in self.releases() {
            write!(
                text,
                "\n[[package]]\nname = \"{}\"\nversion = \"{}\"\nsource = \
                 \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{}\"\n",
                release.name,
                release.version,
                release.digest()
            )
            .unwrap();
        }
        text
    }
}

/// Where cargo looks for the index file of a crate.
pub fn index_path(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.len() {
        1 => format!("1/{name}"),
        2 => format!("2/{name}"),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

/// The prefix that a `dl` template asks for.
pub fn prefix(name: &str, style: PrefixStyle) -> String {
    name.parse::<CrateName>().unwrap().prefix(style)
}
