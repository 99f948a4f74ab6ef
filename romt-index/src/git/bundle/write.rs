//! Writing a bundle.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use gix::{ObjectId, Repository};
use romt_core::ports::{BundleFacts, IndexError, Position};

use super::super::pack::{Fault, Plan, Purpose, Scene, Scratch};

/// Writes what brings who has `start` to `tip`, to the file `path`: whole and
/// durable, or not at all.
///
/// If `tip` does not build on `start`, the bundle is complete, as git's would be:
/// what was left out of it would have to be known on the other side by more than
/// the history, and there are readers that go by the history alone.
pub(in crate::git) fn write_bundle(
    repo: &Repository,
    index: &str,
    start: Option<ObjectId>,
    tip: ObjectId,
    refname: &str,
    path: &Path,
) -> Result<BundleFacts, IndexError> {
    let what = format!("the bundle {}", path.display());
    let scene = Scene { index, what: &what };
    let failed = |fault| scene.broken("write a bundle", fault);
    let (base, plan) = planned(repo, start, tip).map_err(failed)?;
    let size = write(repo, &plan, base, tip, refname, path).map_err(failed)?;
    let position = |id: ObjectId| Position::new(id.to_string());
    Ok(BundleFacts::new(size, base.map(position), position(tip)))
}

/// What a bundle builds on, and what is in it.
fn planned(
    repo: &Repository,
    start: Option<ObjectId>,
    tip: ObjectId,
) -> Result<(Option<ObjectId>, Plan), Fault> {
    if let Some(start) = start
        && let Some(plan) = Plan::since(repo, start, tip)?
    {
        return Ok((Some(start), plan));
    }
    Ok((None, Plan::new(repo, &[], &[tip])?))
}

fn write(
    repo: &Repository,
    plan: &Plan,
    base: Option<ObjectId>,
    tip: ObjectId,
    refname: &str,
    path: &Path,
) -> Result<u64, Fault> {
    let mut scratch = Scratch::new_in(path.parent().unwrap_or(Path::new("")))?;
    let mut out = BufWriter::with_capacity(128 * 1024, scratch.file());
    out.write_all(b"# v2 git bundle\n")?;
    if let Some(base) = base {
        writeln!(out, "-{base} ")?;
    }
    write!(out, "{tip} {refname}\n\n")?;
    plan.write(repo, Purpose::Carrying, &mut out)?;
    out.flush()?;
    drop(out);
    let size = scratch.file().metadata()?.len();
    scratch.keep_as(path)?;
    Ok(size)
}
