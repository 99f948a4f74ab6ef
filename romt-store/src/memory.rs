//! A store in this process.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use romt_core::{
    Escaped, Key, Store,
    ports::{
        Body, GetOptions, Object, ObjectMeta, ObjectVersion, PutMode, PutOptions, StoreError,
        StoreLock, once,
    },
};

use crate::range;

/// Objects in memory, gone with the process.
///
/// A store like any other, for tests and for programs that embed a mirror.
/// Clones share their objects and their lock.
///
/// # Defaults
///
/// Takes as many bytes as there is memory; see [`with_budget`](Self::with_budget).
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: Mutex<Objects>,
    /// Who holds the lock.
    holder: Mutex<Option<String>>,
    /// The bytes that all objects together may have.
    budget: Option<u64>,
}

#[derive(Default)]
struct Objects {
    by_key: BTreeMap<Key, Entry>,
    /// Counts the writings; the version of an object is the count at its own.
    writings: u64,
    /// The bytes of all objects together.
    used: u64,
}

#[derive(Clone)]
struct Entry {
    content: Bytes,
    writing: u64,
}

impl Entry {
    fn meta(&self, key: &Key) -> ObjectMeta {
        let version = ObjectVersion::new(self.writing.to_string());
        ObjectMeta::new(key.clone(), self.content.len() as u64, version)
    }
}

/// The budget is the disk of this store, so this is its "no space left".
#[derive(Debug, thiserror::Error)]
#[error("the budget of {budget} bytes is used up")]
struct OverBudget {
    budget: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose objects may have `budget` bytes together.
    ///
    /// A put that does not fit is [`StoreError::Backend`] and changes nothing.
    pub fn with_budget(budget: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                budget: Some(budget),
                ..Inner::default()
            }),
        }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        // The map is changed in single steps that cannot panic halfway.
        self.inner
            .objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Key) -> Result<Entry, StoreError> {
        let found = self.objects().by_key.get(key).cloned();
        found.ok_or_else(|| StoreError::NotFound { key: key.clone() })
    }

    fn over_budget(&self, key: &Key, budget: u64) -> StoreError {
        StoreError::Backend {
            store: self.to_string(),
            action: "store",
            key: key.clone(),
            source: Box::new(OverBudget { budget }),
        }
    }

    /// Takes in a body, no more of it than could ever be stored.
    async fn collect(&self, key: &Key, body: Body) -> Result<Bytes, StoreError> {
        let mut stream = match body {
            Body::Bytes(bytes) => return Ok(bytes),
            Body::Stream(stream) => stream,
        };
        let limit = self.inner.budget.unwrap_or(u64::MAX);
        let mut all = BytesMut::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|source| StoreError::Body {
                key: key.clone(),
                source: Box::new(source),
            })?;
            if (all.len() + piece.len()) as u64 > limit {
                return Err(self.over_budget(key, limit));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// The one place where an object appears or changes.
    fn store(&self, key: &Key, content: Bytes, mode: &PutMode) -> Result<ObjectMeta, StoreError> {
        let mut objects = self.objects();
        let old = objects.by_key.get(key);
        check_mode(key, old, mode)?;
        let freed = old.map_or(0, |entry| entry.content.len() as u64);
        let used = objects.used - freed + content.len() as u64;
        if let Some(budget) = self.inner.budget.filter(|budget| used > *budget) {
            return Err(self.over_budget(key, budget));
        }
        objects.used = used;
        objects.writings += 1;
        let entry = Entry {
            content,
            writing: objects.writings,
        };
        let meta = entry.meta(key);
        objects.by_key.insert(key.clone(), entry);
        Ok(meta)
    }
}

fn check_mode(key: &Key, old: Option<&Entry>, mode: &PutMode) -> Result<(), StoreError> {
    match (mode, old) {
        (PutMode::CreateIfAbsent, Some(_)) => Err(StoreError::AlreadyExists { key: key.clone() }),
        (PutMode::ReplaceIfUnchanged(seen), old)
            if old.is_none_or(|entry| entry.meta(key).version != *seen) =>
        {
            Err(StoreError::Precondition { key: key.clone() })
        }
        _ => Ok(()),
    }
}

/// Frees the lock when dropped.
struct Held(Arc<Inner>);

impl Drop for Held {
    fn drop(&mut self) {
        let mut holder = self.0.holder.lock().unwrap_or_else(PoisonError::into_inner);
        *holder = None;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for MemoryStore {
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        let content = self.collect(key, body).await?;
        self.store(key, content, &options.mode)
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let entry = self.find(key)?;
        let meta = entry.meta(key);
        let range = range::resolve(key, meta.size, options.range)?;
        let body = once(entry.content.slice(range::in_memory(&range)));
        Ok(Object { meta, range, body })
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        Ok(self.find(key)?.meta(key))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let mut objects = self.objects();
        if let Some(entry) = objects.by_key.remove(key) {
            objects.used -= entry.content.len() as u64;
        }
        Ok(())
    }

    async fn persist(&self, key: &Key) -> Result<(), StoreError> {
        self.head(key).await.map(drop)
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        let content = self.find(from)?.content;
        self.store(to, content, &options.mode)
    }

    async fn tidy(&self, _: &Key, _: Option<&Key>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        let used = self.objects().used;
        Ok(self.inner.budget.map(|budget| budget.saturating_sub(used)))
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        let objects = self.objects();
        let is_below = |key: &Key, prefix: &Key| key != prefix && key.starts_with(prefix);
        let wanted = |key: &Key| prefix.is_none_or(|prefix| is_below(key, prefix));
        let snapshot: Vec<_> = objects
            .by_key
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, entry)| Ok(entry.meta(key)))
            .collect();
        stream::iter(snapshot).boxed()
    }

    fn local_path(&self, _key: &Key) -> Option<PathBuf> {
        None
    }

    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError> {
        let mut held = self
            .inner
            .holder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*held {
            return Err(StoreError::Busy {
                store: self.to_string(),
                holder: Escaped::new(other).to_string(),
            });
        }
        *held = Some(holder.to_owned());
        Ok(StoreLock::new(Held(Arc::clone(&self.inner))))
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("memory")
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = self.objects();
        f.debug_struct("MemoryStore")
            .field("objects", &objects.by_key.len())
            .field("bytes", &objects.used)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use romt_core::StoreExt as _;

    use super::*;

    #[tokio::test]
    async fn a_put_over_the_budget_changes_nothing() {
        let store = MemoryStore::with_budget(10);
        let key: Key = "a".parse().unwrap();
        store.put(&key, vec![1; 6]).await.unwrap();
        store.put(&key, vec![2; 10]).await.unwrap();
        let other: Key = "b".parse().unwrap();
        let error = store.put(&other, vec![3; 1]).await.unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        let stream = stream::repeat_with(|| Ok(Bytes::from_static(b"forever"))).boxed();
        let error = store.put(&key, stream).await.unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        let (_, content) = store.try_read(&key, 100).await.unwrap().unwrap();
        assert_eq!(content, vec![2; 10]);
        store.delete(&key).await.unwrap();
        store.put(&other, vec![3; 10]).await.unwrap();
    }
}
