//! A mirror on a disk that is too small for it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{
    path::Path,
    process::Command,
    sync::{Arc, atomic::Ordering},
};

use romt_core::{ErrorClass, Selection, Store, SyncOptions};
use romt_store::FsStore;
use support::{Registry, lock, mirror, quick, served, shown, survived};
use tempfile::TempDir;

/// A small disk in memory, which only root can make.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let options = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], directory.path())
            .then_some(Self(directory))
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(mount(&["-o", &options], self.0.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("crate-{n}")).collect()
}

fn pins(count: usize) -> Selection {
    let pins: Vec<String> = names(count).iter().map(|n| format!("{n} 1.0.0")).collect();
    lock(&pins.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_f01_a_full_disk_stops_a_sync_and_more_space_lets_it_finish() {
    let Some(disk) = Disk::mount("1m") else {
        eprintln!("skipped: a small disk cannot be mounted here");
        return;
    };
    let registry = Registry::new();
    for name in names(300) {
        registry.publish(&name, &["1.0.0"]);
    }
    let all = names(300);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let store: Arc<dyn Store> = Arc::new(FsStore::open(disk.0.path()).unwrap());
    let options = SyncOptions::default().with_retry(quick());
    let sync = async |selection| {
        let upstream = registry.upstream(&store);
        let (mirror, events) = (mirror(&store), Arc::new(()));
        mirror.sync(&upstream, &selection, &options, events).await
    };

    assert_eq!(sync(pins(40)).await.unwrap().failed, []);
    let before = survived(&store, &all).await;
    let kept = served(&store).await;

    let class = match sync(pins(300)).await {
        Ok(outcome) => outcome.class(),
        Err(error) => Some(error.class()),
    };
    assert_eq!(class, Some(ErrorClass::Storage));
    assert_eq!(survived(&store, &all).await, before);
    let now = served(&store).await;
    assert!(kept.iter().all(|(key, bytes)| now.get(key) == Some(bytes)));
    let crates = now.keys().filter(|key| key.as_str().contains("-1.0.0."));
    let fetched_already = crates.count() as u64;
    assert!(fetched_already > 40, "what was fetched whole is kept");

    disk.grow("64m");
    let sent = registry.sent_bytes.load(Ordering::SeqCst);
    let outcome = sync(pins(300)).await.unwrap();
    assert_eq!(outcome.failed, []);
    assert_eq!(outcome.fetched, 300 - fetched_already);
    assert_eq!(outcome.present, fetched_already);
    assert!(registry.sent_bytes.load(Ordering::SeqCst) - sent > outcome.bytes);
    assert_eq!(shown(&store, &all).await.len(), 300);
}
