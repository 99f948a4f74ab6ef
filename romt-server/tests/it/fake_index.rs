//! An index in memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use romt_core::{
    CrateName, IndexBackend, Sha256Digest,
    crates::IndexConfig,
    ports::{Catalog, Catalogued, IndexCatalog, IndexError, Loaded, Position, Tag},
};

/// An index of lower-case names and their files.
#[derive(Debug, Default)]
pub(crate) struct FakeIndex {
    files: Mutex<HashMap<String, Bytes>>,
    unpublished: bool,
    /// How often it was asked for its names.
    pub(crate) catalogued: AtomicU64,
}

impl FakeIndex {
    /// An index before its first publication.
    pub(crate) fn unpublished() -> Self {
        Self {
            unpublished: true,
            ..Self::default()
        }
    }

    pub(crate) fn set(&self, name: &str, text: impl Into<Bytes>) {
        let mut files = self.files.lock().unwrap();
        files.insert(name.to_ascii_lowercase(), text.into());
    }

    pub(crate) fn get(&self, name: &str) -> Bytes {
        self.files.lock().unwrap()[&name.to_ascii_lowercase()].clone()
    }

    pub(crate) fn remove(&self, name: &str) {
        self.files.lock().unwrap().remove(name);
    }
}

impl fmt::Display for FakeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl IndexBackend for FakeIndex {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        panic!("the server makes its own config.json")
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        if self.unpublished {
            let index = self.to_string();
            return Err(IndexError::Unpublished { index });
        }
        let Some(body) = self
            .files
            .lock()
            .unwrap()
            .get(&name.to_lowercase())
            .cloned()
        else {
            return Ok(Loaded::Absent);
        };
        let tag = Tag::of_digest(&Sha256Digest::of(&body));
        if known == Some(&tag) {
            return Ok(Loaded::Unchanged);
        }
        Ok(Loaded::Fresh { body, tag })
    }

    async fn distrust(&self, _name: &CrateName) -> Result<(), IndexError> {
        Ok(())
    }

    async fn settle(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[async_trait]
impl IndexCatalog for FakeIndex {
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError> {
        if self.unpublished {
            return Ok(Catalogued::Unpublished);
        }
        self.catalogued.fetch_add(1, Ordering::Relaxed);
        let files = self.files.lock().unwrap();
        let position = Position::new(format!("state-{}", files.len()));
        if known == Some(&position) {
            return Ok(Catalogued::Unchanged);
        }
        let names = files.keys().map(|name| name.as_str().into()).collect();
        let made = UNIX_EPOCH + Duration::from_secs(1_772_323_261);
        let catalog = Catalog::new(position, names).with_made(Some(made));
        let origin = "https://upstream.example/index".to_owned();
        Ok(Catalogued::Fresh(catalog.with_origin(Some(origin))))
    }

    async fn count_versions(&self, _: &Position) -> Result<Option<u64>, IndexError> {
        let files = self.files.lock().unwrap();
        let lines = files.values().map(|file| {
            let text = std::str::from_utf8(file).unwrap();
            text.lines().count() as u64
        });
        Ok(Some(lines.sum()))
    }
}
