//! Opening and creating the root.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use cap_std::{ambient_authority, fs::Dir};

use super::{
    FsOpenError, FsStore, FsStoreOptions, Inner, SyncPolicy, flush::Flusher, platform, tree::Tree,
};

impl FsStore {
    /// Opens the store in the directory `root`, which must exist.
    ///
    /// Creates nothing. The path of the root itself may lead through links.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, FsOpenError> {
        Self::open_with(root, FsStoreOptions::default())
    }

    /// As [`open`](Self::open), with options.
    pub fn open_with(root: impl AsRef<Path>, options: FsStoreOptions) -> Result<Self, FsOpenError> {
        let path = absolute(root.as_ref())?;
        let dir = open_root(&path)?;
        let tree = Arc::new(Tree::new(path, dir));
        let inner = Inner {
            flusher: Flusher::new(Arc::clone(&tree), options.sync),
            tree,
            options,
            run: Mutex::default(),
            queue: Arc::default(),
            errands: Arc::default(),
            publishing: RwLock::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Opens the store in the directory `root`, creating it and the directories
    /// above it if they are missing.
    pub fn create(root: impl AsRef<Path>) -> Result<Self, FsOpenError> {
        Self::create_with(root, FsStoreOptions::default())
    }

    /// As [`create`](Self::create), with options.
    pub fn create_with(
        root: impl AsRef<Path>,
        options: FsStoreOptions,
    ) -> Result<Self, FsOpenError> {
        let path = absolute(root.as_ref())?;
        let existing = path.ancestors().find(|above| above.exists());
        fs::create_dir_all(&path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => FsOpenError::NotDirectory { path: path.clone() },
            _ => failed("create", &path)(source),
        })?;
        if options.sync != SyncPolicy::Never {
            for created in path.ancestors().skip(1) {
                let above = existing.is_some_and(|existing| !created.starts_with(existing));
                if above {
                    break;
                }
                let dir = open_root(created)?;
                platform::sync_dir(&dir).map_err(failed("flush", created))?;
            }
        }
        Self::open_with(path, options)
    }
}

fn absolute(root: &Path) -> Result<PathBuf, FsOpenError> {
    std::path::absolute(root).map_err(failed("find", root))
}

fn open_root(path: &Path) -> Result<Dir, FsOpenError> {
    let source = match Dir::open_ambient_dir(path, ambient_authority()) {
        Ok(dir) => return Ok(dir),
        Err(error) => error,
    };
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => Err(FsOpenError::Missing { path }),
        ErrorKind::NotADirectory => Err(FsOpenError::NotDirectory { path }),
        _ => Err(failed("open", &path)(source)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> FsOpenError {
    let path = path.to_owned();
    move |source| FsOpenError::Io {
        action,
        path: path.clone(),
        source,
    }
}
