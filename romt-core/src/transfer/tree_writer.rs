//! Making an archive of any regular files.

use std::io::{self, Read, Write};

use super::{
    SeenNames,
    gzip::{GzipLevel, ParallelGzip},
    header::{self, BLOCK, field},
    member, pax,
};
use crate::ErrorClass;

/// The time of every member: the first second of the year 2000. Some tools
/// mistrust that of 1970.
const MTIME: u64 = 946_684_800;

/// The mode of every member.
const MODE: u64 = 0o644;

/// A tar is a whole number of these: twenty blocks.
const RECORD: u64 = 20 * BLOCK as u64;

/// The largest size that eleven octal digits say.
const MAX_OCTAL: u64 = (1 << 33) - 1;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: a plain tar.
    None,
    /// With gzip, on all cores.
    Gzip(GzipLevel),
}

/// Why an archive cannot be written.
///
/// After [`Refused`](Self::Refused) the archive can go on without the member in
/// question. After any other it is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveWriteError {
    /// What the archive is written to failed.
    #[error("the archive could not be written")]
    Output(#[source] io::Error),
    /// What goes into the archive could not be read.
    #[error("`{member}` could not be read to be packed")]
    Input {
        /// Its name in the archive.
        member: String,
        /// What the reader said.
        #[source]
        source: io::Error,
    },
    /// What goes into the archive is not as long as it was said to be.
    #[error("`{member}` is {than} than the {size} bytes that it should have")]
    Length {
        /// Its name in the archive.
        member: String,
        /// The size that was given.
        size: u64,
        /// Shorter or longer.
        than: &'static str,
    },
    /// No reader would take an archive with this member. Nothing was written.
    #[error("`{member}` cannot be in the archive: {reason}")]
    Refused {
        /// Its name in the archive.
        member: String,
        /// Why.
        reason: &'static str,
    },
    /// The writer was used out of order.
    #[error("the archive was not written in its order: {0}")]
    Misused(&'static str),
}

impl ArchiveWriteError {
    /// The class of the failure.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Output(_) | Self::Input { .. } => ErrorClass::Storage,
            Self::Length { .. } => ErrorClass::Integrity,
            Self::Refused { .. } => ErrorClass::Refused,
            Self::Misused(_) => ErrorClass::Bug,
        }
    }
}

/// Writes regular files into an archive, in an order that is for the caller to fix.
///
/// The same files in the same order make the same bytes: times, owners and modes are
/// constants, and the compression depends on its level only. Any tar reads it.
pub struct TreeWriter<W: Write> {
    output: Output<W>,
    /// How many bytes of tar were written.
    offset: u64,
    seen: SeenNames,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between two files.
    Between,
    /// Within a file of which so much is missing.
    Within { path: String, size: u64, left: u64 },
    /// A file is there in part, and will not be whole.
    Broken,
}

enum Output<W: Write> {
    Plain(W),
    Gzip(Box<ParallelGzip<W>>),
}

