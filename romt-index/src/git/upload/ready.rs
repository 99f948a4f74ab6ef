//! A pack that is ready to be sent, any number of times.

use std::{
    fs::File,
    io::{self, Cursor, Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use gix::Repository;

use super::super::pack::{Fault, Plan, Purpose, Scratch, Stop, Stretch, check};

/// The header of a pack.
const HEADER: u64 = 12;
/// How much of a pack is kept in memory; the rest goes to a file for temporary ones.
const IN_MEMORY: usize = 8 * 1024 * 1024;

/// A pack: what is copied of one that lies in the repository, and what comes before
/// and after that.
///
/// To send it needs neither memory nor thought, however slow the reader.
pub(super) struct Ready {
    header: Bytes,
    copied: Option<Stretch>,
    rest: Rest,
}

enum Rest {
    Memory(Bytes),
    /// The file has no name any more: it is gone with whoever reads it last.
    File(Stretch),
}

impl Ready {
    /// Makes the pack that is planned.
    pub(super) fn make(
        plan: &Plan,
        repo: &Repository,
        purpose: Purpose,
        stop: Stop<'_>,
    ) -> Result<Self, Fault> {
        let mut parts = Parts::new(plan.copied(), stop);
        plan.write(repo, purpose, &mut parts)?;
        Ok(parts.finish()?)
    }

    /// How many bytes of memory it takes, and of a file for temporary ones.
    pub(super) fn weight(&self) -> (usize, u64) {
        match &self.rest {
            Rest::Memory(bytes) => (bytes.len(), 0),
            Rest::File(stretch) => (0, stretch.length),
        }
    }

    /// How many bytes the pack is.
    pub(super) fn length(&self) -> u64 {
        let rest = match &self.rest {
            Rest::Memory(bytes) => bytes.len() as u64,
            Rest::File(stretch) => stretch.length,
        };
        HEADER + self.copied.as_ref().map_or(0, |it| it.length) + rest
    }

    /// The bytes of the pack.
    pub(super) fn read(&self) -> Box<dyn Read + Send> {
        let header = Cursor::new(self.header.clone());
        let rest: Box<dyn Read + Send> = match &self.rest {
            Rest::Memory(bytes) => Box::new(Cursor::new(bytes.clone())),
            Rest::File(stretch) => Box::new(stretch.read()),
        };
        match &self.copied {
            None => Box::new(header.chain(rest)),
            Some(stretch) => Box::new(header.chain(stretch.read()).chain(rest)),
        }
    }
}

/// Takes a pack apart as it is written: what is copied is there already.
struct Parts<'a> {
    stop: Stop<'a>,
    header: Vec<u8>,
    copied: Option<Stretch>,
    /// How much of what is copied is still to come.
    skipped: u64,
    memory: Vec<u8>,
    file: Option<(Scratch, u64)>,
}

impl<'a> Parts<'a> {
    fn new(copied: Option<Stretch>, stop: Stop<'a>) -> Self {
        Self {
            stop,
            header: Vec::new(),
            skipped: copied.as_ref().map_or(0, |it| it.length),
            copied,
            memory: Vec::new(),
            file: None,
        }
    }

    fn finish(mut self) -> io::Result<Ready> {
        self.drain()?;
        let rest = match self.file {
            None => Rest::Memory(self.memory.into()),
            Some((scratch, length)) => {
                let file = Arc::new(scratch.shared()?);
                let start = 0;
                let stretch = Stretch {
                    file,
                    start,
                    length,
                };
                Rest::File(stretch)
            }
        };
        Ok(Ready {
            header: self.header.into(),
            copied: self.copied,
            rest,
        })
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            if self.memory.len() + bytes.len() <= IN_MEMORY {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            self.spill()?;
        }
        if let Some((_, length)) = &mut self.file {
            *length += bytes.len() as u64;
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > IN_MEMORY / 8 {
            self.drain()?;
        }
        Ok(())
    }

    /// Goes on in a file.
    fn spill(&mut self) -> io::Result<()> {
        let directory = std::env::temp_dir();
        let file = Scratch::new_in(&directory).map_err(|error| {
            let place = directory.display();
            let text = format!("a pack is too large for memory and cannot be put into {place}");
            io::Error::new(error.kind(), format!("{text}: {error}; set TMPDIR"))
        })?;
        self.file = Some((file, self.memory.len() as u64));
        self.drain()
    }

    fn drain(&mut self) -> io::Result<()> {
        if let Some((file, _)) = &mut self.file {
            let mut file: &File = file.file();
            file.write_all(&self.memory)?;
            self.memory.clear();
        }
        Ok(())
    }
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check(self.stop)?;
        let missing = usize::try_from(HEADER).unwrap_or_default() - self.header.len();
        if missing > 0 {
            let length = missing.min(bytes.len());
            self.header.extend_from_slice(&bytes[..length]);
            return Ok(length);
        }
        if self.skipped > 0 {
            let length = usize::try_from(self.skipped).map_or(bytes.len(), |n| n.min(bytes.len()));
            self.skipped -= length as u64;
            return Ok(length);
        }
        self.keep(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::pack::testing::Dice, *};

    #[test]
    fn a_pack_is_put_together_again_wherever_its_parts_are() {
        let mut dice = Dice::new(5);
        for (copied, rest) in [(0, 0), (0, 100), (5_000, 1), (70_000, IN_MEMORY + 300_000)] {
            let whole: Vec<u8> = (0..12 + copied + rest).map(|_| dice.byte()).collect();
            // The same entries, in another pack.
            let mut other = tempfile::tempfile().unwrap();
            let text = [b"other header", &whole[12..12 + copied], &[0; 20]].concat();
            other.write_all(&text).unwrap();
            let stretch = Stretch {
                file: Arc::new(other),
                start: 12,
                length: copied as u64,
            };
            let mut parts = Parts::new((copied > 0).then_some(stretch), &|| false);
            for piece in whole.chunks(7_777) {
                parts.write_all(piece).unwrap();
            }
            let ready = parts.finish().unwrap();
            let (memory, file) = ready.weight();
            assert_eq!(memory + usize::try_from(file).unwrap(), rest);
            assert_eq!(file > 0, rest > IN_MEMORY);
            assert_eq!(ready.length(), whole.len() as u64);
            for _ in 0..2 {
                let mut again = Vec::new();
                ready.read().read_to_end(&mut again).unwrap();
                assert!(again == whole, "it is another one");
            }
        }
    }

    #[test]
    fn what_nobody_waits_for_is_not_written() {
        let mut parts = Parts::new(None, &|| true);
        assert!(parts.write_all(b"PACK").is_err());
    }
}
