//! From crates asked for by name to the set that builds them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use semver::VersionReq;

use super::{
    CrateName, CrateRequest, DependencyKind, IndexEntry, IndexFile, IndexFileError, LockedCrate,
    Version,
};
use crate::{
    ErrorClass, Event, EventSink,
    ports::{IndexBackend, IndexError, Loaded},
};

/// How to resolve a closure.
///
/// # Defaults
///
/// 64 index files are asked for at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClosureOptions {
    /// How many index files are asked for at once.
    pub jobs: usize,
}

impl Default for ClosureOptions {
    fn default() -> Self {
        Self { jobs: 64 }
    }
}

impl ClosureOptions {
    /// Sets how many index files are asked for at once; at least 1.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }
}

/// Everything that some crates need to build.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Closure {
    /// The versions, ordered by name and version.
    pub crates: Vec<LockedCrate>,
    /// The dependencies that nothing satisfies.
    pub unresolved: Vec<Unresolved>,
}

/// A dependency that nothing in the registry satisfies.
///
/// Old crates have them, mostly optional ones; cargo asks for them only when
/// they are switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unresolved {
    /// The crate that has the dependency, as in `name 1.2.3`.
    pub dependent: Arc<str>,
    /// The crate that it needs.
    pub package: CrateName,
    /// The versions that would do.
    pub requirement: VersionReq,
    /// Whether all of what was asked for can be built without it: it is optional,
    /// or it is needed by what is.
    pub optional: bool,
}

/// Why a closure could not be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// The registry has no crate of the name asked for.
    #[error("{index} has no crate called `{name}`")]
    NoSuchCrate {
        /// The index.
        index: String,
        /// The crate asked for.
        name: CrateName,
    },
    /// The registry has the crate, in other versions or yanked.
    #[error("no version of `{}` in {index} matches `{}`{}", request.name, request.requirement,
            newest.as_ref().map(|v| format!("; the newest is {v}")).unwrap_or_default())]
    NoMatch {
        /// The index.
        index: String,
        /// What was asked for.
        request: CrateRequest,
        /// The newest version that is not yanked.
        newest: Option<Version>,
    },
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An index file is refused.
    #[error("the index file of `{name}` is refused")]
    File {
        /// The crate.
        name: CrateName,
        /// Why.
        #[source]
        source: IndexFileError,
    },
}

impl ClosureError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSuchCrate { .. } | Self::NoMatch { .. } => ErrorClass::Usage,
            Self::Index(error) => error.class(),
            Self::File { .. } => ErrorClass::Refused,
        }
    }
}

/// One requirement that is still to be met.
struct Need {
    name: CrateName,
    requirement: VersionReq,
    /// The crate that needs it, and whether it can do without; `None` for what
    /// the user asked for.
    dependent: Option<(Arc<str>, bool)>,
}

impl Need {
    fn is_required(&self) -> bool {
        !matches!(self.dependent, Some((_, true)))
    }
}

/// The closure of `requests` over normal and build dependencies.
///
/// For each requirement the newest version that matches and is not yanked,
/// dependencies of every target and optional ones included, development
/// dependencies not. That is what cargo needs to see to resolve and build the
/// crates with any features on any target.
pub async fn resolve_closure(
    index: &dyn IndexBackend,
    requests: &[CrateRequest],
    options: &ClosureOptions,
    events: &dyn EventSink,
) -> Result<Closure, ClosureError> {
    let mut resolver = Resolver {
        index,
        files: HashMap::new(),
        chosen: BTreeMap::new(),
        met: BTreeMap::new(),
        unresolved: Vec::new(),
    };
    let mut needs: Vec<Need> = requests
        .iter()
        .map(|request| Need {
            name: request.name.clone(),
            requirement: request.requirement.clone(),
            dependent: None,
        })
        .collect();
    while !needs.is_empty() {
        resolver.load(&needs, options.jobs, events).await?;
        let mut next = Vec::new();
        for need in needs {
            resolver.meet(need, &mut next)?;
        }
        needs = next;
    }
    Ok(Closure {
        crates: resolver.chosen.into_keys().collect(),
        unresolved: resolver.unresolved,
    })
}

struct Resolver<'a> {
    index: &'a dyn IndexBackend,
    files: HashMap<CrateName, Arc<IndexFile>>,
    /// What was chosen, and whether anything that is not optional needs it.
    chosen: BTreeMap<LockedCrate, bool>,
    /// The requirements that were met, likewise.
    met: BTreeMap<(CrateName, String), bool>,
    unresolved: Vec<Unresolved>,
}

