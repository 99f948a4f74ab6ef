//! The Python tool of the same name, which romt is to replace.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    process::{is_installed, timed},
};

/// Its version that is compared with.
const VERSION: &str = "0.10.3";

/// Names the program, where it is installed already.
const GIVEN: &str = "ROMT_PYTHON_TOOL";

/// The Python tool that the environment variable `ROMT_PYTHON_TOOL` names, or one
/// installed below `place` unless it is there; `None` if that cannot be done here.
pub fn install(place: &Path) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(GIVEN) {
        return Some(PathBuf::from(given));
    }
    let environment = place.join(format!("python-romt-{VERSION}"));
    let program = environment.join("bin/romt");
    if works(&program) {
        return Some(program);
    }
    if !is_installed("python3") {
        return None;
    }
    let install = || -> Result<(), Failure> {
        timed(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
        timed(
            Command::new(environment.join("bin/pip"))
                .args(["install", "--quiet"])
                .arg(format!("romt=={VERSION}")),
        )?;
        Ok(())
    };
    install().ok()?;
    works(&program).then_some(program)
}

fn works(program: &Path) -> bool {
    timed(Command::new(program).arg("--version")).is_ok_and(|(_, text)| text.contains(VERSION))
}
