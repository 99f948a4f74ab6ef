//! The whole way: from a distribution server over the air gap to a user.

use std::{
    fs,
    path::{Path, PathBuf},
};

use romt_store::conformance::signing::{SigningHash, TestKey};
use tempfile::TempDir;

use crate::{
    dist_support::{Components, DistTree, Release, SECOND_TARGET},
    support::{
        process::{Finished, Running, romt, run},
        tripwire::Tripwire,
    },
};

/// A distribution server, a mirror that it feeds, and one that is fed by archives.
pub(crate) struct Carry<'t> {
    tripwire: &'t Tripwire,
    scene: TempDir,
    key: TestKey,
    upstream: Option<(Running, String)>,
    archives: usize,
}

impl<'t> Carry<'t> {
    pub(crate) fn new(tripwire: &'t Tripwire) -> Self {
        let scene = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        for directory in ["upstream/mirror", "online", "offline/mirror"] {
            fs::create_dir_all(scene.path().join(directory)).expect("the scene is ours");
        }
        let key = TestKey::generate("romt's tests <tests@example.com>");
        fs::write(scene.path().join("key.asc"), key.public_armored()).expect("the scene is ours");
        Self {
            tripwire,
            scene,
            key,
            upstream: None,
            archives: 0,
        }
    }

    /// Where the mirror that users see is.
    pub(crate) fn offline(&self) -> PathBuf {
        self.scene.path().join("offline")
    }

    /// Releases something upstream, signed; the channel shows it.
    pub(crate) fn release(&self, release: &Release, components: &Components) {
        let sign = |content: &[u8]| {
            self.key
                .sign_detached_armored(content, SigningHash::Sha512)
                .into_bytes()
        };
        let tree = DistTree::new(&self.scene.path().join("upstream/mirror")).signed(&sign);
        tree.add(release, components);
        tree.publish(release);
    }

    pub(crate) fn release_rustup(&self, version: &str, target: &str, installer: &[u8]) {
        let tree = DistTree::new(&self.scene.path().join("upstream/mirror"));
        tree.publish_rustup(version, target, installer);
    }

    /// Fetches `specs` from upstream for `host`, and packs them into the next archive,
    /// with `more` options. Returns the number of the archive.
    pub(crate) fn export(&mut self, specs: &str, host: &str, more: &[&str]) -> usize {
        let url = format!("{}/dist", self.upstream());
        let targets = format!("{host},{SECOND_TARGET}");
        let archive = self.archive("toolchain", self.archives);
        let archive = archive.to_str().expect("it is plain");
        let mut args = vec!["toolchain", "--key-file", "../key.asc", "-s", specs];
        args.extend(["-t", targets.as_str(), "--archive", archive, "--url", &url]);
        args.extend(more);
        args.extend(["download", "pack"]);
        self.run("online", &args).expect(0);
        self.archives += 1;
        self.archives - 1
    }

    pub(crate) fn export_rustup(&mut self, target: &str) {
        let url = format!("{}/rustup", self.upstream());
        let mut args = vec!["rustup", "-s", "stable", "-t", target, "--url", &url];
        args.extend(["download", "pack"]);
        self.run("online", &args).expect(0);
    }

    /// Stops upstream for good.
    pub(crate) fn stop_upstream(&mut self) {
        if let Some((server, _)) = self.upstream.take() {
            drop(server.stop());
        }
        fs::remove_dir_all(self.scene.path().join("upstream")).expect("the scene is ours");
    }

    /// Takes an archive into the mirror that users see.
    pub(crate) fn import(&self, archive: usize) {
        let archive = self.archive("toolchain", archive);
        let archive = archive.to_str().expect("it is plain");
        let mut args = vec!["toolchain", "--key-file", "../../key.asc"];
        args.extend(["--archive", archive, "unpack"]);
        self.run("offline/mirror", &args).expect(0);
    }

    pub(crate) fn import_rustup(&self) {
        let args = [
            "rustup",
            "--archive",
            "../../online/rustup.tar.gz",
            "unpack",
        ];
        self.run("offline/mirror", &args).expect(0);
    }

    fn archive(&self, kind: &str, number: usize) -> PathBuf {
        self.scene.path().join(format!("{kind}-{number}.tar.gz"))
    }

    fn upstream(&mut self) -> &str {
        let (scene, tripwire) = (self.scene.path(), self.tripwire);
        let (_, url) = self.upstream.get_or_insert_with(|| {
            let (server, url) = crate::serve(&scene.join("upstream"), tripwire);
            let url = url.trim_end_matches('/').to_owned();
            (server, url)
        });
        url
    }

    fn run(&self, directory: &str, args: &[&str]) -> Finished {
        let directory: &Path = &self.scene.path().join(directory);
        run(&mut romt(directory, self.tripwire, args))
    }
}
