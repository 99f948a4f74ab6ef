//! The port, as implemented by the modules beside this one.

use std::path::PathBuf;

use async_trait::async_trait;
use futures::stream::BoxStream;
use romt_core::{
    Key, Store,
    ports::{Body, GetOptions, Object, ObjectMeta, PutOptions, StoreError, StoreLock},
};

use super::{FsStore, list, lock, persist, read, tidy, write};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for FsStore {
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        write::put(&self.inner, key, body, options.mode).await
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        read::get(&self.inner, key, options.range).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        read::head(&self.inner, key).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        write::delete(&self.inner, key).await
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        write::copy(&self.inner, from, to, options.mode).await
    }

    async fn persist(&self, key: &Key) -> Result<(), StoreError> {
        persist::persist(&self.inner, key).await
    }

    async fn tidy(&self, key: &Key, top: Option<&Key>) -> Result<(), StoreError> {
        tidy::tidy(&self.inner, key, top).await
    }

    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        read::free_space(&self.inner).await
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        list::list(self.inner.tree.clone(), prefix)
    }

    fn local_path(&self, key: &Key) -> Option<PathBuf> {
        Some(self.root().join(key.as_str()))
    }

    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError> {
        lock::lock(&self.inner, holder).await
    }
}
