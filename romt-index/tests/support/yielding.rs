//! A store and a source that give way at every step, so that whoever polls them
//! can stop anywhere.

use std::{fmt, future::poll_fn, path::PathBuf, task::Poll};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use romt_core::{
    Key, Location, Source, Store,
    ports::{
        Body, ByteStream, GetOptions, Object, ObjectMeta, OpenOptions, Opened, PutOptions,
        SourceError, StoreError, StoreLock,
    },
};

/// Gives way before and after each operation of what it wraps, and within bodies.
#[derive(Debug)]
pub(crate) struct Yielding<T>(pub(crate) T);

/// Is pending once. Unlike tokio's it wakes at once, so that it need not be polled
/// by a runtime.
async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn around<T>(operation: impl Future<Output = T>) -> T {
    give_way().await;
    let result = operation.await;
    give_way().await;
    result
}

fn within<T: Send + 'static>(stream: BoxStream<'static, T>) -> BoxStream<'static, T> {
    let slowly = stream.then(async |item| {
        give_way().await;
        item
    });
    slowly.boxed()
}

/// A body in halves, so that there is a middle.
fn halves(body: ByteStream) -> ByteStream {
    let pieces = body.flat_map(|piece| {
        let pieces = match piece {
            Ok(mut bytes) => {
                let rest = bytes.split_off(bytes.len() / 2);
                vec![Ok(bytes), Ok(rest)]
            }
            Err(error) => vec![Err(error)],
        };
        futures::stream::iter(pieces)
    });
    within(pieces.boxed())
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for Yielding<S> {
    async fn put_opts(
        &self,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        let body = halves(body.into_stream()).into();
        around(self.0.put_opts(key, body, options)).await
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let object = around(self.0.get_opts(key, options)).await?;
        Ok(Object {
            body: halves(object.body),
            ..object
        })
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        around(self.0.head(key)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        around(self.0.delete(key)).await
    }

    async fn persist(&self, key: &Key) -> Result<(), StoreError> {
        around(self.0.persist(key)).await
    }

    async fn copy_opts(
        &self,
        from: &Key,
        to: &Key,
        options: PutOptions,
    ) -> Result<ObjectMeta, StoreError> {
        around(self.0.copy_opts(from, to, options)).await
    }

    async fn tidy(&self, key: &Key, top: Option<&Key>) -> Result<(), StoreError> {
        around(self.0.tidy(key, top)).await
    }

    async fn free_space(&self) -> Result<Option<u64>, StoreError> {
        around(self.0.free_space()).await
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta, StoreError>> {
        within(self.0.list(prefix))
    }

    fn local_path(&self, key: &Key) -> Option<PathBuf> {
        self.0.local_path(key)
    }

    async fn lock(&self, holder: &str) -> Result<StoreLock, StoreError> {
        around(self.0.lock(holder)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Source> Source for Yielding<std::sync::Arc<S>> {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        match around(self.0.open(location, options)).await? {
            Opened::Unchanged => Ok(Opened::Unchanged),
            Opened::Body(fetched) => Ok(Opened::Body(romt_core::ports::Fetched {
                body: halves(fetched.body),
                ..fetched
            })),
        }
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        around(self.0.size(location)).await
    }
}

impl<T: fmt::Display> fmt::Display for Yielding<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
