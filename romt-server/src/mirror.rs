//! What is served.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use romt_core::{
    CrateName, ErrorClass, IndexBackend, LayoutError, MirrorLayout, Store, StoreExt as _,
    ports::{Catalogued, HistoryIndex as _, IndexCatalog, IndexError, ObjectMeta},
};
use romt_index::GitIndex;
use romt_store::{FsOpenError, FsStore};

use crate::late_index::{GIT_INDEX, LateIndex, git_index};

/// What names the current toolchains and the current rustup.
const POINTERS: [&str; 4] = [
    "dist/channel-rust-stable.toml",
    "dist/channel-rust-beta.toml",
    "dist/channel-rust-nightly.toml",
    "rustup/release-stable.toml",
];

/// A mirror, by the ports that the server reads it through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServedMirror {
    /// Where the crate files are.
    pub store: Arc<dyn Store>,
    /// The published index.
    ///
    /// It is asked with names in lower case, as they are in requests, and must
    /// find a crate whatever the case of its published name.
    pub index: Arc<dyn IndexBackend>,
    /// What tells which crates the index has, so that they can be searched.
    pub catalog: Option<Arc<dyn IndexCatalog>>,
    /// Where in the store the crate files are.
    pub layout: MirrorLayout,
    /// The index as a git repository, if it was one when the mirror was opened.
    pub git: Option<GitIndex>,
    shown: Shown,
}

/// The index once more, as one of those that can name their state.
#[derive(Clone, Debug)]
enum Shown {
    Git(GitIndex),
    Late(Arc<LateIndex>),
    Unnamed,
}

/// Why a directory cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// It is no mirror, or the disk with the mirror is not mounted there.
    #[error("there is no mirror in {}", path.display())]
    NoMirror {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] FsOpenError),
    /// Its layout cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl MirrorError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoMirror { .. } | Self::Layout(LayoutError::File { .. }) => ErrorClass::Usage,
            Self::Layout(LayoutError::Store(error)) => error.class(),
            Self::Index(error) => error.class(),
            Self::Open(_) | Self::Layout(_) => ErrorClass::Storage,
        }
    }
}