impl Resolver<'_> {
    /// Loads the index files of the crates that `needs` names for the first time.
    async fn load(
        &mut self,
        needs: &[Need],
        jobs: usize,
        events: &dyn EventSink,
    ) -> Result<(), ClosureError> {
        let names: BTreeSet<CrateName> = needs
            .iter()
            .map(|need| need.name.clone())
            .filter(|name| !self.files.contains_key(name))
            .collect();
        events.emit(Event::Resolving {
            crates: names.len() as u64,
        });
        let index = self.index;
        let loads = names
            .into_iter()
            .map(|name| async move { load_one(index, name).await });
        let mut files = stream::iter(loads).buffer_unordered(jobs);
        while let Some((name, file)) = files.try_next().await? {
            events.emit(Event::Resolved {
                name: name.as_str().into(),
            });
            self.files.insert(name, Arc::new(file));
        }
        Ok(())
    }

    /// Chooses a version for `need` and adds what that version needs to `next`.
    fn meet(&mut self, need: Need, next: &mut Vec<Need>) -> Result<(), ClosureError> {
        let required = need.is_required();
        let met = (need.name.clone(), need.requirement.to_string());
        if !news(&mut self.met, met, required) {
            return Ok(());
        }
        let file = self.files.get(&need.name).cloned().unwrap_or_default();
        let Some(entry) = newest(&file, &need.name, &need.requirement) else {
            return self.give_up(need, &file);
        };
        let pin = LockedCrate {
            name: entry.name().clone(),
            version: entry.version().clone(),
            checksum: Some(*entry.checksum()),
        };
        let label: Arc<str> = format!("{} {}", pin.name, pin.version).into();
        if !news(&mut self.chosen, pin, required) {
            return Ok(());
        }
        let Ok(details) = entry.details() else {
            return Ok(());
        };
        for dependency in details.dependencies {
            // Another registry's crates are not this mirror's to hold.
            if dependency.kind == DependencyKind::Dev || dependency.registry.is_some() {
                continue;
            }
            next.push(Need {
                name: dependency.package,
                requirement: dependency.requirement,
                dependent: Some((label.clone(), dependency.optional || !required)),
            });
        }
        Ok(())
    }

    fn give_up(&mut self, need: Need, file: &IndexFile) -> Result<(), ClosureError> {
        if let Some((dependent, optional)) = need.dependent {
            let unresolved = Unresolved {
                dependent,
                package: need.name,
                requirement: need.requirement,
                optional,
            };
            // It may have been met before as an optional one.
            self.unresolved.retain(|known| {
                (&known.package, &known.requirement)
                    != (&unresolved.package, &unresolved.requirement)
            });
            self.unresolved.push(unresolved);
            return Ok(());
        }
        let index = self.index.to_string();
        if file.entries.is_empty() {
            return Err(ClosureError::NoSuchCrate {
                index,
                name: need.name,
            });
        }
        let newest = newest(file, &need.name, &VersionReq::STAR).map(IndexEntry::version);
        Err(ClosureError::NoMatch {
            index,
            newest: newest.cloned(),
            request: CrateRequest {
                name: need.name,
                requirement: need.requirement,
            },
        })
    }
}

/// Records that `key` is needed; says whether that is news, be it that it was only
/// needed by what is optional so far.
fn news<K: Ord>(known: &mut BTreeMap<K, bool>, key: K, required: bool) -> bool {
    match known.get(&key) {
        Some(before) if *before || !required => false,
        _ => {
            known.insert(key, required);
            true
        }
    }
}

/// The newest version that cargo would consider: of exactly this name, matching,
/// not yanked, and with metadata that can be read.
fn newest<'a>(
    file: &'a IndexFile,
    name: &CrateName,
    requirement: &VersionReq,
) -> Option<&'a IndexEntry> {
    let mut matching: Vec<&IndexEntry> = file
        .entries
        .iter()
        .filter(|entry| entry.name() == name && !entry.yanked())
        .filter(|entry| requirement.matches(entry.version().semver()))
        .collect();
    matching.sort_by(|a, b| b.version().cmp(a.version()));
    matching.into_iter().find(|entry| entry.details().is_ok())
}

