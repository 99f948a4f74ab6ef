//! The headers of an archive, one member after the other.

use std::io::Read;

use super::{
    ArchiveError, ArchiveLimits, Place,
    decode::{DecodeError, Decoded},
    header::{self, BLOCK, Header, Kind},
    member, pax,
};
use crate::Escaped;

/// The longest GNU long name, with the NUL at its end.
const MAX_LONG_NAME: u64 = 4096;

/// The decompressed archive, block by block, and where in it we are.
pub(super) struct Blocks {
    pub(super) archive: Escaped,
    pub(super) input: Decoded,
    /// How many bytes were taken.
    pub(super) offset: u64,
    /// The member being read.
    pub(super) place: Place,
}

/// What an extension header says of the member that comes next.
enum Extension {
    Pax(pax::Records),
    LongName(Vec<u8>),
}

impl Extension {
    fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Pax(records) => records.path.as_deref(),
            Self::LongName(name) => Some(name),
        }
    }
}

impl Blocks {
    pub(super) fn open(
        input: impl Read + Send + 'static,
        name: impl AsRef<[u8]>,
        limits: &ArchiveLimits,
    ) -> Result<Self, ArchiveError> {
        let archive = Escaped::new(name);
        let place = Place::new(0, None, 0);
        let input = Decoded::open(Box::new(input), limits)
            .map_err(|error| explain(&archive, &Place::new(1, None, 0), error))?;
        Ok(Self {
            archive,
            input,
            offset: 0,
            place,
        })
    }

    /// Numbers the member that begins here.
    pub(super) fn begin_member(&mut self) {
        self.place = Place::new(self.place.number() + 1, None, self.offset);
    }

    /// The next header of a file or a directory and the name that counts. None
    /// if a block of zeros is there instead.
    pub(super) fn next_header(&mut self) -> Result<Option<(Header, Vec<u8>)>, ArchiveError> {
        let mut extension = None;
        loop {
            let block = self.read_block()?;
            if block.iter().all(|&byte| byte == 0) {
                if extension.is_some() {
                    return Err(self.refused("an extension header has no member"));
                }
                return Ok(None);
            }
            match extension.as_ref().and_then(Extension::name) {
                Some(name) => self.name_place(name),
                None => self.name_place(&header::raw_name(&block)),
            }
            let header = Header::parse(&block).map_err(|reason| self.refused(reason))?;
            match header.kind {
                Kind::File | Kind::Directory => {
                    let name = self.name_by(&header, extension)?;
                    return Ok(Some((header, name)));
                }
                Kind::Pax | Kind::LongName if extension.is_some() => {
                    return Err(self.refused("an extension header follows another one"));
                }
                Kind::Pax => extension = Some(self.read_pax(header.size)?),
                Kind::LongName => extension = Some(self.read_long_name(header.size)?),
            }
        }
    }

    /// The name that counts: the extension's if it has one.
    fn name_by(
        &self,
        header: &Header,
        extension: Option<Extension>,
    ) -> Result<Vec<u8>, ArchiveError> {
        let name = match extension {
            Some(Extension::LongName(_)) if header.kind != Kind::File => {
                return Err(self.refused("a GNU long name is not followed by a regular file"));
            }
            Some(Extension::LongName(name)) => Some(name),
            Some(Extension::Pax(records)) => {
                if let Some(size) = records.size.filter(|&size| size != header.size) {
                    let stated = header.size;
                    return Err(self.refused(format!(
                        "sizes disagree: {size} in the PAX record, {stated} in the header"
                    )));
                }
                records.path
            }
            None => None,
        };
        let Some(name) = name else {
            return Ok(header.name.clone());
        };
        member::judge_overridden(&header.name).map_err(|reason| self.refused(reason))?;
        Ok(name)
    }

    fn read_pax(&mut self, size: u64) -> Result<Extension, ArchiveError> {
        let block = self.read_extension(size, pax::MAX_SIZE, "a PAX header")?;
        pax::Records::parse(&block)
            .map(Extension::Pax)
            .map_err(|reason| self.refused(reason))
    }

    fn read_long_name(&mut self, size: u64) -> Result<Extension, ArchiveError> {
        let mut name = self.read_extension(size, MAX_LONG_NAME, "a GNU long name")?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(self.refused("a GNU long name does not end in its only NUL byte"));
        }
        Ok(Extension::LongName(name))
    }

    fn read_extension(
        &mut self,
        size: u64,
        limit: u64,
        what: &str,
    ) -> Result<Vec<u8>, ArchiveError> {
        if size > limit {
            return Err(self.refused(format!(
                "{what} has {size} bytes, more than the limit of {limit}"
            )));
        }
        let mut data = Vec::new();
        let mut left = size;
        while left > 0 {
            let block = self.read_block()?;
            let count = left.min(BLOCK as u64);
            // At most a block.
            data.extend_from_slice(&block[..usize::try_from(count).unwrap_or(BLOCK)]);
            left -= count;
        }
        Ok(data)
    }

    pub(super) fn read_block(&mut self) -> Result<[u8; BLOCK], ArchiveError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        Ok(block)
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        let expected = buffer.len();
        let mut filled = 0;
        while filled < expected {
            match self.take(&mut buffer[filled..])? {
                0 => {
                    return Err(self.refused(format!(
                        "archive ends early: {expected} bytes expected, {filled} found"
                    )));
                }
                count => filled += count,
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let count = self
            .input
            .read(buffer)
            .map_err(|error| explain(&self.archive, &self.place, error))?;
        self.offset += count as u64;
        Ok(count)
    }

    fn name_place(&mut self, name: &[u8]) {
        let (number, offset) = (self.place.number(), self.place.offset());
        self.place = Place::new(number, Some(Escaped::new(name)), offset);
    }

    pub(super) fn refused(&self, reason: impl Into<String>) -> ArchiveError {
        ArchiveError::Refused {
            archive: self.archive.clone(),
            place: self.place.clone(),
            reason: reason.into(),
        }
    }
}

fn explain(archive: &Escaped, place: &Place, error: DecodeError) -> ArchiveError {
    let (archive, place) = (archive.clone(), place.clone());
    match error {
        DecodeError::Medium(source) => ArchiveError::Read {
            archive,
            place,
            source,
        },
        DecodeError::Refused(reason) => ArchiveError::Refused {
            archive,
            place,
            reason,
        },
    }
}
