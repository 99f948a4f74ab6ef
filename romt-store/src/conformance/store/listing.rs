//! Listing.

use std::sync::Arc;

use futures::StreamExt as _;
use romt_core::Store;

use super::tools::{key, list, names, noise, put};

pub(super) async fn an_empty_store_lists_nothing(store: Arc<dyn Store>) {
    assert!(
        names(&*store, None).await.is_empty(),
        "an empty store lists nothing"
    );
    assert!(
        names(&*store, Some("a/b")).await.is_empty(),
        "below any prefix"
    );
}

pub(super) async fn everything_is_listed_once(store: Arc<dyn Store>) {
    let mut expected = Vec::new();
    for n in 0..600_usize {
        // A flat directory that takes several steps to list, and many small ones.
        let name = if n < 400 {
            format!("flat/{n}")
        } else {
            format!("{}/{}/{n}", n % 10, n % 7)
        };
        expected.push(put(&*store, &name, &noise(n % 50, 1)).await);
    }
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(
        list(&*store, None).await,
        expected,
        "everything is listed once, as put described it"
    );
}

pub(super) async fn a_prefix_matches_whole_segments(store: Arc<dyn Store>) {
    let all = [
        "a/b/c", "a/b/d/e", "a/bc/d", "a/b.c", "ab/c", "b/a/b/c", "a-b/c",
    ];
    for name in all {
        put(&*store, name, &noise(5, 1)).await;
    }
    assert_eq!(
        names(&*store, Some("a/b")).await,
        ["a/b/c", "a/b/d/e"],
        "a prefix matches whole segments from the beginning"
    );
    assert_eq!(
        names(&*store, Some("a")).await,
        ["a/b.c", "a/b/c", "a/b/d/e", "a/bc/d"],
        "at any depth"
    );
    assert_eq!(names(&*store, Some("a/b/d")).await, ["a/b/d/e"]);
}

pub(super) async fn a_prefix_of_nothing_lists_nothing(store: Arc<dyn Store>) {
    put(&*store, "a/b/c", &noise(5, 1)).await;
    for prefix in ["x", "a/x", "a/b/x", "a/b/c/x"] {
        assert!(
            names(&*store, Some(prefix)).await.is_empty(),
            "a prefix of nothing lists nothing and is no error"
        );
    }
}

pub(super) async fn an_object_is_not_below_itself(store: Arc<dyn Store>) {
    put(&*store, "a/b", &noise(5, 1)).await;
    assert!(
        names(&*store, Some("a/b")).await.is_empty(),
        "a prefix lists what is below it, not what is at it"
    );
}

pub(super) async fn a_listing_outlives_deletions(store: Arc<dyn Store>) {
    for n in 0..50 {
        put(&*store, &format!("a/{n}"), &noise(5, 1)).await;
    }
    put(&*store, "b/stays", &noise(5, 1)).await;
    let mut listing = store.list(None);
    let mut seen = Vec::new();
    while let Some(listed) = listing.next().await {
        let listed = listed.expect("deletions do not make a listing fail");
        for n in 0..50 {
            let deleted = store.delete(&key(&format!("a/{n}"))).await;
            deleted.expect("a delete succeeds");
        }
        seen.push(listed.key.to_string());
    }
    assert!(
        seen.iter().any(|name| name == "b/stays"),
        "what is there all the time is listed"
    );
    assert_eq!(
        names(&*store, None).await,
        ["b/stays"],
        "the next listing knows of the deletions"
    );
}

pub(super) async fn only_objects_are_listed(store: Arc<dyn Store>) {
    let lock = store.lock("the suite").await.expect("the lock is free");
    put(&*store, "a", &noise(2_000_000, 1)).await;
    assert_eq!(
        names(&*store, None).await,
        ["a"],
        "what a store keeps for itself is not listed"
    );
    drop(lock);
    assert_eq!(names(&*store, None).await, ["a"], "nor afterwards");
    assert!(
        names(&*store, Some(".romt")).await.is_empty(),
        "nor when asked for"
    );
}
