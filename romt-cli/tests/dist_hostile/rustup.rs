//! Installers from upstreams and in archives.

use std::{collections::BTreeMap, fs};

use romt_core::Sha256Digest;

use crate::{
    archive::Members,
    fault_support::tree,
    release::{HOST, with_digest},
    world::{Mirror, World, run, with},
};

const WINDOWS: &str = "x86_64-pc-windows-msvc";

/// Lets the upstream have a version of rustup, which is the current one.
pub(crate) fn publish(world: &World, version: &str, size: usize) {
    let mut files = installers(version, size);
    let pointer = format!("schema-version = '1'\nversion = '{version}'\n");
    files.insert("release-stable.toml".into(), pointer.into());
    crate::release::write(&world.path("up/rustup"), &files);
}

fn installers(version: &str, size: usize) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (target, name) in [(HOST, "rustup-init"), (WINDOWS, "rustup-init.exe")] {
        let bytes = format!("rustup {version} for {target} ").repeat(size / 30 + 1);
        with_digest(
            &mut files,
            &format!("archive/{version}/{target}/{name}"),
            bytes.into(),
        );
    }
    files
}

/// Which version is current, and all that is shown of it, is there and right.
pub(crate) fn check(mirror: &Mirror<'_>) -> Result<(), String> {
    let root = mirror.path().join("rustup");
    let pointer = fs::read_to_string(root.join("release-stable.toml"));
    let pointer = pointer.map_err(|error| error.to_string())?;
    let version = pointer
        .split(['"', '\''])
        .nth(3)
        .ok_or("no version")?
        .to_owned();
    let mut right = 0;
    for (path, bytes) in installers(&version, 20_000) {
        // A target that was not fetched yet is none.
        let Ok(here) = fs::read(root.join(&path)) else {
            continue;
        };
        right += 1;
        if path.ends_with(".sha256") {
            let digest = String::from_utf8(bytes).unwrap();
            if !String::from_utf8(here).unwrap().starts_with(&digest[..64]) {
                return Err(format!("{path} is not right"));
            }
        } else if here != bytes {
            return Err(format!("{path} is not right"));
        }
    }
    if right == 0 {
        return Err(format!("{version} is current, and there is nothing of it"));
    }
    for path in tree::files(&root.join("dist")).into_values() {
        if path.extension().is_some_and(|end| end == "sha256") {
            continue;
        }
        let digest = Sha256Digest::of(fs::read(&path).unwrap()).to_string();
        let beside = fs::read_to_string(with(&path, ".sha256"));
        let beside = beside.map_err(|_| format!("{} has no digest", path.display()))?;
        if !beside.starts_with(&digest) {
            return Err(format!("the digest of {} does not fit", path.display()));
        }
    }
    Ok(())
}

fn world() -> World {
    let world = World::new();
    publish(&world, "1.28.1", 700);
    let mirror = world.mirror();
    run(mirror.rustup(&["-s", "stable", "-t", "all", "download"])).assert(0, &[]);
    world
}

fn members(version: &str) -> Members {
    let mut members = Members::default();
    for (path, bytes) in installers(version, 700) {
        members.push(&format!("rustup/{path}"), bytes);
    }
    members
}

fn refused(world: &World, tar: &[u8], code: i32, needles: &[&str]) {
    let path = world.path("hostile.tar");
    fs::write(&path, tar).unwrap();
    let mirror = world.mirror();
    let command = || mirror.rustup(&["--archive", path.to_str().unwrap(), "unpack"]);
    mirror.refuses(command, code, needles);
}

#[test]
fn hostile_a31_a35_rustup_archives_have_installers_and_nothing_else() {
    let world = world();
    let good = members("1.29.0");
    for name in [
        "etc/passwd",
        "rustup/release-stable.toml",
        "rustup/dist/x86_64-unknown-linux-gnu/rustup-init",
        "rustup/archive/1.29/x86_64-unknown-linux-gnu/rustup-init",
        "rustup/archive/v1.29.0/x86_64-unknown-linux-gnu/rustup-init",
        "rustup/archive/1.29.0-beta/x86_64-unknown-linux-gnu/rustup-init",
        "rustup/archive/1.30.0/x86_64-unknown-linux-gnu/rustup-init.exe",
        "rustup/archive/1.30.0/x86_64-unknown-linux-gnu/rustup-init.asc",
        "rustup/archive/1.30.0/con/rustup-init",
        "rustup/archive/1.30.0/a/b/rustup-init",
        "dist/2026-03-08/x.tar.xz",
        ".romt/lock",
    ] {
        let tar = good.clone().and(name, "x").tar();
        refused(&world, &tar, 4, &["hostile.tar, member #5", "unexpected"]);
    }
    let digest = format!("{}\n", Sha256Digest::of("other"));
    let bad = good.clone().with("rustup-init.sha256", digest);
    refused(
        &world,
        &bad.tar(),
        3,
        &["hostile.tar, member #", "Bad hash"],
    );
    let bad = good.clone().with("rustup-init", "other");
    refused(
        &world,
        &bad.tar(),
        3,
        &["hostile.tar, member #", "Bad hash"],
    );
    let bad = good.clone().without("rustup-init.sha256");
    refused(&world, &bad.tar(), 4, &["hostile.tar, member #", ".sha256"]);
    for text in ["", "x", &"x".repeat(5000), &"A".repeat(64)] {
        let bad = good.clone().with("rustup-init.sha256", text);
        refused(&world, &bad.tar(), 4, &["hostile.tar, member #"]);
    }
    refused(
        &world,
        &Members::default().tar(),
        4,
        &["hostile.tar", "nothing"],
    );
    let digest = good
        .0
        .iter()
        .find(|it| it.0.ends_with("rustup-init.sha256"));
    let early = Members(vec![digest.unwrap().clone()]);
    refused(&world, &early.tar(), 4, &["comes before its installer"]);
}

