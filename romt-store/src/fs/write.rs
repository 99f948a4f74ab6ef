//! Putting, copying and deleting.
//!
//! A body that fits into [`SMALL`] bytes is written, like all others of its kind
//! that come meanwhile, in one trip to a blocking thread; a longer one costs a trip
//! per [`PIECE`], so that memory stays flat, and while one is written the next comes.
//! Whatever happens, the staging file is owned by exactly one future or closure
//! and goes when that is dropped.

use std::{
    io::{self, ErrorKind, Read as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use cap_std::fs::{Dir, Metadata};
use futures::{StreamExt as _, future};
use romt_core::{
    Key,
    ports::{Body, ByteStream, ObjectMeta, PutMode, StoreError, StreamError},
};
use tokio::{
    sync::oneshot,
    task::{self, JoinHandle},
};

use super::{
    Inner, ShutDown, blocking,
    commit::{self, Content, Job},
    error::FsError,
    joined, platform,
    staging::StagedFile,
    tree::{self, Walk, check_not_own, parent_of},
};

/// Bodies up to this length are collected before anything is written.
const SMALL: usize = 256 * 1024;
/// How much of a longer body is written at a time.
const PIECE: usize = 1024 * 1024;
/// How much of a longer body is written before the disk is asked to begin.
pub(super) const EARLY: usize = 32 * 1024 * 1024;
/// How much is copied before looking whether the copy is still wanted.
const COPY: u64 = 64 * 1024 * 1024;

pub(super) async fn put(
    inner: &Arc<Inner>,
    key: &Key,
    body: Body,
    mode: PutMode,
) -> Result<ObjectMeta, StoreError> {
    let wrong = inner.tree.error(key);
    check_not_own(key).map_err(&wrong)?;
    let mut body = Pieces::new(body);
    let ended_badly = |source| StoreError::Body {
        key: key.clone(),
        source: Box::new(source),
    };
    let first = body.next(SMALL).await.map_err(&ended_badly)?;
    let put = Put::new(inner, key, mode);
    let meta = if body.ended() {
        put.commit(Content::Bytes(first)).await
    } else {
        let mut staged = put
            .run(move |put| put.begin(&first))
            .await
            .map_err(&wrong)?;
        let mut pieces = body.gather(PIECE).await.map_err(&ended_badly)?;
        let mut early = EarlyFlush::new(inner);
        while !pieces.is_empty() {
            early.wrote(&pieces, &staged).await.map_err(&wrong)?;
            let write = put.run(move |_| write_all(staged, &pieces));
            // Meanwhile whoever makes the body has the next ready.
            let (written, next) = future::join(write, body.gather(PIECE)).await;
            staged = written.map_err(&wrong)?;
            pieces = next.map_err(&ended_badly)?;
        }
        early.end().await.map_err(&wrong)?;
        put.commit(Content::Staged(staged)).await
    };
    meta.map_err(&wrong)
}

pub(super) async fn copy(
    inner: &Arc<Inner>,
    from: &Key,
    to: &Key,
    mode: PutMode,
) -> Result<ObjectMeta, StoreError> {
    check_not_own(from).map_err(inner.tree.error(from))?;
    let wrong = inner.tree.error(to);
    check_not_own(to).map_err(&wrong)?;
    let put = Put::new(inner, to, mode);
    let source = from.clone();
    let copied = put.run(move |put| Ok(put.copy_of(&source))).await;
    copied.map_err(&wrong)?.map_err(|failure| match failure {
        CopyError::Source(error) => error.at(&*inner.tree, from),
        CopyError::Target(error) => wrong(error),
    })
}

pub(super) async fn delete(inner: &Arc<Inner>, key: &Key) -> Result<(), StoreError> {
    let wrong = inner.tree.error(key);
    check_not_own(key).map_err(&wrong)?;
    let this = Arc::clone(inner);
    let target = key.clone();
    blocking(move || remove(&this, &target))
        .await
        .map_err(&wrong)
}

fn remove(inner: &Inner, key: &Key) -> Result<(), FsError> {
    let Some(dir) = inner.existing_parent(key)? else {
        return Ok(());
    };
    {
        let _shared = inner.publishing();
        if tree::look_for_object(&dir, key.file_name())?.is_none() {
            return Ok(());
        }
        match dir.remove_file(key.file_name()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(FsError::io("delete"))?,
        }
    }
    inner.flusher.flush(key, dir)
}

/// One object on its way in. Dropping it revokes what has not been published.
struct Put {
    steps: Arc<Steps>,
}

/// What the blocking threads know of a put.
pub(super) struct Steps {
    inner: Arc<Inner>,
    key: Key,
    mode: PutMode,
    revoked: AtomicBool,
}

enum CopyError {
    Source(FsError),
    Target(FsError),
}

impl From<FsError> for CopyError {
    fn from(error: FsError) -> Self {
        Self::Target(error)
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        self.steps.revoked.store(true, Ordering::Release);
    }
}

impl Put {
    fn new(inner: &Arc<Inner>, key: &Key, mode: PutMode) -> Self {
        Self {
            steps: Arc::new(Steps {
                inner: Arc::clone(inner),
                key: key.clone(),
                mode,
                revoked: AtomicBool::new(false),
            }),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Steps) -> Result<T, FsError> + Send + 'static,
    ) -> Result<T, FsError> {
        let steps = Arc::clone(&self.steps);
        blocking(move || step(&steps)).await
    }

    /// Does what is left, together with other puts.
    async fn commit(&self, content: Content) -> Result<ObjectMeta, FsError> {
        let (done, outcome) = oneshot::channel();
        let job = Job {
            steps: Arc::clone(&self.steps),
            content,
            done,
        };
        commit::submit(&self.steps.inner, job);
        outcome.await.unwrap_or_else(|_| Err(ShutDown.into()))
    }
}

impl Steps {
    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Stages the first bytes, unless it is clear already that this cannot end
    /// well.
    fn begin(&self, first: &[u8]) -> Result<StagedFile, FsError> {
        if let Some(dir) = self.inner.parent_for_writing(&self.key)? {
            self.check_target(&dir)?;
        }
        self.stage(first)
    }

    /// Stages these bytes.
    pub(super) fn stage(&self, bytes: &[u8]) -> Result<StagedFile, FsError> {
        self.check_wanted()?;
        let mut staged = self.inner.stage()?;
        staged.write(bytes)?;
        Ok(staged)
    }

    /// Flushes, publishes, and makes that durable.
    pub(super) fn end(&self, mut staged: StagedFile) -> Result<ObjectMeta, FsError> {
        if self.inner.flusher.flushes_files() {
            staged.flush()?;
        }
        // Not before the bytes are safe: a put that fails leaves no directories.
        let mut dir = self.parent()?;
        let meta = match self.publish(&mut staged, &dir) {
            Err(FsError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                // Somebody removed the directory meanwhile. Once is an accident.
                self.inner.flusher.forget(&self.key);
                dir = self.parent()?;
                self.publish(&mut staged, &dir)?
            }
            published => published?,
        };
        self.inner.flusher.flush(&self.key, dir)?;
        Ok(tree::describe(&self.key, &meta))
    }

    /// Publishes what is flushed. That this is durable is for the caller to see to.
    pub(super) fn publish_walking(
        &self,
        staged: &mut StagedFile,
        walk: &mut Walk<'_>,
    ) -> Result<ObjectMeta, FsError> {
        let path = parent_of(self.key.as_str());
        let mut attempt = || self.publish(staged, walk.make(path)?);
        let meta = match attempt() {
            Err(FsError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                // Somebody removed a directory meanwhile. Once is an accident.
                self.inner.flusher.forget(&self.key);
                walk.start_anew();
                self.publish(staged, walk.make(path)?)?
            }
            published => published?,
        };
        Ok(tree::describe(&self.key, &meta))
    }

    fn parent(&self) -> Result<Dir, FsError> {
        let path = parent_of(self.key.as_str());
        self.inner.tree.make_directory(path)
    }

    /// The moment at which the object appears.
    fn publish(&self, staged: &mut StagedFile, dir: &Dir) -> Result<Metadata, FsError> {
        let name = self.key.file_name();
        // Between the look at the version and the renaming nothing may be renamed.
        let (_alone, _shared) = match self.mode {
            PutMode::ReplaceIfUnchanged(_) => (Some(self.inner.publishing_alone()), None),
            _ => (None, Some(self.inner.publishing())),
        };
        self.check_wanted()?;
        let replace = self.mode != PutMode::CreateIfAbsent;
        if replace {
            self.check_target(dir)?;
        }
        match staged.publish(dir, name, replace) {
            Err(error) if !replace && error.kind() == ErrorKind::AlreadyExists => {
                tree::look_for_object(dir, name)?;
                Err(FsError::Exists)
            }
            published => published.map_err(FsError::io("publish")),
        }
    }

    /// Whether what is at the key now allows the put.
    fn check_target(&self, dir: &Dir) -> Result<(), FsError> {
        let found = tree::look_for_object(dir, self.key.file_name())?;
        let found = found.as_ref().map(platform::version);
        match &self.mode {
            PutMode::CreateIfAbsent if found.is_some() => Err(FsError::Exists),
            PutMode::ReplaceIfUnchanged(seen) if found.as_ref() != Some(seen) => {
                Err(FsError::Changed)
            }
            _ => Ok(()),
        }
    }

    /// Fails if nobody waits for the outcome. Nobody sees that error.
    fn check_wanted(&self) -> Result<(), FsError> {
        if self.revoked.load(Ordering::Acquire) {
            return Err(FsError::Io {
                action: "store",
                source: ErrorKind::Interrupted.into(),
            });
        }
        Ok(())
    }

    fn copy_of(&self, source: &Key) -> Result<ObjectMeta, CopyError> {
        let wrong = CopyError::Source;
        let dir = self.inner.existing_parent(source).map_err(wrong)?;
        let dir = dir.ok_or(CopyError::Source(FsError::NotFound))?;
        let (mut file, meta) = tree::open_object(&dir, source.file_name()).map_err(wrong)?;
        let mut staged = self.begin(&[])?;
        let mut left = meta.len();
        while left > 0 {
            self.check_wanted()?;
            // The system copies within the file system, if it can.
            let copied = io::copy(&mut (&mut file).take(left.min(COPY)), staged.file_mut())
                .map_err(FsError::io("write"))?;
            if copied == 0 {
                let action = "read all of";
                let source = ErrorKind::UnexpectedEof.into();
                return Err(wrong(FsError::Io { action, source }));
            }
            left -= copied;
        }
        staged.stamp()?;
        Ok(self.end(staged)?)
    }
}

/// Has the disk begin with what was written of a long body, so that the flush at its end
/// has little left to wait for. That flush is made all the same.
struct EarlyFlush {
    is_wanted: bool,
    /// How much was written since the last one began.
    since: usize,
    flushing: Option<JoinHandle<Result<(), FsError>>>,
}

impl EarlyFlush {
    fn new(inner: &Inner) -> Self {
        Self {
            is_wanted: inner.flusher.flushes_files(),
            since: 0,
            flushing: None,
        }
    }

    /// Notes that these are about to be written, and begins a flush if it is time.
    async fn wrote(&mut self, pieces: &[Bytes], staged: &StagedFile) -> Result<(), FsError> {
        self.since += pieces.iter().map(Bytes::len).sum::<usize>();
        if !self.is_wanted || self.since < EARLY {
            return Ok(());
        }
        // A disk that is slower than whoever writes is not to fall behind any more.
        self.end().await?;
        self.since = 0;
        let file = staged.another_handle()?;
        self.flushing = Some(task::spawn_blocking(move || {
            file.sync_data().map_err(FsError::io("flush"))
        }));
        Ok(())
    }

    /// Waits for the flush that was begun. A failure is told once for each file: who
    /// went on after one would never hear of what was lost.
    async fn end(&mut self) -> Result<(), FsError> {
        match self.flushing.take() {
            Some(flushing) => joined(flushing).await,
            None => Ok(()),
        }
    }
}

fn write_all(mut staged: StagedFile, pieces: &[Bytes]) -> Result<StagedFile, FsError> {
    for piece in pieces {
        staged.write(piece)?;
    }
    Ok(staged)
}

/// A body, in pieces of the length that suits the writer.
struct Pieces {
    /// `None` once it has ended.
    rest: Option<ByteStream>,
    whole: Option<Bytes>,
}

impl Pieces {
    fn new(body: Body) -> Self {
        match body {
            Body::Bytes(bytes) => Self {
                rest: None,
                whole: Some(bytes),
            },
            Body::Stream(stream) => Self {
                rest: Some(stream),
                whole: None,
            },
        }
    }

    fn ended(&self) -> bool {
        self.rest.is_none()
    }

    /// At least `enough` bytes, or all that are left, as they came.
    async fn gather(&mut self, enough: usize) -> Result<Vec<Bytes>, StreamError> {
        let (mut pieces, mut length) = (Vec::new(), 0);
        while length < enough
            && let Some(stream) = &mut self.rest
        {
            match stream.next().await.transpose()? {
                None => self.rest = None,
                Some(piece) => {
                    length += piece.len();
                    pieces.push(piece);
                }
            }
        }
        Ok(pieces)
    }

    /// At least `enough` bytes, or all that are left, in one piece.
    async fn next(&mut self, enough: usize) -> Result<Bytes, StreamError> {
        if let Some(whole) = self.whole.take() {
            return Ok(whole);
        }
        let mut taken = Bytes::new();
        let mut joined = BytesMut::new();
        while taken.len() + joined.len() < enough
            && let Some(stream) = &mut self.rest
        {
            match stream.next().await.transpose()? {
                None => self.rest = None,
                // Most small bodies come in one piece, which need not be copied.
                Some(piece) if taken.is_empty() && joined.is_empty() => taken = piece,
                Some(piece) => {
                    joined.extend_from_slice(&std::mem::take(&mut taken));
                    joined.extend_from_slice(&piece);
                }
            }
        }
        Ok(if joined.is_empty() {
            taken
        } else {
            joined.freeze()
        })
    }
}
