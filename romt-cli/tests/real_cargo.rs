//! The real cargo as judge: what `romt up` mirrors from a crates.io on loopback,
//! an unmodified cargo with an empty home and no other network builds from.
//!
//! The upstream is made of the crates that cargo has downloaded to build this
//! workspace, so nothing here needs the internet.

// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout)]

// Each of the tests uses another part of it.
#[allow(dead_code)]
mod support;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use romt_core::Lockfile;
use support::{
    cargo::{OfflineUser, Toolchain},
    http,
    process::{Finished, Running, romt, run},
    tripwire::Tripwire,
    upstream::{PLAIN, Upstream},
    workspace::{self, Downloaded, DownloadedCrate},
};
use tempfile::TempDir;

/// Where an upstream may have its crates, with the markers that are seldom seen.
const PREFIXED: &str = "files/{prefix}/{lowerprefix}/{crate}-{version}.crate";

/// The crates of this workspace, read once for all tests.
fn downloaded() -> &'static Downloaded {
    static DOWNLOADED: OnceLock<Downloaded> = OnceLock::new();
    DOWNLOADED.get_or_init(Downloaded::collect)
}

/// A copy of this workspace, and a directory for the mirror of what it needs.
struct Scene {
    dir: TempDir,
    tripwire: Tripwire,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().expect("a directory is made"),
            tripwire: Tripwire::new(),
        };
        downloaded().copy_workspace(&scene.workspace());
        scene
    }

    fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    fn mirror(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    /// `romt up` on the copy's lock file, with these arguments besides.
    fn up(&self, upstream: &Upstream, more: &[&str]) -> Running {
        let mut args = vec!["up", "--index-url"];
        let index_url = upstream.index_url();
        args.extend([index_url.as_str(), "--lockfile", "workspace/Cargo.lock"]);
        args.extend(["--mirror", "mirror", "--port", "0"]);
        args.extend(more);
        self.romt(args)
    }

    fn romt<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Running {
        Running::spawn(&mut romt(self.dir.path(), &self.tripwire, args))
    }

    /// Points the project in `dir` at the server at `url`, as a user does.
    fn configure(&self, dir: &Path, url: &str) {
        let args = ["client-config", "--url", url, "--write"].map(OsString::from);
        run(&mut romt(dir, &self.tripwire, args)).expect(0);
    }

    /// The crates that the mirror holds, as `name-version`.
    fn held(&self) -> BTreeSet<String> {
        let mut held = BTreeSet::new();
        let mut rest = vec![self.mirror().join("crates")];
        while let Some(directory) = rest.pop() {
            for entry in fs::read_dir(directory).expect("it is read") {
                let path = entry.expect("it is read").path();
                if path.is_dir() {
                    rest.push(path);
                } else if path.extension().is_some_and(|it| it == "crate") {
                    let stem = path.file_stem().expect("it has a name");
                    held.insert(stem.to_string_lossy().into_owned());
                }
            }
        }
        held
    }

    /// Nothing that was run looked anywhere but on loopback.
    fn expect_silence(&self) {
        assert_eq!(self.tripwire.touched(), 0, "somebody called the world");
    }
}

/// Fetches the workspace, resolves it anew, and builds a program, all with empty
/// cargo homes and with the mirror at `url` alone.
fn live_off(scene: &Scene, url: &str, toolchain: &Toolchain) {
    let held = scene.held();
    let workspace = scene.workspace();
    scene.configure(&workspace, url);
    let user = OfflineUser::new(toolchain, &scene.tripwire);
    let fetched = run(&mut user.cargo(&workspace, &["fetch", "--locked"])).expect(0);
    println!("{toolchain}: cargo fetch --locked, {:?}", fetched.elapsed);

    let lock = workspace.join("Cargo.lock");
    let before = fs::read_to_string(&lock).expect("it is read");
    fs::remove_file(&lock).expect("it is there");
    let user = OfflineUser::new(toolchain, &scene.tripwire);
    run(&mut user.cargo(&workspace, &["generate-lockfile"])).expect(0);
    let after = fs::read_to_string(&lock).expect("cargo wrote it");
    let resolved = Lockfile::parse(&after, None)
        .expect("cargo wrote it")
        .crates;
    assert!(
        resolved.len() >= 100,
        "{} crates are resolved",
        resolved.len()
    );
    for krate in &resolved {
        let name = format!("{}-{}", krate.name, krate.version);
        assert!(held.contains(&name), "the mirror does not hold {name}");
    }
    fs::write(&lock, before).expect("it is written");

    let built = build_program(scene, url, toolchain);
    println!("{toolchain}: cargo build, {:?}", built.elapsed);
}

/// Builds a small program with real dependencies, and runs it.
fn build_program(scene: &Scene, url: &str, toolchain: &Toolchain) -> Finished {
    let program = tempfile::tempdir().expect("a directory is made");
    let dir = program.path();
    // Host-only crates of this workspace's own lock file, quick to build.
    let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                    [dependencies]\nhex = \"0.4\"\nitoa = \"1\"\nsemver = \"1\"\n\
                    serde_json = { version = \"1\", default-features = false, features = [\"alloc\"] }\n";
    let main = r#"
        fn main() {
            let version: semver::Version = "1.2.3".parse().unwrap();
            let json: serde_json::Value = serde_json::from_str("[7]").unwrap();
            println!("{} {} {} {}", hex::encode("romt"), version.minor, json[0],
                itoa::Buffer::new().format(42));
        }
    "#;
    fs::create_dir(dir.join("src")).expect("it is made");
    fs::write(dir.join("Cargo.toml"), manifest).expect("it is written");
    fs::write(dir.join("src/main.rs"), main).expect("it is written");
    scene.configure(dir, url);
    let user = OfflineUser::new(toolchain, &scene.tripwire);
    let built = run(&mut user.cargo(dir, &["build"])).expect(0);
    let ran = run(&mut user.program("small")).expect(0);
    assert_eq!(ran.stdout.trim(), "726f6d74 2 7 42");
    built
}

