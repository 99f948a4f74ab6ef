//! The mirror that a command works on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use romt_core::{ErrorClass, Mirror, Store};
use romt_index::SnapshotIndex;
use romt_server::{MirrorError, ServedMirror, is_mirror};
use romt_store::FsStore;

use crate::{error::CliError, report::Printer};

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
    pub(crate) async fn served(&self, printer: &Printer) -> Result<ServedMirror, CliError> {
        served(Some(&self.path), printer).await
    }

    /// Whether the mirror shows anything yet.
    pub(crate) async fn is_published(&self) -> Result<bool, CliError> {
        let position = self.index.position().await;
        let position = position.map_err(|error| CliError::from_error(error.class(), &error))?;
        Ok(position.is_some())
    }
}

/// The mirror in `path`, to be served; without one, that in this directory if it
/// is one, as romt for Python has it, else that in `./mirror`. Warns if it is empty.
pub(crate) async fn served(
    path: Option<&Path>,
    printer: &Printer,
) -> Result<ServedMirror, CliError> {
    let path = match path {
        Some(path) => path,
        None if is_mirror(Path::new(".")) => Path::new("."),
        None => Path::new("mirror"),
    };
    let mirror = ServedMirror::open(path).await.map_err(|error| {
        let no_mirror = matches!(error, MirrorError::NoMirror { .. });
        let error = CliError::from_error(error.class(), &error);
        if no_mirror {
            let help = "is the disk mounted? --mirror names the directory; `romt up` makes one";
            return error.with_help(help);
        }
        error
    })?;
    let published = mirror.is_published().await;
    if !published.map_err(|error| CliError::from_error(error.class(), &error))? {
        printer.warn("the mirror holds no crates yet");
    }
    Ok(mirror)
}
