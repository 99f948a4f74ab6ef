//! The root, its disk and its modes.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_root_that_is_gone_is_not_made_again() {
    let (root, store) = new_store();
    store.put(&key("a"), vec![1]).await.unwrap();
    let path = root.path().to_owned();
    root.close().unwrap();
    let error = store.put(&key("b/c"), vec![1]).await.unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(!path.exists());
    assert!(store.try_head(&key("a")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn h17_a_root_that_was_swapped_is_not_looked_into() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("root");
    let store = FsStore::create(&path).unwrap();
    store.put(&key("a"), vec![1]).await.unwrap();
    fs::rename(&path, parent.path().join("moved")).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("b"), "b").unwrap();
    assert!(store.try_head(&key("a")).await.unwrap().is_some());
    assert!(store.try_head(&key("b")).await.unwrap().is_none());
}

#[test]
fn opening_creates_nothing_and_says_what_is_wrong() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("a/b");
    let missing = FsStore::open(&path).unwrap_err();
    assert!(matches!(missing, FsOpenError::Missing { .. }), "{missing}");
    FsStore::create(&path).unwrap();
    let store = FsStore::open(&path).unwrap();
    assert_eq!(store.to_string(), path.display().to_string());
    assert!(tree(&path).is_empty());
    fs::write(path.join("file"), "").unwrap();
    for wrong in [FsStore::open, FsStore::create] {
        let error = wrong(path.join("file")).unwrap_err();
        assert!(matches!(error, FsOpenError::NotDirectory { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_is_stored_can_be_read_by_all_and_written_by_no_other() {
    let (root, store) = new_store();
    store.put(&key("a/b"), vec![1]).await.unwrap();
    let mode = |path: &str| {
        let meta = fs::metadata(root.path().join(path)).unwrap();
        meta.permissions().mode() & 0o7777
    };
    // Less whatever umask the tests run under.
    assert_eq!(mode("a/b") & !0o644, 0, "{:o}", mode("a/b"));
    assert_ne!(mode("a/b") & 0o400, 0);
    assert_eq!(mode("a") & !0o755, 0, "{:o}", mode("a"));
    for run in fs::read_dir(root.path().join(".romt/tmp")).unwrap() {
        let run = run.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(run & 0o077, 0, "{run:o}");
    }
}

#[tokio::test]
async fn an_object_that_shrinks_while_it_is_read_is_an_error() {
    let (root, store) = new_store();
    store.put(&key("a"), vec![1; BIG]).await.unwrap();
    let object = store.get(&key("a")).await.unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(root.path().join("a"));
    file.unwrap().set_len(1_000_000).unwrap();
    let read = object.body.try_collect::<Vec<_>>().await;
    assert!(matches!(read, Err(StreamError::Store(_))));
}

#[tokio::test]
async fn what_is_no_key_is_not_listed() {
    let (root, store) = new_store();
    for name in ["with space", "aux", "é", "dot.", "fine"] {
        fs::write(root.path().join(name), "").unwrap();
    }
    fs::create_dir(root.path().join("no key")).unwrap();
    fs::write(root.path().join("no key/file"), "").unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let names: Vec<_> = listed.iter().map(|meta| meta.key.as_str()).collect();
    assert_eq!(names, ["fine"]);
}

/// A file system in memory with a megabyte, if we may mount one.
struct Mounted(TempDir);

impl Mounted {
    fn new() -> Option<Self> {
        let at = TempDir::new().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(at.path())
            .stderr(std::process::Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: mounting is not permitted here");
        None
    }

    /// It is busy while a process that is being started has a copy of a handle.
    fn remount(&self, how: &str) {
        for _ in 0..100 {
            let done = std::process::Command::new("mount")
                .args(["-o", &format!("remount,{how}")])
                .arg(self.0.path())
                .status();
            if done.unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it cannot be remounted {how}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0.path())
            .status();
    }
}

/// Puts as soon as there is room. A process that another test is starting has
/// copies of all handles for a moment, and with them the space of removed files.
async fn put_in_the_end(store: &FsStore, at: &str, size: usize) {
    for _ in 0..500 {
        if store.put(&key(at), vec![1; size]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there is room for {at} again");
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_full_disk_fails_the_put_and_nothing_else() {
    let Some(disk) = Mounted::new() else { return };
    for sync in [SyncPolicy::Batch, SyncPolicy::Always, SyncPolicy::Never] {
        let options = FsStoreOptions::default().with_sync(sync);
        let store = FsStore::open_with(disk.0.path(), options).unwrap();
        store.put(&key("old"), vec![1; 100_000]).await.unwrap();
        let pieces = pieces(5, 700_000);
        for body in [pieces, romt_core::ports::once(vec![7; 2_000_000])] {
            let error = store.put(&key("old"), body).await.unwrap_err();
            let StoreError::Backend { source, .. } = &error else {
                panic!("a full disk is a failure of the backend, not {error:?}");
            };
            assert!(source.to_string().contains("No space left"), "{source}");
            assert!(staged(disk.0.path()).is_empty());
        }
        let old = store.try_read(&key("old"), u64::MAX).await.unwrap();
        assert_eq!(old.unwrap().1, vec![1; 100_000]);
        put_in_the_end(&store, "b/new", 500_000).await;
        store.delete(&key("b/new")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_a_read_only_disk_can_be_read() {
    let Some(disk) = Mounted::new() else { return };
    let store = FsStore::open(disk.0.path()).unwrap();
    store.put(&key("a/b"), vec![1; 300_000]).await.unwrap();
    drop(store);
    disk.remount("ro");
    let store = FsStore::open(disk.0.path()).unwrap();
    let found = store.try_read(&key("a/b"), u64::MAX).await.unwrap();
    assert_eq!(found.unwrap().1.len(), 300_000);
    assert_eq!(store.list(None).count().await, 1);
    for error in [
        store.put(&key("a/c"), vec![1]).await.unwrap_err(),
        store.delete(&key("a/b")).await.unwrap_err(),
        store.lock("me").await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    }
    disk.remount("rw");
}

/// A disk that breaks when about 20 MiB have been written to it: a file system on a
/// device whose bytes lie in a file system that is too small for them. The system finds
/// out when it writes back what was taken long ago. It has a journal, as disks have:
/// Linux since 6.6 tells nobody of a lost inode table where ext4 has none.
struct Breaking {
    at: TempDir,
}

impl Breaking {
    fn new() -> Option<Self> {
        let disk = Self {
            at: TempDir::new().unwrap(),
        };
        let made = disk.run("mkdir -p small broken && mount -t tmpfs -o size=20m tmpfs small")
            && disk.run("truncate -s 96M small/image")
            && disk.run("mkfs.ext4 -q -F -N 4000 -J size=4 small/image")
            && disk.mount();
        if !made {
            eprintln!("skipped: a disk that breaks cannot be made here");
        }
        made.then_some(disk)
    }

    fn root(&self) -> PathBuf {
        self.at.path().join("broken")
    }

    fn mount(&self) -> bool {
        self.run("mount -o loop small/image broken")
    }

    /// Forgets what has not reached the disk. The journal needs room to be replayed.
    fn mount_anew(&self) {
        let unmounted = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            self.run("umount broken")
        });
        let wider = self.run("mount -o remount,size=200m small");
        assert!(
            unmounted && wider && self.mount(),
            "it can be mounted again"
        );
    }

    fn run(&self, commands: &str) -> bool {
        let ran = std::process::Command::new("sh")
            .args(["-c", commands])
            .current_dir(self.at.path())
            .stderr(std::process::Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    }
}

impl Drop for Breaking {
    fn drop(&mut self) {
        self.run("umount -l broken; umount -l small");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_what_a_breaking_disk_lost_was_never_called_stored() {
    let Some(disk) = Breaking::new() else { return };
    let mut store = FsStore::open(disk.root()).unwrap();
    // However few puts there are at once, they share their flushes.
    let inner = Arc::get_mut(&mut store.inner).unwrap();
    Arc::get_mut(&mut inner.queue).unwrap().many = 1;
    let content = |n: u32| Bytes::from(n.to_le_bytes().repeat(20_000));
    let at = |n: u32| key(&format!("{}/{n}", n % 7));
    store.put(&at(0), content(0)).await.unwrap();
    let run = store.inner.run.lock().unwrap().clone().unwrap();
    let rounds = run.rounds().expect("ext4 is flushed as a whole");
    let before = rounds.now();
    let mut stored = vec![0];
    let mut failed = 0;
    for batch in 0..8_u32 {
        let puts = (1..=60).map(|n| {
            let (n, store) = (batch * 60 + n, &store);
            async move { (n, store.put(&at(n), content(n)).await.is_ok()) }
        });
        for (n, done) in futures::future::join_all(puts).await {
            if done {
                stored.push(n);
            } else {
                failed += 1;
            }
        }
    }
    assert!(rounds.now() > before, "many puts at once share flushes");
    assert!(stored.len() > 60, "it did not break at once");
    assert!(failed > 0, "it broke");
    drop((run, store));
    disk.mount_anew();
    let store = FsStore::open(disk.root()).unwrap();
    for n in stored {
        let found = store.try_read(&at(n), u64::MAX).await.unwrap();
        assert!(found.is_some_and(|(_, bytes)| bytes == content(n)), "{n}");
    }
}
