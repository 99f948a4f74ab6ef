//! A store of your own: here one that wraps another and counts what is written.
//!
//! Run with `cargo run -p romt-examples --bin custom_store`.
//!
//! The suite of checks that every store must pass is part of `romt-store`; see the
//! test at the end.

#![expect(clippy::print_stdout, reason = "the programs here talk to people")]

use std::{
    error::Error,
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use romt_core::{
    CrateRequest, Key, Mirror, Sha256Digest, Store, StoreExt as _, SyncOptions, Upstream,
    ports::{Body, GetOptions, Object, ObjectMeta, PutOptions, StoreError, StoreLock},
};
use romt_index::{SnapshotIndex, SparseIndex};
use romt_store::{MemoryStore, StoreSource};

/// Passes everything on to another store, and counts the objects written.
#[derive(Debug, Default)]
struct CountingStore<S> {
    inner: S,
    written: AtomicU64,
}

impl<S> CountingStore<S> {
    fn new(inner: S) -> Self {
        Self {
            inner,
            written: AtomicU64::new(0),
        }
    }

    /// How many objects were written since this was last asked.
    fn take(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }

    fn count<T>(&self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        let count = u64::from(written.is_ok());
        self.written.fetch_add(count, Ordering::Relaxed);
        written
    }
}

#[async_trait]
// A method that the port gains must not be forgotten here.
#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for CountingStore<S> {
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        self.count(self.inner.put_opts(key, body, options).await)
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.inner.get_opts(key, options).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.inner.head(key).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn persist(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.persist(key).await
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        self.count(self.inner.copy_opts(from, to, options).await)
    }

    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        self.inner.free_space().await
    }

    async fn tidy(&self, _: &Key, _: Option<&Key>) -> Result<(), StoreError> {
        Ok(())
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        self.inner.list(prefix)
    }

    fn local_path(&self, key: &Key) -> Option<PathBuf> {
        self.inner.local_path(key)
    }

    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError> {
        self.inner.lock(holder).await
    }
}

impl<S: fmt::Display> fmt::Display for CountingStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, counted", self.inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(CountingStore::new(MemoryStore::new()));
    let mirror = Mirror::new(store.clone(), Arc::new(SnapshotIndex::new(store.clone())));
    // A store with a registry in it serves as upstream, too.
    let source = Arc::new(StoreSource::new(Arc::new(registry().await?), None));
    let selection = ["hello".parse::<CrateRequest>()?].into_iter().collect();
    for run in ["first", "second"] {
        let index = SparseIndex::new(source.clone()).with_cache(store.clone());
        let upstream = Upstream::new(Arc::new(index), source.clone());
        let options = SyncOptions::default();
        let synced = mirror.sync(&upstream, &selection, &options, Arc::new(()));
        let fetched = synced.await?.fetched;
        let written = store.take();
        println!("the {run} run fetched {fetched} crates and wrote {written} objects");
    }
    Ok(())
}

/// A registry with one crate, in memory.
async fn registry() -> Result<MemoryStore, Box<dyn Error>> {
    let store = MemoryStore::new();
    let bytes = b"a .crate file is a compressed tar archive; this one is not";
    let digest = Sha256Digest::of(bytes);
    let line = format!(
        r#"{{"name":"hello","vers":"1.0.0","deps":[],"features":{{}},"cksum":"{digest}","yanked":false}}"#
    );
    let config = r#"{"dl":"crates/{crate}-{version}.crate"}"#;
    for (path, bytes) in [
        ("config.json", config.as_bytes()),
        ("he/ll/hello", line.as_bytes()),
        ("crates/hello-1.0.0.crate", bytes),
    ] {
        store.put(&path.parse()?, bytes.to_vec()).await?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn it_does_all_that_a_store_must() {
        let fresh = async || Arc::new(CountingStore::new(MemoryStore::new()));
        romt_store::conformance::store::store(fresh).await;
    }
}
