//! A pack of the repository that a new pack may begin with, byte for byte.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use gix::Repository;

use super::history::Fault;

const HEADER: u64 = 12;
const TRAILER: u64 = 20;

/// The largest pack of a repository.
///
/// Copying it costs nothing beside making its entries anew. It may hold what
/// nobody reaches any more, which does no harm.
pub(super) struct Body {
    path: PathBuf,
    index: gix_pack::index::File,
}

impl Body {
    /// The body for a whole history; `None` if the repository has no pack, or none
    /// that may be sent.
    pub(super) fn find(repo: &Repository) -> Result<Option<Self>, Fault> {
        let packs = repo.objects.store_ref().path().join("pack");
        let mut largest: Option<Self> = None;
        let files = match fs::read_dir(packs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files?,
        };
        for file in files {
            let index = file?.path();
            let path = index.with_extension("pack");
            if index.extension().is_none_or(|it| it != "idx") || !path.is_file() {
                continue;
            }
            let index = gix_pack::index::File::at(&index, repo.object_hash())?;
            if largest
                .as_ref()
                .is_none_or(|it| it.index.num_objects() < index.num_objects())
            {
                largest = Some(Self { path, index });
            }
        }
        let largest = largest.filter(|it| it.index.num_objects() > 0 && it.has_each_once());
        match largest {
            Some(body) if version(&body.path)? == 2 => Ok(Some(body)),
            _ => Ok(None),
        }
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
    pub(super) fn entries(&self) -> io::Result<(impl Read + use<>, u64)> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len().saturating_sub(HEADER + TRAILER);
        file.seek(SeekFrom::Start(HEADER))?;
        let entries = BufReader::with_capacity(128 * 1024, file).take(length);
        Ok((entries, length))
    }
}

fn version(path: &Path) -> io::Result<u32> {
    let mut header = [0; 8];
    File::open(path)?.read_exact(&mut header)?;
    let mut version = [0; 4];
    version.copy_from_slice(&header[4..]);
    Ok(u32::from_be_bytes(version))
}
