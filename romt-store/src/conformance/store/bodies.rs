//! Bodies on their way, and how they end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, poll, stream};
use romt_core::{
    Store, StoreExt as _,
    ports::{Body, PutOptions, StoreError, StreamError},
};
use tokio::time::sleep;

use super::tools::{
    BIG, assert_absent, failing, key, names, noise, pieces, put, read, stalling, streamed,
};

/// Long enough for a store to do what it should not.
const A_WHILE: Duration = Duration::from_millis(100);

pub(super) async fn a_stream_is_stored_in_order(store: Arc<dyn Store>) {
    let content = noise(10_000, 1);
    let meta = store.put(&key("a"), streamed(&content, 7)).await;
    let meta = meta.expect("a stream can be stored");
    assert_eq!(meta.size, 10_000, "the size is that of all pieces");
    assert_eq!(
        read(&*store, "a").await,
        content,
        "the pieces of a stream are stored in order"
    );
}

pub(super) async fn a_big_stream_in_odd_pieces(store: Arc<dyn Store>) {
    let content = noise(BIG, 1);
    for length in [1009, 65_536, 300_007, 2_000_003] {
        let put = store.put(&key("a"), streamed(&content, length)).await;
        put.expect("a big stream can be stored");
        assert!(
            read(&*store, "a").await == content,
            "pieces of {length} bytes are stored in order"
        );
    }
}

pub(super) async fn a_stream_of_nothing_is_an_empty_object(store: Arc<dyn Store>) {
    let meta = store.put(&key("a"), stream::empty().boxed()).await;
    let meta = meta.expect("a stream of nothing can be stored");
    assert_eq!(meta.size, 0, "it is an empty object");
    assert!(read(&*store, "a").await.is_empty(), "and read as one");
}

pub(super) async fn empty_pieces_do_not_end_a_body(store: Arc<dyn Store>) {
    let content = noise(2_000_000, 1);
    let mut all = vec![Ok(Bytes::new())];
    for piece in pieces(&content, 500_000) {
        all.extend([Ok(Bytes::new()), piece, Ok(Bytes::new())]);
    }
    let put = store.put(&key("a"), stream::iter(all).boxed()).await;
    put.expect("empty pieces are allowed");
    assert!(
        read(&*store, "a").await == content,
        "an empty piece does not end a body"
    );
}

pub(super) async fn a_short_body_that_fails_leaves_nothing(store: Arc<dyn Store>) {
    let put = store.put(&key("a/b"), failing(&noise(100, 1), 10)).await;
    assert!(put.is_err(), "a put fails if its body does");
    assert_absent(&*store, "a/b", "a body that fails leaves nothing").await;
    assert!(names(&*store, None).await.is_empty(), "anywhere");
}

pub(super) async fn a_long_body_that_fails_leaves_nothing(store: Arc<dyn Store>) {
    let put = store
        .put(&key("a/b"), failing(&noise(BIG, 1), 99_999))
        .await;
    assert!(put.is_err(), "a put fails if its body does");
    assert_absent(&*store, "a/b", "a body that fails leaves nothing").await;
    assert!(names(&*store, None).await.is_empty(), "anywhere");
}

pub(super) async fn a_body_that_fails_leaves_the_old_object(store: Arc<dyn Store>) {
    let old = put(&*store, "a", &noise(500, 1)).await;
    for length in [0, 100, BIG] {
        let put = store
            .put(&key("a"), failing(&noise(length, 2), 99_999))
            .await;
        assert!(put.is_err(), "a put fails if its body does");
        assert_eq!(
            read(&*store, "a").await,
            noise(500, 1),
            "a body that fails leaves the old object"
        );
        let now = store.head(&key("a")).await.expect("it is there");
        assert_eq!(now, old, "with its version");
    }
}

pub(super) async fn the_failure_of_a_body_is_passed_on(store: Arc<dyn Store>) {
    for length in [0, 100, BIG] {
        let body = failing(&noise(length, 1), 99_999);
        let put = store.put(&key("a"), body).await;
        let right = matches!(
            &put,
            Err(StoreError::Body { key, source })
                if key.as_str() == "a" && matches!(**source, StreamError::Cancelled)
        );
        assert!(
            right,
            "a failed body is `Body` with its own error as the source, not {put:?}"
        );
    }
}

pub(super) async fn an_unfinished_body_is_not_seen(store: Arc<dyn Store>) {
    for length in [100, BIG] {
        let body: Body = stalling(&noise(length, 1), 99_999).into();
        let at = key("a/b");
        let put = store.put_opts(&at, body, PutOptions::default());
        let looked = async {
            sleep(A_WHILE).await;
            assert_absent(&*store, "a/b", "a body that has not ended is not seen").await;
            assert!(names(&*store, None).await.is_empty(), "anywhere");
        };
        tokio::select! {
            biased;
            put = put => panic!("a put does not end before its body: {put:?}"),
            () = looked => {}
        }
    }
}

pub(super) async fn a_dropped_put_leaves_nothing(store: Arc<dyn Store>) {
    for length in [0, 100, BIG] {
        let body: Body = stalling(&noise(length, 1), 99_999).into();
        drop_after(&*store, body, A_WHILE).await;
        assert_absent(&*store, "a", "a dropped put leaves nothing").await;
        assert!(names(&*store, None).await.is_empty(), "anywhere");
    }
}

pub(super) async fn a_dropped_put_leaves_the_old_object(store: Arc<dyn Store>) {
    let old = put(&*store, "a", &noise(500, 1)).await;
    for length in [0, 100, BIG] {
        let body: Body = stalling(&noise(length, 2), 99_999).into();
        drop_after(&*store, body, A_WHILE).await;
        assert_eq!(
            read(&*store, "a").await,
            noise(500, 1),
            "a dropped put leaves the old object"
        );
        let now = store.head(&key("a")).await.expect("it is there");
        assert_eq!(now, old, "with its version");
    }
}

async fn drop_after(store: &dyn Store, body: Body, time: Duration) {
    let at = key("a");
    let put = store.put_opts(&at, body, PutOptions::default());
    let ended = tokio::time::timeout(time, put).await;
    assert!(ended.is_err(), "a put does not end before its body");
}

/// The body ends, so whether the object appears depends on how far the put was.
pub(super) async fn a_put_dropped_at_any_time_is_whole_or_nothing(store: Arc<dyn Store>) {
    let content = noise(1_500_000, 1);
    for polls in 0..12 {
        let at = key(&format!("a/{polls}"));
        let body: Body = streamed(&content, 400_000).into();
        let mut put = Box::pin(store.put_opts(&at, body, PutOptions::default()));
        for _ in 0..polls {
            if poll!(&mut put).is_ready() {
                break;
            }
            sleep(Duration::from_micros(300)).await;
        }
    }
    sleep(A_WHILE).await;
    for name in names(&*store, None).await {
        assert!(
            read(&*store, &name).await == content,
            "a put that was dropped left a whole object or none"
        );
    }
}
