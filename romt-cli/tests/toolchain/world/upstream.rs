//! A distribution server, on loopback or in a directory.

use std::{collections::BTreeMap, fs, path::Path};

use romt_core::Sha256Digest;
use romt_store::conformance::scripted::ScriptedServer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Release, Shape};

const STABLE: Release = Release {
    shape: Shape::Small,
    channel: "stable",
    version: "1.94.0",
    date: "2026-03-05",
    own_target: None,
    lacks: None,
};
pub(crate) const NEW: Release = STABLE;
pub(crate) const OLD: Release = Release {
    version: "1.93.0",
    date: "2026-01-22",
    ..STABLE
};
/// Has a target that no other release has.
pub(crate) const BETA: Release = Release {
    channel: "beta",
    version: "1.95.0-beta.2",
    date: "2026-03-07",
    own_target: Some("of-beta-only"),
    ..STABLE
};
pub(crate) const NIGHTLY: Release = Release {
    channel: "nightly",
    version: "1.96.0-nightly",
    date: "2026-03-09",
    own_target: Some("of-nightly-only"),
    ..STABLE
};
/// Has no rustfmt for Linux.
pub(crate) const NIGHTLY_BEFORE: Release = Release {
    date: "2026-03-05",
    lacks: Some("rustfmt-preview"),
    ..NIGHTLY
};

/// A distribution server with a `dist` and a `rustup`.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) server: ScriptedServer,
    /// The same files in a directory.
    directory: TempDir,
    // After the server: connections end with it.
    _runtime: Runtime,
}

impl Upstream {
    /// One that has nothing.
    pub(crate) fn empty() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let nothing: [(String, String); 0] = [];
        Self {
            server: runtime.block_on(ScriptedServer::start(nothing)),
            directory: tempfile::tempdir().unwrap(),
            _runtime: runtime,
        }
    }

    /// Two stable releases, one beta and two nightlies, each by its date too; and rustup
    /// in two versions.
    pub(crate) fn small() -> Self {
        Self::of(&[OLD, NEW, BETA, NIGHTLY_BEFORE, NIGHTLY])
    }

    /// The same, as large as they are.
    pub(crate) fn real(releases: &[Release]) -> Self {
        let real = |release: &Release| Release {
            shape: Shape::Real,
            ..*release
        };
        let releases: Vec<Release> = releases.iter().map(real).collect();
        Self::of(&releases)
    }

    fn of(releases: &[Release]) -> Self {
        let upstream = Self::empty();
        for release in releases {
            upstream.publish(release);
            upstream.put_manifest(&release.date_path(), release);
        }
        upstream
    }

    /// Has the components of a release, and its manifest at the top only.
    pub(crate) fn publish(&self, release: &Release) {
        for (path, content) in release.components() {
            self.put_signed(&format!("dist/{path}"), content);
        }
        let mut names = vec![release.channel];
        if release.channel == "stable" {
            names.push(release.version);
        }
        for name in names {
            self.put_manifest(&format!("channel-rust-{name}.toml"), release);
        }
    }

    /// Has the manifest of a release at `path`, with its digest as upstream writes it.
    pub(crate) fn put_manifest(&self, path: &str, release: &Release) {
        let manifest = release.manifest().into_bytes();
        let digest = Sha256Digest::of(&manifest);
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let path = format!("dist/{path}");
        self.put(&format!("{path}.sha256"), format!("{digest}  {name}\n"));
        self.put_signed(&path, manifest);
    }

    /// Has `version` of rustup for these targets; `makes_current` says whether it is the
    /// stable one.
    pub(crate) fn publish_rustup(&self, version: &str, targets: &[&str], makes_current: bool) {
        for target in targets {
            let end = if target.contains("windows") {
                ".exe"
            } else {
                ""
            };
            let path = format!("rustup/archive/{version}/{target}/rustup-init{end}");
            let content = format!("rustup {version} for {target}\n").repeat(50);
            let digest = Sha256Digest::of(&content);
            // As they are upstream.
            let line = match end {
                "" => format!("{digest} *target/{target}/release/rustup-init\n"),
                _ => digest.to_string(),
            };
            self.put(&path, content);
            self.put(&format!("{path}.sha256"), line);
        }
        if makes_current {
            let text = format!("schema-version = '1'\nversion = '{version}'\n");
            self.put("rustup/release-stable.toml", text);
        }
    }

    /// Puts a file, and what stands in for its signature.
    fn put_signed(&self, path: &str, content: Vec<u8>) {
        let signature = armored(path);
        self.put(path, content);
        self.put(&format!("{path}.asc"), signature);
    }

    pub(crate) fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        let at = self.directory.path().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, &content).unwrap();
        self.server.put(path, content);
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.directory.path().join(path)).unwrap();
        self.server.remove(path);
    }

    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let found = self.server.get(path);
        found
            .unwrap_or_else(|| panic!("upstream has no {path}"))
            .to_vec()
    }

    /// The address of a part, `dist` or `rustup`.
    pub(crate) fn url(&self, part: &str) -> String {
        format!("{}{part}", self.server.url())
    }

    /// The directory of a part.
    pub(crate) fn path(&self, part: &str) -> String {
        let path = self.directory.path().join(part);
        path.to_str().unwrap().to_owned()
    }

    /// Every file, by its path, with its digest.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        super::files(self.directory.path())
    }
}

impl Release {
    /// Where its manifest is for good.
    pub(crate) fn date_path(&self) -> String {
        format!("{}/channel-rust-{}.toml", self.date, self.channel)
    }
}

/// What looks like a signature and is none.
fn armored(path: &str) -> String {
    let noise = Sha256Digest::of(path);
    format!("-----BEGIN PGP SIGNATURE-----\n\n{noise}\n=AAAA\n-----END PGP SIGNATURE-----\n")
}
