//! Streams of bytes and how they end badly.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream, stream::BoxStream};

use super::{SourceError, StoreError, VerifyError};
use crate::ErrorClass;

/// Bytes on their way, piece by piece, ending in an error if they are not whole
/// or not right.
pub type ByteStream = BoxStream<'static, Result<Bytes, StreamError>>;

/// Why a stream of bytes ended early.
///
/// A [`Store`](super::Store) publishes an object only once its body has ended
/// well, so a stream that ends in one of these leaves nothing behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The source broke off.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bytes are not those that were promised.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The store that the bytes are read from failed.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// The body grew past the limit that its reader set.
    #[error("it is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The work was cancelled.
    #[error("it was cancelled")]
    Cancelled,
}

impl StreamError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Source(error) => error.class(),
            Self::Verify(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::TooLarge { .. } => ErrorClass::Refused,
            Self::Cancelled => ErrorClass::Partial,
        }
    }
}

impl From<StoreError> for StreamError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// Passes a body on while `check` takes it in; ends in an error if `check` does not
/// trust the whole.
pub fn checked(body: ByteStream, check: Box<dyn super::Check>) -> ByteStream {
    stream::unfold(Some((body, check)), |state| async move {
        let (mut body, mut check) = state?;
        match body.next().await {
            Some(Ok(bytes)) => match check.update(&bytes) {
                Ok(()) => Some((Ok(bytes), Some((body, check)))),
                Err(error) => Some((Err(error.into()), None)),
            },
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                let error = check.finish().err()?;
                Some((Err(error.into()), None))
            }
        }
    })
    .boxed()
}

/// A stream of one piece.
pub fn once(bytes: impl Into<Bytes>) -> ByteStream {
    let bytes = bytes.into();
    stream::once(async move { Ok(bytes) }).boxed()
}

/// Reads a stream to its end into memory, refusing more than `limit` bytes.
pub async fn collect_bounded(mut body: ByteStream, limit: u64) -> Result<Bytes, StreamError> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let mut length = first.len() as u64;
    if length > limit {
        return Err(StreamError::TooLarge { limit });
    }
    // Most bodies come in one piece, which need not be copied.
    let Some(second) = body.next().await.transpose()? else {
        return Ok(first);
    };
    let mut all = BytesMut::from(&first[..]);
    let mut next = Some(second);
    while let Some(piece) = next {
        length += piece.len() as u64;
        if length > limit {
            return Err(StreamError::TooLarge { limit });
        }
        all.extend_from_slice(&piece);
        next = body.next().await.transpose()?;
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn collecting_stops_at_the_limit() {
        let pieces = || stream::iter([Ok(Bytes::from("abc")), Ok(Bytes::from("def"))]).boxed();
        assert_eq!(collect_bounded(pieces(), 6).await.unwrap(), "abcdef");
        assert!(matches!(
            collect_bounded(pieces(), 5).await,
            Err(StreamError::TooLarge { limit: 5 })
        ));
        assert!(collect_bounded(once("abc"), 2).await.is_err());
        assert!(
            collect_bounded(stream::empty().boxed(), 0)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
