//! An index that is nothing but plain sparse files.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::StreamExt as _;
use romt_core::{
    CrateName, MirrorLayout, Sha256Digest, Store, StoreExt as _,
    crates::{IndexConfig, MAX_INDEX_FILE_SIZE},
    ports::{IndexBackend, IndexError, Loaded, Tag},
};

/// The plain sparse files below `index/` of any [`Store`].
///
/// They are what is left of a mirror that was carried without its hidden files,
/// or what another tool wrote. They can be served; what is synced is a
/// [`SnapshotIndex`](crate::SnapshotIndex), whose states change in one step.
#[derive(Debug)]
pub struct PlainIndex {
    store: Arc<dyn Store>,
    layout: MirrorLayout,
}

impl PlainIndex {
    /// The plain files in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            layout: MirrorLayout::default(),
        }
    }

    /// Whether there is any such file.
    pub async fn exists(&self) -> Result<bool, IndexError> {
        let mut files = self.store.list(Some(&self.layout.index_root()));
        let first = files.next().await.transpose();
        first
            .map(|file| file.is_some())
            .map_err(|source| IndexError::Store {
                index: self.to_string(),
                source,
            })
    }

    /// The names of the crates that there are files for, in lower case.
    pub async fn names(&self) -> Result<Vec<CrateName>, IndexError> {
        let mut files = self.store.list(Some(&self.layout.index_root()));
        let mut names = Vec::new();
        while let Some(file) = files.next().await {
            let file = file.map_err(|source| IndexError::Store {
                index: self.to_string(),
                source,
            })?;
            let name = file.key.file_name().parse::<CrateName>().ok();
            // What else lies there is no index file.
            names.extend(name.filter(|name| self.layout.index_file(name) == file.key));
        }
        names.sort_unstable();
        Ok(names)
    }
}

impl fmt::Display for PlainIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.store, f)
    }
}

#[async_trait]
impl IndexBackend for PlainIndex {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        crate::own_config(self)
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        let key = self.layout.index_file(name);
        let file = self.store.try_read(&key, MAX_INDEX_FILE_SIZE).await;
        let file = file.map_err(|source| IndexError::Store {
            index: self.to_string(),
            source,
        })?;
        let Some((_, body)) = file else {
            return Ok(Loaded::Absent);
        };
        let tag = Tag::of_digest(&Sha256Digest::of(&body));
        Ok(if known == Some(&tag) {
            Loaded::Unchanged
        } else {
            Loaded::Fresh { body, tag }
        })
    }

    async fn distrust(&self, _name: &CrateName) -> Result<(), IndexError> {
        Ok(())
    }

    async fn settle(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use romt_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn plain_files_are_found_and_tagged() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let index = PlainIndex::new(store.clone());
        assert!(!index.exists().await.unwrap());
        let key = "index/se/rd/serde".parse().unwrap();
        store.put(&key, b"line\n".as_slice()).await.unwrap();
        assert!(index.exists().await.unwrap());
        let name = "Serde".parse().unwrap();
        let Loaded::Fresh { body, tag } = index.load(&name, None).await.unwrap() else {
            panic!("the file is there");
        };
        assert_eq!(body, "line\n");
        assert_eq!(
            index.load(&name, Some(&tag)).await.unwrap(),
            Loaded::Unchanged
        );
        let other = "other".parse().unwrap();
        assert_eq!(index.load(&other, None).await.unwrap(), Loaded::Absent);
    }
}
