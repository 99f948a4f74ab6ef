//! Names that would go back, and releases that go.

use std::{collections::BTreeMap, fs};

use crate::{
    release::{HOST, named, nightly, stable},
    world::{World, run},
};

#[test]
fn hostile_m09_no_name_goes_back() {
    let world = World::new();
    let mirror = world.mirror();
    let (old, new) = (
        stable("1.95.0", "2026-03-07"),
        stable("1.95.1", "2026-03-08"),
    );
    world.publish(&new);
    mirror.download("stable");
    world.publish(&old);
    for spec in ["stable", "1.95"] {
        for args in [
            vec!["-s", spec, "-t", "all", "download"],
            vec!["-s", spec, "fetch-manifest"],
        ] {
            let needles = &["would go back", "2026-03-08", "2026-03-07"];
            mirror.refuses(|| mirror.toolchain(&args), 4, needles);
        }
    }
    // A version is no channel, and moves none.
    mirror.download("1.95.0");
    let shown = fs::read_to_string(mirror.dist().join(named("stable"))).unwrap();
    assert_eq!(shown, new.manifest());
    let back = ["-s", "stable", "-t", "all", "--allow-rollback", "download"];
    run(mirror.toolchain(&back)).assert(0, &[]);
    let shown = fs::read_to_string(mirror.dist().join(named("stable"))).unwrap();
    assert_eq!(shown, old.manifest());
}

#[test]
fn hostile_m09_a_date_in_the_future_is_told_and_not_judged() {
    let world = World::new();
    let mirror = world.mirror();
    let (now, later) = (
        stable("1.95.0", "2026-03-07"),
        stable("9.95.0", "2999-03-08"),
    );
    let download = ["-s", "stable", "-t", "all", "download"];
    for (release, told) in [(&now, false), (&later, true)] {
        world.publish(release);
        let ended = run(mirror.toolchain(&download));
        let needle = "which is in the future by this clock";
        assert_eq!(ended.text().contains(needle), told, "{}", ended.text());
        ended.assert(0, &[]);
        mirror.check(&[&now, &later]).unwrap();
    }
}

#[test]
fn hostile_m13_nothing_with_a_date_changes() {
    let world = World::new();
    let mirror = world.mirror();
    let old = stable("1.95.0", "2026-03-07");
    world.publish(&old);
    mirror.download("stable");
    let text = old.manifest() + "# changed\n";
    let mut files = BTreeMap::new();
    old.put_manifest(&mut files, &text, true);
    let versioned = "2026-03-07/channel-rust-1.95.0.toml";
    crate::release::with_digest(&mut files, versioned, text.into_bytes());
    world.put(&files);
    for spec in ["stable", "stable-2026-03-07", "1.95.0", "1.95.0-2026-03-07"] {
        for args in [
            vec!["-s", spec, "-t", "all", "download"],
            vec!["-s", spec, "fetch-manifest"],
        ] {
            mirror.refuses(|| mirror.toolchain(&args), 3, &["does not change"]);
        }
    }
}

/// Clients would be told of a release of which there is nothing.
#[test]
fn hostile_p4_a_selection_of_nothing_moves_nothing() {
    let world = World::new();
    let mirror = world.mirror();
    world.publish(&nightly("2026-03-07"));
    mirror.download("nightly");
    world.publish(&nightly("2026-03-08"));
    for args in [
        vec!["-t", "*"],
        vec!["-t", "all", "--components", "nonsense"],
        vec![
            "-t",
            HOST,
            "--components",
            "!rustc !cargo !rust-std !rust-src !rust-docs",
        ],
    ] {
        let args = [vec!["-s", "nightly", "download"], args].concat();
        mirror.refuses(|| mirror.toolchain(&args), 1, &["is selected"]);
    }
}

/// What a name without a date shows, also one that nobody keeps a date for.
#[test]
fn hostile_r10_nothing_that_is_shown_is_pruned() {
    let world = World::new();
    let mirror = world.mirror();
    let (old, new) = (nightly("2026-03-07"), nightly("2026-03-08"));
    for release in [&old, &new] {
        world.publish(release);
        mirror.download("nightly");
    }
    // A stable release that has the compiler of the nightly that goes.
    let other = stable("1.95.0", "2026-03-08");
    let path = old.path("rustc", HOST);
    let digest = romt_core::Sha256Digest::of(&old.components()[&path]).to_string();
    let own = other.path("rustc", HOST);
    let own_digest = romt_core::Sha256Digest::of(&other.components()[&own]).to_string();
    let text = other
        .manifest()
        .replace(&own, &path)
        .replace(&own_digest, &digest);
    let mut files = BTreeMap::new();
    other.put_manifest(&mut files, &text, true);
    world.put(&files);
    run(mirror.toolchain(&["-s", "1.95.0", "fetch-manifest"])).assert(0, &[]);
    run(mirror.toolchain(&["--keep-latest", "1", "prune"])).assert(0, &[]);
    assert!(mirror.dist().join(&path).exists());
    assert!(!mirror.dist().join(old.path("cargo", HOST)).exists());
    mirror.check_components("what stays", &new).unwrap();
}
