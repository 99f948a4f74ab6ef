//! The port behind which bytes live.

use std::{any::Any, fmt, ops::Range, path::PathBuf, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{ByteStream, StreamError, collect_bounded, once};
use crate::{ErrorClass, Key};

/// What a store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// The name of the object.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
    /// Changes whenever the object is written anew.
    pub version: ObjectVersion,
    /// When it was written, if the store knows. For people: a clock may be wrong, and
    /// whoever copies a tree may set any time.
    pub modified: Option<SystemTime>,
}

impl ObjectMeta {
    /// Describes the object at `key`.
    pub fn new(key: Key, size: u64, version: ObjectVersion) -> Self {
        Self {
            key,
            size,
            version,
            modified: None,
        }
    }

    /// Sets when it was written.
    #[must_use]
    pub fn with_modified(mut self, modified: Option<SystemTime>) -> Self {
        self.modified = modified;
        self
    }
}

/// Tells one writing of an object from the next. Opaque, and not a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectVersion(Arc<str>);

impl ObjectVersion {
    /// A version from the store's own token.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The store's token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// On what condition to store an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PutMode {
    /// Whatever is there is replaced.
    #[default]
    Overwrite,
    /// Only if nothing is there, else [`StoreError::AlreadyExists`].
    CreateIfAbsent,
    /// Only if what is there is of this version, else
    /// [`StoreError::Precondition`].
    ReplaceIfUnchanged(ObjectVersion),
}

/// How to store an object.
///
/// # Defaults
///
/// Overwrites.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PutOptions {
    /// On what condition.
    pub mode: PutMode,
}

impl From<PutMode> for PutOptions {
    fn from(mode: PutMode) -> Self {
        Self { mode }
    }
}

/// A run of bytes within an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte; `None`, or past the end, means the end.
    pub end: Option<u64>,
}

/// How to read an object.
///
/// # Defaults
///
/// The whole object.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GetOptions {
    /// Which bytes.
    pub range: Option<ByteRange>,
}

impl From<ByteRange> for GetOptions {
    fn from(range: ByteRange) -> Self {
        Self { range: Some(range) }
    }
}

/// The content of an object to store.
pub enum Body {
    /// At hand.
    Bytes(Bytes),
    /// On its way.
    Stream(ByteStream),
}

impl Body {
    /// The content as a stream.
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Bytes(bytes) => once(bytes),
            Self::Stream(stream) => stream,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<ByteStream> for Body {
    fn from(stream: ByteStream) -> Self {
        Self::Stream(stream)
    }
}

/// An object being read.
pub struct Object {
    /// What the store says of it, the whole of it.
    pub meta: ObjectMeta,
    /// Which of its bytes follow.
    pub range: Range<u64>,
    /// The bytes.
    pub body: ByteStream,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// The right to write, given back when dropped.
pub struct StoreLock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl StoreLock {
    /// A lock that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLock")
    }
}

/// Where bytes live.
///
/// `Display` names the place for messages. [`StoreExt`] has the short forms.
///
/// # Contract
///
/// - **Atomic.** A reader sees a whole object or none. [`put`](Self::put_opts)
///   makes nothing visible unless its body ended well, and a put that fails or
///   whose future is dropped leaves nothing behind, neither under the key nor
///   beside it.
/// - **Durable.** When a put, copy or delete has returned, it survives a loss of
///   power.
/// - **Isolated.** Reading an object that is replaced or deleted meanwhile gives
///   the old bytes or an error, never a mixture.
/// - **Confined.** No key reaches outside the store, whatever links somebody has
///   put into it. What sits at a key but is no regular object is refused, never
///   followed and never removed.
/// - Objects are shared between processes; two puts of one key end with one of
///   the two.
///
/// The suite `romt_store::conformance` checks all of this.
#[async_trait]
pub trait Store: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Stores `body` at `key`.
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError>;

    /// Reads the object at `key`, or [`StoreError::NotFound`].
    ///
    /// A range whose first byte does not exist is
    /// [`StoreError::RangeNotSatisfiable`], as in HTTP: every range of an empty
    /// object is.
    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError>;

    /// Describes the object at `key`, or [`StoreError::NotFound`].
    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError>;

    /// Removes the object at `key`. That there is none is not an error.
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// Copies the object at `from` to `to`, on the condition in `options`.
    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError>;

    /// Makes what is at `key` durable, whoever wrote it, or
    /// [`StoreError::NotFound`]. What this store has put is durable already.
    async fn persist(&self, key: &Key) -> Result<(), StoreError>;