#[test]
fn cargo_lives_off_a_mirror_alone() {
    let scene = Scene::new();
    let upstream = downloaded().serve(PLAIN);
    let mut up = scene.up(&upstream, &[]);
    let url = up.serving();
    println!("the first romt up was serving after {:?}", up.elapsed());
    assert_eq!(
        downloaded().downloads(&upstream),
        downloaded().crates.len() as u64
    );
    // The upstream is gone for good.
    drop(upstream);
    for toolchain in Toolchain::installed() {
        live_off(&scene, &url, &toolchain);
    }
    up.stop();
    scene.expect_silence();
}

#[test]
fn a_rerun_only_asks_whether_anything_changed() {
    let scene = Scene::new();
    let upstream = downloaded().serve(PREFIXED);
    scene.up(&upstream, &["--no-serve"]).wait().expect(0);
    let held = scene.held();
    assert_eq!(held.len(), downloaded().crates.len());

    upstream.server.reset_requests();
    let mut up = scene.up(&upstream, &[]);
    let url = up.serving();
    up.wait_until("the server's health", |_| {
        http::get(&url, "healthz").is_some_and(|(status, _)| status == 200)
    });
    println!("the second romt up was serving after {:?}", up.elapsed());
    // A loaded machine may take its time; the aim is one second.
    assert!(up.elapsed() < Duration::from_secs(5), "{:?}", up.elapsed());
    up.wait_for("already here");
    let requests = upstream.server.requests();
    assert_eq!(upstream.server.hits("config.json"), 1);
    assert_eq!(
        requests.total,
        1 + downloaded().names(),
        "one question a crate"
    );
    assert_eq!(requests.conditional, requests.total);
    assert_eq!(requests.not_modified, requests.total);
    assert_eq!(downloaded().downloads(&upstream), 0);
    let finished = up.stop();
    assert!(
        finished.stderr.contains("0 crates fetched"),
        "{finished:#?}"
    );
    assert_eq!(scene.held(), held);
    scene.expect_silence();
}

#[test]
fn offline_serves_what_is_there_and_asks_nobody() {
    let scene = Scene::new();
    let upstream = downloaded().serve(PREFIXED);
    scene.up(&upstream, &["--no-serve"]).wait().expect(0);
    upstream.server.reset_requests();
    let index_url = upstream.index_url();
    let args = ["up", "--offline", "--mirror", "mirror", "--port", "0"];
    let args = args.into_iter().chain(["--index-url", &index_url]);
    let mut offline = scene.romt(args);
    let url = offline.serving();
    let toolchains = Toolchain::installed();
    let toolchain = toolchains.last().expect("there is a cargo");
    scene.configure(&scene.workspace(), &url);
    let user = OfflineUser::new(toolchain, &scene.tripwire);
    run(&mut user.cargo(&scene.workspace(), &["fetch", "--locked"])).expect(0);
    offline.stop();
    assert_eq!(upstream.server.requests().connections, 0);
    scene.expect_silence();
}

/// A lock file of those crates that the cargo home has.
fn real_lockfile() -> (String, usize) {
    let real = downloaded().crates.iter().filter(|krate| krate.is_real);
    let package = |krate: &DownloadedCrate| {
        format!(
            "\n[[package]]\nname = \"{}\"\nversion = \"{}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
             checksum = \"{}\"\n",
            krate.name, krate.version, krate.checksum
        )
    };
    let packages: Vec<_> = real.map(package).collect();
    let text = format!("version = 4\n{}", packages.concat());
    (text, packages.len())
}

#[test]
fn a_cargo_home_is_an_upstream() {
    let scene = Scene::new();
    let (lockfile, count) = real_lockfile();
    fs::write(scene.workspace().join("Cargo.lock"), lockfile).expect("it is written");
    let home = workspace::cargo_home();
    let home = home.to_str().expect("the path is UTF-8");
    let args = ["up", "--lockfile", "workspace/Cargo.lock", "--no-serve"];
    let args = args.into_iter().chain(["--index-url", home]);
    scene.romt(args).wait().expect(0);
    assert_eq!(scene.held().len(), count);

    let mut offline = scene.romt(["serve", "--port", "0"]);
    let url = offline.serving();
    for toolchain in Toolchain::installed().iter().take(1) {
        build_program(&scene, &url, toolchain);
    }
    offline.stop();
    scene.expect_silence();
}

#[test]
fn a_cargo_home_saves_downloads() {
    let scene = Scene::new();
    let (lockfile, count) = real_lockfile();
    fs::write(scene.workspace().join("Cargo.lock"), lockfile).expect("it is written");
    let upstream = downloaded().serve(PLAIN);
    let home = workspace::cargo_home();
    let home = home.to_str().expect("the path is UTF-8");
    let up = scene.up(&upstream, &["--cargo-home", home, "--no-serve"]);
    up.wait().expect(0);
    assert_eq!(scene.held().len(), count);
    assert_eq!(
        downloaded().downloads(&upstream),
        0,
        "all were in the cargo home"
    );
    assert!(
        upstream.server.requests().total > 100,
        "the index was asked"
    );
    scene.expect_silence();
}
