//! Reading an archive of crates that nobody vouches for.

use std::io::Read;

use super::{
    ArchiveError, ArchiveFormat, ArchiveLimits, BUNDLE_MEMBER, FORMAT_MEMBER, Member, Place,
    SeenNames, TreeReader,
    member::{self, Admitted},
    tree_reader::File,
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

/// Reads a `crates.tar.gz` from beginning to end, as [`TreeReader`] reads any archive.
///
/// Members come in the order of the archive, the bundle before any crate. Memory does
/// not grow with what members hold; each crate takes some 30 bytes, to know it again.
pub struct ArchiveReader {
    tree: TreeReader,
    limits: ArchiveLimits,
    format: ArchiveFormat,
    /// The entry that was read to learn the format.
    first: Option<Entry>,
    seen: SeenNames,
    has_bundle: bool,
    crates: u64,
}

impl std::fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("tree", &self.tree)
            .field("format", &self.format)
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
            tree: TreeReader::open(input, name, limits.clone())?,
            limits,
            format: ArchiveFormat::Mixed,
            first: None,
            seen: SeenNames::default(),
            has_bundle: false,
            crates: 0,
        };
        match reader.tree.next_file()? {
            Some(file) if file.name == FORMAT_MEMBER.as_bytes() => {
                reader.format = reader.read_format(file.size)?;
            }
            Some(file) => reader.first = Some(reader.admit(&file)?),
            None => reader.expect_bundle()?,
        }
        Ok(reader)
    }

    /// Which directories the crates are in.
    pub fn format(&self) -> ArchiveFormat {
        self.format
    }

    /// How many bytes of the medium were read, which shows how far along we are.
    pub fn consumed(&self) -> u64 {
        self.tree.consumed()
    }

    /// The next member, past what is left of the data of the one before. None if
    /// there are no more and the archive is whole.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let entry = match self.tree.next_file()? {
            Some(file) => self.admit(&file).map(Some),
            None => self.expect_bundle().map(|()| None),
        };
        self.tree.checked(entry)
    }

    /// Reads data of the member that came last into `buffer`: at least one byte,
    /// or 0 at its end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        self.tree.read_data(buffer)
    }

    /// Reads what is left of the archive, and says what was in it.
    pub fn finish(mut self) -> Result<ArchiveSummary, ArchiveError> {
        while self.next_entry()?.is_some() {}
        Ok(ArchiveSummary {
            format: self.format,
            crates: self.crates,
            size: self.tree.consumed(),
        })
    }

    fn refused(&self, reason: impl Into<String>) -> ArchiveError {
        self.tree.tar.refused(reason)
    }

    fn expect_bundle(&self) -> Result<(), ArchiveError> {
        if self.has_bundle {
            return Ok(());
        }
        Err(self.refused(format!("Missing {BUNDLE_MEMBER} in archive")))
    }

    /// Whether this file may come at this place.
    fn admit(&mut self, file: &File) -> Result<Entry, ArchiveError> {
        let admitted = member::judge(&file.name, self.format);
        let member = match admitted.map_err(|reason| self.refused(reason))? {
            Admitted::Format => {
                return Err(self.refused("Unexpected ARCHIVE_FORMAT (not at archive start)"));
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
            place: self.tree.tar.place.clone(),
        })
    }

    fn admit_bundle(&mut self, size: u64) -> Result<(), ArchiveError> {
        if std::mem::replace(&mut self.has_bundle, true) {
            return Err(self.refused(format!(
                "Unexpected archive member {BUNDLE_MEMBER}: it is there twice"
            )));
        }
        if size == 0 {
            return Err(self.refused("the index bundle is empty"));
        }
        self.check_size(size, self.limits.bundle_size, "a bundle")
    }

    fn admit_crate(&mut self, path: &str, size: u64) -> Result<(), ArchiveError> {
        if !self.has_bundle {
            return Err(self.refused(format!(
                "Unexpected archive member {path}: a crate comes before {BUNDLE_MEMBER}, \
                 without which it cannot be judged"
            )));
        }
        self.check_size(size, self.limits.crate_size, "a crate")?;
        if !self.seen.insert(path) {
            return Err(self.refused(format!(
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
        Err(self.refused(format!(
            "it has {size} bytes, more than the limit of {limit} for {what}"
        )))
    }

    fn read_format(&mut self, size: u64) -> Result<ArchiveFormat, ArchiveError> {
        if size > MAX_FORMAT as u64 {
            return Err(self.refused(format!("Invalid ARCHIVE_FORMAT of {size} bytes")));
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
                Err(self.refused(format!("Invalid ARCHIVE_FORMAT '{other}'")))
            }
        }
    }
}

/// The data of the member that came last, as [`read_data`](ArchiveReader::read_data).
impl Read for ArchiveReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.read_data(buffer)?)
    }
}