#[test]
fn hostile_a19_a_rustup_archive_that_is_cut_off_anywhere_changes_nothing() {
    let world = world();
    let tar = members("1.29.0").tar();
    for end in (0..=tar.len() - 1024).step_by(512) {
        refused(&world, &tar[..end], 4, &["archive ends early"]);
    }
}

#[test]
fn hostile_m13_an_installer_with_a_version_does_not_change() {
    let world = world();
    let other = format!("{}\n", Sha256Digest::of("other"));
    let bad = members("1.28.1")
        .with("rustup-init", "other")
        .with("rustup-init.sha256", other.clone());
    refused(&world, &bad.tar(), 3, &["does not change"]);
    let path = format!("archive/1.28.1/{HOST}/rustup-init");
    fs::write(world.path(&format!("up/rustup/{path}")), "other").unwrap();
    fs::write(world.path(&format!("up/rustup/{path}.sha256")), other).unwrap();
    let mirror = world.mirror();
    let command = || mirror.rustup(&["-s", "stable", "-t", "all", "download"]);
    mirror.refuses(command, 3, &["does not change"]);
}

#[test]
fn hostile_m12_the_pointer_file_says_a_version() {
    let world = world();
    let mirror = world.mirror();
    let command = || mirror.rustup(&["-s", "stable", "-t", "all", "download"]);
    for bad in [
        "",
        "version = '1.29.0'\n",
        "schema-version = '2'\nversion = '1.29.0'\n",
        "schema-version = '1'\nversion = '../../x'\n",
        "schema-version = '1'\nversion = '1.29'\n",
        "schema-version = '1'\nversion = 129\n",
        "<html>\x1b[2J</html>",
        &"#".repeat(5000),
        "\u{feff}schema-version = '1'\nversion = '1.28.1'\n",
    ] {
        fs::write(world.path("up/rustup/release-stable.toml"), bad).unwrap();
        let ended = run(command());
        assert!(
            matches!(ended.code, Some(4 | 7)),
            "{:?}: {}",
            ended.code,
            ended.text()
        );
        mirror.refuses(command, ended.code.unwrap(), &["release-stable.toml"]);
    }
}

/// DEST may be a whole mirror; then what it calls dist is that of the toolchains.
#[test]
fn hostile_f17_installers_beside_toolchains_leave_those_alone() {
    let world = world();
    let mirror = world.mirror();
    world.publish(&crate::release::nightly("2026-03-08"));
    mirror.download("nightly");
    let before = tree::contents(&mirror.dist());
    run(mirror.rustup(&["--dest", ".", "-s", "stable", "-t", "all", "download"])).assert(0, &[]);
    let after = tree::contents(&mirror.dist());
    for (name, digest) in before {
        assert_eq!(after.get(&name), Some(&digest), "{}", name.display());
    }
}

/// Nothing is not right.
#[test]
fn hostile_f21_a_version_that_is_not_here_is_neither_verified_nor_packed() {
    let world = world();
    let mirror = world.mirror();
    for command in ["verify", "pack"] {
        let command = || mirror.rustup(&["-s", "1.20.0", "--archive", "x.tar", command]);
        mirror.refuses(command, 1, &["version 1.20.0 not present"]);
    }
    fs::write(
        mirror.path().join("rustup/release-stable.toml"),
        "x".repeat(9000),
    )
    .unwrap();
    run(mirror.rustup(&["-s", "1.28.1", "fixup"])).assert(0, &[]);
    let pointer = fs::read_to_string(mirror.path().join("rustup/release-stable.toml"));
    assert!(pointer.unwrap().contains("1.28.1"));
}

#[test]
fn hostile_t4_only_pinned_installers_are_taken() {
    let world = world();
    publish(&world, "1.29.0", 700);
    let mirror = world.mirror();
    let pins = world.path("pins");
    let of = |path: &str, text: &str| format!("{} *rustup/{path}\n", Sha256Digest::of(text));
    let path = format!("archive/1.29.0/{HOST}/rustup-init");
    let windows = format!("archive/1.29.0/{WINDOWS}/rustup-init.exe");
    let known = of(&path, "other") + &of(&windows, "other");
    fs::write(&pins, known).unwrap();
    let pins = pins.to_str().unwrap();
    let download = || mirror.rustup(&["-s", "stable", "-t", "all", "--pin", pins, "download"]);
    mirror.refuses(download, 3, &["is pinned to"]);
    let archive = world.path("hostile.tar");
    members("1.29.0").save(&archive);
    let archive = archive.to_str().unwrap();
    let unpack = || mirror.rustup(&["--archive", archive, "--pin", pins, "unpack"]);
    mirror.refuses(unpack, 3, &["is pinned to"]);
}
