//! Storing one crate of an archive.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};

use super::{
    FullError, Session,
    check::{Found, Look, check},
    download::{aside, label},
    unpack::Data,
};
use crate::{
    CrateName, Key, Sha256Digest,
    crates::VersionRow,
    ports::{
        Body, ByteStream, Evidence, PutOptions, Sha256Verifier, Store, StoreError, StreamError,
        Verifier as _, checked,
    },
};

/// Crates up to this many bytes are read into memory.
const WHOLE: u64 = 8 * 1024 * 1024;

/// A crate to be stored.
pub(super) struct Job {
    pub(super) name: CrateName,
    pub(super) row: VersionRow,
    pub(super) key: Key,
    /// The digest of what is shown under the same version, if that is another.
    pub(super) replaces: Option<Sha256Digest>,
    pub(super) size: u64,
    /// Where in the archive it is.
    pub(super) place: String,
}

/// The bytes of a crate.
pub(super) enum Arrived {
    Whole(Result<Bytes, StreamError>),
    Arriving(Data),
}

/// Where a crate is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Where it was already.
    Already,
    /// In its place.
    New,
    /// Aside, until what has its place may go.
    Aside,
}

impl Job {
    /// How much memory its bytes take.
    pub(super) fn memory(&self) -> u64 {
        if self.size <= WHOLE { self.size } else { 0 }
    }

    /// Waits for the bytes of a small crate.
    pub(super) async fn collect(self, mut data: Data) -> (Self, Arrived) {
        if self.size > WHOLE {
            return (self, Arrived::Arriving(data));
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = data.recv().await {
            match piece {
                Ok(bytes) => whole.extend_from_slice(&bytes),
                Err(error) => return (self, Arrived::Whole(Err(error))),
            }
        }
        (self, Arrived::Whole(Ok(whole.freeze())))
    }
}

/// The data of a member as a stream.
pub(super) fn stream(data: Data) -> ByteStream {
    stream::unfold(data, |mut data| async move {
        let piece = data.recv().await?;
        Some((piece, data))
    })
    .boxed()
}

/// Stores a crate if it is not there yet, judged by its digest.
pub(super) async fn place(
    store: Arc<dyn Store>,
    job: Job,
    arrived: Arrived,
    limit: u64,
) -> (Job, Result<Placed, FullError>) {
    let result = try_place(store, &job, arrived, limit).await;
    (job, result)
}

async fn try_place(
    store: Arc<dyn Store>,
    job: &Job,
    arrived: Arrived,
    limit: u64,
) -> Result<Placed, FullError> {
    let checksum = job.row.checksum;
    let wrong = |source| FullError::WrongCrate {
        label: label(&job.name, &job.row).to_string(),
        place: job.place.clone(),
        source: Box::new(source),
    };
    let evidence = Evidence::new(label(&job.name, &job.row), checksum, limit);
    let mut judge = Sha256Verifier.begin(&evidence).map_err(&wrong)?;
    // The archive's own crate is judged also where another one is kept.
    let body: Body = match arrived {
        Arrived::Whole(bytes) => {
            let bytes = bytes.map_err(FullError::body)?;
            judge.update(&bytes).map_err(&wrong)?;
            judge.finish().map_err(&wrong)?;
            bytes.into()
        }
        Arrived::Arriving(data) => checked(stream(data), judge).into(),
    };
    let found = check(store.clone(), job.key.clone(), checksum, Look::Keeps).await;
    if matches!(found, Found::Right) {
        let mut rest = body.into_stream();
        while let Some(piece) = rest.next().await {
            piece.map_err(|error| broken(error, wrong))?;
        }
        return Ok(Placed::Already);
    }
    let (key, placed) = match job.replaces {
        Some(_) => (aside(&job.name, &job.row), Placed::Aside),
        None => (job.key.clone(), Placed::New),
    };
    match store.put_opts(&key, body, PutOptions::default()).await {
        Ok(_) => Ok(placed),
        Err(StoreError::Body { source, .. }) => Err(broken(*source, wrong)),
        Err(error) => Err(error.into()),
    }
}

fn broken(error: StreamError, wrong: impl Fn(crate::ports::VerifyError) -> FullError) -> FullError {
    match error {
        StreamError::Verify(error) => wrong(error),
        error => FullError::body(error),
    }
}

impl Session {
    /// Moves a crate that waits aside into its place.
    pub(super) async fn take_from_aside(
        &self,
        name: &CrateName,
        new: &VersionRow,
    ) -> Result<(), FullError> {
        let store = &self.mirror.store;
        let key = self.mirror.layout.crate_file(name, &new.version);
        let aside = aside(name, new);
        store.copy_opts(&aside, &key, PutOptions::default()).await?;
        store.delete(&aside).await?;
        Ok(())
    }
}
