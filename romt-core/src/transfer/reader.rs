//! Reading an archive that nobody vouches for.

use std::io::Read;

use super::{
    ArchiveError, ArchiveFormat, ArchiveLimits, BUNDLE_MEMBER, FORMAT_MEMBER, Member, Place,
    SeenNames,
    blocks::Blocks,
    header::{BLOCK, Kind},
    member::{self, Admitted},
};
use crate::Escaped;

/// The longest `ARCHIVE_FORMAT`, in bytes.
const MAX_FORMAT: usize = 16;

/// A member of an archive, whose data the reader has next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it is.
    pub member: Member,
    /// How many bytes of data it has: those that come, or the reading fails.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// What was in an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchiveSummary {
    /// The format.
    pub format: ArchiveFormat,
    /// How many crates there were.
    pub crates: u64,
    /// How many bytes the archive has.
    pub size: u64,
}

/// Reads a `crates.tar.gz` from beginning to end.
///
/// The archive may be gzip of any number of members, xz or a plain tar, with
/// ustar, GNU or PAX headers. Its first bytes say which.
///
/// Members come in the order of the archive, the bundle before any crate. When
/// there are no more, all of the archive has been read and nothing is wrong with
/// it: it ends as a tar does, nothing hides behind the end, and the checksums of
/// the compression hold. Until then, what was read may still turn out to be from
/// a damaged archive. Once an error was returned, only errors are.
///
/// Memory does not grow with what members hold; each crate takes some 30 bytes, to
/// know it again.
pub struct ArchiveReader {
    tar: Blocks,
    limits: ArchiveLimits,
    format: ArchiveFormat,
    state: State,
    /// The entry that was read to learn the format.
    first: Option<Entry>,
    seen: SeenNames,
    has_bundle: bool,
    crates: u64,
}

enum State {
    /// In a member's data.
    Data { size: u64, left: u64 },
    /// At the end of an archive without a fault.
    End,
    /// Behind a fault.
    Failed,
}

/// A regular file of any name.
struct File {
    name: Vec<u8>,
    size: u64,
}

impl std::fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("archive", &self.tar.archive)
            .field("format", &self.format)
            .field("offset", &self.tar.offset)
            .finish_non_exhaustive()
    }
}

impl ArchiveReader {
    /// Begins to read an archive, which messages call `name`, up to its format.
    pub fn open(
        input: impl Read + Send + 'static,
        name: impl AsRef<[u8]>,
        limits: ArchiveLimits,
    ) -> Result<Self, ArchiveError> {
        let mut reader = Self {
            tar: Blocks::open(input, name, &limits)?,
            limits,
            format: ArchiveFormat::Mixed,
            state: State::Data { size: 0, left: 0 },
            first: None,
            seen: SeenNames::default(),
            has_bundle: false,
            crates: 0,
        };
        match reader.next_file()? {
            Some(file) if file.name == FORMAT_MEMBER.as_bytes() => {
                reader.format = reader.read_format(file.size)?;
            }
            Some(file) => reader.first = Some(reader.admit(&file)?),
            None => {}
        }
        Ok(reader)
    }

    /// Which directories the crates are in.
    pub fn format(&self) -> ArchiveFormat {
        self.format
    }

    /// How many bytes of the medium were read, which shows how far along we are.
    pub fn consumed(&self) -> u64 {
        self.tar.input.consumed()
    }

