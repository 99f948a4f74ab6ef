//! The two tools.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::support::{process::run, tripwire::Tripwire};

/// Which release of the Python tool judges.
const RELEASE: &str = "romt==0.10.3";

/// Names the executable of the Python tool.
const VARIABLE: &str = "ROMT_PYTHON_TOOL";

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The `romt` of this build.
    Ours,
    /// The Python tool of the same name.
    Python,
}

impl Tool {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Python];

    pub(crate) fn is_ours(self) -> bool {
        self == Self::Ours
    }

    fn program(self) -> &'static Path {
        match self {
            Self::Ours => Path::new(env!("CARGO_BIN_EXE_romt")),
            Self::Python => python(),
        }
    }

    /// The tool in `dir`, with an environment that has nothing of the user's in
    /// it: every address but loopback leads into `tripwire`.
    pub(crate) fn command(self, dir: &Path, tripwire: &Tripwire, args: &[&str]) -> Command {
        assert!(
            names_its_upstream(args),
            "{args:?} would mean the public server"
        );
        let mut command = Command::new(self.program());
        command.env_clear();
        for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        tripwire.guard(&mut command);
        command.env("HOME", dir).args(args).current_dir(dir);
        command
    }
}

/// Whether nothing that goes to the network is left at its default.
fn names_its_upstream(args: &[&str]) -> bool {
    let has = |wanted: &str| args.contains(&wanted);
    !(has("download") || has("fetch-manifest")) || has("--url")
}

/// The executable of the Python tool.
///
/// # Panics
///
/// If it is not there: a judge who stays away has not agreed. Tests that need it are
/// ignored, visibly, where it was not named when they were built.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let path = std::env::var_os(VARIABLE).map(PathBuf::from);
        let path = path.unwrap_or_else(|| panic!("install {RELEASE} and name it in {VARIABLE}"));
        let answer = run(Command::new(&path).arg("--version"));
        let wanted = RELEASE.replace("==", " ");
        let shown = path.display();
        assert_eq!(answer.stdout.trim(), wanted, "{shown} is not the judge");
        path
    })
}
