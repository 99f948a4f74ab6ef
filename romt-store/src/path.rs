//! Bytes from a directory.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use async_trait::async_trait;
use romt_core::{
    InvalidValue, Location, Source,
    ports::{OpenOptions, Opened, SourceError, SourceErrorKind},
};
use url::Url;

use crate::local_file;

/// What is in a directory of this machine: a copied mirror, a mounted disk.
///
/// A path is looked for below the directory, and so is a `file` address that
/// lies there. Only regular files are read; a link is followed if it stays
/// inside. A validator is the file's size, times and inode, which says nothing of
/// its bytes beyond "not written since".
#[derive(Clone, Debug)]
pub struct PathSource {
    directory: PathBuf,
}

impl PathSource {
    /// The source in `directory`, which is not touched yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        // Later changes of the working directory are of no concern.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        Self { directory }
    }

    /// The source in the directory that a `file` address names.
    pub fn from_url(url: &Url) -> Result<Self, InvalidValue> {
        let directory = (url.scheme() == "file").then(|| url.to_file_path().ok());
        match directory.flatten() {
            Some(directory) => Ok(Self::new(directory)),
            None => Err(InvalidValue::new(
                "directory",
                url.as_str(),
                "it is not the file: address of a path on this machine",
            )),
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path_of(&self, location: &Location) -> Result<PathBuf, SourceError> {
        let refused = |reason| SourceError::new(SourceErrorKind::Refused, location, reason);
        match location {
            Location::Path(path) => {
                Ok(path.split('/').fold(self.directory.clone(), |mut to, s| {
                    to.push(s);
                    to
                }))
            }
            Location::Address(url) if url.scheme() == "file" => {
                let path = url.to_file_path();
                let path = path.map_err(|()| refused("it is no path on this machine"))?;
                match path.strip_prefix(&self.directory) {
                    Ok(rest) if is_plain(rest) => Ok(path),
                    _ => Err(refused("it lies outside of the directory")),
                }
            }
            Location::Address(_) => Err(refused("a directory has only files")),
        }
    }
}

/// Whether a relative path goes nowhere but down.
fn is_plain(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_)))
}

#[async_trait]
impl Source for PathSource {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        let path = self.path_of(location)?;
        local_file::open(&self.directory, path, location, options).await
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        let path = self.path_of(location)?;
        let size = local_file::size(&self.directory, path, location).await?;
        Ok(Some(size))
    }
}

impl fmt::Display for PathSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.directory.display(), f)
    }
}
