//! Reading the regular files of an archive that nobody vouches for.

use std::io::Read;

use super::{
    ArchiveError, ArchiveLimits, Place, SeenNames,
    blocks::Blocks,
    header::{BLOCK, Kind},
    member,
};

/// A regular file of an archive, whose data the reader has next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TreeEntry {
    /// Its path: relative, plain ASCII, without `.` and `..`, and not there before in
    /// any case of letters.
    pub path: String,
    /// How many bytes of data it has: those that come, or the reading fails.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// Reads the regular files of an archive from beginning to end.
///
/// The archive may be gzip of any number of members, xz or a plain tar, with
/// ustar, GNU or PAX headers. Its first bytes say which. Links, devices and names
/// that lead anywhere are refused; what a path means is for the caller to judge.
///
/// When there are no more files, all of the archive has been read and nothing is
/// wrong with it: it ends as a tar does, nothing hides behind the end, and the
/// checksums of the compression hold. Until then, what was read may still turn out
/// to be from a damaged archive. Once an error was returned, only errors are.
///
/// Memory does not grow with what files hold; each takes some 30 bytes, to know it
/// again.
pub struct TreeReader {
    pub(super) tar: Blocks,
    limits: ArchiveLimits,
    state: State,
    seen: SeenNames,
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
pub(super) struct File {
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
}

impl std::fmt::Debug for TreeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeReader")
            .field("archive", &self.tar.archive)
            .field("offset", &self.tar.offset)
            .finish_non_exhaustive()
    }
}

impl TreeReader {
    /// Begins to read an archive, which messages call `name`.
    pub fn open(
        input: impl Read + Send + 'static,
        name: impl AsRef<[u8]>,
        limits: ArchiveLimits,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            tar: Blocks::open(input, name, &limits)?,
            limits,
            state: State::Data { size: 0, left: 0 },
            seen: SeenNames::default(),
        })
    }

    /// How many bytes of the medium were read, which shows how far along we are.
    pub fn consumed(&self) -> u64 {
        self.tar.input.consumed()
    }

    /// The next file, past what is left of the data of the one before. None if there
    /// are no more and the archive is whole.
    pub fn next_entry(&mut self) -> Result<Option<TreeEntry>, ArchiveError> {
        let Some(file) = self.next_file()? else {
            return Ok(None);
        };
        let admitted = member::plain(&file.name)
            .map(str::to_owned)
            .map_err(|reason| self.tar.refused(reason));
        let path = self.checked(admitted)?;
        if !self.seen.insert(&path) {
            let fault = self.tar.refused(format!(
                "Unexpected archive member {path}: it is there twice, \
                 upper and lower case taken for the same"
            ));
            return self.checked(Err(fault));
        }
        Ok(Some(TreeEntry {
            path,
            size: file.size,
            place: self.tar.place.clone(),
        }))
    }

    /// Reads data of the file that came last into `buffer`: at least one byte, or 0
    /// at its end.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let State::Data { size, left } = self.state else {
            return match self.state {
                State::End => Ok(0),
                _ => Err(self.spent()),
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
        let count = self.checked(read)?;
        self.state = State::Data {
            size,
            left: left - count as u64,
        };
        Ok(count)
    }

    /// An error at the place of the file that came last; nothing can be read after it.
    pub fn refuse(&mut self, reason: impl Into<String>) -> ArchiveError {
        self.state = State::Failed;
        self.tar.refused(reason)
    }

    /// Passes `result` on; after an error nothing can be read.
    pub(super) fn checked<T>(
        &mut self,
        result: Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn spent(&self) -> ArchiveError {
        self.tar.refused("its reading ended at an earlier fault")
    }

    /// The next regular file, whatever it is called, or None at the end. Directories
    /// are passed over.
    pub(super) fn next_file(&mut self) -> Result<Option<File>, ArchiveError> {
        match self.state {
            State::End => return Ok(None),
            State::Failed => return Err(self.spent()),
            State::Data { .. } => {}
        }
        let file = self.find_file();
        self.checked(file)
    }

    fn find_file(&mut self) -> Result<Option<File>, ArchiveError> {
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
                return Ok(());
            }
            if buffer[..count].iter().any(|&byte| byte != 0) {
                return Err(self
                    .tar
                    .refused("there is data behind the end of the archive"));
            }
        }
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

/// The data of the file that came last, as [`read_data`](TreeReader::read_data).
impl Read for TreeReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.read_data(buffer)?)
    }
}

/// How many bytes there are after the data, up to a whole block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