impl<W: Write> std::fmt::Debug for TreeWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeWriter")
            .field("offset", &self.offset)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<W: Write> TreeWriter<W> {
    /// Begins an archive on `output`.
    pub fn new(output: W, compression: Compression) -> Self {
        let output = match compression {
            Compression::None => Output::Plain(output),
            Compression::Gzip(level) => Output::Gzip(Box::new(ParallelGzip::new(output, level))),
        };
        Self {
            output,
            offset: 0,
            seen: SeenNames::default(),
            state: State::Between,
        }
    }

    /// Adds the file `path`, which has `size` bytes.
    pub fn file(
        &mut self,
        path: &str,
        size: u64,
        input: impl Read,
    ) -> Result<(), ArchiveWriteError> {
        self.begin_file(path, size)?;
        // One byte more than expected shows that there is more.
        let mut input = input.take(size.saturating_add(1));
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.data(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.state = State::Broken;
                    let member = path.to_owned();
                    return Err(ArchiveWriteError::Input { member, source });
                }
            }
        }
        self.end_file()
    }

    /// Begins the file `path`, whose `size` bytes of [`data`](Self::data) come next.
    pub fn begin_file(&mut self, path: &str, size: u64) -> Result<(), ArchiveWriteError> {
        match self.state {
            State::Between => {}
            State::Within { .. } => {
                return Err(ArchiveWriteError::Misused("a file was not ended"));
            }
            State::Broken => {
                return Err(ArchiveWriteError::Misused("an earlier member failed"));
            }
        }
        let refused = |reason| ArchiveWriteError::Refused {
            member: path.to_owned(),
            reason,
        };
        if member::plain(path.as_bytes()).is_err() {
            return Err(refused("no reader would take a member of this name"));
        }
        if !self.seen.insert(path) {
            return Err(refused(
                "it is there already, upper and lower case taken for the same",
            ));
        }
        self.state = State::Broken;
        self.headers(path, size)?;
        self.state = State::Within {
            path: path.to_owned(),
            size,
            left: size,
        };
        Ok(())
    }

    /// Adds the next bytes of the file that was begun.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), ArchiveWriteError> {
        let State::Within { path, size, left } = &mut self.state else {
            return Err(ArchiveWriteError::Misused("no file was begun"));
        };
        let Some(rest) = left.checked_sub(bytes.len() as u64) else {
            let error = length(path, *size, "longer");
            self.state = State::Broken;
            return Err(error);
        };
        *left = rest;
        let written = self.write(bytes);
        if written.is_err() {
            self.state = State::Broken;
        }
        written
    }

    /// Ends the file that was begun, which must be whole.
    pub fn end_file(&mut self) -> Result<(), ArchiveWriteError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Within { left: 0, .. } => {}
            State::Within { path, size, .. } => return Err(length(&path, size, "shorter")),
            _ => return Err(ArchiveWriteError::Misused("no file was begun")),
        }
        self.pad()?;
        self.state = State::Between;
        Ok(())
    }

    /// Ends the archive and returns what it was written to.
    pub fn finish(mut self) -> Result<W, ArchiveWriteError> {
        match self.state {
            State::Between => {}
            State::Within { .. } => {
                return Err(ArchiveWriteError::Misused("a file was not ended"));
            }
            State::Broken => {
                return Err(ArchiveWriteError::Misused("an earlier member failed"));
            }
        }
        let end = self.offset + 2 * BLOCK as u64;
        self.zeros(end.next_multiple_of(RECORD) - self.offset)?;
        match self.output {
            Output::Plain(output) => Ok(output),
            Output::Gzip(gzip) => gzip.finish().map_err(ArchiveWriteError::Output),
        }
    }

    fn headers(&mut self, path: &str, size: u64) -> Result<(), ArchiveWriteError> {
        if path.len() > field::NAME.len() {
            let record = pax::record("path", path);
            let length = record.len() as u64;
            self.write(&header(b"././@PaxHeader", b'x', length))?;
            self.write(record.as_bytes())?;
            self.pad()?;
        }
        self.write(&header(path.as_bytes(), b'0', size))
    }

    /// Fills the block up.
    fn pad(&mut self) -> Result<(), ArchiveWriteError> {
        self.zeros(self.offset.next_multiple_of(BLOCK as u64) - self.offset)
    }

    fn zeros(&mut self, mut count: u64) -> Result<(), ArchiveWriteError> {
        while count > 0 {
            let zeros = [0; BLOCK];
            // At most a block.
            let now = usize::try_from(count).unwrap_or(BLOCK).min(BLOCK);
            self.write(&zeros[..now])?;
            count -= now as u64;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveWriteError> {
        let written = match &mut self.output {
            Output::Plain(output) => output.write_all(bytes),
            Output::Gzip(gzip) => gzip.write_all(bytes),
        };
        written.map_err(ArchiveWriteError::Output)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn length(path: &str, size: u64, than: &'static str) -> ArchiveWriteError {
    ArchiveWriteError::Length {
        member: path.to_owned(),
        size,
        than,
    }
}

/// A ustar header. Of a name that is too long it has the beginning.
fn header(name: &[u8], kind: u8, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let name = &name[..name.len().min(field::NAME.len())];
    block[..name.len()].copy_from_slice(name);
    octal(&mut block[field::MODE], MODE);
    octal(&mut block[field::UID], 0);
    octal(&mut block[field::GID], 0);
    octal(&mut block[field::MTIME], MTIME);
    octal(&mut block[field::DEV_MAJOR], 0);
    octal(&mut block[field::DEV_MINOR], 0);
    block[field::KIND] = kind;
    if size <= MAX_OCTAL {
        block[field::MAGIC].copy_from_slice(header::USTAR);
        octal(&mut block[field::SIZE], size);
    } else {
        // Eight gigabytes and more are said as GNU does.
        block[field::MAGIC].copy_from_slice(header::GNU);
        block[field::SIZE][0] = 0x80;
        block[field::SIZE][4..].copy_from_slice(&size.to_be_bytes());
    }
    let sum = header::checksum(&block);
    block[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Fills `field` with digits and a NUL.
fn octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let text = format!("{number:0digits$o}\0");
    field.copy_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::header::{Header, Kind};

    #[test]
    fn headers_are_read_back_at_every_size() {
        for size in [0, 1, MAX_OCTAL, MAX_OCTAL + 1, 64 << 30] {
            let header = Header::parse(&header(b"some/name", b'0', size)).unwrap();
            assert_eq!(header.size, size);
            assert_eq!(header.kind, Kind::File);
            assert_eq!(header.name, b"some/name");
        }
    }
}