    /// Removes what `key` leaves behind once it is deleted: directories above it
    /// that hold nothing, up to `top` and without it, or up to the root. A store
    /// that has no directories has nothing to do.
    async fn tidy(&self, key: &Key, top: Option<&Key>) -> Result<(), StoreError> {
        let _ = (key, top);
        Ok(())
    }

    /// How many bytes there is room for, if the store has a limit and knows it.
    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// Everything below `prefix`, matched by whole segments, in no particular
    /// order. Objects that come or go meanwhile may or may not be listed.
    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>>;

    /// Where the object at `key` lies on this machine's disk, for reading it
    /// without a copy, if it does. Whether it is there is not said.
    fn local_path(&self, key: &Key) -> Option<PathBuf>;

    /// Takes the right to write, which one holder has at a time.
    ///
    /// `holder` says who asks, for the message that others get:
    /// [`StoreError::Busy`], at once. The lock is free when the returned value
    /// is dropped, and when its holder dies.
    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError>;
}

/// Short forms for every [`Store`].
pub trait StoreExt: Store {
    /// Stores `body` at `key`, replacing what is there.
    fn put(
        &self,
        key: &Key,
        body: impl Into<Body> + Send,
    ) -> impl Future<Output = Result<ObjectMeta, StoreError>> + Send {
        let body = body.into();
        async move { self.put_opts(key, body, PutOptions::default()).await }
    }

    /// Reads the whole object at `key`.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Object, StoreError>> + Send {
        async move { self.get_opts(key, GetOptions::default()).await }
    }

    /// Reads the object at `key` into memory, or `None` if there is none.
    ///
    /// An object over `limit` bytes is [`StoreError::Body`].
    fn try_read(
        &self,
        key: &Key,
        limit: u64,
    ) -> impl Future<Output = Result<Option<(ObjectMeta, Bytes)>, StoreError>> + Send {
        async move {
            let object = match self.get(key).await {
                Ok(object) => object,
                Err(StoreError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let bytes = collect_bounded(object.body, limit)
                .await
                .map_err(|source| StoreError::Body {
                    key: key.clone(),
                    source: Box::new(source),
                })?;
            Ok(Some((object.meta, bytes)))
        }
    }

    /// Describes the object at `key`, or `None` if there is none.
    fn try_head(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<ObjectMeta>, StoreError>> + Send {
        async move {
            match self.head(key).await {
                Ok(meta) => Ok(Some(meta)),
                Err(StoreError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
    }
}

impl<T: Store + ?Sized> StoreExt for T {}

/// Why a [`Store`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing is stored under `key`.
    #[error("nothing is stored at `{key}`")]
    NotFound {
        /// The key asked for.
        key: Key,
    },
    /// Something is stored under `key`, and it was to be created.
    #[error("`{key}` already exists")]
    AlreadyExists {
        /// The key to be created.
        key: Key,
    },
    /// What is stored under `key` is not what the caller had seen.
    #[error("`{key}` was changed by another writer")]
    Precondition {
        /// The key to be replaced.
        key: Key,
    },
    /// The range asked for begins at the end or past it.
    #[error("`{key}` has only {size} bytes")]
    RangeNotSatisfiable {
        /// The key asked for.
        key: Key,
        /// The length of the object in bytes.
        size: u64,
    },
    /// What sits at `key` is no object: a directory, a link, a device.
    #[error("`{key}` in {store} is {found}, and is left alone")]
    Refused {
        /// The store.
        store: String,
        /// The key asked for.
        key: Key,
        /// What is there.
        found: &'static str,
    },
    /// Another writer holds the lock.
    #[error("{store} is being written by {holder}")]
    Busy {
        /// The store.
        store: String,
        /// Who holds the lock, as far as is known.
        holder: String,
    },
    /// The body to be stored, or being read, ended badly. Nothing was stored.
    #[error("`{key}` was not stored or read to its end")]
    Body {
        /// The key.
        key: Key,
        /// How the body ended.
        #[source]
        source: Box<StreamError>,
    },
    /// The backend failed in a way that callers cannot act on; see the source.
    #[error("{store} could not {action} `{key}`")]
    Backend {
        /// The store.
        store: String,
        /// What was being done.
        action: &'static str,
        /// The key.
        key: Key,
        /// The backend's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { .. } | Self::RangeNotSatisfiable { .. } | Self::Backend { .. } => {
                ErrorClass::Storage
            }
            Self::Refused { .. } => ErrorClass::Refused,
            Self::AlreadyExists { .. } | Self::Precondition { .. } | Self::Busy { .. } => {
                ErrorClass::Busy
            }
            Self::Body { source, .. } => source.class(),
        }
    }
}
