//! Reading many files of a repository, on all cores.
//!
//! To unpack a whole pack, each object once and from what it builds on, is three
//! to four times cheaper for each object than to look objects up one by one, since
//! most of them build on others. So packs of which much is wanted are unpacked
//! whole, and only the rest is looked up.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use gix::{ObjectId, Repository, objs::Kind};
use gix_pack::index::traverse::{Algorithm, Options, SafetyCheck};
use rayon::prelude::*;
use romt_core::{crates::MAX_INDEX_FILE_SIZE, ports::IndexError};

use super::walk::unreadable;

/// A pack is unpacked whole if at least one in so many of its objects is wanted.
const WORTH: usize = 3;

/// Of a pack with fewer objects, what is wanted is looked up.
const FEW: usize = 500;

/// How many files are looked up in one go.
const CHUNK: usize = 256;

/// What is wanted of a repository: objects, and what each is for.
pub(super) struct Wanted {
    /// Sorted, so that objects wanted for several ends are neighbours.
    ids: Vec<(ObjectId, u32)>,
    /// Whether the object at this place has been handed over. What matters is the
    /// first place of an object.
    done: Vec<AtomicBool>,
}

impl Wanted {
    /// `ids`, each for what its place says.
    pub(super) fn new(ids: impl Iterator<Item = ObjectId>) -> Self {
        let mut ids: Vec<_> = ids.zip(0_u32..).collect();
        ids.sort_unstable();
        let done = ids.iter().map(|_| AtomicBool::new(false)).collect();
        Self { ids, done }
    }

    /// The first place of `id`, if it is wanted.
    fn find(&self, id: &gix::oid) -> Option<usize> {
        let at = self.ids.partition_point(|(it, _)| it.as_ref() < id);
        (*self.ids.get(at)?.0 == *id).then_some(at)
    }

    /// The first places of all objects that are still wanted.
    fn left(&self) -> Vec<usize> {
        let first = |at: usize| at == 0 || self.ids[at - 1].0 != self.ids[at].0;
        (0..self.ids.len())
            .filter(|&at| first(at) && !self.done[at].load(Ordering::Relaxed))
            .collect()
    }

    /// Hands over an object, unless it was before: it may be in several packs.
    fn hand_over(&self, at: usize, body: Option<&[u8]>, visit: &impl Fn(usize, Option<&[u8]>)) {
        if self.done[at].swap(true, Ordering::Relaxed) {
            return;
        }
        let id = self.ids[at].0;
        for (_, purpose) in self.ids[at..].iter().take_while(|(it, _)| *it == id) {
            visit(*purpose as usize, body);
        }
    }
}

/// Hands each wanted file to `visit`, in no order, from several threads: what it
/// is for, and its bytes, or none if it is larger than any index file may be.
///
/// Ends early, and well, once `stop` is set.
pub(super) fn read_all(
    repo: &Repository,
    index: &str,
    wanted: &Wanted,
    stop: &AtomicBool,
    visit: impl Fn(usize, Option<&[u8]>) + Sync,
) -> Result<(), IndexError> {
    let failed = |error| unreadable(index, "list the packs", error);
    for (path, objects) in packs(repo.objects.store_ref().path()).map_err(failed)? {
        let left = wanted.left();
        if objects < FEW || left.len().saturating_mul(WORTH) < objects {
            continue;
        }
        unpack(&path, objects, &left, wanted, stop, &visit)
            .map_err(|error| unreadable(index, "read a pack", error))?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    look_up(repo, index, wanted, stop, &visit)
}

/// The index files of the packs below `objects` and how many objects each has,
/// the largest first.
fn packs(objects: &Path) -> io::Result<Vec<(PathBuf, usize)>> {
    let mut packs = Vec::new();
    let entries = match fs::read_dir(objects.join("pack")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(packs),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "idx") && path.with_extension("pack").is_file() {
            let index = open_index(&path).map_err(io::Error::other)?;
            packs.push((path, index.num_objects() as usize));
        }
    }
    packs.sort_by_key(|(_, objects)| std::cmp::Reverse(*objects));
    Ok(packs)
}

fn open_index(path: &Path) -> gix::Result<gix_pack::index::File> {
    gix_pack::index::File::at(path, gix::hash::Kind::Sha1)
}

/// Unpacks a whole pack if enough of it is wanted.
fn unpack(
    path: &Path,
    objects: usize,
    left: &[usize],
    wanted: &Wanted,
    stop: &AtomicBool,
    visit: &(impl Fn(usize, Option<&[u8]>) + Sync),
) -> gix::Result<()> {
    let index = open_index(path)?;
    let has = |at: &&usize| index.lookup(wanted.ids[**at].0).is_some();
    if left.par_iter().filter(has).count() * WORTH < objects {
        return Ok(());
    }
    let pack = gix_pack::data::File::at(path.with_extension("pack"), gix::hash::Kind::Sha1)?;
    let done = index.traverse(
        &pack,
        &mut gix::progress::Discard,
        stop,
        |kind, body: &[u8], entry: &gix_pack::index::Entry, _: &dyn gix::Progress| {
            if kind == Kind::Blob
                && let Some(at) = wanted.find(&entry.oid)
            {
                wanted.hand_over(at, Some(body), visit);
            }
            Ok(())
        },
        Options {
            traversal: Algorithm::DeltaTreeLookup,
            // Each object's inflated form has a checksum of its own.
            check: SafetyCheck::SkipFileAndObjectChecksumVerification,
            thread_limit: None,
            alloc_limit_bytes: None,
            make_pack_lookup_cache: || gix_pack::cache::Never,
        },
    );
    match done {
        Err(error) if !stop.load(Ordering::Relaxed) => Err(error),
        _ => Ok(()),
    }
}

/// Looks up, one by one, what is still wanted.
fn look_up(
    repo: &Repository,
    index: &str,
    wanted: &Wanted,
    stop: &AtomicBool,
    visit: &(impl Fn(usize, Option<&[u8]>) + Sync),
) -> Result<(), IndexError> {
    let shared = repo.clone().into_sync();
    wanted.left().par_chunks(CHUNK).try_for_each_init(
        || shared.to_thread_local(),
        |repo, places| {
            for &at in places {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let body = read(repo, index, wanted.ids[at].0)?;
                wanted.hand_over(at, body.as_deref(), visit);
            }
            Ok(())
        },
    )
}

/// The bytes of a file, or none if they are more than any index file may have.
pub(super) fn read(
    repo: &Repository,
    index: &str,
    id: ObjectId,
) -> Result<Option<Vec<u8>>, IndexError> {
    let failed = |error| unreadable(index, "read a file", error);
    let header = repo.find_header(id).map_err(failed)?;
    if header.size() > MAX_INDEX_FILE_SIZE {
        return Ok(None);
    }
    let mut blob = repo.find_blob(id).map_err(failed)?;
    Ok(Some(blob.take_data()))
}
