//! A mirror that has something of everything, and a server of it.

use std::{fmt::Write as _, fs, path::PathBuf};

use romt_core::{Sha256Digest, defaults::LOCKED_CRATES_IO};
use tempfile::TempDir;

use crate::{
    dist_support::{Channel, Components, DistTree, Release},
    support::{
        process::{Running, romt, run},
        tripwire::Tripwire,
        upstream::{PLAIN, Upstream, stand_in},
    },
};

/// The crates of the mirror, with what their lines say besides.
const CRATES: [(&str, &str, &str); 7] = [
    ("x", "1.0.0", ""),
    ("xy", "1.0.0", ""),
    ("xyz", "1.0.0", ""),
    ("MyCrate", "1.0.0+b1", ""),
    ("shapes", "1.0.0", ",\"yanked\":true"),
    (
        "shapes",
        "1.9.0",
        ",\"rust_version\":\"1.70\",\"pubtime\":\"2026-01-02T03:04:05Z\"",
    ),
    ("shapes", "1.10.0", ",\"rust_version\":\"1.80\""),
];

/// The rustup of the mirror.
pub(crate) const RUSTUP: &str = "1.29.0";

/// What stands in for rustup: it tells how it was called.
pub(crate) const STAND_IN: &str = "#!/bin/sh\n\
    echo \"$RUSTUP_DIST_SERVER $RUSTUP_UPDATE_ROOT\"\n\
    for argument in \"$@\"; do echo \"<$argument>\"; done\n\
    exit \"${STAND_IN_STATUS:-0}\"\n";

/// A directory with a mirror in it.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) tripwire: Tripwire,
}

impl Scene {
    /// A mirror of crates alone, made by `romt up`.
    pub(crate) fn of_crates() -> Self {
        let scene = Self {
            dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made"),
            tripwire: Tripwire::new(),
        };
        let upstream = Upstream::start(PLAIN);
        let mut lock = "version = 4\n".to_owned();
        for (name, version, _) in CRATES {
            let tarball = stand_in(name, version);
            let digest = Sha256Digest::of(&tarball);
            let _ = write!(
                lock,
                "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
                 source = \"{LOCKED_CRATES_IO}\"\nchecksum = \"{digest}\"\n"
            );
            upstream.put_index(name, lines_of(name));
            upstream.put_crate(name, version, tarball);
        }
        fs::write(scene.dir.path().join("Cargo.lock"), lock).expect("it is written");
        let index_url = upstream.index_url();
        let args = [
            "up",
            "--index-url",
            &index_url,
            "--lockfile",
            "Cargo.lock",
            "--mirror",
            "mirror",
            "--no-serve",
        ];
        run(&mut romt(scene.dir.path(), &scene.tripwire, args)).expect(0);
        scene
    }

    /// The same with toolchains and rustup; `None` if there is no rustc here to make
    /// them of.
    pub(crate) fn of_everything() -> Option<Self> {
        let scene = Self::of_crates();
        let components = match Components::stand_ins() {
            Ok(components) => components,
            Err(reason) => {
                println!("skipped: {reason}");
                return None;
            }
        };
        let mirror = scene.mirror();
        let tree = DistTree::new(&mirror);
        for release in [
            Release::new(Channel::Stable, "1.94.0", "2026-03-05"),
            Release::new(Channel::Nightly, "1.96.0-nightly", "2026-03-08"),
        ] {
            tree.add(&release, &components);
            tree.publish(&release);
        }
        tree.publish_rustup(RUSTUP, &components.host, STAND_IN.as_bytes());
        Some(scene)
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    /// Serves the mirror; says where.
    pub(crate) fn serve(&self) -> (Running, String) {
        let args = ["serve", "--mirror", "mirror", "--port", "0"];
        let mut server = Running::spawn(&mut romt(self.dir.path(), &self.tripwire, args));
        let url = server.serving();
        (server, url)
    }
}

/// The index file of one of the crates.
pub(crate) fn lines_of(name: &str) -> String {
    let mut lines = String::new();
    for (name, version, more) in CRATES.iter().filter(|it| it.0 == name) {
        let digest = Sha256Digest::of(stand_in(name, version));
        let _ = writeln!(
            lines,
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\
             \"cksum\":\"{digest}\",\"features\":{{}}{more}}}"
        );
    }
    lines
}
