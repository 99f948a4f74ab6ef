//! A pack of the repository that a new pack may begin with, byte for byte.

use std::{
    cmp::Reverse,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::PathBuf,
    sync::Arc,
};

use gix::Repository;
use gix_pack::data::entry::Header;

use super::{history::Fault, stretch::Stretch};

const HEADER: u64 = 12;
const TRAILER: u64 = 20;

/// The largest pack of a repository that may be sent.
///
/// Copying it costs nothing beside making its entries anew. It may hold what
/// nobody reaches any more, which does no harm.
pub(super) struct Body {
    path: PathBuf,
    file: Arc<File>,
    index: gix_pack::index::File,
    /// How many bytes the entries are.
    length: u64,
}

impl Body {
    /// The body for a whole history; `None` if the repository has no pack, or none
    /// that may be sent.
    pub(super) fn find(repo: &Repository) -> Result<Option<Self>, Fault> {
        let packs = repo.objects.store_ref().path().join("pack");
        let files = match fs::read_dir(packs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files?,
        };
        let mut found = Vec::new();
        for file in files {
            let index = file?.path();
            let path = index.with_extension("pack");
            if index.extension().is_some_and(|it| it == "idx") && path.is_file() {
                let file = Arc::new(File::open(&path)?);
                let length = file.metadata()?.len().saturating_sub(HEADER + TRAILER);
                let index = gix_pack::index::File::at(&index, repo.object_hash())?;
                found.push(Self {
                    path,
                    file,
                    index,
                    length,
                });
            }
        }
        found.sort_by_key(|it| Reverse(it.index.num_objects()));
        for body in found {
            if body.may_be_sent()? {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    /// Whether every reader takes it as a part of something larger.
    ///
    /// There are readers that never finish with a pack that has an object twice, and
    /// others that look for what a delta names outside of the pack, even if it is
    /// inside: so it is in a pack that was completed after it came.
    fn may_be_sent(&self) -> Result<bool, Fault> {
        if self.index.num_objects() == 0 || !self.has_each_once() {
            return Ok(false);
        }
        let data = gix_pack::data::File::at(&self.path, self.index.object_hash())?;
        if data.version() != gix_pack::data::Version::V2 {
            return Ok(false);
        }
        for number in 0..self.index.num_objects() {
            let entry = data.entry(self.index.pack_offset_at_index(number))?;
            if matches!(entry.header, Header::RefDelta { .. }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_each_once(&self) -> bool {
        let id = |n| self.index.oid_at_index(n).to_owned();
        (1..self.index.num_objects()).all(|n| id(n - 1) != id(n))
    }

    pub(super) fn contains(&self, id: &gix::oid) -> bool {
        self.index.lookup(id).is_some()
    }

    /// Where the entry of an object begins, in this pack as in one that begins
    /// with it.
    pub(super) fn place_of(&self, id: &gix::oid) -> Option<u64> {
        let number = self.index.lookup(id)?;
        Some(self.index.pack_offset_at_index(number))
    }

    pub(super) fn objects(&self) -> u32 {
        self.index.num_objects()
    }

    /// The entries, and how many bytes they are.
    pub(super) fn entries(&self) -> (impl Read + use<>, u64) {
        let entries = self.stretch();
        let length = entries.length;
        (BufReader::with_capacity(128 * 1024, entries.read()), length)
    }

    /// The entries, in the file where they are.
    pub(super) fn stretch(&self) -> Stretch {
        Stretch {
            file: self.file.clone(),
            start: HEADER,
            length: self.length,
        }
    }

    /// Whether it is still where it was. Who put packs together wants this one to go.
    pub(super) fn is_there(&self) -> bool {
        self.path.is_file()
    }
}
