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
use tokio::task::{self, JoinHandle};

use super::{
    Inner, blocking,
    error::FsError,
    joined, platform,
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
            next: Next::Idle(opened.file, left),
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

/// How many bytes the file system has room for.
pub(super) async fn free_space(inner: &Arc<Inner>) -> Result<Option<u64>, StoreError> {
    let this = Arc::clone(inner);
    let found = blocking(move || {
        platform::free_space(this.tree.dir()).map_err(FsError::io("measure the room around"))
    });
    let root: Key = ".romt".parse().expect("a constant");
    found.await.map_err(inner.tree.error(&root))
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
    next: Next,
}

/// How far the reading is.
enum Next {
    /// Nothing is being read, and so much is left.
    Idle(File, u64),
    /// A piece is being read.
    Reading(JoinHandle<Result<(Bytes, File, u64), FsError>>),
}

impl Next {
    /// Begins to read the next piece, unless all is read.
    fn begin(self) -> Option<Self> {
        let (mut file, left) = match self {
            Self::Idle(_, 0) => return None,
            Self::Idle(file, left) => (file, left),
            reading @ Self::Reading(_) => return Some(reading),
        };
        Some(Self::Reading(task::spawn_blocking(move || {
            let piece = read_piece(&mut file, left)?;
            let left = left - piece.len() as u64;
            Ok((piece, file, left))
        })))
    }
}

impl Rest {
    /// The bytes. Nothing is read before somebody asks; then one piece is read ahead,
    /// while who asked hashes or sends the one before.
    fn into_stream(self) -> BoxStream<'static, Result<Bytes, StreamError>> {
        let Self { tree, key, next } = self;
        let wrong = Arc::new(move |error: FsError| tree.error(&key)(error));
        stream::try_unfold(Some(next), move |next| {
            let wrong = Arc::clone(&wrong);
            async move {
                let Some(Next::Reading(reading)) = next.and_then(Next::begin) else {
                    return Ok(None);
                };
                let (piece, file, left) = joined(reading).await.map_err(&*wrong)?;
                Ok(Some((piece, Next::Idle(file, left).begin())))
            }
        })
        .boxed()
    }
}
