//! A user with a rustup, and nothing but a server of ours within reach.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{
    process::{Finished, run},
    tripwire::Tripwire,
};

/// Where the rustup of this machine is.
pub(crate) fn rustup_of_this_machine() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("rustup"));
    found.find(|rustup| rustup.is_file())
}

/// A user who has just installed rustup.
#[derive(Debug)]
pub(crate) struct User<'t> {
    tripwire: &'t Tripwire,
    home: TempDir,
    /// Where toolchains come from.
    server: String,
}

impl<'t> User<'t> {
    /// A user of `server`, which is as `http://127.0.0.1:8000`, with a copy of
    /// `rustup`.
    pub(crate) fn new(rustup: &Path, server: &str, tripwire: &'t Tripwire) -> Self {
        let home = tempfile::tempdir().expect("a directory is made");
        let bin = home.path().join("cargo/bin");
        fs::create_dir_all(&bin).expect("the directory is ours");
        // Not by this process: what another thread starts meanwhile would have the copy
        // open for writing, and until then nobody could run it.
        run(Command::new("cp").arg(rustup).arg(bin.join("rustup"))).expect(0);
        Self {
            tripwire,
            home,
            server: server.trim_end_matches('/').to_owned(),
        }
    }

    /// A directory of the user's.
    pub(crate) fn directory(&self) -> &Path {
        self.home.path()
    }

    /// The `rustup` of the user.
    pub(crate) fn program(&self) -> PathBuf {
        self.home.path().join("cargo/bin/rustup")
    }

    /// Where the user has `toolchain`, for this machine.
    pub(crate) fn toolchain(&self, toolchain: &str) -> PathBuf {
        let all = self.home.path().join("rustup/toolchains");
        let listed = fs::read_dir(&all).expect("there are toolchains");
        let start = format!("{toolchain}-");
        let mut names = listed.map(|entry| entry.expect("it is listed").file_name());
        // `1.95` is none of `1.95.0`, and `nightly` none of `nightly-2026-04-01`.
        let found = names.find(|name| {
            let rest = name.to_string_lossy();
            rest.strip_prefix(&start)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        });
        all.join(found.unwrap_or_else(|| panic!("{toolchain} is not installed")))
    }

    /// `rustup` with these arguments, run to its end.
    #[track_caller]
    pub(crate) fn rustup(&self, args: &[&str]) -> Finished {
        run(&mut self.command(args))
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // What the cargo and the rustup that run this test left for it.
            let is_theirs = ["CARGO", "RUST", "LD_LIBRARY_PATH", "DYLD_FALLBACK"]
                .iter()
                .any(|start| name.starts_with(start));
            if is_theirs {
                command.env_remove(&*name);
            }
        }
        // With it, rustup leaves itself as it is.
        command.env_remove("CI");
        self.tripwire.guard(&mut command);
        command
            .args(args)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("CARGO_HOME", self.home.path().join("cargo"))
            .env("RUSTUP_HOME", self.home.path().join("rustup"))
            .env("RUSTUP_DIST_SERVER", &self.server)
            .env("RUSTUP_UPDATE_ROOT", format!("{}/rustup", self.server))
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env("RUSTUP_TERM_COLOR", "never")
            .env("CARGO_TERM_COLOR", "never");
        command
    }
}
