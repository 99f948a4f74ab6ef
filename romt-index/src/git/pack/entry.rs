//! Making the entries of a pack anew.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};
use gix::{ObjectId, Repository};
use rayon::prelude::*;

use super::{delta, handles::Handles, history::Fault, plan::code_of};

/// How many objects are made together. What they need is in memory until then.
const CHUNK: usize = 256;
/// How many of them one thread makes. Neighbours build on one another.
const PIECE: usize = 16;
/// Below this size, a delta is not worth its base.
const SHORT: usize = 48;

/// The entry of one object.
pub(super) struct Entry {
    pub(super) id: ObjectId,
    /// What it is, as the header of an entry says it; of a delta, that it is one.
    pub(super) kind: u8,
    /// What it is a delta of.
    pub(super) base: Option<ObjectId>,
    /// The size of what was deflated.
    pub(super) size: u64,
    pub(super) deflated: Vec<u8>,
}

/// The kind of an entry that is a delta and names its base.
pub(super) const DELTA: u8 = 7;

/// Makes entries on all cores, and hands them to `take` in the order in which they
/// are `wanted`: each an object, and another one to make a delta against.
pub(super) fn make_all(
    handles: &Handles,
    level: Compression,
    wanted: &[(ObjectId, Option<ObjectId>)],
    mut take: impl FnMut(Entry) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for chunk in wanted.chunks(CHUNK) {
        let pieces = chunk.par_chunks(PIECE).map(|piece| {
            let mut deflater = Deflater(Compress::new(level, true));
            handles.with(|repo| {
                let made = piece.iter().map(|it| make(repo, it.0, it.1, &mut deflater));
                made.collect::<Vec<_>>()
            })
        });
        let entries: Vec<Vec<Result<Entry, Fault>>> = pieces.collect();
        for entry in entries.into_iter().flatten() {
            take(entry?)?;
        }
    }
    Ok(())
}

fn make(
    repo: &Repository,
    id: ObjectId,
    base: Option<ObjectId>,
    deflater: &mut Deflater,
) -> Result<Entry, Fault> {
    let object = read(repo, id)?;
    if let Some(base) = base.filter(|_| object.data.len() > SHORT) {
        let delta = delta::encode(&read(repo, base)?.data, &object.data);
        // Otherwise it would save little, and cost every reader something.
        if delta.len() <= object.data.len() / 2 {
            return Ok(Entry {
                id,
                kind: DELTA,
                base: Some(base),
                size: delta.len() as u64,
                deflated: deflater.deflate(&delta)?,
            });
        }
    }
    Ok(Entry {
        id,
        kind: code_of(object.kind),
        base: None,
        size: object.data.len() as u64,
        deflated: deflater.deflate(&object.data)?,
    })
}

fn read(repo: &Repository, id: ObjectId) -> Result<gix::Object<'_>, Fault> {
    repo.try_find_object(id)?.ok_or(Fault::Missing(id))
}

/// Deflates one object after the other. Beginning anew is cheap beside making one
/// of these, which is hundreds of kilobytes large.
struct Deflater(Compress);

impl Deflater {
    fn deflate(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        self.0.reset();
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        loop {
            let done = usize::try_from(self.0.total_in()).unwrap_or(usize::MAX);
            let rest = data.get(done..).unwrap_or_default();
            match self.0.compress_vec(rest, &mut out, FlushCompress::Finish)? {
                Status::StreamEnd => return Ok(out),
                Status::Ok | Status::BufError => out.reserve(data.len() / 2 + 64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{super::testing::Dice, *};

    #[test]
    fn what_is_deflated_inflates_again() {
        let mut dice = Dice::new(3);
        let mut deflater = Deflater(Compress::new(Compression::default(), true));
        for size in [0, 1, 63, 64, 65, 1000, 100_000] {
            // Of some there is hardly less than before, of others hardly any.
            for mask in [0, 1, 0xff] {
                let data: Vec<u8> = (0..size).map(|_| dice.byte() & mask).collect();
                let short = deflater.deflate(&data).unwrap();
                let mut inflated = Vec::new();
                let mut decoder = flate2::read::ZlibDecoder::new(&*short);
                decoder.read_to_end(&mut inflated).unwrap();
                assert_eq!(inflated, data);
                assert_eq!(decoder.total_in(), short.len() as u64);
            }
        }
    }
}
