//! Writing a pack that is planned.

use std::io::{self, Read as _, Write};

use flate2::{Compression, write::ZlibEncoder};
use gix::{ObjectId, Repository, hash::Hasher};
use rayon::prelude::*;

use super::{
    IdMap, delta,
    history::Fault,
    plan::{Plan, Planned, code_of},
};

/// How many objects are made together. What they need is in memory until then.
const CHUNK: usize = 64;
/// What each thread may remember of objects it has read, in bytes.
const CACHE: usize = 16 * 1024 * 1024;
/// Below this size, a delta is not worth its base.
const SHORT: usize = 48;

/// The entry of one object.
pub(super) struct Entry {
    id: ObjectId,
    kind: u8,
    base: Option<ObjectId>,
    /// The size before it was deflated.
    size: usize,
    deflated: Vec<u8>,
}

pub(super) fn pack(plan: &Plan, repo: &Repository, out: impl Write) -> Result<(), Fault> {
    let objects = plan
        .objects()
        .ok_or_else(|| io::Error::other("a pack cannot hold that many objects"))?;
    let mut out = Hashing::new(out, repo);
    out.begin(objects)?;
    if let Some(body) = &plan.body {
        let (mut entries, length) = body.entries()?;
        let copied = io::copy(&mut entries.by_ref(), &mut out)?;
        if copied != length {
            return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let shared = repo.clone().into_sync();
    let mut offsets = IdMap::default();
    for chunk in plan.objects.chunks(CHUNK) {
        let open = || {
            let mut repo = shared.to_thread_local();
            repo.object_cache_size(CACHE);
            repo
        };
        let entries: Vec<Result<Entry, Fault>> = chunk
            .par_iter()
            .map_init(open, |repo, planned| make(repo, planned))
            .collect();
        for entry in entries {
            let entry = entry?;
            offsets.insert(entry.id, out.at);
            let before = entry.base.and_then(|base| offsets.get(&base));
            out.entry(&entry, before.copied())?;
        }
    }
    out.finish()
}

fn make(repo: &Repository, planned: &Planned) -> Result<Entry, Fault> {
    let object = read(repo, planned.id)?;
    let Some(base) = planned.base.filter(|_| object.data.len() > SHORT) else {
        return whole(&object);
    };
    let delta = delta::encode(&read(repo, base)?.data, &object.data);
    // It would save little, and cost every reader something.
    if delta.len() > object.data.len() / 2 {
        return whole(&object);
    }
    Ok(Entry {
        id: planned.id,
        kind: 7,
        base: Some(base),
        size: delta.len(),
        deflated: deflate(&delta)?,
    })
}

/// An object, with all that it is.
pub(super) fn whole_entry(repo: &Repository, id: ObjectId) -> Result<Entry, Fault> {
    whole(&read(repo, id)?)
}

fn whole(object: &gix::Object<'_>) -> Result<Entry, Fault> {
    Ok(Entry {
        id: object.id,
        kind: code_of(object.kind),
        base: None,
        size: object.data.len(),
        deflated: deflate(&object.data)?,
    })
}

fn read(repo: &Repository, id: ObjectId) -> Result<gix::Object<'_>, Fault> {
    repo.try_find_object(id)?.ok_or(Fault::Missing(id))
}

fn deflate(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data)?;
    encoder.finish()
}

/// A writer that knows what and how much went through it.
pub(super) struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    at: u64,
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

    /// Writes an entry, whose base is at `before` if it is in the pack.
    pub(super) fn entry(&mut self, entry: &Entry, before: Option<u64>) -> Result<(), Fault> {
        let here = self.at;
        match (entry.base, before) {
            (None, _) => self.header(entry.kind, entry.size)?,
            (Some(_), Some(before)) => {
                self.header(6, entry.size)?;
                self.distance(here - before)?;
            }
            (Some(base), None) => {
                self.header(7, entry.size)?;
                self.write_all(base.as_slice())?;
            }
        }
        self.write_all(&entry.deflated)?;
        Ok(())
    }

    fn header(&mut self, kind: u8, size: usize) -> io::Result<()> {
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
