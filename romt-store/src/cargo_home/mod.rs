//! Bytes from a cargo home.
//!
//! Whoever has built something has crates: cargo keeps every tarball that it
//! downloaded, and what the index said when it last looked. That makes a cargo
//! home a small registry, and saves a mirror some downloads.
//!
//! ```text
//! registry/index/HOST-HASH/.cache/se/rd/serde        what the index said
//! registry/cache/HOST-HASH/serde-1.0.0.crate         tarballs
//! ```
//!
//! Nothing in it is trusted: cargo never looks at the digest of a tarball again
//! once it has it, so a home can hold bad ones.

mod index_cache;
mod seeded;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use romt_core::{
    CrateName, Escaped, Location, Source, Version,
    ports::{Fetched, OpenOptions, Opened, SourceError, SourceErrorKind, once},
};

pub use seeded::SeededSource;

use crate::local_file;

/// The index directories that cargo keeps for crates.io end in these: the sparse
/// one and the git one, since cargo 1.85.
const CRATES_IO: [&str; 2] = ["-1949cf8c6b5b557f", "-25cdd57fae9f0462"];

/// Where the synthesised index says its crates are.
const CONFIG: &[u8] = br#"{"dl":"crates/{crate}/{crate}-{version}.crate"}"#;

/// A cargo home, presented as a sparse registry.
///
/// | path | is |
/// |---|---|
/// | `config.json` | made up: crates are at `crates/{crate}/{crate}-{version}.crate` |
/// | `se/rd/serde` | the lines that cargo's index cache has, in its order |
/// | `crates/serde/serde-1.0.0.crate` | the tarball |
///
/// A home may have several directories for one registry, by the kind of its index
/// and the version of cargo. By default those of crates.io are used, or if there
/// are none, all; each thing is taken from the first that has it, beginning with
/// the one that has the most tarballs.
#[derive(Clone, Debug)]
pub struct CargoHomeSource {
    home: PathBuf,
    registries: Vec<String>,
}

/// A tarball in a cargo home.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedCrate {
    /// The crate.
    pub name: CrateName,
    /// Its version.
    pub version: Version,
    /// The file.
    pub path: PathBuf,
}

/// Why a directory is no cargo home.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CargoHomeError {
    /// It could not be read.
    #[error("could not read the cargo home {}", home.display())]
    Read {
        /// The directory.
        home: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// There is no such registry in it.
    #[error(
        "the cargo home {} has no registry `{wanted}`; it has {}", home.display(), known.join(", ")
    )]
    NoRegistry {
        /// The directory.
        home: PathBuf,
        /// What was asked for.
        wanted: Escaped,
        /// What there is.
        known: Vec<String>,
    },
    /// There is no registry in it at all.
    #[error("{} has no registry, and is no cargo home or an unused one", home.display())]
    Empty {
        /// The directory.
        home: PathBuf,
    },
}

impl CargoHomeSource {
    /// The source in the cargo home at `home`, such as `~/.cargo`.
    pub fn open(home: impl Into<PathBuf>) -> Result<Self, CargoHomeError> {
        let home = home.into();
        let home = std::path::absolute(&home).unwrap_or(home);
        let mut source = Self {
            home,
            registries: Vec::new(),
        };
        let all = source.all_registries()?;
        let known = |name: &&String| CRATES_IO.iter().any(|end| name.ends_with(end));
        let mut chosen: Vec<_> = all.iter().filter(known).cloned().collect();
        if chosen.is_empty() {
            chosen.extend(all);
        }
        if chosen.is_empty() {
            return Err(CargoHomeError::Empty { home: source.home });
        }
        chosen.sort_by_cached_key(|name| {
            let tarballs = entries(&source.tarballs(name));
            Reverse(tarballs.map_or(0, |names| names.len()))
        });
        source.registries = chosen;
        Ok(source)
    }

    /// Uses only the directory called `registry`, such as
    /// `index.crates.io-1949cf8c6b5b557f`.
    pub fn with_registry(mut self, registry: &str) -> Result<Self, CargoHomeError> {
        let known = self.all_registries()?;
        if !known.contains(registry) {
            return Err(CargoHomeError::NoRegistry {
                home: self.home,
                wanted: Escaped::new(registry),
                known: known.into_iter().collect(),
            });
        }
        self.registries = vec![registry.to_owned()];
        Ok(self)
    }

    /// The cargo home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The directories in use, first choice first.
    pub fn registries(&self) -> &[String] {
        &self.registries
    }

    /// The tarballs that there are, by name and version, each once.
    pub fn crates(&self) -> Result<Vec<CachedCrate>, CargoHomeError> {
        let mut found = BTreeMap::new();
        for registry in &self.registries {
            let directory = self.tarballs(registry);
            let files = entries(&directory).map_err(|source| self.unreadable(source))?;
            for file in files {
                let stem = file.strip_suffix(".crate");
                if let Some((name, version)) = stem.and_then(split_stem) {
                    let path = directory.join(&file);
                    found.entry((name, version)).or_insert(path);
                }
            }
        }
        let crates = found
            .into_iter()
            .map(|((name, version), path)| CachedCrate {
                name,
                version,
                path,
            });
        Ok(crates.collect())
    }

    fn all_registries(&self) -> Result<BTreeSet<String>, CargoHomeError> {
        let mut all = BTreeSet::new();
        for part in ["index", "cache"] {
            let directory = self.home.join("registry").join(part);
            all.extend(entries(&directory).map_err(|source| self.unreadable(source))?);
        }
        Ok(all)
    }

    fn unreadable(&self, source: io::Error) -> CargoHomeError {
        CargoHomeError::Read {
            home: self.home.clone(),
            source,
        }
    }

