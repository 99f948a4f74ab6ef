//! An index that is nothing but plain sparse files.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    CrateName, Key, MirrorLayout, Sha256Digest, Sha256Hasher, Store, StoreExt as _,
    crates::{IndexConfig, MAX_INDEX_FILE_SIZE},
    ports::{
        Catalog, Catalogued, IndexBackend, IndexCatalog, IndexError, Loaded, ObjectMeta, Position,
        StoreError, Tag,
    },
};

/// How many files are read at once to count versions.
const READS: usize = 16;

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
            .map_err(|source| self.failed(source))
    }

    /// The index files that are there: the names of the crates in lower case, sorted,
    /// with what the store says of the files.
    async fn files(&self) -> Result<Vec<(Box<str>, ObjectMeta)>, IndexError> {
        let root = self.layout.index_root();
        let files = self.store.list(Some(&root)).try_filter_map(async |meta| {
            let name = self.name_at(&meta.key);
            Ok(name.map(|name| (name, meta)))
        });
        let mut files: Vec<_> = files
            .try_collect()
            .await
            .map_err(|source| self.failed(source))?;
        files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(files)
    }

    /// The crate whose index file can be at `key`.
    fn name_at(&self, key: &Key) -> Option<Box<str>> {
        let name = key.file_name().trim_start_matches('=');
        let name: CrateName = name.parse().ok()?;
        let is_its = self.layout.index_file(&name) == *key;
        is_its.then(|| name.to_lowercase().into())
    }

    fn failed(&self, source: StoreError) -> IndexError {
        IndexError::Store {
            index: self.to_string(),
            source,
        }
    }
}

/// Names the state of these files. Whatever is written anew makes another state.
fn position_of(files: &[(Box<str>, ObjectMeta)]) -> Position {
    let mut hasher = Sha256Hasher::new();
    for (name, meta) in files {
        hasher.update(name.as_bytes());
        hasher.update(b" ");
        hasher.update(meta.version.as_str().as_bytes());
        hasher.update(b"\n");
    }
    let digest = hasher.finish().to_string();
    Position::new(digest.get(..16).unwrap_or_default())
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
        let file = file.map_err(|source| self.failed(source))?;
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

/// There is no short way to see whether anything has changed, so all files are looked
/// at each time, and at none of their bytes.
#[async_trait]
impl IndexCatalog for PlainIndex {
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError> {
        let files = self.files().await?;
        let position = position_of(&files);
        if known == Some(&position) {
            return Ok(Catalogued::Unchanged);
        }
        if files.is_empty() {
            return Ok(Catalogued::Unpublished);
        }
        let made = files.iter().filter_map(|(_, meta)| meta.modified).max();
        let names = files.into_iter().map(|(name, _)| name).collect();
        Ok(Catalogued::Fresh(
            Catalog::new(position, names).with_made(made),
        ))
    }

    async fn count_versions(&self, at: &Position) -> Result<Option<u64>, IndexError> {
        let files = self.files().await?;
        if position_of(&files) != *at {
            return Ok(None);
        }
        let counts = stream::iter(files).map(|(_, meta)| async move {
            let read = self.store.try_read(&meta.key, MAX_INDEX_FILE_SIZE).await;
            let read = read.map_err(|source| self.failed(source))?;
            Ok::<_, IndexError>(read.map_or(0, |(_, body)| crate::versions_in(&body)))
        });
        let mut counts = counts.buffer_unordered(READS);
        let mut all = 0;
        while let Some(count) = counts.try_next().await? {
            all += count;
        }
        Ok(Some(all))
    }
}

#[cfg(test)]
mod tests {
    use romt_store::{MemoryStore, conformance::catalog};

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

    #[tokio::test]
    async fn plain_files_are_a_catalog() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let index = PlainIndex::new(store.clone());
        catalog::unpublished(&index).await;
        for (key, text) in [
            ("index/se/rd/serde", "{}\n{}\n"),
            ("index/3/a/=aux", "{}\n"),
            // None of these is where an index file can be.
            ("index/config.json", "{}"),
            ("index/se/rd/Serde", "{}"),
            ("index/xx/yy/serde", "{}"),
            ("crates/se/rd/serde", "{}"),
        ] {
            let key = key.parse().unwrap();
            store.put(&key, text.as_bytes()).await.unwrap();
        }
        let before = catalog::published(&index, &["aux", "serde"], 3).await;
        let key = "index/1/a".parse().unwrap();
        store.put(&key, b"{}\n\n{}".as_slice()).await.unwrap();
        let after = catalog::published(&index, &["a", "aux", "serde"], 5).await;
        assert_ne!(before, after);
    }
}
