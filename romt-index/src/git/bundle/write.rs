//! Writing a bundle.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use gix::{ObjectId, Repository};
use romt_core::ports::{BundleFacts, IndexError, Position};

use super::super::pack::{Fault, Plan, Scene, Scratch, is_ancestor};

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
    let base = match start {
        Some(start) if is_ancestor(repo, start, tip).map_err(failed)? => Some(start),
        _ => None,
    };
    let size = write(repo, base, tip, refname, path).map_err(failed)?;
    let position = |id: ObjectId| Position::new(id.to_string());
    Ok(BundleFacts::new(size, base.map(position), position(tip)))
}

fn write(
    repo: &Repository,
    base: Option<ObjectId>,
    tip: ObjectId,
    refname: &str,
    path: &Path,
) -> Result<u64, Fault> {
    let plan = Plan::new(repo, base.as_slice(), &[tip])?;
    let mut scratch = Scratch::new_in(path.parent().unwrap_or(Path::new("")))?;
    let mut out = BufWriter::with_capacity(128 * 1024, scratch.file());
    out.write_all(b"# v2 git bundle\n")?;
    if let Some(base) = base {
        writeln!(out, "-{base} ")?;
    }
    write!(out, "{tip} {refname}\n\n")?;
    plan.write(repo, &mut out)?;
    out.flush()?;
    drop(out);
    let size = scratch.file().metadata()?.len();
    scratch.keep_as(path)?;
    Ok(size)
}
