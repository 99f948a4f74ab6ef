//! Writing a bundle through the library, in a process of its own.

use std::path::PathBuf;

use romt_core::ports::{BundleBranch, HistoryIndex as _, Position};
use romt_index::{GitIndex, GitOptions};

use crate::{Failure, process::argument};

/// Has a bench [`write()`] a bundle of the repository that is named next.
pub const OF: &str = "--write-bundle-of";

/// Writes a bundle through the library, as `git bundle create` does: of the
/// repository at `path`, without touching it.
pub fn write(path: &str) -> Result<(), Failure> {
    let start = argument("--start").ok_or("no start is given")?;
    let file = PathBuf::from(argument("--file").ok_or("no file is given")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(async {
        let index = GitIndex::open(path, GitOptions::default())?;
        let end = index.shown().await?.ok_or("there is no master")?;
        let start = Position::new(start);
        let branch = BundleBranch::Master;
        let written = index.write_bundle_to(Some(&start), &end, branch, &file);
        let written = written.await?;
        if written.base.as_ref() != Some(&start) {
            return Err("the bundle does not begin at the start".into());
        }
        Ok(())
    })
}
