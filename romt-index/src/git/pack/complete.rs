//! Completing a pack whose deltas build on objects outside of it.
//!
//! gix can do that while it indexes, by putting each base before the delta that
//! needs it. All that follows moves then, which it keeps account of in a list that
//! it goes through for each object: a bundle of a month takes minutes. Put at the
//! end of the pack, as git does it, the bases move nothing.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
};

use flate2::Compression;
use gix::{ObjectId, Repository};

use super::{entry::make_all, handles::Handles, hashing::Hashing, history::Fault, scan::Scanned};

const TRAILER: u64 = 20;

/// Writes the pack that `file` has from `start` on to `out`, with its bases. Says
/// whether its own trailer is right, which is the end of it if not.
pub(super) fn complete(
    repo: &Repository,
    file: &mut File,
    start: u64,
    scanned: &Scanned,
    out: &mut File,
) -> Result<bool, Fault> {
    let length = file.metadata()?.len().saturating_sub(start + TRAILER);
    file.seek(SeekFrom::Start(start))?;
    let mut read = BufReader::with_capacity(128 * 1024, &*file);
    let mut header = [0; 12];
    read.read_exact(&mut header)?;
    let mut original = gix::hash::hasher(repo.object_hash());
    original.update(&header);
    let objects = u32::try_from(scanned.bases.len())
        .ok()
        .and_then(|bases| bases.checked_add(scanned.objects))
        .ok_or_else(|| io::Error::other("a pack cannot hold that many objects"))?;
    let mut out = Hashing::new(BufWriter::with_capacity(128 * 1024, out), repo);
    out.begin(objects)?;

    let mut left = length.saturating_sub(header.len() as u64);
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let step = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        read.read_exact(&mut buffer[..step])?;
        original.update(&buffer[..step]);
        out.write_all(&buffer[..step])?;
        left -= step as u64;
    }
    let mut trailer = [0; 20];
    read.read_exact(&mut trailer)?;
    if original.try_finalize()? != ObjectId::from_bytes_or_panic(&trailer) {
        return Ok(false);
    }
    let bases: Vec<_> = scanned.bases.iter().map(|base| (*base, None)).collect();
    // The repository has all of them once more, so that their size does not matter.
    make_all(&Handles::new(repo), Compression::fast(), &bases, |it| {
        Ok(out.entry(it.kind, None, it.size, &it.deflated)?)
    })?;
    out.finish()?;
    Ok(true)
}
