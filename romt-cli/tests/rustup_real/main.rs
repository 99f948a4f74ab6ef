//! The real rustup as judge: what `romt serve` serves, an unmodified rustup with an
//! empty home and no other network installs, extends and updates.
//!
//! The toolchain is the one that runs this test, packed anew, so nothing here needs
//! the internet.

#![cfg(unix)]
// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout)]

// Each of the tests uses another part of them.
#[allow(dead_code)]
#[path = "../dist_support/mod.rs"]
mod dist_support;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod carry;
mod moving;
mod steps;
mod tree;
mod user;

use std::{fs, path::Path, time::Instant};

use carry::Carry;
use dist_support::{Channel, Components, DistTree, Release};
use support::{
    process::{Running, romt},
    tripwire::Tripwire,
};
use user::{User, rustup_of_this_machine};

const OLD: (&str, &str) = ("1.93.0", "2026-01-22");
const NEW: (&str, &str) = ("1.94.0", "2026-03-05");
const BETA: (&str, &str) = ("1.95.0-beta.2", "2026-03-07");
const NIGHTLY: (&str, &str) = ("1.96.0-nightly", "2026-03-08");
const LATER_NIGHTLY: (&str, &str) = ("1.96.0-nightly", "2026-03-09");

/// Past every version that there is.
const RUSTUP: &str = "9.0.0";

fn release(channel: Channel, (version, date): (&'static str, &'static str)) -> Release {
    Release::new(channel, version, date)
}

/// Serves the mirror in `directory`.
fn serve(directory: &Path, tripwire: &Tripwire) -> (Running, String) {
    let args = ["serve", "--mirror", "mirror", "--port", "0"];
    let mut server = Running::spawn(&mut romt(directory, tripwire, args));
    let url = server.serving();
    (server, url)
}

/// All that users do with toolchains, at a server at `url` that shows the old
/// stable release. `move_stable` makes it show the new one.
fn work_with_toolchains(user: &User<'_>, move_stable: impl FnOnce()) {
    steps::install(user, "stable");
    assert_eq!(steps::date_of(user, "stable"), OLD.1);
    steps::build_something(user, "stable");
    steps::add_parts(user, "stable");
    steps::check(user, "stable", false);

    move_stable();
    steps::check(user, "stable", true);
    steps::update(user, "stable", NEW.1);
    steps::check(user, "stable", false);
    steps::build_something(user, "stable");
    // What was added is there after the update as well.
    let parts = user.toolchain("stable").join("bin/cargo-clippy");
    assert!(parts.is_file());
}

/// Every other way to say which toolchain.
fn name_toolchains(user: &User<'_>) {
    for (toolchain, date) in [
        (OLD.0, OLD.1),
        ("1.94", NEW.1),
        ("beta", BETA.1),
        ("nightly-2026-03-08", NIGHTLY.1),
        ("nightly", LATER_NIGHTLY.1),
    ] {
        steps::install(user, toolchain);
        assert_eq!(steps::date_of(user, toolchain), date, "{toolchain}");
    }
    steps::want_what_is_not_there(user);
}

#[test]
fn j38_what_was_carried_over_the_air_gap_is_as_good_as_upstream() {
    let Some(rustup) = rustup_of_this_machine() else {
        println!("skipped: there is no rustup");
        return;
    };
    let (real, stand_ins) = match (Components::installed(), Components::stand_ins()) {
        (Ok(real), Ok(stand_ins)) => (real, stand_ins),
        (Err(reason), _) | (_, Err(reason)) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let begun = Instant::now();
    let tripwire = Tripwire::new();
    let mut carry = Carry::new(&tripwire);
    carry.release(&release(Channel::Stable, OLD), &real);
    carry.release(&release(Channel::Beta, BETA), &stand_ins);
    carry.release(&release(Channel::Nightly, NIGHTLY), &stand_ins);
    let first = carry.export("stable beta nightly", &real.host, &[]);
    carry.release(&release(Channel::Nightly, LATER_NIGHTLY), &stand_ins);
    let second = carry.export("nightly", &real.host, &[]);
    carry.release(&release(Channel::Stable, NEW), &real);
    let third = carry.export(
        "stable",
        &real.host,
        &["--profile", "default", "--components", "rust-src"],
    );
    let mut program = fs::read(&rustup).expect("rustup can be read");
    program.extend(b"another");
    carry.release_rustup(RUSTUP, &real.host, &program);
    carry.export_rustup(&real.host);
    carry.stop_upstream();
    println!("all is packed after {:?}", begun.elapsed());

    carry.import(first);
    carry.import(second);
    let (server, url) = serve(&carry.offline(), &tripwire);
    let user = User::new(&rustup, &url, &tripwire);
    work_with_toolchains(&user, || carry.import(third));
    name_toolchains(&user);
    carry.import_rustup();
    steps::update_rustup(&user, RUSTUP, &program);
    drop(server.stop());
    assert_eq!(tripwire.touched(), 0, "somebody asked the world");
    println!("all is done after {:?}", begun.elapsed());
}

#[test]
fn j38_an_unmodified_rustup_works_with_a_mirror() {
    let Some(rustup) = rustup_of_this_machine() else {
        println!("skipped: there is no rustup");
        return;
    };
    let begun = Instant::now();
    let (real, stand_ins) = match (Components::installed(), Components::stand_ins()) {
        (Ok(real), Ok(stand_ins)) => (real, stand_ins),
        (Err(reason), _) | (_, Err(reason)) => {
            println!("skipped: {reason}");
            return;
        }
    };
    println!("the components are packed after {:?}", begun.elapsed());

    let scene = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made");
    let mirror = scene.path().join("mirror");
    let tree = DistTree::new(&mirror);
    let new = release(Channel::Stable, NEW);
    for (release, components) in [
        (release(Channel::Stable, OLD), &real),
        (release(Channel::Beta, BETA), &stand_ins),
        (release(Channel::Nightly, NIGHTLY), &stand_ins),
        (release(Channel::Nightly, LATER_NIGHTLY), &stand_ins),
    ] {
        tree.add(&release, components);
        tree.publish(&release);
    }
    tree.add(&new, &real);

    let tripwire = Tripwire::new();
    let (server, url) = serve(scene.path(), &tripwire);
    let user = User::new(&rustup, &url, &tripwire);
    work_with_toolchains(&user, || tree.publish(&new));
    name_toolchains(&user);

    // A program that does the same, and is not the same.
    let mut program = fs::read(&rustup).expect("rustup can be read");
    program.extend(b"another");
    tree.publish_rustup(RUSTUP, &real.host, &program);
    steps::update_rustup(&user, RUSTUP, &program);

    drop(server.stop());
    assert_eq!(tripwire.touched(), 0, "somebody asked the world");
    println!("all is done after {:?}", begun.elapsed());
}