impl ServedMirror {
    /// The mirror whose files are in `store` and whose index is `index`. Its crates
    /// cannot be searched unless it gets a [catalog](Self::with_catalog).
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn IndexBackend>, layout: MirrorLayout) -> Self {
        Self {
            store,
            index,
            catalog: None,
            layout,
            git: None,
            shown: Shown::Unnamed,
        }
    }

    /// Lets people and cargo search the crates of `catalog`, which is as a rule the
    /// index itself.
    #[must_use]
    pub fn with_catalog(mut self, catalog: Arc<dyn IndexCatalog>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// The mirror whose index can tell what it has.
    fn of<I: IndexCatalog>(store: Arc<dyn Store>, index: Arc<I>, layout: MirrorLayout) -> Self {
        Self::new(store, index.clone(), layout).with_catalog(index)
    }

    /// The same mirror, whose index git clients can fetch from `git`.
    #[must_use]
    pub fn with_git(mut self, git: GitIndex) -> Self {
        self.git = Some(git);
        self
    }

    /// The mirror in the directory `path`, which is only read.
    pub async fn open(path: &Path) -> Result<Self, MirrorError> {
        if !is_mirror(path) {
            return Err(MirrorError::NoMirror {
                path: path.to_owned(),
            });
        }
        let store: Arc<dyn Store> = Arc::new(FsStore::open(path)?);
        let layout = MirrorLayout::load(&*store).await?;
        if let Some(index) = git_index(path).await? {
            let (git, shown) = (index.clone(), Shown::Git(index.clone()));
            return Ok(Self::of(store, Arc::new(index), layout)
                .with_git(git)
                .showing(shown));
        }
        let index = Arc::new(LateIndex::open(path, store.clone()).await?);
        let shown = Shown::Late(index.clone());
        Ok(Self::of(store, index, layout).showing(shown))
    }

    fn showing(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    /// The index, if what it is may still change.
    pub(crate) fn late(&self) -> Option<Arc<LateIndex>> {
        match &self.shown {
            Shown::Late(index) => Some(index.clone()),
            _ => None,
        }
    }

    /// What names the published state of the index, if the index has a name for it and
    /// shows anything.
    pub async fn position(&self) -> Result<Option<String>, IndexError> {
        match &self.shown {
            Shown::Git(index) => Ok(index.shown().await?.map(|it| it.to_string())),
            Shown::Late(index) => index.position().await,
            Shown::Unnamed => Ok(None),
        }
    }

    /// The names of the crates that the index shows, in lower case.
    pub(crate) async fn crate_names(&self) -> Result<Vec<CrateName>, IndexError> {
        let catalog = match &self.catalog {
            Some(catalog) => catalog.catalog(None).await?,
            None => Catalogued::Unpublished,
        };
        match catalog {
            Catalogued::Fresh(catalog) => {
                let names = catalog.names.iter();
                names.map(|name| Ok(name.parse()?)).collect()
            }
            _ => Err(IndexError::Unpublished {
                index: self.index.to_string(),
            }),
        }
    }

    /// Finds out whether the store can be read at all.
    pub(crate) async fn check_readable(&self) -> Result<(), IndexError> {
        self.head(POINTERS[0]).await.map(drop)
    }

    async fn head(&self, name: &str) -> Result<Option<ObjectMeta>, IndexError> {
        let found = self.store.try_head(&name.parse()?).await;
        found.map_err(|source| IndexError::Store {
            index: self.store.to_string(),
            source,
        })
    }

    /// Whether anything was ever published, crates or toolchains, so that there is
    /// something to serve.
    pub async fn is_published(&self) -> Result<bool, IndexError> {
        if self.has_toolchains().await? {
            return Ok(true);
        }
        let any = "a".parse()?;
        match self.index.load(&any, None).await {
            Ok(_) => Ok(true),
            Err(IndexError::Unpublished { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a toolchain of some channel, or rustup.
    async fn has_toolchains(&self) -> Result<bool, IndexError> {
        for name in POINTERS {
            if self.head(name).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the directory `path` has what only a mirror has: what romt keeps, the
/// crates and their index, or what says which toolchains there are. Many a project
/// has a directory called `index` or `dist`.
pub fn is_mirror(path: &Path) -> bool {
    let is_directory = |name| path.join(name).is_dir();
    is_directory(".romt")
        || path.join("crates/config.toml").is_file()
        || (is_directory("index") && is_directory("crates"))
        || (is_directory(GIT_INDEX) && is_directory("crates"))
        || POINTERS.iter().any(|name| path.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_mirror_is_told_from_a_project() {
        let scratch = tempfile::tempdir().unwrap();
        let with = |entries: &[&str]| {
            let path = scratch
                .path()
                .join(entries.len().to_string() + &entries[0].replace('/', "+"));
            for entry in entries {
                let entry = path.join(entry);
                if entry.extension().is_some() {
                    fs::create_dir_all(entry.parent().unwrap()).unwrap();
                    fs::write(entry, "").unwrap();
                } else {
                    fs::create_dir_all(entry).unwrap();
                }
            }
            is_mirror(&path)
        };
        assert!(with(&[".romt"]));
        assert!(with(&["crates/config.toml"]));
        assert!(with(&["index", "crates"]));
        assert!(with(&["dist/channel-rust-nightly.toml"]));
        assert!(with(&["rustup/release-stable.toml"]));
        assert!(!with(&["dist"]));
        assert!(!with(&["rustup"]));
        assert!(!with(&["dist/2026-01-01/main.js"]));
        assert!(!with(&["index"]));
        assert!(!with(&["crates"]));
        assert!(!with(&["src", "index"]));
        assert!(!with(&["index.html"]));
        assert!(!with(&["git", "src", "index/config.json"]));
    }
}