async fn load_one(
    index: &dyn IndexBackend,
    name: CrateName,
) -> Result<(CrateName, IndexFile), ClosureError> {
    let file = match index.load(&name, None).await? {
        Loaded::Fresh { body, .. } => {
            IndexFile::parse(&name, &body).map_err(|source| ClosureError::File {
                name: name.clone(),
                source,
            })?
        }
        Loaded::Unchanged | Loaded::Absent => IndexFile::default(),
    };
    Ok((name, file))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::{Sha256Digest, crates::IndexConfig, ports::Tag};

    #[derive(Debug, Default)]
    struct Index(HashMap<String, String>);

    impl std::fmt::Display for Index {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the test index")
        }
    }

    #[async_trait]
    impl IndexBackend for Index {
        async fn config(&self) -> Result<IndexConfig, IndexError> {
            unreachable!("a closure needs no configuration")
        }

        async fn load(&self, name: &CrateName, _: Option<&Tag>) -> Result<Loaded, IndexError> {
            Ok(match self.0.get(name.as_str()) {
                Some(text) => Loaded::Fresh {
                    body: Bytes::from(text.clone()),
                    tag: Tag::of_digest(&Sha256Digest::of(text)),
                },
                None => Loaded::Absent,
            })
        }

        async fn distrust(&self, _name: &CrateName) -> Result<(), IndexError> {
            Ok(())
        }

        async fn settle(&self) -> Result<(), IndexError> {
            Ok(())
        }
    }

    impl Index {
        /// Adds a version; `deps` are `name req kind` with `?` after optional names.
        fn with(mut self, name: &str, version: &str, yanked: bool, deps: &[&str]) -> Self {
            let deps: Vec<String> = deps
                .iter()
                .map(|dep| {
                    let parts: Vec<&str> = dep.split(' ').collect();
                    let name = parts[0].trim_end_matches('?');
                    let optional = parts[0].ends_with('?');
                    let kind = parts.get(2).unwrap_or(&"normal");
                    format!(
                        r#"{{"name":"{name}","req":"{}","optional":{optional},"kind":"{kind}"}}"#,
                        parts[1]
                    )
                })
                .collect();
            let sum = Sha256Digest::of(format!("{name}{version}"));
            let deps = deps.join(",");
            let line = format!(
                r#"{{"name":"{name}","vers":"{version}","deps":[{deps}],"cksum":"{sum}","yanked":{yanked}}}"#
            );
            let file = self.0.entry(name.into()).or_default();
            file.push_str(&line);
            file.push('\n');
            self
        }

        async fn closure(&self, requests: &[&str]) -> Result<Closure, ClosureError> {
            let requests: Vec<CrateRequest> = requests.iter().map(|r| r.parse().unwrap()).collect();
            resolve_closure(self, &requests, &ClosureOptions::default(), &()).await
        }
    }

    fn names(closure: &Closure) -> Vec<String> {
        let show = |c: &LockedCrate| format!("{} {}", c.name, c.version);
        closure.crates.iter().map(show).collect()
    }

    #[tokio::test]
    async fn the_newest_version_of_each_requirement_and_all_that_it_needs() {
        let index = Index::default()
            .with(
                "app",
                "1.0.0",
                false,
                &["a ^1", "opt? ^1", "tool ^2 build", "test ^1 dev"],
            )
            .with("app", "1.1.0", true, &[])
            .with("a", "1.0.0", false, &["b =1.0.0"])
            .with("a", "1.5.0", false, &["b ^1", "app ^1"])
            .with("a", "2.0.0", false, &[])
            .with("b", "1.0.0", false, &[])
            .with("b", "1.2.0", false, &[])
            .with("b", "1.3.0-rc.1", false, &[])
            .with("opt", "1.0.0", false, &["b =1.0.0"])
            .with("tool", "2.0.0", false, &[]);
        let closure = index.closure(&["app@1"]).await.unwrap();
        assert_eq!(
            names(&closure),
            [
                "a 1.5.0",
                "app 1.0.0",
                "b 1.0.0",
                "b 1.2.0",
                "opt 1.0.0",
                "tool 2.0.0"
            ]
        );
        assert!(closure.unresolved.is_empty());
    }

    #[tokio::test]
    async fn what_nothing_satisfies_is_listed_and_stops_nothing() {
        let index = Index::default()
            .with("app", "1.0.0", false, &["gone? ^1", "yanked ^1"])
            .with("yanked", "1.0.0", true, &[]);
        let closure = index.closure(&["app"]).await.unwrap();
        assert_eq!(names(&closure), ["app 1.0.0"]);
        let gone: Vec<_> = closure
            .unresolved
            .iter()
            .map(|u| (u.package.as_str(), u.optional))
            .collect();
        assert_eq!(gone, [("gone", true), ("yanked", false)]);
    }

    #[tokio::test]
    async fn what_is_missing_counts_if_anything_required_needs_it() {
        let index = Index::default()
            .with("app", "1.0.0", false, &["maybe? ^1", "surely ^1"])
            .with("maybe", "1.0.0", false, &["gone ^1", "gone2 ^1"])
            .with("surely", "1.0.0", false, &["deeper ^1"])
            .with("deeper", "1.0.0", false, &["gone ^1"]);
        let closure = index.closure(&["app"]).await.unwrap();
        let mut gone: Vec<_> = closure
            .unresolved
            .iter()
            .map(|u| (u.package.as_str(), u.optional))
            .collect();
        gone.sort_unstable();
        assert_eq!(gone, [("gone", false), ("gone2", true)]);
    }

    #[tokio::test]
    async fn what_the_user_asked_for_must_exist() {
        let index = Index::default().with("app", "1.0.0", false, &[]);
        let missing = index.closure(&["other"]).await.unwrap_err();
        assert!(matches!(missing, ClosureError::NoSuchCrate { .. }));
        let unmatched = index.closure(&["app@2"]).await.unwrap_err();
        assert_eq!(
            unmatched.to_string(),
            "no version of `app` in the test index matches `^2`; the newest is 1.0.0"
        );
        assert_eq!(unmatched.class(), ErrorClass::Usage);
    }

    #[tokio::test]
    async fn names_count_in_their_own_case_as_for_cargo() {
        let index = Index::default().with("Foo", "1.0.0", false, &[]);
        assert!(index.closure(&["Foo"]).await.is_ok());
        let mut other = Index::default();
        other.0.insert("foo".into(), index.0["Foo"].clone());
        assert!(other.closure(&["foo"]).await.is_err());
    }
}
