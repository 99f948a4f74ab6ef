//! The tar in an archive, whatever it is compressed with.
//!
//! That is told from the first bytes. What the file is called says nothing.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::ArchiveLimits;

const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// Those that we know and do not read.
const UNREAD: &[(&[u8], &str)] = &[
    (b"BZh", "bzip2"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (b"PK\x03\x04", "zip"),
];

/// The longest of the signatures.
const MAGIC: u64 = 6;

/// How much is read at once.
const BUFFER: usize = 128 * 1024;

/// What xz may keep in memory, in KiB: its strongest preset wants 65 MiB.
const XZ_MEMORY: u32 = 80 * 1024;

/// Why there are no more bytes.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// The medium failed.
    Medium(io::Error),
    /// What it holds is no good.
    Refused(String),
}

/// The decompressed bytes.
pub(super) struct Decoded {
    stream: Stream,
    produced: u64,
    expansion: u64,
    expansion_free: u64,
}

enum Stream {
    Plain(BufReader<Medium>),
    Gzip(Box<MultiGzDecoder<BufReader<Medium>>>),
    Xz(Box<XzReader<BufReader<Medium>>>),
}

impl Decoded {
    pub(super) fn open(
        mut input: Box<dyn Read + Send>,
        limits: &ArchiveLimits,
    ) -> Result<Self, DecodeError> {
        let mut magic = Vec::new();
        // Retries what was interrupted and goes on after short reads.
        input
            .by_ref()
            .take(MAGIC)
            .read_to_end(&mut magic)
            .map_err(DecodeError::Medium)?;
        if magic.is_empty() {
            return Err(DecodeError::Refused(
                "archive ends early: it is empty".to_owned(),
            ));
        }
        if let Some((_, name)) = UNREAD.iter().find(|it| magic.starts_with(it.0)) {
            return Err(DecodeError::Refused(format!(
                "it is compressed with {name}; gzip, xz and plain tar are read"
            )));
        }
        let (gzip, xz) = (magic.starts_with(GZIP), magic == XZ);
        let medium = BufReader::with_capacity(
            BUFFER,
            Medium {
                input: Box::new(io::Cursor::new(magic).chain(input)),
                consumed: 0,
            },
        );
        let stream = if gzip {
            Stream::Gzip(Box::new(MultiGzDecoder::new(medium)))
        } else if xz {
            Stream::Xz(Box::new(XzReader::new_mem_limit(medium, true, XZ_MEMORY)))
        } else {
            Stream::Plain(medium)
        };
        Ok(Self {
            stream,
            produced: 0,
            expansion: limits.expansion,
            expansion_free: limits.expansion_free,
        })
    }

    /// Reads what is there, at least one byte unless all is read. That all is
    /// read is said only once every checksum of the compression held.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DecodeError> {
        let (read, packing) = match &mut self.stream {
            Stream::Plain(stream) => (stream.read(buffer), "file"),
            Stream::Gzip(stream) => (stream.read(buffer), "gzip stream"),
            Stream::Xz(stream) => (stream.read(buffer), "xz stream"),
        };
        let count = read.map_err(|error| refuse(error, packing))?;
        self.produced += count as u64;
        let allowed = self.consumed().saturating_mul(self.expansion);
        if self.produced > self.expansion_free && self.produced > allowed {
            return Err(DecodeError::Refused(format!(
                "it expands beyond the limit of {}:1 after {} bytes",
                self.expansion, self.expansion_free
            )));
        }
        Ok(count)
    }

    /// How many bytes were read from the medium.
    pub(super) fn consumed(&self) -> u64 {
        match &self.stream {
            Stream::Plain(stream) => stream.get_ref().consumed,
            Stream::Gzip(stream) => stream.get_ref().get_ref().consumed,
            Stream::Xz(stream) => stream.inner().get_ref().consumed,
        }
    }
}

fn refuse(error: io::Error, packing: &str) -> DecodeError {
    match error.downcast::<MediumError>() {
        Ok(MediumError(error)) => DecodeError::Medium(error),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            DecodeError::Refused(format!("archive ends early: the {packing} is cut off"))
        }
        Err(error) => DecodeError::Refused(format!("the {packing} is damaged: {error}")),
    }
}

/// What the archive is on. Counts, and marks its own failures, which are not
/// those of the bytes on it.
struct Medium {
    input: Box<dyn Read + Send>,
    consumed: u64,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct MediumError(io::Error);

impl Read for Medium {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.consumed += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::new(error.kind(), MediumError(error))),
            }
        }
    }
}