    /// The next member, past what is left of the data of the one before. None if
    /// there are no more and the archive is whole.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.state {
            State::End => return Ok(None),
            State::Failed => return Err(self.tar.refused("its reading ended at an earlier fault")),
            State::Data { .. } => {}
        }
        let entry = match self.next_file() {
            Ok(Some(file)) => self.admit(&file).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.state_after(entry)
    }

    /// Reads data of the member that came last into `buffer`: at least one byte,
    /// or 0 at its end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let State::Data { size, left } = self.state else {
            return match self.state {
                State::End => Ok(0),
                _ => Err(self.tar.refused("its reading ended at an earlier fault")),
            };
        };
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = match self.tar.take(&mut buffer[..wanted]) {
            Ok(0) => Err(self.tar.refused(format!(
                "archive ends early: {size} bytes of data expected, {} found",
                size - left
            ))),
            other => other,
        };
        let count = self.state_after(read)?;
        self.state = State::Data {
            size,
            left: left - count as u64,
        };
        Ok(count)
    }

    /// Reads what is left of the archive, and says what was in it.
    pub fn finish(mut self) -> Result<ArchiveSummary, ArchiveError> {
        while self.next_entry()?.is_some() {}
        Ok(ArchiveSummary {
            format: self.format,
            crates: self.crates,
            size: self.tar.input.consumed(),
        })
    }

    fn state_after<T>(&mut self, result: Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// Whether this file may come at this place.
    fn admit(&mut self, file: &File) -> Result<Entry, ArchiveError> {
        let admitted = member::judge(&file.name, self.format);
        let member = match admitted.map_err(|reason| self.tar.refused(reason))? {
            Admitted::Format => {
                return Err(self
                    .tar
                    .refused("Unexpected ARCHIVE_FORMAT (not at archive start)"));
            }
            Admitted::Member(member) => member,
        };
        match &member {
            Member::Bundle => self.admit_bundle(file.size)?,
            Member::Crate { name, version } => {
                let path = member::crate_path(self.format, name, version);
                self.admit_crate(&path, file.size)?;
            }
        }
        Ok(Entry {
            member,
            size: file.size,
            place: self.tar.place.clone(),
        })
    }

    fn admit_bundle(&mut self, size: u64) -> Result<(), ArchiveError> {
        if std::mem::replace(&mut self.has_bundle, true) {
            return Err(self.tar.refused(format!(
                "Unexpected archive member {BUNDLE_MEMBER}: it is there twice"
            )));
        }
        if size == 0 {
            return Err(self.tar.refused("the index bundle is empty"));
        }
        self.check_size(size, self.limits.bundle_size, "a bundle")
    }

    fn admit_crate(&mut self, path: &str, size: u64) -> Result<(), ArchiveError> {
        if !self.has_bundle {
            return Err(self.tar.refused(format!(
                "Unexpected archive member {path}: a crate comes before {BUNDLE_MEMBER}, \
                 without which it cannot be judged"
            )));
        }
        self.check_size(size, self.limits.crate_size, "a crate")?;
        if !self.seen.insert(path) {
            return Err(self.tar.refused(format!(
                "Unexpected archive member {path}: it is there twice, \
                 upper and lower case taken for the same"
            )));
        }
        self.crates += 1;
        Ok(())
    }

    fn check_size(&self, size: u64, limit: u64, what: &str) -> Result<(), ArchiveError> {
        if size <= limit {
            return Ok(());
        }
        Err(self.tar.refused(format!(
            "it has {size} bytes, more than the limit of {limit} for {what}"
        )))
    }

    fn read_format(&mut self, size: u64) -> Result<ArchiveFormat, ArchiveError> {
        if size > MAX_FORMAT as u64 {
            return Err(self
                .tar
                .refused(format!("Invalid ARCHIVE_FORMAT of {size} bytes")));
        }
        let mut content = [0; MAX_FORMAT];
        let mut filled = 0;
        loop {
            match self.read_data(&mut content[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        let content = &content[..filled];
        match content.trim_ascii() {
            b"1" => Ok(ArchiveFormat::Mixed),
            b"2" => Ok(ArchiveFormat::Lower),
            other => {
                let other = Escaped::new(other);
                Err(self
                    .tar
                    .refused(format!("Invalid ARCHIVE_FORMAT '{other}'")))
            }
        }
    }

    /// The next regular file, or None at the end. Directories are passed over.
    fn next_file(&mut self) -> Result<Option<File>, ArchiveError> {
        self.skip_data()?;
        loop {
            self.tar.begin_member();
            let Some((header, name)) = self.tar.next_header()? else {
                self.read_end()?;
                self.state = State::End;
                return Ok(None);
            };
            if self.tar.place.number() > self.limits.members {
                let limit = self.limits.members;
                return Err(self
                    .tar
                    .refused(format!("more members than the limit of {limit}")));
            }
            if header.kind == Kind::Directory {
                member::judge_directory(&name).map_err(|reason| self.tar.refused(reason))?;
                continue;
            }
            self.state = State::Data {
                size: header.size,
                left: header.size,
            };
            return Ok(Some(File {
                name,
                size: header.size,
            }));
        }
    }

    /// Checks that the archive ends here, after one block of zeros.
    fn read_end(&mut self) -> Result<(), ArchiveError> {
        let block = self.tar.read_block()?;
        if block.iter().any(|&byte| byte != 0) {
            return Err(self
                .tar
                .refused("there is data behind the end of the archive"));
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = self.tar.take(&mut buffer)?;
            if count == 0 {
                break;
            }
            if buffer[..count].iter().any(|&byte| byte != 0) {
                return Err(self
                    .tar
                    .refused("there is data behind the end of the archive"));
            }
        }
        if !self.has_bundle {
            return Err(self
                .tar
                .refused(format!("Missing {BUNDLE_MEMBER} in archive")));
        }
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), ArchiveError> {
        if matches!(self.state, State::Data { left, .. } if left > 0) {
            let mut buffer = vec![0; 64 * 1024];
            while self.read_data(&mut buffer)? > 0 {}
        }
        if let State::Data { size, .. } = self.state {
            self.state = State::Data { size: 0, left: 0 };
            let mut block = [0; BLOCK];
            // Less than a block.
            let padding = usize::try_from(padding(size)).unwrap_or(BLOCK);
            self.tar.fill(&mut block[..padding])?;
        }
        Ok(())
    }
}

/// The data of the member that came last, as [`read_data`](ArchiveReader::read_data).
impl Read for ArchiveReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.read_data(buffer)?)
    }
}

/// How many bytes there are after the data, up to a whole block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
