//! Whether crates that are in the store are right.

use std::sync::Arc;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use crate::{
    ErrorClass, Key, MirrorLayout, Sha256Digest, Sha256Hasher, StoreExt as _,
    crates::{CrateName, Rows, VersionRow},
    ports::{Store, StoreError, StreamError},
};

/// What there is of a crate in the store.
#[derive(Debug)]
pub(super) enum Found {
    /// Its bytes.
    Right,
    /// Nothing.
    Missing,
    /// Other bytes.
    Wrong(Sha256Digest),
    /// Something that cannot be read.
    Unreadable(StoreError),
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Being there is enough; it is made to survive a loss of power.
    Exists,
    /// The bytes are read and judged.
    Reads,
    /// And what is right is made to survive a loss of power.
    Keeps,
}

impl Look {
    /// What a step that shows things must do, unless the user vouches for them.
    pub(super) fn before_showing(assume_ok: bool) -> Self {
        if assume_ok { Self::Exists } else { Self::Keeps }
    }
}

/// Looks at each of `rows`, several at once and on all cores, in their order.
pub(super) fn check_all<'a>(
    store: &'a Arc<dyn Store>,
    layout: MirrorLayout,
    rows: &'a Rows,
    look: Look,
) -> BoxStream<'a, (&'a CrateName, &'a VersionRow, Found)> {
    let cores = std::thread::available_parallelism().map_or(4, usize::from);
    stream::iter(rows.iter())
        .map(move |(name, row)| {
            let key = layout.crate_file(name, &row.version);
            let task = tokio::spawn(check(store.clone(), key, row.checksum, look));
            async move {
                let found = task.await.expect("looking at a crate does not panic");
                (name, row, found)
            }
        })
        .buffered(cores * 4)
        .boxed()
}

/// Looks at one crate.
pub(super) async fn check(
    store: Arc<dyn Store>,
    key: Key,
    checksum: Sha256Digest,
    look: Look,
) -> Found {
    match examine(&*store, &key, checksum, look).await {
        Ok(found) => found,
        Err(error) => Found::Unreadable(error),
    }
}

async fn examine(
    store: &dyn Store,
    key: &Key,
    checksum: Sha256Digest,
    look: Look,
) -> Result<Found, StoreError> {
    if look == Look::Exists {
        return match store.persist(key).await {
            Ok(()) => Ok(Found::Right),
            Err(StoreError::NotFound { .. }) => Ok(Found::Missing),
            Err(error) => Err(error),
        };
    }
    let mut body = match store.get(key).await {
        Ok(object) => object.body,
        Err(StoreError::NotFound { .. }) => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let mut hasher = Sha256Hasher::new();
    while let Some(bytes) = body.next().await {
        match bytes {
            Ok(bytes) => hasher.update(&bytes),
            Err(StreamError::Store(error)) => return Err(*error),
            Err(error) => {
                return Err(StoreError::Body {
                    key: key.clone(),
                    source: Box::new(error),
                });
            }
        }
    }
    let digest = hasher.finish();
    if digest != checksum {
        return Ok(Found::Wrong(digest));
    }
    if look == Look::Keeps {
        store.persist(key).await?;
    }
    Ok(Found::Right)
}

impl Found {
    /// What is wrong, for people, and its class.
    pub(super) fn fault(&self, key: &Key, checksum: &Sha256Digest) -> Option<(ErrorClass, String)> {
        let file = key.file_name();
        match self {
            Self::Right => None,
            Self::Missing => Some((ErrorClass::Partial, format!("missing file {key}"))),
            Self::Wrong(got) => Some((
                ErrorClass::Integrity,
                format!("Bad hash for {file} (got {got}, expected {checksum})"),
            )),
            Self::Unreadable(error) => Some((error.class(), crate::progress::chain(error))),
        }
    }
}
