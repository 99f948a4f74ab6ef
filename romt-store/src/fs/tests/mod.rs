//! What is particular to a directory on unix: links, pipes, full disks, and the
//! staging area.

#![cfg(unix)]

mod disk;
mod links;
mod locks;
mod long;
mod staging;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    Key, Store, StoreExt as _,
    ports::{ByteStream, PutMode, StoreError, StreamError},
};
use tempfile::TempDir;

use super::{FsOpenError, FsStore, FsStoreOptions, SyncPolicy};

const BIG: usize = 3 * 1024 * 1024;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn new_store() -> (TempDir, FsStore) {
    let root = TempDir::new().unwrap();
    let store = FsStore::open(root.path()).unwrap();
    (root, store)
}

/// A body of so many pieces of this length.
fn pieces(count: usize, length: usize) -> ByteStream {
    let piece = Bytes::from(vec![7; length]);
    stream::iter(std::iter::repeat_n(piece, count).map(Ok)).boxed()
}

/// Everything below `dir`, without following links.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

/// The staging files, without those by which runs show that they live.
fn staged(root: &Path) -> Vec<PathBuf> {
    let mut files = tree(&root.join(".romt/tmp"));
    files.retain(|path| path.is_file() && path.file_name().unwrap() != "lock");
    files
}

async fn assert_nothing_staged(root: &Path) {
    // What a dropped put had begun ends on its own.
    for _ in 0..200 {
        if staged(root).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("staging is empty in the end, not {:?}", staged(root));
}

fn is_refused<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Refused { .. }))
}
