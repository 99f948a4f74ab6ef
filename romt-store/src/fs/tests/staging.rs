//! Files on their way in.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_t11_staging_behind_a_link_is_not_used() {
    let (root, store) = new_store();
    let outside = TempDir::new().unwrap();
    fs::create_dir(outside.path().join("dead")).unwrap();
    fs::write(outside.path().join("dead/0"), "canary").unwrap();
    fs::create_dir(root.path().join(".romt")).unwrap();
    symlink(outside.path(), root.path().join(".romt/tmp")).unwrap();
    let before = tree(outside.path());
    let put = store.put(&key("a"), vec![1; 10]).await;
    assert!(is_refused(&put), "{put:?}");
    // Sweeping is no reason to fail, but it must not sweep there.
    drop(store.lock("me").await.unwrap());
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn the_stores_own_files_are_no_objects() {
    let (_root, store) = new_store();
    let _lock = store.lock("me").await.unwrap();
    for own in [".romt/lock", ".romt/tmp/x", ".ROMT/Lock", ".romt/tmp"] {
        let own = key(own);
        assert!(is_refused(&store.put(&own, vec![1]).await), "{own}");
        assert!(is_refused(&store.get(&own).await), "{own}");
        assert!(is_refused(&store.delete(&own).await), "{own}");
    }
    store.put(&key(".romt/journal"), vec![1]).await.unwrap();
}

fn failing() -> ByteStream {
    let pieces = pieces(5, 700_000);
    pieces
        .chain(stream::iter([Err(StreamError::Cancelled)]))
        .boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_is_empty_whatever_happens() {
    let (root, store) = new_store();
    store.put(&key("small"), vec![1; 10]).await.unwrap();
    let whole = pieces(5, 700_000);
    store.put(&key("big"), whole).await.unwrap();
    assert!(staged(root.path()).is_empty(), "after success");
    store.put(&key("a/b/c"), failing()).await.unwrap_err();
    assert!(staged(root.path()).is_empty(), "after a failure");
    assert!(!root.path().join("a").exists(), "nor is a directory left");
    for micros in (0..20_000).step_by(500) {
        let body = stream::repeat(Bytes::from(vec![7; 300_000]))
            .map(Ok)
            .boxed();
        let at = key("dropped");
        let put = store.put(&at, body);
        let limit = Duration::from_micros(micros);
        assert!(tokio::time::timeout(limit, put).await.is_err());
    }
    assert_nothing_staged(root.path()).await;
    assert!(!root.path().join("dropped").exists());
    drop(store);
    // A put that was dropped may hold on to the store until its step is done.
    for _ in 0..500 {
        if tree(&root.path().join(".romt/tmp")).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run goes with its store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_area_that_was_removed_is_made_again() {
    let (root, store) = new_store();
    for n in 0..3 {
        store.put(&key(&format!("a/{n}")), vec![1]).await.unwrap();
        fs::remove_dir_all(root.path().join(".romt")).unwrap();
    }
    fs::remove_dir_all(root.path().join("a")).unwrap();
    store.put(&key("a/x"), vec![1]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_sweeps_dead_runs_and_no_living_ones() {
    let (root, store) = new_store();
    let other = FsStore::open(root.path()).unwrap();
    let at = key("alive");
    let stalling = pieces(3, 700_000);
    let stalling = stalling.chain(stream::pending()).boxed();
    let mut put = Box::pin(other.put(&at, stalling));
    let begun = tokio::time::timeout(Duration::from_millis(300), &mut put).await;
    assert!(begun.is_err());
    assert_eq!(staged(root.path()).len(), 1);
    let dead = root.path().join(".romt/tmp/1-dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("0"), "half").unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    drop(store.lock("me").await.unwrap());
    assert!(!dead.exists(), "a dead run is swept");
    assert_eq!(staged(root.path()).len(), 1, "a living one is not");
    drop(put);
    assert_nothing_staged(root.path()).await;
}
