//! Reading parts.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use romt_core::{
    Store,
    ports::{ByteRange, StoreError, collect_bounded},
};

use super::tools::{BIG, key, noise, put};

async fn get(
    store: &dyn Store,
    start: u64,
    end: Option<u64>,
) -> Result<(u64, Range<u64>, Bytes), StoreError> {
    let range = ByteRange { start, end };
    let object = store.get_opts(&key("a"), range.into()).await?;
    let body = collect_bounded(object.body, u64::MAX).await;
    let body = body.expect("a part can be read to its end");
    Ok((object.meta.size, object.range, body))
}

/// What is read of `start..end` of 1,000 bytes is `expected`.
async fn assert_reads(store: &dyn Store, start: u64, end: Option<u64>, expected: Range<u16>) {
    let content = noise(1000, 1);
    put(store, "a", &content).await;
    let part = get(store, start, end).await;
    let (size, range, body) = part.expect("a range within the object is read");
    assert_eq!(size, 1000, "a part is described with the size of the whole");
    assert_eq!(
        range,
        u64::from(expected.start)..u64::from(expected.end),
        "an object says which of its bytes follow"
    );
    let expected = usize::from(expected.start)..usize::from(expected.end);
    assert_eq!(body, content.slice(expected), "and those follow");
}

/// Nothing of the `size` bytes can be read from `start`.
async fn assert_refuses(store: &dyn Store, size: usize, start: u64, end: Option<u64>) {
    put(store, "a", &noise(size, 1)).await;
    let refused = get(store, start, end).await;
    let right = matches!(
        &refused,
        Err(StoreError::RangeNotSatisfiable { key, size: told })
            if key.as_str() == "a" && *told == size as u64
    );
    assert!(
        right,
        "a range whose first byte does not exist is `RangeNotSatisfiable` with the size, \
         not {refused:?}"
    );
}

pub(super) async fn the_first_bytes(store: Arc<dyn Store>) {
    assert_reads(&*store, 0, Some(10), 0..10).await;
    assert_reads(&*store, 0, Some(1), 0..1).await;
}

pub(super) async fn the_last_byte(store: Arc<dyn Store>) {
    assert_reads(&*store, 999, Some(1000), 999..1000).await;
    assert_reads(&*store, 999, None, 999..1000).await;
}

pub(super) async fn from_the_middle_to_the_end(store: Arc<dyn Store>) {
    assert_reads(&*store, 400, None, 400..1000).await;
    assert_reads(&*store, 400, Some(600), 400..600).await;
    assert_reads(&*store, 0, None, 0..1000).await;
}

pub(super) async fn a_late_end_is_clipped(store: Arc<dyn Store>) {
    assert_reads(&*store, 400, Some(1001), 400..1000).await;
    assert_reads(&*store, 0, Some(u64::MAX), 0..1000).await;
}

pub(super) async fn a_range_of_no_bytes_is_empty(store: Arc<dyn Store>) {
    assert_reads(&*store, 400, Some(400), 400..400).await;
    assert_reads(&*store, 400, Some(0), 400..400).await;
}

pub(super) async fn a_start_at_the_end_is_refused(store: Arc<dyn Store>) {
    assert_refuses(&*store, 1000, 1000, None).await;
    assert_refuses(&*store, 1000, 1000, Some(1001)).await;
}

pub(super) async fn a_start_past_the_end_is_refused(store: Arc<dyn Store>) {
    assert_refuses(&*store, 1000, 1001, None).await;
    assert_refuses(&*store, 1000, u64::MAX, Some(u64::MAX)).await;
}

pub(super) async fn no_range_of_an_empty_object(store: Arc<dyn Store>) {
    assert_refuses(&*store, 0, 0, None).await;
    assert_refuses(&*store, 0, 0, Some(1)).await;
}

pub(super) async fn a_range_of_a_big_object(store: Arc<dyn Store>) {
    let content = noise(BIG, 1);
    put(&*store, "a", &content).await;
    let (start, end) = (123_457, BIG - 7);
    let part = get(&*store, start as u64, Some(end as u64)).await;
    let (_, _, body) = part.expect("a range within the object is read");
    assert!(
        body == content.slice(start..end),
        "a long part of a big object is read right"
    );
}

pub(super) async fn a_range_of_nothing_is_not_found(store: Arc<dyn Store>) {
    let refused = get(&*store, 0, Some(1)).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound { .. })),
        "a part of what is not there is `NotFound`, not {refused:?}"
    );
}
