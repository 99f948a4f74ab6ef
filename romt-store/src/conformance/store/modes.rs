//! The conditions of a put.

use std::sync::Arc;

use futures::future::join_all;
use romt_core::{
    Store, StoreExt as _,
    ports::{ObjectVersion, PutMode, StoreError},
};

use super::tools::{BIG, assert_absent, key, list, names, noise, put, read, streamed};

pub(super) async fn create_creates(store: Arc<dyn Store>) {
    let created = store
        .put_opts(
            &key("a/b"),
            noise(50, 1).into(),
            PutMode::CreateIfAbsent.into(),
        )
        .await
        .expect("what is not there can be created");
    assert_eq!(
        read(&*store, "a/b").await,
        noise(50, 1),
        "what was created is read"
    );
    assert_eq!(
        store.head(&key("a/b")).await.expect("it is there"),
        created,
        "creating describes an object as head does"
    );
}

pub(super) async fn create_refuses_what_exists(store: Arc<dyn Store>) {
    let before = put(&*store, "a", &noise(50, 1)).await;
    let refused = store
        .put_opts(
            &key("a"),
            noise(9, 2).into(),
            PutMode::CreateIfAbsent.into(),
        )
        .await;
    assert!(
        matches!(refused, Err(StoreError::AlreadyExists { .. })),
        "creating what exists is `AlreadyExists`, not {refused:?}"
    );
    assert_eq!(
        list(&*store, None).await,
        [before],
        "a refused creation changes nothing"
    );
    assert_eq!(read(&*store, "a").await, noise(50, 1), "not a byte");
}

pub(super) async fn create_of_a_stream_refuses_what_exists(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(50, 1)).await;
    let body = streamed(&noise(BIG, 2), 100_000);
    let refused = store
        .put_opts(&key("a"), body.into(), PutMode::CreateIfAbsent.into())
        .await;
    assert!(
        matches!(refused, Err(StoreError::AlreadyExists { .. })),
        "creating what exists is `AlreadyExists`, however long the body: {refused:?}"
    );
    assert_eq!(
        read(&*store, "a").await,
        noise(50, 1),
        "a refused creation changes nothing"
    );
}

pub(super) async fn create_works_again_after_a_delete(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(50, 1)).await;
    store.delete(&key("a")).await.expect("a delete succeeds");
    let created = store
        .put_opts(
            &key("a"),
            noise(9, 2).into(),
            PutMode::CreateIfAbsent.into(),
        )
        .await;
    assert!(
        created.is_ok(),
        "what was deleted can be created, but {created:?}"
    );
}

