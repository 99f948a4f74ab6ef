//! The real cargo, with nothing but a mirror within its reach.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::tripwire::Tripwire;

/// A cargo of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// As `stable-x86_64-unknown-linux-gnu`; `None` for whatever `cargo` there is.
    name: Option<String>,
}

impl Toolchain {
    /// Stable and nightly, as far as they are installed.
    pub(crate) fn installed() -> Vec<Self> {
        let listed = Command::new("rustup")
            .args(["toolchain", "list"])
            .stdin(Stdio::null())
            .output();
        let listed = match listed {
            Ok(output) if output.status.success() => output.stdout,
            _ => {
                eprintln!("skipped: stable and nightly, for want of rustup; the only cargo it is");
                return vec![Self { name: None }];
            }
        };
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let mut found = Vec::new();
        for channel in ["stable", "nightly"] {
            let mut names = listed.lines().filter_map(|line| line.split(' ').next());
            match names.find(|name| {
                name.strip_prefix(channel)
                    .is_some_and(|r| r.starts_with('-'))
            }) {
                Some(name) => found.push(Self {
                    name: Some(name.to_owned()),
                }),
                None => eprintln!("skipped: {channel}, which is not installed"),
            }
        }
        if found.is_empty() {
            found.push(Self { name: None });
        }
        found
    }

    fn command(&self, program: &str) -> Command {
        match &self.name {
            // The toolchain is chosen, and with it the `rustc` that cargo calls.
            Some(name) => {
                let mut command = Command::new("rustup");
                command.args(["run", name, program]);
                command
            }
            None => Command::new(program),
        }
    }
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("cargo"))
    }
}

/// A user who has a toolchain, an empty cargo home, and no network.
#[derive(Debug)]
pub(crate) struct OfflineUser<'a> {
    toolchain: &'a Toolchain,
    tripwire: &'a Tripwire,
    home: TempDir,
    target: TempDir,
}

impl<'a> OfflineUser<'a> {
    pub(crate) fn new(toolchain: &'a Toolchain, tripwire: &'a Tripwire) -> Self {
        Self {
            toolchain,
            tripwire,
            home: tempfile::tempdir().expect("a directory is made"),
            target: tempfile::tempdir().expect("a directory is made"),
        }
    }

    /// `cargo` in `dir`.
    pub(crate) fn cargo(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.toolchain.command("cargo");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // What the cargo and the rustup that run this test left for it.
            let is_theirs = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"]
                .iter()
                .any(|start| name.starts_with(start));
            if is_theirs || matches!(&*name, "LD_LIBRARY_PATH" | "DYLD_FALLBACK_LIBRARY_PATH") {
                command.env_remove(&*name);
            }
        }
        self.tripwire.guard(&mut command);
        command
            .args(args)
            .current_dir(dir)
            .env("CARGO_HOME", self.home.path())
            .env("CARGO_TARGET_DIR", self.target.path())
            .env("CARGO_NET_RETRY", "0")
            .env("CARGO_TERM_COLOR", "never")
            .env("RUSTUP_AUTO_INSTALL", "0");
        command
    }

    /// A program that was built in the directory for what is built.
    pub(crate) fn program(&self, name: &str) -> Command {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        Command::new(self.target.path().join("debug").join(name))
    }
}
