//! Readers and writers at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
use romt_core::{
    Store, StoreExt as _,
    ports::{Object, collect_bounded},
};

use super::tools::{BIG, key, names, noise, put, read, streamed};

pub(super) async fn a_reader_sees_one_writing(store: Arc<dyn Store>) {
    // Lengths on both sides of what is read in one piece.
    let writings: Arc<Vec<_>> = Arc::new((1..6).map(|n| noise(n * 150_000, n as u64)).collect());
    put(&*store, "a", &writings[0]).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, writings) = (Arc::clone(&store), Arc::clone(&writings));
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let content = read(&*store, "a").await;
                    assert!(
                        writings.contains(&content),
                        "a reader sees one writing, whole, never a mixture"
                    );
                }
            })
        })
        .collect();
    for n in 0..40 {
        let content = &writings[n % writings.len()];
        let put = store.put(&key("a"), streamed(content, 70_001)).await;
        put.expect("readers do not hinder a writer");
    }
    done.store(true, Ordering::Relaxed);
    for reader in join_all(readers).await {
        reader.expect("a reader sees one writing, whole, never a mixture");
    }
}

/// Reads the first piece of a big object, and gives the rest to be read.
async fn half_read(store: &dyn Store) -> (Vec<u8>, Object) {
    put(store, "a", &noise(BIG, 1)).await;
    let mut object = store.get(&key("a")).await.expect("it is there");
    let first = object.body.next().await.expect("a big object has a piece");
    (first.expect("a piece can be read").to_vec(), object)
}

async fn assert_old_bytes(begun: (Vec<u8>, Object)) {
    let (mut content, object) = begun;
    // An error is allowed, a mixture is not.
    let rest: Result<Vec<_>, _> = object.body.try_collect().await;
    if let Ok(rest) = rest {
        content.extend(rest.concat());
        assert!(
            noise(BIG, 1) == content,
            "reading goes on with the old bytes or fails"
        );
    }
}

pub(super) async fn a_reader_of_a_replaced_object_gets_the_old_bytes(store: Arc<dyn Store>) {
    for length in [BIG, 10] {
        let begun = half_read(&*store).await;
        put(&*store, "a", &noise(length, 2)).await;
        assert_old_bytes(begun).await;
        assert!(
            read(&*store, "a").await == noise(length, 2),
            "the next reader gets the new bytes"
        );
    }
}

pub(super) async fn a_reader_of_a_deleted_object_gets_the_old_bytes(store: Arc<dyn Store>) {
    let begun = half_read(&*store).await;
    store
        .delete(&key("a"))
        .await
        .expect("what is being read can be deleted");
    assert!(names(&*store, None).await.is_empty(), "and is gone");
    assert_old_bytes(begun).await;
}

/// What the `n`th writer writes: some in one go, some in several.
fn writing(n: u8) -> Bytes {
    noise(200_000 + 40_000 * usize::from(n % 3), n.into())
}

pub(super) async fn two_writers_end_with_one_of_the_two(store: Arc<dyn Store>) {
    for round in 0..10 {
        let name = format!("round/{round}");
        let writers = (0..8).map(|n| {
            let (store, key) = (Arc::clone(&store), key(&name));
            let content = writing(n);
            tokio::spawn(async move { store.put(&key, streamed(&content, 50_001)).await })
        });
        let mut versions = Vec::new();
        for writer in join_all(writers).await {
            let put = writer.expect("a put does not panic");
            versions.push(put.expect("writers of one key do not hinder each other"));
        }
        let content = read(&*store, &name).await;
        let winner = (0..8).find(|n| content == writing(*n));
        let winner = winner.expect("writers of one key end with the object of one of them");
        let meta = store.head(&key(&name)).await.expect("it is there");
        assert_eq!(
            versions[usize::from(winner)],
            meta,
            "whose put described it"
        );
    }
    assert_eq!(names(&*store, None).await.len(), 10, "and nothing else");
}

pub(super) async fn readers_do_not_disturb_each_other(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(BIG, 1)).await;
    let mut first = store.get(&key("a")).await.expect("it is there").body;
    let second = store.get(&key("a")).await.expect("it is there").body;
    let begun = first.next().await.expect("a big object has a piece");
    let mut content = begun.expect("a piece can be read").to_vec();
    let other = collect_bounded(second, u64::MAX).await;
    assert!(
        other.expect("it can be read to its end") == noise(BIG, 1),
        "a reader reads all, whoever else is reading"
    );
    let rest: Vec<_> = first.try_collect().await.expect("it can be read on");
    content.extend(rest.concat());
    assert!(
        noise(BIG, 1) == content,
        "a slow reader loses nothing to a fast one"
    );
}
