//! Every store passes every check.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::sync::{Arc, Mutex};

use romt_store::{
    FsStore, FsStoreOptions, MemoryStore, SyncPolicy,
    conformance::{self, FaultyStore},
};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_conforms() {
    conformance::store::store(async || Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_store_conforms_while_no_fault_is_armed() {
    conformance::store::store(async || Arc::new(FaultyStore::new(MemoryStore::new()))).await;
}

/// Each store in a directory of its own, all gone in the end.
async fn fs_store_conforms(sync: SyncPolicy) {
    let directories = Mutex::new(Vec::new());
    let fresh = async || {
        let directory = TempDir::new().unwrap();
        let options = FsStoreOptions::default().with_sync(sync);
        let store = FsStore::open_with(directory.path(), options).unwrap();
        directories.lock().unwrap().push(directory);
        Arc::new(store)
    };
    conformance::store::store(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fs_store_conforms_flushing_in_batches() {
    fs_store_conforms(SyncPolicy::Batch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fs_store_conforms_flushing_always() {
    fs_store_conforms(SyncPolicy::Always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fs_store_conforms_flushing_never() {
    fs_store_conforms(SyncPolicy::Never).await;
}
