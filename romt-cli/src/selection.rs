//! What the user wants mirrored.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use romt_core::{
    ErrorClass, Lockfile, Selection,
    crates::{LeftOut, LockfileError, MAX_LOCKFILE_SIZE},
};

use crate::{
    args::UpArgs,
    error::{CliError, shown},
};

/// What the arguments of `up` select, and which lock files say so.
pub(crate) struct Chosen {
    pub(crate) selection: Selection,
    pub(crate) lockfiles: Vec<PathBuf>,
}

pub(crate) fn choose(args: &UpArgs) -> Result<Chosen, CliError> {
    let mut lockfiles = args.lockfiles.clone();
    if lockfiles.is_empty() && args.crates.is_empty() {
        lockfiles.push(nearest_lockfile()?);
    }
    let mut selection: Selection = args.crates.iter().cloned().collect();
    for path in &lockfiles {
        let lockfile = read_lockfile(path, &args.upstream.index_url)?;
        selection
            .add_lockfile(lockfile)
            .map_err(|error| refused(path, &error))?;
    }
    Ok(Chosen {
        selection,
        lockfiles,
    })
}

/// The packages left out: first the names of those that whoever has the project
/// has too, then those that a user would miss.
pub(crate) fn left_out(selection: &Selection) -> (Vec<String>, Vec<&LeftOut>) {
    let all = selection.left_out().iter();
    let (local, missed): (Vec<_>, Vec<_>) = all.partition(|l| l.origin.is_local());
    let local = local.iter().map(|l| l.package.to_string()).collect();
    (local, missed)
}

/// The `Cargo.lock` in this directory or the nearest one above.
fn nearest_lockfile() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir()
        .map_err(|error| CliError::from_io("find", "the current directory", &error))?;
    here.ancestors()
        .map(|directory| directory.join("Cargo.lock"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            CliError::usage(format!(
                "there is no Cargo.lock in {} or above",
                shown(&here)
            ))
            .with_help("name one with --lockfile PATH, or crates with --crate NAME")
        })
}

fn read_lockfile(path: &Path, index_url: &str) -> Result<Lockfile, CliError> {
    let failed = |error| {
        let mut error = CliError::from_io("read", format_args!("`{}`", shown(path)), &error);
        error.class = ErrorClass::Usage;
        error
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_LOCKFILE_SIZE + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Lockfile::parse(&text, Some(index_url)).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &LockfileError) -> CliError {
    CliError::new(ErrorClass::Refused, format!("`{}` is refused", shown(path))).caused_by(error)
}
