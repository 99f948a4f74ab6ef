//! Which bytes of an object a reader gets.

use std::ops::Range;

use romt_core::{
    Key,
    ports::{ByteRange, StoreError},
};

/// The bytes that `range` means in an object of `size` bytes.
///
/// As in HTTP, a range whose first byte does not exist cannot be satisfied, so
/// no range of an empty object can; one that ends too late is clipped.
pub(crate) fn resolve(
    key: &Key,
    size: u64,
    range: Option<ByteRange>,
) -> Result<Range<u64>, StoreError> {
    let Some(range) = range else {
        return Ok(0..size);
    };
    if range.start >= size {
        return Err(StoreError::RangeNotSatisfiable {
            key: key.clone(),
            size,
        });
    }
    let end = range.end.unwrap_or(size).min(size);
    Ok(range.start..end.max(range.start))
}

/// `range`, for an object that is in memory and so has no more than `usize` bytes.
pub(crate) fn in_memory(range: &Range<u64>) -> Range<usize> {
    let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
    index(range.start)..index(range.end)
}
