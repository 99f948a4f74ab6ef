//! Making durable what somebody else has put here.

use std::sync::Arc;

use romt_core::{Key, ports::StoreError};

use super::{Inner, blocking, error::FsError, read};

pub(super) async fn persist(inner: &Arc<Inner>, key: &Key) -> Result<(), StoreError> {
    let this = Arc::clone(inner);
    let wanted = key.clone();
    let flushed = blocking(move || {
        let (file, dir) = read::open_file(&this, &wanted)?;
        if this.flusher.flushes_files() {
            file.sync_all().map_err(FsError::io("flush"))?;
        }
        this.flusher.flush(&wanted, dir)
    });
    flushed.await.map_err(inner.tree.error(key))
}
