//! Removing what dead writers left.

use std::io::ErrorKind;

use cap_std::fs::Dir;

use super::{
    error::FsError,
    staging::{ALIVE, lock_run},
    tree::{self, OWN, TMP, Tree},
};

/// Removes the run directories whose stores are no more.
///
/// A run is dead if its lock can be had. Nothing is removed through a link, and
/// what is no run directory is left alone. That something cannot be removed is
/// no reason not to write.
pub(super) fn sweep(tree: &Tree) {
    try_sweep(tree).unwrap_or_else(|error| complain(tree, &error));
}

fn complain(tree: &Tree, error: &FsError) {
    tracing::warn!(store = %tree, ?error, "left-over staging files could not be removed");
}

fn try_sweep(tree: &Tree) -> Result<(), FsError> {
    let failed = FsError::io("sweep");
    let tmp = match tree.directory(&format!("{OWN}/{TMP}")) {
        Err(FsError::NotFound) => return Ok(()),
        found => found?,
    };
    for entry in tmp.entries().map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name();
        if let Some(name) = name.to_str()
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            sweep_run(&tmp, name).unwrap_or_else(|error| complain(tree, &error));
        }
    }
    Ok(())
}

fn sweep_run(tmp: &Dir, name: &str) -> Result<(), FsError> {
    let failed = FsError::io("sweep");
    let dir = match tree::enter(tmp, name) {
        Err(FsError::NotFound) => return Ok(()),
        found => found?,
    };
    let Some(_alive) = lock_run(&dir).map_err(&failed)? else {
        return Ok(());
    };
    let mut removed = 0_u64;
    for entry in dir.entries().map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry.file_name() == ALIVE || entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        dir.remove_file(entry.file_name()).map_err(&failed)?;
        removed += 1;
    }
    // Last, for it is what keeps others away.
    dir.remove_file(ALIVE).map_err(&failed)?;
    tracing::info!(
        run = name,
        files = removed,
        "removed what a dead writer left"
    );
    match tmp.remove_dir(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}
