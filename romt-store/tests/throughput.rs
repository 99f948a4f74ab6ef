//! What flushing costs, beside the same files written plainly. Run with
//! `cargo test -p romt-store --test throughput -- --ignored --nocapture`.
//!
//! ext4 avoids inodes that were freed in the last minutes, and searching for
//! others can cost more than everything that is measured here. So run it in a
//! place where nothing was deleted just now.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test")]

use std::{path::Path, time::Instant};

use futures::{StreamExt as _, stream};
use romt_core::{Key, StoreExt as _};
use romt_store::{FsStore, FsStoreOptions, SyncPolicy};

const OBJECTS: u32 = 2_000;
const SIZE: usize = 40 * 1024;
const AT_ONCE: usize = 32;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and proves nothing"]
async fn small_puts() {
    let all = tempfile::TempDir::new().unwrap();
    for round in 0..2 {
        for shared in [true, false] {
            let root = all.path().join(format!("plain-{round}-{shared}"));
            write_plainly(&root, shared).await;
            for sync in [SyncPolicy::Never, SyncPolicy::Batch, SyncPolicy::Always] {
                let root = all.path().join(format!("{sync:?}-{round}-{shared}"));
                put(&root, sync, shared).await;
            }
        }
    }
}

async fn write_plainly(root: &Path, shared: bool) {
    let begin = Instant::now();
    all(async |n| {
        let path = root.join(key(n, shared).as_str());
        let write = move || {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, body(n)).unwrap();
        };
        tokio::task::spawn_blocking(write).await.unwrap();
    })
    .await;
    println!("plainly, {}: {:.2?}", layout(shared), begin.elapsed());
}

async fn put(root: &Path, sync: SyncPolicy, shared: bool) {
    let store = FsStore::create_with(root, FsStoreOptions::default().with_sync(sync)).unwrap();
    let begin = Instant::now();
    all(async |n| {
        store.put(&key(n, shared), body(n)).await.unwrap();
    })
    .await;
    println!("{sync:?}, {}: {:.2?}", layout(shared), begin.elapsed());
}

async fn all(put: impl AsyncFn(u32)) {
    stream::iter(0..OBJECTS)
        .map(|n| put(n))
        .buffer_unordered(AT_ONCE)
        .for_each(async |()| {})
        .await;
}

fn body(n: u32) -> Vec<u8> {
    vec![n.to_le_bytes()[0]; SIZE]
}

fn layout(shared: bool) -> &'static str {
    if shared {
        "one directory"
    } else {
        "a directory each"
    }
}

fn key(n: u32, shared: bool) -> Key {
    let text = if shared {
        format!("flat/{n}.crate")
    } else {
        format!("crates/{:02}/{:02}/{n}/{n}-1.0.0.crate", n % 29, n % 31)
    };
    text.parse().unwrap()
}
