//! Fetching from a repository on this machine.

use std::{
    io::{BufWriter, Write as _},
    path::Path,
};

use gix::{ObjectId, Repository};
use romt_core::ports::IndexError;

use super::{
    super::pack::{Fault, Limits, Plan, Purpose, Scene, Scratch, known_tips, take_in},
    BRANCH, Incoming,
};

/// Takes what the repository at `path` has. What it holds is trusted no more than
/// what a server sends, and goes the same way.
pub(super) fn fetch(
    repo: &Repository,
    index: &str,
    path: &Path,
    limits: &Limits,
) -> Result<Incoming, IndexError> {
    let what = format!("the repository {}", path.display());
    let scene = Scene { index, what: &what };
    let other = open(path).map_err(|e| scene.refused(super::super::pack::whole_text(&e)))?;
    let tip = tip(&other).ok_or_else(|| scene.refused(format!("it has no {BRANCH}")))?;
    let known = known_tips(repo).map_err(|e| scene.broken("read the references", e))?;
    let shared = known.into_iter().filter(|id| other.has_object(id));
    let shared: Vec<ObjectId> = shared.collect();
    let mut scratch = room(repo).map_err(|e| scene.storage("write a pack", e))?;
    write(&other, &shared, tip, &mut scratch).map_err(|fault| match fault {
        Fault::Io(error) => scene.storage("write a pack", error),
        fault => scene.refused(super::super::pack::whole_text(&fault)),
    })?;
    take_in(scene, repo, scratch.file(), 0, tip, limits)?;
    Ok(Incoming {
        tip,
        branch: BRANCH.to_owned(),
    })
}

/// A place for a pack that is not judged yet.
pub(super) fn room(repo: &Repository) -> std::io::Result<Scratch> {
    let directory = repo.objects.store_ref().path().join("pack");
    std::fs::create_dir_all(&directory)?;
    Scratch::new_in(&directory)
}

fn open(path: &Path) -> Result<Repository, gix::Error> {
    let options = gix::open::Options::isolated();
    let options = options.config_overrides([crate::git::open::DELTA_CACHE]);
    gix::open_opts(path, options)
}

fn tip(other: &Repository) -> Option<ObjectId> {
    let mut reference = other.try_find_reference(BRANCH).ok()??;
    Some(reference.peel_to_id().ok()?.detach())
}

fn write(
    other: &Repository,
    shared: &[ObjectId],
    tip: ObjectId,
    scratch: &mut Scratch,
) -> Result<(), Fault> {
    let plan = Plan::new(other, shared, &[tip])?;
    let mut out = BufWriter::with_capacity(128 * 1024, scratch.file());
    plan.write(other, Purpose::HandingOver, &mut out)?;
    Ok(out.flush()?)
}
