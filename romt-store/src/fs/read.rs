//! Reading and describing.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use cap_std::fs::Dir;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use romt_core::{
    Key,
    ports::{ByteRange, ByteStream, Object, ObjectMeta, StoreError, StreamError, once},
};

use super::{
    Inner, blocking,
    error::FsError,
    tree::{self, Tree, check_not_own},
};
use crate::range;

/// What is read at a time. Up to this length nothing is left to be streamed.
const PIECE: u64 = 256 * 1024;

/// An object, opened, with its first bytes.
struct Opened {
    file: File,
    meta: ObjectMeta,
    range: Range<u64>,
    first: Bytes,
}

pub(super) async fn get(
    inner: &Arc<Inner>,
    key: &Key,
    range: Option<ByteRange>,
) -> Result<Object, StoreError> {
    let this = Arc::clone(inner);
    let wanted = key.clone();
    let opened = blocking(move || open(&this, &wanted, range)).await;
    let opened = opened.map_err(inner.tree.error(key))?;
    let left = opened.range.end - opened.range.start - opened.first.len() as u64;
    let first = once(opened.first);
    let body: ByteStream = if left == 0 {
        first
    } else {
        let rest = Rest {
            tree: Arc::clone(&inner.tree),
            key: key.clone(),
            file: opened.file,
            left,
        };
        first.chain(rest.into_stream()).boxed()
    };
    Ok(Object {
        meta: opened.meta,
        range: opened.range,
        body,
    })
}

pub(super) async fn head(inner: &Arc<Inner>, key: &Key) -> Result<ObjectMeta, StoreError> {
    // Never waits, so that it need not be done elsewhere: most looks of a rerun are
    // at what was looked at before.
    if let Some(meta) = inner.tree.glance(key) {
        return Ok(meta);
    }
    let this = Arc::clone(inner);
    let wanted = key.clone();
    let found = inner.errands.run(move || {
        check_not_own(&wanted)?;
        let dir = this.existing_parent(&wanted)?.ok_or(FsError::NotFound)?;
        let meta = tree::look_for_object(&dir, wanted.file_name())?.ok_or(FsError::NotFound)?;
        Ok(tree::describe(&wanted, &meta))
    });
    found.await.map_err(inner.tree.error(key))
}

/// The object at `key`, opened for reading, and its directory.
pub(super) fn open_file(inner: &Inner, key: &Key) -> Result<(File, Dir), FsError> {
    check_not_own(key)?;
    let dir = inner.existing_parent(key)?.ok_or(FsError::NotFound)?;
    let (file, _) = tree::open_object(&dir, key.file_name())?;
    Ok((file, dir))
}

fn open(inner: &Inner, key: &Key, range: Option<ByteRange>) -> Result<Opened, FsError> {
    check_not_own(key)?;
    let dir = inner.existing_parent(key)?.ok_or(FsError::NotFound)?;
    let (mut file, meta) = tree::open_object(&dir, key.file_name())?;
    let meta = tree::describe(key, &meta);
    let size = meta.size;
    let range = range::resolve(key, size, range).map_err(|_| FsError::Range { size })?;
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))
            .map_err(FsError::io("read"))?;
    }
    let first = read_piece(&mut file, range.end - range.start)?;
    Ok(Opened {
        file,
        meta,
        range,
        first,
    })
}

/// The next bytes of the `left` that must be there.
fn read_piece(file: &mut File, left: u64) -> Result<Bytes, FsError> {
    let length = left.min(PIECE);
    let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length)
        .read_to_end(&mut piece)
        .map_err(FsError::io("read"))?;
    if (piece.len() as u64) < length {
        let shorter = io::Error::new(ErrorKind::UnexpectedEof, "it has become shorter");
        return Err(FsError::io("read all of")(shorter));
    }
    Ok(piece.into())
}

/// What has not been read yet. The open file is the old object, whatever happens
/// to its name.
struct Rest {
    tree: Arc<Tree>,
    key: Key,
    file: File,
    left: u64,
}

impl Rest {
    /// The bytes, read as they are asked for.
    fn into_stream(self) -> BoxStream<'static, Result<Bytes, StreamError>> {
        stream::try_unfold(self, |mut rest| async move {
            if rest.left == 0 {
                return Ok(None);
            }
            let wrong = (Arc::clone(&rest.tree), rest.key.clone());
            let step = blocking(move || {
                let piece = read_piece(&mut rest.file, rest.left)?;
                rest.left -= piece.len() as u64;
                Ok((piece, rest))
            });
            let (tree, key) = wrong;
            step.await
                .map(Some)
                .map_err(|error: FsError| tree.error(&key)(error).into())
        })
        .boxed()
    }
}
