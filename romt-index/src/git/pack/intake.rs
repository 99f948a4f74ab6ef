//! Bringing a pack into a repository: judged, whole and durable, or not at all.

use std::{
    fs::{self, File},
    io::{BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix::{ObjectId, Repository, progress::Discard};
use romt_core::ports::IndexError;

pub(in crate::git) use super::scan::Limits;
use super::{
    Scene, Scratch,
    complete::complete,
    connect, is_io, known_tips,
    scan::{Scanned, Unfit, scan},
    sync_directory, whole_text,
};

/// Room for as many packs as a repository may gather between two repacks.
const SLOTS: u16 = 4096;

/// Takes in the pack that `file` has from the byte `start` on, and that brings
/// all of `tip` that the references of `repo` do not reach.
pub(in crate::git) fn take_in(
    scene: Scene<'_>,
    repo: &Repository,
    file: &mut File,
    start: u64,
    tip: ObjectId,
    limits: &Limits,
) -> Result<(), IndexError> {
    let scanned = judge(scene, repo, file, start, limits)?;
    let fresh = if scanned.objects == 0 {
        None
    } else {
        Some(index_whole(scene, repo, file, start, &scanned)?)
    };
    // One that is open may have no room for another pack.
    let repo = reopen(scene, repo)?;
    let had = known_tips(&repo).map_err(|fault| scene.broken("read the references", fault))?;
    connect::check(&repo, tip, &had).map_err(|fault| scene.judged(fault))?;
    match fresh {
        Some(fresh) => fresh.keep().map_err(|e| scene.storage("keep a pack", e)),
        None => Ok(()),
    }
}

fn judge(
    scene: Scene<'_>,
    repo: &Repository,
    file: &mut File,
    start: u64,
    limits: &Limits,
) -> Result<Scanned, IndexError> {
    let length = file.metadata().and_then(|it| {
        file.seek(SeekFrom::Start(start))?;
        Ok(it.len().saturating_sub(start))
    });
    let length = length.map_err(|e| scene.storage("read a pack", e))?;
    let is_known = |id: &gix::oid| repo.has_object(id);
    let read = BufReader::with_capacity(128 * 1024, &*file);
    scan(read, length, limits, &is_known).map_err(|unfit| match unfit {
        Unfit::Io(error) => scene.storage("read a pack", error),
        Unfit::Bad(reason) => scene.refused(reason),
    })
}

/// Indexes a pack, together with what its deltas are against.
fn index_whole(
    scene: Scene<'_>,
    repo: &Repository,
    file: &mut File,
    start: u64,
    scanned: &Scanned,
) -> Result<Fresh, IndexError> {
    let directory = repo.objects.store_ref().path().join("pack");
    let failed = |e: std::io::Error| scene.storage("index a pack", e);
    fs::create_dir_all(&directory).map_err(failed)?;
    if scanned.bases.is_empty() {
        return index(scene, repo, file, start, directory);
    }
    let mut scratch = Scratch::new_in(&directory).map_err(failed)?;
    let completed = complete(repo, file, start, scanned, scratch.file());
    if !completed.map_err(|fault| scene.broken("complete a pack", fault))? {
        return Err(scene.refused("the checksum of its pack differs"));
    }
    index(scene, repo, scratch.file(), 0, directory)
}

fn index(
    scene: Scene<'_>,
    repo: &Repository,
    file: &mut File,
    start: u64,
    directory: PathBuf,
) -> Result<Fresh, IndexError> {
    let failed = |e: std::io::Error| scene.storage("index a pack", e);
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut read = BufReader::with_capacity(128 * 1024, &*file);
    let outcome = gix_pack::Bundle::write_to_directory(
        &mut read,
        Some(&directory),
        &mut Discard,
        &AtomicBool::new(false),
        None::<gix::OdbHandle>,
        repo.object_hash(),
        gix_pack::bundle::write::Options {
            iteration_mode: gix_pack::data::input::Mode::Verify,
            ..Default::default()
        },
    );
    let outcome = outcome.map_err(|error| {
        if is_io(&error) {
            scene.storage("index a pack", error)
        } else {
            scene.refused(whole_text(&error))
        }
    })?;
    Ok(Fresh {
        is_new: outcome.keep_path.is_some(),
        files: [outcome.data_path, outcome.index_path]
            .into_iter()
            .flatten()
            .collect(),
        keep: outcome.keep_path,
        directory,
    })
}

fn reopen(scene: Scene<'_>, repo: &Repository) -> Result<Repository, IndexError> {
    let slots = gix::odb::store::init::Slots::Given(SLOTS);
    let options = gix::open::Options::isolated()
        .config_overrides([crate::git::open::DELTA_CACHE])
        .object_store_slots(slots);
    gix::open_opts(repo.git_dir(), options).map_err(|e| scene.storage("open the repository", e))
}

/// A pack that was just written. It is gone when this is dropped, unless it was
/// kept, or had been there before.
struct Fresh {
    is_new: bool,
    files: Vec<PathBuf>,
    keep: Option<PathBuf>,
    directory: PathBuf,
}

impl Fresh {
    fn keep(mut self) -> std::io::Result<()> {
        for path in &self.files {
            let file = File::open(path)?;
            make_readable(path)?;
            file.sync_all()?;
        }
        if let Some(keep) = self.keep.take() {
            fs::remove_file(keep)?;
        }
        sync_directory(&self.directory)?;
        // It may be new itself.
        self.directory.parent().map_or(Ok(()), sync_directory)?;
        self.is_new = false;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.is_new {
            // Without its index a pack counts for nothing, so that goes first.
            for path in self.files.iter().rev().chain(&self.keep) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Whoever serves the repository may be another user.
#[cfg(unix)]
fn make_readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444))
}

#[cfg(not(unix))]
fn make_readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
