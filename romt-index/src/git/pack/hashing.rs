//! The bytes of a pack, entry by entry.

use std::io::{self, Write};

use gix::{ObjectId, Repository, hash::Hasher};

use super::history::Fault;

/// Where what an entry is a delta of is.
pub(super) enum Base {
    /// Earlier in the pack, at this offset.
    Before(u64),
    /// With the receiver.
    Elsewhere(ObjectId),
}

/// A writer that knows what and how much went through it.
pub(super) struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    pub(super) at: u64,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(inner: W, repo: &Repository) -> Self {
        Self {
            inner,
            hasher: gix::hash::hasher(repo.object_hash()),
            at: 0,
        }
    }

    /// Writes the header of a pack of so many objects.
    pub(super) fn begin(&mut self, objects: u32) -> io::Result<()> {
        self.write_all(b"PACK\0\0\0\x02")?;
        self.write_all(&objects.to_be_bytes())
    }

    /// Writes an entry: what it is, what it is a delta of, and the size of what was
    /// deflated.
    pub(super) fn entry(
        &mut self,
        kind: u8,
        base: Option<&Base>,
        size: u64,
        deflated: &[u8],
    ) -> io::Result<()> {
        let here = self.at;
        match base {
            None => self.header(kind, size)?,
            Some(Base::Before(place)) => {
                self.header(6, size)?;
                self.distance(here - *place)?;
            }
            Some(Base::Elsewhere(base)) => {
                self.header(7, size)?;
                self.write_all(base.as_slice())?;
            }
        }
        self.write_all(deflated)
    }

    fn header(&mut self, kind: u8, size: u64) -> io::Result<()> {
        let mut byte = (kind << 4) | (size.to_le_bytes()[0] & 15);
        let mut rest = size >> 4;
        while rest > 0 {
            self.write_all(&[byte | 0x80])?;
            byte = rest.to_le_bytes()[0] & 0x7f;
            rest >>= 7;
        }
        self.write_all(&[byte])
    }

    fn distance(&mut self, distance: u64) -> io::Result<()> {
        let mut bytes = vec![distance.to_le_bytes()[0] & 0x7f];
        let mut rest = distance >> 7;
        while rest > 0 {
            rest -= 1;
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.reverse();
        self.write_all(&bytes)
    }

    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let id = self.hasher.try_finalize()?;
        self.inner.write_all(id.as_slice())?;
        Ok(self.inner.flush()?)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
