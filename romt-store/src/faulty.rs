//! A store that fails on purpose.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use romt_core::{
    Key, Store,
    ports::{
        Body, ByteStream, GetOptions, Object, ObjectMeta, PutOptions, StoreError, StoreLock,
        StreamError,
    },
};

/// How a [`FaultyStore`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The operation does nothing and fails as if the disk were full.
    Refused,
    /// The operation is done and reported as failed, as when the reply of a remote
    /// store is lost.
    ReplyLost,
    /// A put takes this many bytes of its body and then fails as if the disk were
    /// full; every other operation is refused.
    BodyCut(u64),
}

/// Wraps a store, counts what is asked of it, and fails when told to.
///
/// Each call of a method of [`Store`] is one operation, except
/// [`local_path`](Store::local_path), which cannot fail. With no fault armed it
/// is the store that it wraps. Clones share count and fault.
///
/// ```
/// # use romt_core::{Key, StoreExt as _};
/// # use romt_store::{MemoryStore, conformance::{Fault, FaultyStore}};
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let store = FaultyStore::new(MemoryStore::new());
/// let key: Key = "a".parse()?;
/// store.fail_at(2, Fault::Refused);
/// assert!(store.put(&key, b"first".as_slice()).await.is_ok());
/// assert!(store.put(&key, b"second".as_slice()).await.is_err());
/// assert!(store.put(&key, b"third".as_slice()).await.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    operations: AtomicU64,
    /// At which operation to fail, and how.
    armed: Mutex<Option<Armed>>,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    at: u64,
    fault: Fault,
    for_good: bool,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps `inner`, with no fault armed.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    /// The store that is wrapped, which does not fail.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How many operations there were, the failed ones among them.
    pub fn operations(&self) -> u64 {
        self.state.operations.load(Ordering::SeqCst)
    }

    /// Fails the `nth` operation from now on, the first being 1, and no other.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        self.arm(nth, fault, false);
    }

    /// Fails the `nth` operation from now on and every one after it.
    pub fn fail_from(&self, nth: u64, fault: Fault) {
        self.arm(nth, fault, true);
    }

    /// Fails no more.
    pub fn disarm(&self) {
        *self.armed() = None;
    }

    fn arm(&self, nth: u64, fault: Fault, for_good: bool) {
        let at = self.operations() + nth;
        *self.armed() = Some(Armed {
            at,
            fault,
            for_good,
        });
    }

    fn armed(&self) -> MutexGuard<'_, Option<Armed>> {
        self.state
            .armed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation, and says how it is to fail.
    fn next(&self) -> Option<Fault> {
        let now = self.state.operations.fetch_add(1, Ordering::SeqCst) + 1;
        let armed = (*self.armed())?;
        let hit = now == armed.at || (armed.for_good && now > armed.at);
        hit.then_some(armed.fault)
    }

    fn error(&self, action: &'static str, key: &Key) -> StoreError {
        StoreError::Backend {
            store: self.to_string(),
            action,
            key: key.clone(),
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }

    /// Does `operation`, or not, and reports what the fault says.
    async fn with_fault<T>(
        &self,
        action: &'static str,
        key: &Key,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.next() {
            None => operation.await,
            Some(Fault::Refused | Fault::BodyCut(_)) => Err(self.error(action, key)),
            Some(Fault::ReplyLost) => {
                operation.await?;
                Err(self.error(action, key))
            }
        }
    }
}

/// The first `length` bytes, and then a failure. Never a good end.
fn cut(body: Body, length: u64) -> ByteStream {
    let failure = stream::iter([Err(StreamError::Cancelled)]);
    let mut left = length;
    let begin = body.into_stream().scan((), move |(), piece| {
        let kept = piece.map(|bytes: Bytes| {
            let length = usize::try_from(left).unwrap_or(usize::MAX);
            let kept = bytes.slice(..bytes.len().min(length));
            left -= kept.len() as u64;
            kept
        });
        let over = matches!(&kept, Ok(bytes) if bytes.is_empty());
        futures::future::ready((!over).then_some(kept))
    });
    begin.chain(failure).boxed()
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for FaultyStore<S> {
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        match self.next() {
            None => self.inner.put_opts(key, body, options).await,
            Some(Fault::Refused) => Err(self.error("store", key)),
            Some(Fault::ReplyLost) => {
                self.inner.put_opts(key, body, options).await?;
                Err(self.error("store", key))
            }
            Some(Fault::BodyCut(length)) => {
                let body = cut(body, length).into();
                match self.inner.put_opts(key, body, options).await {
                    // The cut is ours, so the wrapped store must not be blamed.
                    Err(StoreError::Body { .. }) | Ok(_) => Err(self.error("store", key)),
                    Err(error) => Err(error),
                }
            }
        }
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let operation = self.inner.get_opts(key, options);
        self.with_fault("read", key, operation).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.with_fault("look at", key, self.inner.head(key)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.with_fault("delete", key, self.inner.delete(key)).await
    }

    async fn persist(&self, key: &Key) -> Result<(), StoreError> {
        self.with_fault("persist", key, self.inner.persist(key))
            .await
    }

    async fn tidy(&self, key: &Key, top: Option<&Key>) -> Result<(), StoreError> {
        self.with_fault("tidy", key, self.inner.tidy(key, top))
            .await
    }

    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        self.inner.free_space().await
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        let operation = self.inner.copy_opts(from, to, options);
        self.with_fault("copy to", to, operation).await
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        let listing = self.inner.list(prefix);
        if self.next().is_none() {
            return listing;
        }
        let error = match prefix {
            Some(prefix) => self.error("list", prefix),
            None => self.error("list what is beside", &own()),
        };
        // Some of it, so that nobody takes the beginning for the whole.
        let end = stream::iter([Err(error)]);
        listing.take(1).chain(end).boxed()
    }

    fn local_path(&self, key: &Key) -> Option<PathBuf> {
        self.inner.local_path(key)
    }

    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError> {
        self.with_fault("lock", &own(), self.inner.lock(holder))
            .await
    }
}

fn own() -> Key {
    ".romt".parse().expect("it is a key")
}

impl<S: fmt::Display> fmt::Display for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use romt_core::StoreExt as _;

    use super::*;
    use crate::MemoryStore;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_refused_put_changes_nothing_and_a_lost_reply_does() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_at(1, Fault::Refused);
        let error = store.put(&key("a"), vec![1; 5]).await.unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        assert!(store.inner().head(&key("a")).await.is_err());
        store.fail_at(1, Fault::ReplyLost);
        assert!(store.put(&key("a"), vec![1; 5]).await.is_err());
        assert!(store.inner().head(&key("a")).await.is_ok());
        assert_eq!(store.operations(), 2);
    }

    #[tokio::test]
    async fn a_body_is_cut_even_where_it_ends() {
        let store = FaultyStore::new(MemoryStore::new());
        for length in [0, 3, 5, 9] {
            store.fail_at(1, Fault::BodyCut(length));
            let error = store.put(&key("a"), vec![1; 5]).await.unwrap_err();
            assert!(matches!(error, StoreError::Backend { .. }), "{error}");
            assert!(store.inner().head(&key("a")).await.is_err());
        }
    }

    #[tokio::test]
    async fn it_fails_for_good_until_it_is_disarmed() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_from(2, Fault::Refused);
        assert!(store.put(&key("a"), vec![1; 5]).await.is_ok());
        assert!(store.get(&key("a")).await.is_err());
        assert!(store.delete(&key("a")).await.is_err());
        assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
        assert!(store.lock("me").await.is_err());
        store.disarm();
        assert!(store.get(&key("a")).await.is_ok());
    }
}
