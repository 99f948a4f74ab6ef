//! What the checks are written with.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    Key, Store, StoreExt as _,
    ports::{ByteStream, ObjectMeta, StoreError, StreamError, collect_bounded},
};

/// More than any store here buffers, and no multiple of anything.
pub(super) const BIG: usize = 3 * 1024 * 1024 + 12_345;

pub(super) fn key(text: &str) -> Key {
    text.parse().expect("the checks use valid keys")
}

/// Bytes that differ everywhere and between seeds.
pub(super) fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// The bytes in pieces of this length.
pub(super) fn pieces(bytes: &Bytes, length: usize) -> Vec<Result<Bytes, StreamError>> {
    let mut rest = bytes.clone();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        pieces.push(Ok(rest.split_to(length.min(rest.len()))));
    }
    pieces
}

pub(super) fn streamed(bytes: &Bytes, length: usize) -> ByteStream {
    stream::iter(pieces(bytes, length)).boxed()
}

/// The bytes, and then a failure.
pub(super) fn failing(bytes: &Bytes, length: usize) -> ByteStream {
    let failure = stream::iter([Err(StreamError::Cancelled)]);
    streamed(bytes, length).chain(failure).boxed()
}

/// The bytes, and then silence.
pub(super) fn stalling(bytes: &Bytes, length: usize) -> ByteStream {
    streamed(bytes, length).chain(stream::pending()).boxed()
}

pub(super) async fn put(store: &dyn Store, at: &str, content: &Bytes) -> ObjectMeta {
    let put = store.put(&key(at), content.clone()).await;
    put.expect("an ordinary put succeeds")
}

pub(super) async fn read(store: &dyn Store, at: &str) -> Bytes {
    let object = store.get(&key(at)).await.expect("what was put can be read");
    let body = collect_bounded(object.body, u64::MAX).await;
    let body = body.expect("what was put can be read to its end");
    assert_eq!(
        body.len() as u64,
        object.meta.size,
        "an object has the size that its description says"
    );
    body
}

pub(super) async fn list(store: &dyn Store, prefix: Option<&str>) -> Vec<ObjectMeta> {
    let prefix = prefix.map(key);
    let listed = store.list(prefix.as_ref()).try_collect::<Vec<_>>().await;
    let mut listed = listed.expect("a listing succeeds");
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    listed
}

pub(super) async fn names(store: &dyn Store, prefix: Option<&str>) -> Vec<String> {
    let listed = list(store, prefix).await;
    listed.iter().map(|meta| meta.key.to_string()).collect()
}

/// There is no trace of an object.
pub(super) async fn assert_absent(store: &dyn Store, at: &str, invariant: &str) {
    let found = store.head(&key(at)).await;
    assert!(
        matches!(found, Err(StoreError::NotFound { .. })),
        "{invariant}, but head says {found:?}"
    );
    let found = store.get(&key(at)).await;
    assert!(
        matches!(found, Err(StoreError::NotFound { .. })),
        "{invariant}, but get says {found:?}"
    );
    let listed = names(store, None).await;
    assert!(
        !listed.iter().any(|name| name == at),
        "{invariant}, but it is listed"
    );
}
