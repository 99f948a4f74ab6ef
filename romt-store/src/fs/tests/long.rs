//! Bodies that are longer than what is done at once.

use romt_core::{Sha256Hasher, ports::collect_bounded};

use super::*;

/// Pieces of odd lengths that are all different, up to `length` bytes at least.
fn different(length: usize) -> Vec<Bytes> {
    let mut made = 0;
    let mut pieces = Vec::new();
    while made < length {
        let number = pieces.len();
        let piece = Bytes::from(vec![number.to_le_bytes()[0]; 100_003 + number]);
        made += piece.len();
        pieces.push(piece);
    }
    pieces
}

#[tokio::test]
async fn a_body_that_is_flushed_on_its_way_arrives_whole() {
    let (root, store) = new_store();
    let pieces = different(super::super::write::EARLY * 2 + 12_345);
    let mut hasher = Sha256Hasher::new();
    for piece in &pieces {
        hasher.update(piece);
    }
    let body: ByteStream = stream::iter(pieces.into_iter().map(Ok)).boxed();
    let meta = store.put(&key("long"), body).await.unwrap();
    assert_eq!(meta.size, hasher.length());
    let mut read = Sha256Hasher::new();
    let mut object = store.get(&key("long")).await.unwrap();
    while let Some(piece) = object.body.next().await {
        read.update(&piece.unwrap());
    }
    assert_eq!(read.finish(), hasher.finish());
    assert_nothing_staged(root.path()).await;
}

#[tokio::test]
async fn a_long_body_that_breaks_off_leaves_nothing() {
    let (root, store) = new_store();
    let whole = different(super::super::write::EARLY * 2)
        .into_iter()
        .map(Ok);
    let broken = whole.chain([Err(StreamError::Cancelled)]);
    let body: ByteStream = stream::iter(broken).boxed();
    let error = store.put(&key("long"), body).await.unwrap_err();
    assert!(matches!(error, StoreError::Body { .. }), "{error}");
    assert!(store.try_head(&key("long")).await.unwrap().is_none());
    assert_nothing_staged(root.path()).await;
}

#[tokio::test]
async fn what_is_read_ahead_is_of_the_object_that_was_opened() {
    let (_root, store) = new_store();
    store.put(&key("a"), vec![1; BIG]).await.unwrap();
    let mut body = store.get(&key("a")).await.unwrap().body;
    let first = body.next().await.unwrap().unwrap();
    store.put(&key("a"), vec![2; BIG + 1]).await.unwrap();
    let rest = collect_bounded(body, BIG as u64).await.unwrap();
    assert_eq!(first.len() + rest.len(), BIG);
    assert!(first.iter().chain(&rest).all(|byte| *byte == 1));
}
