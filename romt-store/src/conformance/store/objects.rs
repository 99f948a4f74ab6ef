//! Putting, reading, describing and deleting.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use futures::future::join_all;
use romt_core::{Store, StoreExt as _, ports::StoreError};

use super::tools::{assert_absent, key, list, names, noise, put, read};

pub(super) async fn what_was_put_is_read(store: Arc<dyn Store>) {
    let content = noise(1000, 1);
    put(&*store, "a/b/c", &content).await;
    assert_eq!(
        read(&*store, "a/b/c").await,
        content,
        "what was put is read"
    );
}

pub(super) async fn all_descriptions_agree(store: Arc<dyn Store>) {
    let put = put(&*store, "a/b", &noise(77, 1)).await;
    let head = store.head(&key("a/b")).await.expect("it is there");
    let got = store.get(&key("a/b")).await.expect("it is there").meta;
    let listed = list(&*store, None).await;
    assert_eq!(put.key, key("a/b"), "a description names the object");
    assert_eq!(put.size, 77, "a description has the size");
    assert_eq!(put, head, "put and head describe an object alike");
    assert_eq!(put, got, "put and get describe an object alike");
    assert_eq!(listed, [put], "put and list describe an object alike");
}

pub(super) async fn what_is_there_can_be_made_durable(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(77, 1)).await;
    let persisted = store.persist(&key("a/b")).await;
    assert!(persisted.is_ok(), "what is there can be made durable");
    let absent = store.persist(&key("a/c")).await;
    assert!(
        matches!(absent, Err(StoreError::NotFound { .. })),
        "what is not there cannot be made durable"
    );
    assert_eq!(
        read(&*store, "a/b").await,
        noise(77, 1),
        "that changes nothing"
    );
}

pub(super) async fn nothing_is_read_where_nothing_is(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(1, 1)).await;
    for absent in ["b", "a/c", "a/b/c", "c/d/e"] {
        let got = store.get(&key(absent)).await;
        assert!(
            matches!(&got, Err(StoreError::NotFound { key }) if key.as_str() == absent),
            "reading what is not there is `NotFound` with its key, not {got:?}"
        );
    }
}

pub(super) async fn nothing_is_described_where_nothing_is(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(1, 1)).await;
    for absent in ["b", "a/c", "a/b/c", "c/d/e"] {
        let head = store.head(&key(absent)).await;
        assert!(
            matches!(&head, Err(StoreError::NotFound { key }) if key.as_str() == absent),
            "describing what is not there is `NotFound` with its key, not {head:?}"
        );
    }
}

pub(super) async fn an_empty_object_is_an_object(store: Arc<dyn Store>) {
    let meta = put(&*store, "empty", &Bytes::new()).await;
    assert_eq!(meta.size, 0, "an empty object has no bytes");
    assert!(
        read(&*store, "empty").await.is_empty(),
        "an empty object is read as empty"
    );
    assert_eq!(
        names(&*store, None).await,
        ["empty"],
        "an empty object is listed"
    );
}

pub(super) async fn a_put_replaces(store: Arc<dyn Store>) {
    for (length, seed) in [(100, 1), (10, 2), (500_000, 3), (0, 4), (20, 5)] {
        let content = noise(length, seed);
        put(&*store, "a", &content).await;
        assert_eq!(
            read(&*store, "a").await,
            content,
            "the last put is read, whatever its length and that of the one before"
        );
    }
    assert_eq!(
        list(&*store, None).await.len(),
        1,
        "a replaced object is listed once"
    );
}

pub(super) async fn a_rewrite_of_the_same_bytes_is_another_version(store: Arc<dyn Store>) {
    let content = noise(50, 1);
    let first = put(&*store, "a", &content).await;
    let second = put(&*store, "a", &content).await;
    assert_ne!(
        first.version, second.version,
        "a version changes when the object is written anew, even with the same bytes"
    );
}

pub(super) async fn versions_never_come_back(store: Arc<dyn Store>) {
    let mut seen = HashSet::new();
    for seed in 0..100 {
        let meta = put(&*store, "a", &noise(50, seed)).await;
        assert!(
            seen.insert(meta.version),
            "a version is not used twice, however quickly one writing follows the other"
        );
    }
}

pub(super) async fn a_version_stays_while_nothing_is_written(store: Arc<dyn Store>) {
    let meta = put(&*store, "a/b", &noise(50, 1)).await;
    put(&*store, "a/c", &noise(50, 2)).await;
    read(&*store, "a/b").await;
    store.delete(&key("a/c")).await.expect("a delete succeeds");
    assert_eq!(
        store.head(&key("a/b")).await.expect("it is there"),
        meta,
        "reading an object and writing others does not change its version"
    );
}

