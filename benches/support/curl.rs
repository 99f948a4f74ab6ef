//! The ceiling: curl, fetching the same files.

use std::{fmt::Write as _, fs, path::Path, process::Command, time::Duration};

use crate::{Failure, process};

/// How many transfers curl runs at once, which is its default and its most
/// useful value on one machine.
const PARALLEL: &str = "50";

/// Fetches `paths` from `address` into `directory`, which does not exist yet.
pub fn fetch(address: &str, paths: &[String], directory: &Path) -> Result<Duration, Failure> {
    let config = directory.with_extension("curl");
    let mut text = String::new();
    for path in paths {
        let to = directory.join(path);
        writeln!(text, "url = \"http://{address}/{path}\"")?;
        writeln!(text, "output = \"{}\"", to.display())?;
    }
    fs::write(&config, text)?;
    fs::create_dir(directory)?;
    let (took, _) = process::timed(
        Command::new("curl")
            .args(["--disable", "--silent", "--show-error", "--fail"])
            .args(["--parallel", "--parallel-max", PARALLEL])
            .args(["--create-dirs", "--noproxy", "*", "--config"])
            .arg(&config),
    )?;
    fs::remove_file(&config)?;
    Ok(took)
}
