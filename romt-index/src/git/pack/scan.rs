//! Judging a pack before anything is allocated for what it says of itself.
//!
//! Whoever indexes a pack makes room for as many objects as it declares, each as
//! large as it declares. So every number in it is compared with what is really
//! there first: entries are inflated piece by piece into one small buffer, and of
//! each delta the result is computed in length alone.

use std::io::{self, BufRead};

use flate2::{Decompress, FlushDecompress, Status};
use gix::ObjectId;

use super::{IdSet, delta::judge::Judge};

/// The length of a pack's header, and of its trailer.
const HEADER: u64 = 12;
const TRAILER: u64 = 20;
/// The shortest entry: one byte, and nothing, deflated.
const SHORTEST_ENTRY: u64 = 9;

/// How much a pack may hold.
#[derive(Clone, Copy, Debug)]
pub(in crate::git) struct Limits {
    /// The inflated size of one object, in bytes.
    pub(in crate::git) object: u64,
    /// What all inflate to, together.
    pub(in crate::git) total: u64,
    /// How many deltas may build on one another.
    pub(in crate::git) chain: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            object: 256 * 1024 * 1024,
            total: 64 * 1024 * 1024 * 1024,
            chain: 4095,
        }
    }
}

/// What a pack proved to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// How many entries it has.
    pub(super) objects: u32,
    /// The objects that the receiver has and its deltas are against.
    pub(super) bases: Vec<ObjectId>,
}

/// Why a pack is not taken.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It could not be read.
    Io(io::Error),
    /// It is not one, or it goes beyond a limit.
    Bad(String),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Bad("the pack ends too early".to_owned())
        } else {
            Self::Io(error)
        }
    }
}

fn bad<T>(reason: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Bad(reason.into()))
}

/// Judges the pack that `read` is at the start of, which is said to have `length`
/// bytes. `is_known` says whether the receiver has an object.
pub(super) fn scan(
    read: impl BufRead,
    length: u64,
    limits: &Limits,
    is_known: &dyn Fn(&gix::oid) -> bool,
) -> Result<Scanned, Unfit> {
    let mut scan = Scan {
        read,
        at: 0,
        total: 0,
        limits,
        inflate: Decompress::new(true),
        buffer: vec![0; 32 * 1024],
        starts: Vec::new(),
        by_id: 0,
        deepest: 0,
        bases: IdSet::default(),
    };
    let objects = scan.header(length)?;
    for _ in 0..objects {
        scan.entry(is_known)?;
    }
    scan.bound_chains()?;
    if scan.at + TRAILER != length {
        return bad("there are bytes after the last object of the pack");
    }
    Ok(Scanned {
        objects,
        bases: scan.bases.into_iter().collect(),
    })
}

struct Scan<'a, R> {
    read: R,
    /// The offset in the pack.
    at: u64,
    total: u64,
    limits: &'a Limits,
    inflate: Decompress,
    buffer: Vec<u8>,
    /// Where the entries begin, and how many deltas each builds on.
    starts: Vec<(u64, u32)>,
    /// How many deltas name a base by its id that can only be in the pack.
    by_id: u64,
    deepest: u32,
    bases: IdSet,
}