pub(super) async fn a_deleted_object_is_gone(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(50, 1)).await;
    store.delete(&key("a/b")).await.expect("a delete succeeds");
    assert_absent(&*store, "a/b", "a deleted object is gone").await;
}

pub(super) async fn deleting_nothing_is_no_error(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(50, 1)).await;
    for absent in ["b", "a/c", "c/d/e", "a/b/c"] {
        let deleted = store.delete(&key(absent)).await;
        assert!(
            deleted.is_ok(),
            "deleting what is not there is no error, but {deleted:?}"
        );
    }
    assert_eq!(
        names(&*store, None).await,
        ["a/b"],
        "deleting nothing deletes nothing"
    );
}

pub(super) async fn deleting_leaves_the_neighbours(store: Arc<dyn Store>) {
    for name in ["a/b", "a/bb", "a/c/d", "ab"] {
        put(&*store, name, &noise(5, 1)).await;
    }
    store.delete(&key("a/b")).await.expect("a delete succeeds");
    assert_eq!(
        names(&*store, None).await,
        ["a/bb", "a/c/d", "ab"],
        "deleting an object leaves all others"
    );
}

pub(super) async fn a_key_can_be_used_again(store: Arc<dyn Store>) {
    let first = put(&*store, "a", &noise(50, 1)).await;
    store.delete(&key("a")).await.expect("a delete succeeds");
    let second = put(&*store, "a", &noise(50, 2)).await;
    assert_eq!(
        read(&*store, "a").await,
        noise(50, 2),
        "a key can be used again"
    );
    assert_ne!(
        first.version, second.version,
        "an object that was deleted and stored again is another version"
    );
}

pub(super) async fn unusual_keys_are_told_apart(store: Arc<dyn Store>) {
    let unusual = [
        "a+b",
        "a=b",
        "=aux",
        "a.b",
        ".hidden",
        "..a",
        "...a",
        "a..b",
        "-a",
        "--a",
        "_",
        "+",
        "=",
        "1",
        "a-0.1.0+build.5.crate",
        ".romt/state",
        ".romt/tmpx",
        "tmp/lock",
    ];
    let mut expected = Vec::new();
    for name in unusual {
        put(&*store, name, &Bytes::copy_from_slice(name.as_bytes())).await;
        expected.push(name.to_owned());
    }
    for name in &expected {
        assert_eq!(
            read(&*store, name).await,
            name.as_bytes(),
            "every valid key is a place of its own"
        );
    }
    expected.sort();
    assert_eq!(
        names(&*store, None).await,
        expected,
        "every valid key is listed as it is"
    );
}

pub(super) async fn long_and_deep_keys_are_stored(store: Arc<dyn Store>) {
    let long = "x".repeat(200);
    let wide = format!("{long}/{long}/{long}/{long}/{}", "y".repeat(150));
    let deep = ["d"; 100].join("/");
    for name in [&wide, &deep] {
        put(&*store, name, &noise(10, 1)).await;
        assert_eq!(
            read(&*store, name).await,
            noise(10, 1),
            "long names and many levels are no hindrance"
        );
    }
    assert_eq!(names(&*store, None).await, [deep, wide], "they are listed");
    let unheard_of = "z".repeat(1000);
    let found = store.head(&key(&unheard_of)).await;
    assert!(
        matches!(found, Err(StoreError::NotFound { .. })),
        "a key that is too long to be stored is not there, which is no failure: {found:?}"
    );
}

pub(super) async fn the_store_names_itself_on_one_line(store: Arc<dyn Store>) {
    let name = store.to_string();
    assert!(
        !name.is_empty() && !name.contains('\n'),
        "a store has a name for messages, not {name:?}"
    );
}

pub(super) async fn a_local_path_leads_to_the_bytes(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(100, 1)).await;
    if let Some(path) = store.local_path(&key("a/b")) {
        let found = std::fs::read(path).expect("a local path can be read");
        assert_eq!(found, noise(100, 1), "a local path leads to the bytes");
    }
    if let Some(path) = store.local_path(&key("a/c")) {
        assert!(!path.exists(), "where nothing is stored, nothing is");
    }
}

pub(super) async fn many_small_objects_at_once(store: Arc<dyn Store>) {
    let puts = (0..500).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let name = key(&format!("crates/{}/{n}", n % 23));
            store.put(&name, noise(200, n)).await
        })
    });
    for put in join_all(puts).await {
        let put = put.expect("a put does not panic");
        put.expect("puts at the same time do not hinder each other");
    }
    assert_eq!(
        list(&*store, None).await.len(),
        500,
        "all of them are there"
    );
    for n in 0..500 {
        assert_eq!(
            read(&*store, &format!("crates/{}/{n}", n % 23)).await,
            noise(200, n),
            "puts at the same time do not mix their bytes"
        );
    }
}
