//! Entries of the packs that are there, to be copied as they are.
//!
//! What an entry is made of was inflated, compared and deflated once before. Whoever
//! wants the object can be given that, if what it is a delta of can be had too.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use gix::{ObjectId, Repository};
use gix_pack::data::entry::Header;

use super::history::Fault;

/// The packs of a repository.
pub(super) struct Packs(Vec<Pack>);

/// Where an entry is. Spots are ordered as the entries lie, in which what a delta
/// is against comes before it, save for deltas that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pack: usize,
    offset: u64,
    /// Which object of the pack it is.
    number: u32,
}

/// An entry of a pack.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) form: Form,
    /// The size of what was deflated.
    pub(super) size: u64,
    pub(super) deflated: &'a [u8],
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Form {
    /// A whole object; the number in the header says of which kind.
    Whole(u8),
    /// A delta against this object.
    Delta(ObjectId),
}

impl Packs {
    /// The packs of `repo`. One that cannot be opened is passed over: what is in it
    /// is read in another way, and that says what is wrong.
    pub(super) fn of(repo: &Repository) -> Result<Self, Fault> {
        let mut packs = Vec::new();
        for path in index_files(repo)? {
            match Pack::open(&path) {
                Ok(pack) => packs.push(pack),
                Err(error) => tracing::debug!(path = %path.display(), %error, "not read"),
            }
        }
        Ok(Self(packs))
    }

    pub(super) fn find(&self, id: &gix::oid) -> Option<Spot> {
        (0..).zip(&self.0).find_map(|(pack, it)| {
            let number = it.index.lookup(id)?;
            let offset = it.index.pack_offset_at_index(number);
            Some(Spot {
                pack,
                offset,
                number,
            })
        })
    }

    /// Whether of two objects the first was put into a pack after the second.
    pub(super) fn is_behind(&self, one: &gix::oid, two: &gix::oid) -> bool {
        match (self.find(one), self.find(two)) {
            (Some(one), Some(two)) => one.pack == two.pack && one.offset > two.offset,
            _ => false,
        }
    }

    /// What the entry at `spot` is a delta of.
    pub(super) fn base(&self, spot: Spot) -> Option<ObjectId> {
        let pack = self.0.get(spot.pack)?;
        let entry = pack.data.entry(spot.offset).ok()?;
        match pack.form(&entry)? {
            Form::Delta(base) => Some(base),
            Form::Whole(_) => None,
        }
    }

    /// The entry at `spot`; `None` if it is not what was once written there.
    pub(super) fn entry(&self, spot: Spot) -> Option<Stored<'_>> {
        let pack = self.0.get(spot.pack)?;
        let entry = pack.data.entry(spot.offset).ok()?;
        let end = pack.end_of(spot.offset)?;
        let whole = pack.data.entry_slice(spot.offset..end)?;
        let sum = pack.index.crc32_at_index(spot.number)?;
        if pack.data.entry_crc32(spot.offset, whole.len()) != sum {
            return None;
        }
        Some(Stored {
            form: pack.form(&entry)?,
            size: entry.decompressed_size,
            deflated: pack.data.entry_slice(entry.data_offset..end)?,
        })
    }
}

/// The index files of the packs of `repo`, the newest first.
fn index_files(repo: &Repository) -> io::Result<Vec<PathBuf>> {
    let directory = repo.objects.store_ref().path().join("pack");
    let files = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut found = Vec::new();
    for file in files {
        let file = file?;
        let path = file.path();
        if path.extension().is_some_and(|it| it == "idx") {
            found.push((file.metadata()?.modified()?, path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|it| it.1).collect())
}

struct Pack {
    index: gix_pack::index::File,
    data: gix_pack::data::File,
    /// Where each object is, by where it is.
    places: OnceLock<Vec<(u64, u32)>>,
}

impl Pack {
    fn open(index: &Path) -> gix::Result<Self> {
        let kind = gix::hash::Kind::Sha1;
        Ok(Self {
            index: gix_pack::index::File::at(index, kind)?,
            data: gix_pack::data::File::at(index.with_extension("pack"), kind)?,
            places: OnceLock::new(),
        })
    }

    fn form(&self, entry: &gix_pack::data::Entry) -> Option<Form> {
        Some(match entry.header {
            Header::OfsDelta { base_distance } => {
                let base = entry.checked_base_pack_offset(base_distance)?;
                Form::Delta(self.object_at(base)?)
            }
            Header::RefDelta { base_id } => Form::Delta(base_id),
            kind => Form::Whole(kind.as_type_id()),
        })
    }

    fn places(&self) -> &[(u64, u32)] {
        self.places.get_or_init(|| {
            let numbers = 0..self.index.num_objects();
            let place = |number| (self.index.pack_offset_at_index(number), number);
            let mut places: Vec<_> = numbers.map(place).collect();
            places.sort_unstable();
            places
        })
    }

    /// Where the entry ends that begins at `offset`.
    fn end_of(&self, offset: u64) -> Option<u64> {
        let places = self.places();
        let next = places.partition_point(|it| it.0 <= offset);
        match places.get(next) {
            Some((next, _)) => Some(*next),
            None => u64::try_from(self.data.pack_end()).ok(),
        }
    }

    /// The object whose entry begins at `offset`.
    fn object_at(&self, offset: u64) -> Option<ObjectId> {
        let places = self.places();
        let found = places.binary_search_by_key(&offset, |it| it.0).ok()?;
        Some(self.index.oid_at_index(places[found].1).to_owned())
    }
}
