//! Disks that are full, or cannot be written.

use std::fs;

use crate::{
    fault_support::tmpfs::Tmpfs,
    release::{named, nightly},
    rustup,
    world::{World, run},
};

const OLD: &str = "2026-03-07";
const NEW: &str = "2026-03-08";

#[test]
fn hostile_f01_f08_full_and_read_only_disks_lose_nothing() {
    let world = World::new();
    fs::create_dir_all(world.path("disk")).unwrap();
    let Some(disk) = Tmpfs::mount(&world.path("disk"), "16m") else {
        return;
    };
    let mirror = world.mirror_at("disk");
    let (old, new) = (nightly(OLD), nightly(NEW).with_extra(10, 60_000));
    world.publish(&old);
    mirror.download("nightly");
    world.publish(&new);
    let download = || mirror.toolchain(&["-s", "nightly", "-t", "all", "download"]);
    let mut failed = 0;
    for size in [160, 240, 320, 400, 480, 560] {
        disk.remount(&format!("size={size}k"));
        let ended = run(download());
        if ended.code != Some(0) {
            failed += 1;
            ended.assert(5, &[]);
            let shown = fs::read(mirror.dist().join(named("nightly"))).unwrap();
            assert_eq!(shown, old.manifest().as_bytes());
        }
        mirror.check(&[&old, &new]).unwrap();
    }
    assert!(failed >= 2, "{failed}");
    disk.remount("size=16m,ro");
    run(download()).assert(5, &["Read-only file system"]);
    run(mirror.toolchain(&["-s", "nightly", "verify"])).assert(0, &[]);
    disk.remount("size=16m,rw");
    run(download()).assert(0, &[]);
    mirror.check(&[&old, &new]).unwrap();
}

#[test]
fn hostile_m11_what_does_not_fit_is_not_begun() {
    let world = World::new();
    fs::create_dir_all(world.path("disk")).unwrap();
    let Some(disk) = Tmpfs::mount(&world.path("disk"), "300k") else {
        return;
    };
    let mirror = world.mirror_at("disk");
    let release = nightly(NEW).with_extra(4, 200_000);
    world.publish(&release);
    let download = || mirror.toolchain(&["-s", "nightly", "-t", "all", "download"]);
    run(download()).assert(5, &[" bytes are needed and ", " are free in "]);
    assert!(!mirror.dist().join(NEW).exists(), "something was begun");
    disk.remount("size=16m");
    run(download()).assert(0, &[]);
    mirror.check(&[&release]).unwrap();
}

#[test]
fn hostile_f01_a_full_disk_keeps_an_archive_out_and_nothing_else() {
    let world = World::new();
    let (old, new) = (nightly(OLD), nightly(NEW).with_extra(10, 60_000));
    let from = world.mirror();
    world.publish(&new);
    from.download("nightly");
    let archive = world.path("new.tar");
    let archive = archive.to_str().unwrap();
    run(from.toolchain(&["-s", "nightly", "--archive", archive, "pack"])).assert(0, &[]);
    fs::create_dir_all(world.path("disk")).unwrap();
    let Some(disk) = Tmpfs::mount(&world.path("disk"), "16m") else {
        return;
    };
    let mirror = world.mirror_at("disk");
    world.publish(&old);
    mirror.download("nightly");
    let unpack = || mirror.toolchain(&["--archive", archive, "unpack"]);
    let mut failed = 0;
    for size in [160, 320, 480, 640, 800, 960] {
        disk.remount(&format!("size={size}k"));
        let ended = run(unpack());
        if ended.code != Some(0) {
            failed += 1;
            ended.assert(5, &[]);
            let shown = fs::read(mirror.dist().join(named("nightly"))).unwrap();
            assert_eq!(shown, old.manifest().as_bytes());
        }
        mirror.check(&[&old, &new]).unwrap();
    }
    assert!(failed >= 2, "{failed}");
    disk.remount("size=16m");
    run(unpack()).assert(0, &[]);
    mirror.check(&[&old, &new]).unwrap();
}

#[test]
fn hostile_f01_a_full_disk_keeps_the_rustup_that_is_shown() {
    let world = World::new();
    let from = world.mirror();
    rustup::publish(&world, "1.29.0", 20_000);
    run(from.rustup(&["-s", "stable", "-t", "all", "download"])).assert(0, &[]);
    let archive = world.path("rustup.tar");
    let archive = archive.to_str().unwrap();
    run(from.rustup(&["-s", "stable", "--archive", archive, "pack"])).assert(0, &[]);
    let download = vec!["-s", "stable", "-t", "all", "download"];
    let unpack = vec!["--archive", archive, "unpack"];
    for (place, args) in [("one", download), ("two", unpack)] {
        fs::create_dir_all(world.path(place)).unwrap();
        let Some(disk) = Tmpfs::mount(&world.path(place), "16m") else {
            return;
        };
        let mirror = world.mirror_at(place);
        rustup::publish(&world, "1.28.1", 20_000);
        run(mirror.rustup(&["-s", "1.28.1", "-t", "all", "download"])).assert(0, &[]);
        rustup::publish(&world, "1.29.0", 20_000);
        let mut failed = 0;
        for size in [150, 160, 170, 180, 200] {
            disk.remount(&format!("size={size}k"));
            let ended = run(mirror.rustup(&args));
            if ended.code != Some(0) {
                failed += 1;
                ended.assert(5, &[]);
            }
            rustup::check(&mirror).unwrap();
        }
        assert!(failed >= 1, "{args:?}");
        disk.remount("size=16m");
        run(mirror.rustup(&args)).assert(0, &[]);
        rustup::check(&mirror).unwrap();
    }
}
