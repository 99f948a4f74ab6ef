//! Fetching what is small enough to be held.

use bytes::Bytes;

use super::RetryPolicy;
use crate::{
    EventSink, Location, Source,
    ports::{OpenOptions, Opened, SourceError, SourceErrorKind, StreamError, collect_bounded},
};

/// What is at `location`, at most `limit` bytes, patiently; `None` if nothing is.
///
/// The bytes are those of an object, never re-encoded on the way.
pub(crate) async fn fetch_small(
    source: &dyn Source,
    location: &Location,
    limit: u64,
    retry: &RetryPolicy,
    events: &dyn EventSink,
) -> Result<Option<Bytes>, SourceError> {
    let label = location.to_string();
    let attempt = || attempt(source, location, limit);
    match retry.run(&label, events, attempt).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == SourceErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn attempt(
    source: &dyn Source,
    location: &Location,
    limit: u64,
) -> Result<Bytes, SourceError> {
    let refused = |reason: String| SourceError::new(SourceErrorKind::Refused, location, reason);
    let Opened::Body(fetched) = source.open(location, OpenOptions::default()).await? else {
        return Err(refused("it answered a question that was not asked".into()));
    };
    match collect_bounded(fetched.body, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(StreamError::Source(error)) => Err(error),
        Err(error) => Err(refused(error.to_string())),
    }
}