impl<R: BufRead> Scan<'_, R> {
    fn header(&mut self, length: u64) -> Result<u32, Unfit> {
        let mut header = [0; 12];
        self.exact(&mut header)?;
        if &header[..4] != b"PACK" {
            return bad("it has no pack");
        }
        if header[4..8] != [0, 0, 0, 2] {
            return bad("the version of the pack is not 2");
        }
        let mut count = [0; 4];
        count.copy_from_slice(&header[8..]);
        let count = u32::from_be_bytes(count);
        let room = length.saturating_sub(HEADER + TRAILER) / SHORTEST_ENTRY;
        if u64::from(count) > room {
            return bad(format!("{count} objects do not fit into the pack"));
        }
        Ok(count)
    }

    fn entry(&mut self, is_known: &dyn Fn(&gix::oid) -> bool) -> Result<(), Unfit> {
        let start = self.at;
        let (kind, size) = self.entry_header()?;
        let depth = match kind {
            1..=4 => 0,
            6 => self.base_by_offset(start)? + 1,
            7 => {
                let mut id = [0; 20];
                self.exact(&mut id)?;
                let id = ObjectId::from_bytes_or_panic(&id);
                if self.bases.contains(&id) || is_known(&id) {
                    self.bases.insert(id);
                } else {
                    self.by_id += 1;
                }
                1
            }
            _ => return bad(format!("an object of the unknown kind {kind}")),
        };
        if depth > self.limits.chain {
            return bad(format!(
                "more than {} deltas build on one another",
                self.limits.chain
            ));
        }
        self.deepest = self.deepest.max(depth);
        self.starts.push((start, depth));
        self.check_size(size)?;
        let result = self.body(size, depth > 0)?;
        self.check_size(result)?;
        self.total += size.max(result);
        if self.total > self.limits.total {
            return bad(format!(
                "the pack inflates to more than {} bytes",
                self.limits.total
            ));
        }
        Ok(())
    }

    fn check_size(&self, size: u64) -> Result<(), Unfit> {
        if size > self.limits.object {
            return bad(format!(
                "an object of {size} bytes is over the limit of {}",
                self.limits.object
            ));
        }
        Ok(())
    }

    fn entry_header(&mut self) -> Result<(u8, u64), Unfit> {
        let first = self.byte()?;
        let mut size = u64::from(first & 15);
        let mut shift = 4;
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if shift > 56 {
                return bad("the size of an object has no bounds");
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        Ok(((first >> 4) & 7, size))
    }

    /// The depth of the entry that a delta at `start` says is its base.
    fn base_by_offset(&mut self, start: u64) -> Result<u32, Unfit> {
        let mut byte = self.byte()?;
        let mut distance = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if distance >= 1 << 48 {
                return bad("the base of a delta lies outside of the pack");
            }
            distance = ((distance + 1) << 7) | u64::from(byte & 0x7f);
        }
        let base = start.checked_sub(distance);
        let found = base.and_then(|base| {
            let found = self.starts.binary_search_by_key(&base, |it| it.0);
            found.ok().map(|it| self.starts[it].1)
        });
        match found {
            Some(depth) => Ok(depth),
            None => bad("the base of a delta is no object of the pack"),
        }
    }

    /// Inflates an entry that should give `size` bytes, and says how large the
    /// object is.
    fn body(&mut self, size: u64, is_delta: bool) -> Result<u64, Unfit> {
        self.inflate.reset(true);
        let mut judge = is_delta.then(Judge::default);
        let mut inflated = 0;
        loop {
            let input = self.read.fill_buf()?;
            if input.is_empty() {
                return bad("the pack ends too early");
            }
            let (before, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, &mut self.buffer, FlushDecompress::None);
            let Ok(status) = status else {
                return bad("an object of the pack does not inflate");
            };
            let consumed = self.inflate.total_in() - before;
            let made = self.inflate.total_out() - made;
            // Both are at most as long as a buffer in memory.
            #[expect(clippy::cast_possible_truncation)]
            let (taken, given) = (consumed as usize, made as usize);
            self.read.consume(taken);
            self.at += consumed;
            inflated += made;
            if inflated > size {
                return bad("an object inflates past the size it declares");
            }
            if let Some(judge) = &mut judge {
                judge.feed(&self.buffer[..given]).map_err(Unfit::Bad)?;
            }
            match status {
                Status::StreamEnd => break,
                _ if consumed == 0 && made == 0 => {
                    return bad("an object of the pack does not inflate");
                }
                _ => {}
            }
        }
        if inflated != size {
            return bad("an object is shorter than it declares");
        }
        match judge {
            Some(judge) => judge.finish().map_err(Unfit::Bad),
            None => Ok(size),
        }
    }

    /// Deltas that name their base by its id may refer to any object of the pack,
    /// and which that is shows only once all are resolved. What the rest can add
    /// up to is known; git and we write none.
    fn bound_chains(&self) -> Result<(), Unfit> {
        let longest = (self.by_id + 1).saturating_mul(u64::from(self.deepest) + 1);
        if self.by_id > 0 && longest > u64::from(self.limits.chain) + 1 {
            return bad("too many deltas name a base that is in no place known yet");
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Unfit> {
        let mut byte = [0];
        self.exact(&mut byte)?;
        Ok(byte[0])
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), Unfit> {
        self.read.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
