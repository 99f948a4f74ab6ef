//! Disks that are full.

use std::fs;

use crate::{
    archive::Members,
    checker,
    fault_support::tmpfs::Tmpfs,
    origin::{Mirror, Origin},
    tool,
};

/// An upstream with so many crates that they fill something.
fn large() -> Origin {
    let origin = Origin::small();
    grow(&origin, "1.0.0");
    origin
}

fn grow(origin: &Origin, version: &str) {
    for number in 0..40 {
        origin.publish(&format!("crate{number:02}"), version);
    }
    origin.publish_as("bb", "1.0.0", version);
    origin.commit();
}

/// A place for a mirror on a disk of its own.
fn disk(origin: &Origin, name: &str) -> Option<Tmpfs> {
    Tmpfs::mount(origin.directory(name).path(), "64m")
}

/// Runs with so little room, and then with enough: the run fails as one of a full
/// disk does, what is shown stays whole, and a rerun completes.
#[track_caller]
fn fills_up(disk: &Tmpfs, mirror: &Mirror<'_>, args: &[&str]) {
    let before = mirror.view();
    let mut failed = 0;
    for spare in [0, 8, 32, 64, 96, 128, 192, 256, 384, 512] {
        disk.remount(&format!("size={}k", used(mirror) + spare));
        let ended = tool::finish(mirror.command(args));
        disk.remount("size=64m");
        let shown = checker::check(mirror);
        if ended.code == Some(0) {
            break;
        }
        failed += 1;
        ended.assert(5, &["No space left on device"]);
        let stays = shown.iter().all(|it| before.get(it.0) == Some(it.1));
        assert!(stays, "with {spare} KiB: {shown:?}");
    }
    assert!(failed >= 3, "it failed {failed} times only");
    mirror.run(args).assert(0, &[]);
}

fn used(mirror: &Mirror<'_>) -> u64 {
    let output = std::process::Command::new("df")
        .args(["-k", "--output=used"])
        .arg(mirror.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().parse().unwrap()
}

/// What was held back fails quietly when it fails again, but a disk does not.
#[test]
fn hostile_f01_a_full_disk_shows_nothing_that_was_held_back_and_not_begun() {
    let origin = large();
    let Some(disk) = disk(&origin, "m") else {
        return;
    };
    let mirror = origin.mirror("m");
    mirror.run(&["pull", "config"]).assert(0, &[]);
    assert!(mirror.labels().is_empty());
    fills_up(&disk, &mirror, &["update"]);
    assert_eq!(mirror.labels().len(), 44);
}

#[test]
fn hostile_f01_an_update_that_fills_the_disk_loses_nothing() {
    let origin = large();
    let Some(disk) = disk(&origin, "m") else {
        return;
    };
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    grow(&origin, "2.0.0");
    fills_up(&disk, &mirror, &["update"]);
    assert_eq!(mirror.labels().len(), 84);
}

#[test]
fn hostile_f01_an_export_that_fills_the_disk_keeps_the_archive_before() {
    let origin = large();
    let Some(disk) = disk(&origin, "m") else {
        return;
    };
    let mirror = origin.mirror("m");
    mirror.run(&["export"]).assert(0, &[]);
    let importer = origin.importer("in");
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    let before = fs::read(mirror.archive()).unwrap();
    grow(&origin, "2.0.0");
    mirror.run(&["update"]).assert(0, &[]);
    for spare in [0, 4, 8] {
        disk.remount(&format!("size={}k", used(&mirror) + spare));
        let ended = tool::finish(mirror.command(&["export"]));
        disk.remount("size=64m");
        ended.assert(5, &["No space left on device"]);
        assert_eq!(
            fs::read(mirror.archive()).unwrap(),
            before,
            "with {spare} KiB"
        );
        mirror.view();
    }
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), mirror.view());
}

#[test]
fn hostile_f01_an_import_that_fills_the_disk_loses_nothing() {
    let origin = large();
    let Some(disk) = disk(&origin, "in") else {
        return;
    };
    let (exporter, importer) = (origin.mirror("m"), origin.importer("in"));
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    grow(&origin, "2.0.0");
    exporter.run(&["export"]).assert(0, &[]);
    Members::read(&exporter.archive()).save(&importer.archive());
    fills_up(&disk, &importer, &["import"]);
    assert_eq!(importer.view(), exporter.view());
}
