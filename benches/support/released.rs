//! The program `romt` as users run it.

use std::{fs, path::PathBuf, process::Command};

use crate::{Failure, process::timed};

/// The program `romt`, as released: the one that is given, or one made now, beside
/// the bench that calls this.
pub fn romt(given: Option<String>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(fs::canonicalize(given)?);
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let build = ["build", "--release", "-p", "romt-cli", "--bin", "romt"];
    timed(
        Command::new(cargo)
            .args(build)
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    )?;
    // The bench itself is at `release/deps/index-…`.
    let bench = std::env::current_exe()?;
    let release = bench.ancestors().nth(2).ok_or("the bench is nowhere")?;
    Ok(release.join("romt"))
}