pub(super) async fn one_of_many_creators_wins(store: Arc<dyn Store>) {
    for round in 0..10 {
        let name = format!("round/{round}");
        let creators = (0..16).map(|n| {
            let (store, key) = (Arc::clone(&store), key(&name));
            tokio::spawn(async move {
                let body = noise(1000, n).into();
                let created = store.put_opts(&key, body, PutMode::CreateIfAbsent.into());
                (n, created.await)
            })
        });
        let mut winners = Vec::new();
        for creator in join_all(creators).await {
            match creator.expect("a put does not panic") {
                (n, Ok(_)) => winners.push(n),
                (_, Err(StoreError::AlreadyExists { .. })) => {}
                (_, Err(error)) => panic!("losers are told `AlreadyExists`, not {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "exactly one of many creators wins");
        assert_eq!(
            read(&*store, &name).await,
            noise(1000, winners[0]),
            "it is the winner's object that is there"
        );
    }
}

pub(super) async fn replace_replaces_what_was_seen(store: Arc<dyn Store>) {
    let mut seen = put(&*store, "a", &noise(50, 0)).await;
    for n in 1..10 {
        let mode = PutMode::ReplaceIfUnchanged(seen.version.clone());
        seen = store
            .put_opts(&key("a"), noise(50, n).into(), mode.into())
            .await
            .expect("the version that a put gave can be replaced");
        assert_eq!(
            read(&*store, "a").await,
            noise(50, n),
            "what replaced is read"
        );
    }
}

pub(super) async fn replace_refuses_what_was_changed(store: Arc<dyn Store>) {
    let stale = put(&*store, "a", &noise(50, 1)).await.version;
    let current = put(&*store, "a", &noise(50, 2)).await;
    for version in [stale, ObjectVersion::new("no such version")] {
        let refused = store
            .put_opts(
                &key("a"),
                noise(50, 3).into(),
                PutMode::ReplaceIfUnchanged(version).into(),
            )
            .await;
        assert!(
            matches!(refused, Err(StoreError::Precondition { .. })),
            "replacing what was changed is `Precondition`, not {refused:?}"
        );
    }
    assert_eq!(
        list(&*store, None).await,
        [current],
        "a refused replacement changes nothing"
    );
    assert_eq!(read(&*store, "a").await, noise(50, 2), "not a byte");
}

pub(super) async fn replace_refuses_what_is_gone(store: Arc<dyn Store>) {
    let seen = put(&*store, "a", &noise(50, 1)).await.version;
    store.delete(&key("a")).await.expect("a delete succeeds");
    let mode = PutMode::ReplaceIfUnchanged(seen);
    let refused = store
        .put_opts(&key("a"), noise(50, 2).into(), mode.into())
        .await;
    assert!(
        matches!(refused, Err(StoreError::Precondition { .. })),
        "replacing what is gone is `Precondition`, not {refused:?}"
    );
    assert_absent(&*store, "a", "a refused replacement creates nothing").await;
}

pub(super) async fn a_version_from_a_listing_can_be_replaced(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(50, 1)).await;
    let listed = list(&*store, None).await.remove(0);
    let mode = PutMode::ReplaceIfUnchanged(listed.version);
    let replaced = store
        .put_opts(&key("a"), noise(50, 2).into(), mode.into())
        .await;
    assert!(
        replaced.is_ok(),
        "a version is the same wherever it comes from, but {replaced:?}"
    );
}

pub(super) async fn one_of_many_replacers_wins(store: Arc<dyn Store>) {
    for _ in 0..10 {
        let seen = put(&*store, "a", &noise(1000, 99)).await.version;
        let replacers = (0..16).map(|n| {
            let (store, seen) = (Arc::clone(&store), seen.clone());
            tokio::spawn(async move {
                let mode = PutMode::ReplaceIfUnchanged(seen);
                let body = noise(1000, n).into();
                (n, store.put_opts(&key("a"), body, mode.into()).await)
            })
        });
        let mut winners = Vec::new();
        for replacer in join_all(replacers).await {
            match replacer.expect("a put does not panic") {
                (n, Ok(_)) => winners.push(n),
                (_, Err(StoreError::Precondition { .. })) => {}
                (_, Err(error)) => panic!("losers are told `Precondition`, not {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "exactly one of many replacers wins");
        assert_eq!(
            read(&*store, "a").await,
            noise(1000, winners[0]),
            "it is the winner's object that is there"
        );
    }
    assert_eq!(
        names(&*store, None).await,
        ["a"],
        "the losers leave nothing"
    );
}

pub(super) async fn no_increment_is_lost(store: Arc<dyn Store>) {
    store
        .put(&key("n"), b"0".as_slice())
        .await
        .expect("an ordinary put succeeds");
    let counters = (0..6).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..10 {
                increment(&*store).await;
            }
        })
    });
    for counter in join_all(counters).await {
        counter.expect("every increment succeeds in the end");
    }
    assert_eq!(
        read(&*store, "n").await,
        "60",
        "read, add one, replace if unchanged: no increment is lost"
    );
}

async fn increment(store: &dyn Store) {
    loop {
        let read = store.try_read(&key("n"), 100).await;
        let (seen, text) = read
            .expect("the counter can be read")
            .expect("the counter is there");
        let text = std::str::from_utf8(&text).expect("the counter is a number");
        let number: u32 = text.parse().expect("the counter is a number");
        let body = (number + 1).to_string().into_bytes();
        let mode = PutMode::ReplaceIfUnchanged(seen.version);
        match store.put_opts(&key("n"), body.into(), mode.into()).await {
            Ok(_) => return,
            Err(StoreError::Precondition { .. }) => {}
            Err(error) => panic!("a loser is told `Precondition`, not {error:?}"),
        }
    }
}
