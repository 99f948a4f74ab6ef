//! Making an archive from where nothing may block.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{ArchiveWriteError, Compression, TreeWriter};

/// How many pieces wait for the thread that writes.
const PIECES: usize = 16;

/// Where an archive goes.
///
/// Dropping it uncommitted leaves nothing, and what had its name before stays.
pub trait ArchiveOutput: Write + Send {
    /// Makes what was written durable and gives it its name, all at once.
    fn commit(self: Box<Self>) -> io::Result<()>;
}

enum Parcel {
    File { path: String, size: u64 },
    Data(Bytes),
    EndOfFile,
    End,
}

/// The sending end of an archive that a thread of its own writes.
///
/// Dropping it before [`finish`](Self::finish) leaves no archive.
#[derive(Debug)]
pub struct ArchivePipe {
    to: mpsc::Sender<Parcel>,
    writing: Option<JoinHandle<Result<(), ArchiveWriteError>>>,
}

impl ArchivePipe {
    /// Begins an archive on what `create` opens.
    pub fn start(
        create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>> + Send + 'static,
        compression: Compression,
    ) -> Self {
        let (to, from) = mpsc::channel(PIECES);
        let writing = tokio::task::spawn_blocking(move || write(create, compression, from));
        Self {
            to,
            writing: Some(writing),
        }
    }

    /// Adds a file that is at hand.
    pub async fn file(
        &mut self,
        path: impl Into<String>,
        bytes: Bytes,
    ) -> Result<(), ArchiveWriteError> {
        self.begin_file(path, bytes.len() as u64).await?;
        self.data(bytes).await?;
        self.end_file().await
    }

    /// Begins a file, whose `size` bytes come next.
    pub async fn begin_file(
        &mut self,
        path: impl Into<String>,
        size: u64,
    ) -> Result<(), ArchiveWriteError> {
        let path = path.into();
        self.send(Parcel::File { path, size }).await
    }

    /// Adds the next bytes of the file that was begun.
    pub async fn data(&mut self, bytes: Bytes) -> Result<(), ArchiveWriteError> {
        self.send(Parcel::Data(bytes)).await
    }

    /// Ends the file that was begun.
    pub async fn end_file(&mut self) -> Result<(), ArchiveWriteError> {
        self.send(Parcel::EndOfFile).await
    }

    /// Ends the archive and gives it its name.
    pub async fn finish(mut self) -> Result<(), ArchiveWriteError> {
        self.send(Parcel::End).await?;
        self.outcome().await
    }

    async fn send(&mut self, parcel: Parcel) -> Result<(), ArchiveWriteError> {
        if self.to.send(parcel).await.is_ok() {
            return Ok(());
        }
        // Whoever writes has given up, and says why.
        match self.outcome().await {
            Ok(()) => Err(ArchiveWriteError::Misused("the archive was ended")),
            Err(error) => Err(error),
        }
    }

    async fn outcome(&mut self) -> Result<(), ArchiveWriteError> {
        match self.writing.take() {
            Some(writing) => writing.await.expect("writing an archive does not panic"),
            None => Err(ArchiveWriteError::Misused("an earlier member failed")),
        }
    }
}

fn write(
    create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>>,
    compression: Compression,
    mut from: mpsc::Receiver<Parcel>,
) -> Result<(), ArchiveWriteError> {
    let output = create().map_err(ArchiveWriteError::Output)?;
    let mut archive = TreeWriter::new(output, compression);
    while let Some(parcel) = from.blocking_recv() {
        match parcel {
            Parcel::File { path, size } => archive.begin_file(&path, size)?,
            Parcel::Data(bytes) => archive.data(&bytes)?,
            Parcel::EndOfFile => archive.end_file()?,
            Parcel::End => {
                let output = archive.finish()?;
                return output.commit().map_err(ArchiveWriteError::Output);
            }
        }
    }
    // Whoever sends has given up, and says why.
    Ok(())
}
