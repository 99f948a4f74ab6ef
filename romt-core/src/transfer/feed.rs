//! Reading an archive where nothing may block.

use std::{
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::{ArchiveError, ArchiveLimits, TreeEntry, TreeReader};
use crate::ports::{ByteStream, StreamError, collect_bounded};

/// How many pieces of a file are on their way at once.
const PIECES: usize = 16;

/// The length of a piece, in bytes.
const PIECE: usize = 256 * 1024;

/// The receiving end of an archive that a thread of its own reads.
#[derive(Debug)]
pub struct ArchiveFeed {
    from: mpsc::Receiver<Piece>,
}

/// A file of an archive.
#[derive(Debug)]
pub struct FedFile {
    /// What it is.
    pub entry: TreeEntry,
    data: mpsc::Receiver<Result<Bytes, StreamError>>,
}

#[derive(Debug)]
enum Piece {
    File(FedFile),
    /// All was read, or the reading failed.
    End(Result<(), ArchiveError>),
}

impl FedFile {
    /// The data, which ends in an error if the archive ends within it.
    pub fn into_stream(self) -> ByteStream {
        stream::unfold(self.data, |mut data| async move {
            let piece = data.recv().await?;
            Some((piece, data))
        })
        .boxed()
    }

    /// The data of a small file, at most `limit` bytes.
    pub async fn collect(self, limit: u64) -> Result<Bytes, StreamError> {
        if self.entry.size > limit {
            return Err(StreamError::TooLarge { limit });
        }
        collect_bounded(self.into_stream(), limit).await
    }
}

impl ArchiveFeed {
    /// Begins to read an archive, which messages call `name`.
    pub fn start(input: Box<dyn Read + Send>, name: &str, limits: ArchiveLimits) -> Self {
        let (to, from) = mpsc::channel(1);
        let name = name.to_owned();
        tokio::task::spawn_blocking(move || {
            let end = send_files(input, &name, limits, &to);
            // Nobody listens any more if this fails.
            let _ = to.blocking_send(Piece::End(end));
        });
        Self { from }
    }

    /// The next file; `None` if there are no more and the archive is whole.
    pub async fn next_file(&mut self) -> Result<Option<FedFile>, ArchiveError> {
        match self.from.recv().await {
            Some(Piece::File(file)) => Ok(Some(file)),
            Some(Piece::End(Ok(()))) | None => Ok(None),
            Some(Piece::End(Err(error))) => Err(error),
        }
    }

    /// Why the data of the last file broke off, if the archive is to blame.
    pub async fn fault(&mut self) -> Option<ArchiveError> {
        match self.from.recv().await {
            Some(Piece::End(Err(error))) => Some(error),
            _ => None,
        }
    }
}

fn send_files(
    input: Box<dyn Read + Send>,
    name: &str,
    limits: ArchiveLimits,
    to: &mpsc::Sender<Piece>,
) -> Result<(), ArchiveError> {
    let mut archive = TreeReader::open(input, name, limits)?;
    let buffers = Buffers::default();
    while let Some(entry) = archive.next_entry()? {
        let (data, rest) = mpsc::channel(PIECES);
        let mut left = entry.size;
        let file = FedFile { entry, data: rest };
        if to.blocking_send(Piece::File(file)).is_err() {
            return Ok(());
        }
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let mut buffer = buffers.get(length);
            if let Err(error) = fill(&mut archive, &mut buffer.bytes) {
                let _ = data.blocking_send(Err(StreamError::Cancelled));
                return Err(error);
            }
            left -= length as u64;
            // Who wants no more of this file may want the next.
            if data.blocking_send(Ok(Bytes::from_owner(buffer))).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// Buffers that come back when whoever had the bytes has let go of them: new ones are
/// slow, for the system clears them. There are as many as were ever on their way.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// One for `length` bytes, at most [`PIECE`].
    fn get(&self, length: usize) -> Buffer {
        // What is shorter may be kept, and then must not keep a large buffer.
        let free = (length == PIECE).then(|| self.lock().pop()).flatten();
        Buffer {
            bytes: free.unwrap_or_else(|| vec![0; length]),
            home: self.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing is left half done where this is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that is not free.
struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() == PIECE {
            self.home.lock().push(bytes);
        }
    }
}

fn fill(archive: &mut TreeReader, mut buffer: &mut [u8]) -> Result<(), ArchiveError> {
    while !buffer.is_empty() {
        let count = archive.read_data(buffer)?;
        if count == 0 {
            return Err(archive.refuse("archive ends early"));
        }
        buffer = &mut buffer[count..];
    }
    Ok(())
}