    fn tarballs(&self, registry: &str) -> PathBuf {
        self.home.join("registry").join("cache").join(registry)
    }

    /// Where each registry would have `what`, first choice first.
    fn candidates(&self, what: &Wanted) -> impl Iterator<Item = PathBuf> {
        self.registries.iter().map(move |registry| match what {
            Wanted::Config => self.home.clone(),
            Wanted::Crate(file) => self.tarballs(registry).join(file),
            Wanted::Index(name) => {
                let index = self.home.join("registry").join("index").join(registry);
                index.join(".cache").join(name.index_path())
            }
        })
    }

    async fn open_index(&self, path: PathBuf, at: &Location) -> Result<Fetched, SourceError> {
        let limit = index_cache::MAX_FILE;
        let (bytes, validator) = local_file::read(&self.home, path.clone(), at, limit).await?;
        let lines = index_cache::lines(&bytes).map_err(|reason| {
            let file = Escaped::new(path.as_os_str().as_encoded_bytes());
            let reason = format!("the cache file {file} is damaged: {reason}");
            SourceError::new(SourceErrorKind::Refused, at, reason)
        })?;
        Ok(Fetched {
            size: Some(lines.len() as u64),
            body: once(lines),
            offset: 0,
            validator,
        })
    }

    async fn open_at(
        &self,
        what: &Wanted,
        path: PathBuf,
        at: &Location,
        options: &OpenOptions,
    ) -> Result<Opened, SourceError> {
        match what {
            Wanted::Config => Ok(Opened::Body(Fetched {
                body: once(Bytes::from_static(CONFIG)),
                offset: 0,
                size: Some(CONFIG.len() as u64),
                validator: None,
            })),
            Wanted::Crate(_) => local_file::open(&self.home, path, at, options.clone()).await,
            Wanted::Index(_) => {
                let fetched = self.open_index(path, at).await?;
                if options.if_changed.is_some() && options.if_changed == fetched.validator {
                    return Ok(Opened::Unchanged);
                }
                Ok(Opened::Body(fetched))
            }
        }
    }

    /// Opens the tarball of `name` at `version`.
    async fn open_crate(
        &self,
        name: &CrateName,
        version: &Version,
        at: &Location,
        options: OpenOptions,
    ) -> Result<Opened, SourceError> {
        let wanted = Wanted::Crate(format!("{name}-{version}.crate"));
        self.open_wanted(&wanted, at, options).await
    }

    async fn open_wanted(
        &self,
        wanted: &Wanted,
        at: &Location,
        options: OpenOptions,
    ) -> Result<Opened, SourceError> {
        for path in self.candidates(wanted) {
            match self.open_at(wanted, path, at, &options).await {
                Err(error) if error.kind() == SourceErrorKind::NotFound => {}
                result => return result,
            }
        }
        Err(absent(at))
    }
}

/// What a path of the presented registry stands for.
enum Wanted {
    Config,
    Index(CrateName),
    Crate(String),
}

impl Wanted {
    fn from(location: &Location) -> Result<Self, SourceError> {
        let Location::Path(path) = location else {
            let reason = "a cargo home has no addresses";
            return Err(SourceError::new(SourceErrorKind::Refused, location, reason));
        };
        if &**path == "config.json" {
            return Ok(Self::Config);
        }
        let wanted = match path.strip_prefix("crates/").and_then(|p| p.split_once('/')) {
            Some((directory, file)) => file
                .strip_suffix(".crate")
                .and_then(split_stem)
                .filter(|(name, _)| name.as_str() == directory)
                .map(|(name, version)| Self::Crate(format!("{name}-{version}.crate"))),
            None => path
                .rsplit('/')
                .next()
                .and_then(|name| name.parse::<CrateName>().ok())
                .filter(|name| name.index_path() == **path)
                .map(Self::Index),
        };
        wanted.ok_or_else(|| absent(location))
    }
}

fn absent(location: &Location) -> SourceError {
    let reason = "the cargo home does not have it";
    SourceError::new(SourceErrorKind::NotFound, location, reason)
}

/// The name and the version in `serde-1.0.0`.
///
/// A name has no dot and a version has two, so at most one `-` divides them.
fn split_stem(stem: &str) -> Option<(CrateName, Version)> {
    stem.match_indices('-').find_map(|(at, _)| {
        let version = stem[at + 1..].parse().ok()?;
        Some((stem[..at].parse().ok()?, version))
    })
}

/// The names in a directory, which may be missing.
fn entries(directory: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        // What is not UTF-8 was not made by cargo.
        if let Ok(name) = entry?.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

#[async_trait]
impl Source for CargoHomeSource {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        self.open_wanted(&Wanted::from(location)?, location, options)
            .await
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        let opened = self.open(location, OpenOptions::default()).await?;
        match opened {
            Opened::Body(fetched) => Ok(fetched.size),
            Opened::Unchanged => Ok(None),
        }
    }
}

impl fmt::Display for CargoHomeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cargo home {}", self.home.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_split_where_the_version_begins() {
        for (stem, name, version) in [
            ("serde-1.0.0", "serde", "1.0.0"),
            ("a-b-1.0.0-rc.1+x-y", "a-b", "1.0.0-rc.1+x-y"),
            ("foo-1-1.0.0", "foo-1", "1.0.0"),
            ("a-1.0.0-1.0.0", "a", "1.0.0-1.0.0"),
        ] {
            let (got_name, got_version) = split_stem(stem).unwrap();
            assert_eq!(got_name.as_str(), name);
            assert_eq!(got_version.to_string(), version);
        }
        for bad in ["serde", "serde-1", "-1.0.0", "../x-1.0.0", "a/b-1.0.0", ""] {
            assert!(split_stem(bad).is_none(), "{bad}");
        }
    }
}
