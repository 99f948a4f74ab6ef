//! The mirror that a command works on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use romt_core::{ErrorClass, Mirror, MirrorLayout, Store};
use romt_index::SnapshotIndex;
use romt_server::{ServedMirror, is_mirror};
use romt_store::FsStore;

use crate::error::{CliError, shown};

/// A mirror in a directory.
#[derive(Debug)]
pub(crate) struct MirrorDir {
    pub(crate) path: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Arc<SnapshotIndex>,
}

impl MirrorDir {
    /// The mirror in `path`, made if there is none.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let store = FsStore::create(path).map_err(|error| {
            CliError::from_error(ErrorClass::Storage, &error)
                .with_help("--mirror names the directory of the mirror")
        })?;
        Ok(Self::from_store(path, store))
    }

    /// The mirror in `path`, which must be there.
    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        if !is_mirror(path) {
            return Err(
                CliError::usage(format!("there is no mirror in {}", shown(path))).with_help(
                    "is the disk mounted? --mirror names the directory; `romt up` makes one",
                ),
            );
        }
        let store = FsStore::open(path)
            .map_err(|error| CliError::from_error(ErrorClass::Storage, &error))?;
        Ok(Self::from_store(path, store))
    }

    /// The mirror in `path`; without one, that in this directory if it is one,
    /// like romt for Python has it, else in `./mirror`.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, CliError> {
        match path {
            Some(path) => Self::open(path),
            None if is_mirror(Path::new(".")) => Self::open(Path::new(".")),
            None => Self::open(Path::new("mirror")),
        }
    }

    fn from_store(path: &Path, store: FsStore) -> Self {
        let store: Arc<dyn Store> = Arc::new(store);
        Self {
            path: path.to_owned(),
            index: Arc::new(SnapshotIndex::new(store.clone())),
            store,
        }
    }

    /// The mirror, to be synced.
    pub(crate) fn mirror(&self) -> Mirror {
        Mirror::new(self.store.clone(), self.index.clone())
    }

    /// The mirror, to be served.
    pub(crate) async fn served(&self) -> Result<ServedMirror, CliError> {
        let layout = MirrorLayout::load(&*self.store)
            .await
            .map_err(|error| CliError::from_error(ErrorClass::Storage, &error))?;
        Ok(ServedMirror::new(
            self.store.clone(),
            self.index.clone(),
            layout,
        ))
    }

    /// Whether the mirror shows anything yet.
    pub(crate) async fn is_published(&self) -> Result<bool, CliError> {
        let position = self.index.position().await;
        let position = position.map_err(|error| CliError::from_error(error.class(), &error))?;
        Ok(position.is_some())
    }
}
