//! The lock file.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_t11_a_lock_file_that_is_a_link_is_not_written() {
    let (root, store) = new_store();
    let outside = TempDir::new().unwrap();
    let canary = outside.path().join("canary");
    fs::write(&canary, "alive").unwrap();
    fs::create_dir(root.path().join(".romt")).unwrap();
    symlink(&canary, root.path().join(".romt/lock")).unwrap();
    let locked = store.lock("me").await;
    assert!(is_refused(&locked), "{locked:?}");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn x01_the_second_writer_learns_of_the_first() {
    let (root, store) = new_store();
    let other = FsStore::open(root.path()).unwrap();
    let held = store.lock("romt sync on host a").await.unwrap();
    let error = other.lock("romt prune").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("romt sync on host a"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(held);
    other.lock("romt prune").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x04_a_lock_file_edited_or_removed_by_hand_locks_on() {
    let (root, store) = new_store();
    let other = FsStore::open(root.path()).unwrap();
    let path = root.path().join(".romt/lock");
    let held = store.lock("me").await.unwrap();
    fs::write(&path, "\x1b[31m".repeat(10_000)).unwrap();
    let StoreError::Busy { holder, .. } = other.lock("you").await.unwrap_err() else {
        panic!("an edited lock is still held");
    };
    assert!(holder.len() < 2_000 && holder.is_ascii(), "{holder}");
    assert!(!holder.contains('\x1b'), "{holder}");
    drop(held);
    assert!(path.exists(), "the file is never removed by us");
    fs::remove_file(&path).unwrap();
    other.lock("you").await.unwrap();
}

#[test]
fn x03_a_killed_holder_frees_the_lock() {
    // The lock belongs to the open file, so any process will do.
    let root = TempDir::new().unwrap();
    let path = root.path().join(".romt/lock");
    fs::create_dir(root.path().join(".romt")).unwrap();
    let child = std::process::Command::new("flock")
        .arg("--no-fork")
        .arg(&path)
        .args(["sleep", "60"])
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: there is no flock(1)");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = FsStore::open(root.path()).unwrap();
    let busy = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let locked = runtime.block_on(store.lock("me"));
        matches!(locked, Err(StoreError::Busy { .. }))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(busy, "another process holds the lock");
    let locked = runtime.block_on(store.lock("me"));
    assert!(locked.is_ok(), "and no longer does when it was killed");
}
