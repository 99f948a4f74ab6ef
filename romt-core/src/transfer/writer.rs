//! Making an archive.

use std::io::{self, Read, Write};

use super::{
    ArchiveFormat, BUNDLE_MEMBER, FORMAT_MEMBER, SeenNames,
    gzip::{GzipLevel, ParallelGzip},
    header::{self, BLOCK, field},
    member, pax,
};
use crate::{CrateName, ErrorClass, Version};

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

/// Writes a `crates.tar.gz`.
///
/// First the [bundle](Self::bundle), then each [crate](Self::crate_file), in an
/// order that is for the caller to fix: by name and version, as plain text. The
/// same members in the same order make the same bytes: times, owners and modes
/// are constants, and the compression depends on its level only.
///
/// Any tar reads it, and romt for Python does.
pub struct ArchiveWriter<W: Write> {
    output: Output<W>,
    format: ArchiveFormat,
    /// How many bytes of tar were written.
    offset: u64,
    seen: SeenNames,
    state: State,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but the format is there.
    Begun,
    /// The bundle is there.
    Bundled,
    /// A member is there in part.
    Broken,
}

enum Output<W: Write> {
    Plain(W),
    Gzip(Box<ParallelGzip<W>>),
}

impl<W: Write> std::fmt::Debug for ArchiveWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("format", &self.format)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive on `output`.
    pub fn new(
        output: W,
        format: ArchiveFormat,
        compression: Compression,
    ) -> Result<Self, ArchiveWriteError> {
        let output = match compression {
            Compression::None => Output::Plain(output),
            Compression::Gzip(level) => Output::Gzip(Box::new(ParallelGzip::new(output, level))),
        };
        let mut writer = Self {
            output,
            format,
            offset: 0,
            seen: SeenNames::default(),
            state: State::Begun,
            buffer: vec![0; 64 * 1024],
        };
        let content = format!("{}\n", format.number());
        writer.member(FORMAT_MEMBER, content.len() as u64, content.as_bytes())?;
        Ok(writer)
    }

    /// Adds the index, `size` bytes of a bundle.
    pub fn bundle(&mut self, size: u64, input: impl Read) -> Result<(), ArchiveWriteError> {
        self.expect(State::Begun, "the bundle is there already")?;
        if size == 0 {
            return Err(ArchiveWriteError::Refused {
                member: BUNDLE_MEMBER.to_owned(),
                reason: "it is empty",
            });
        }
        self.member(BUNDLE_MEMBER, size, input)?;
        self.state = State::Bundled;
        Ok(())
    }

    /// Adds the `.crate` file of a version, which has `size` bytes.
    pub fn crate_file(
        &mut self,
        name: &CrateName,
        version: &Version,
        size: u64,
        input: impl Read,
    ) -> Result<(), ArchiveWriteError> {
        self.expect(State::Bundled, "the bundle comes before the crates")?;
        let path = member::crate_path(self.format, name, version);
        if !self.seen.insert(&path) {
            return Err(ArchiveWriteError::Refused {
                member: path,
                reason: "it is there already, upper and lower case taken for the same",
            });
        }
        self.member(&path, size, input)
    }

    /// Ends the archive and returns what it was written to.
    pub fn finish(mut self) -> Result<W, ArchiveWriteError> {
        self.expect(State::Bundled, "the bundle is missing")?;
        let end = self.offset + 2 * BLOCK as u64;
        self.zeros(end.next_multiple_of(RECORD) - self.offset)?;
        match self.output {
            Output::Plain(output) => Ok(output),
            Output::Gzip(gzip) => gzip.finish().map_err(ArchiveWriteError::Output),
        }
    }

    fn expect(&self, state: State, otherwise: &'static str) -> Result<(), ArchiveWriteError> {
        match self.state {
            State::Broken => Err(ArchiveWriteError::Misused("an earlier member failed")),
            actual if actual == state => Ok(()),
            _ => Err(ArchiveWriteError::Misused(otherwise)),
        }
    }

    /// Writes a member, all of it or the archive is broken.
    fn member(&mut self, path: &str, size: u64, input: impl Read) -> Result<(), ArchiveWriteError> {
        let before = std::mem::replace(&mut self.state, State::Broken);
        self.headers(path, size)?;
        self.data(path, size, input)?;
        self.state = before;
        Ok(())
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

    fn data(&mut self, path: &str, size: u64, input: impl Read) -> Result<(), ArchiveWriteError> {
        // One byte more than expected shows that there is more.
        let mut input = input.take(size.saturating_add(1));
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut left = size;
        let length = |than| ArchiveWriteError::Length {
            member: path.to_owned(),
            size,
            than,
        };
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let member = path.to_owned();
                    return Err(ArchiveWriteError::Input { member, source });
                }
            };
            left = left
                .checked_sub(count as u64)
                .ok_or_else(|| length("longer"))?;
            self.write(&buffer[..count])?;
        }
        self.buffer = buffer;
        if left > 0 {
            return Err(length("shorter"));
        }
        self.pad()
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
