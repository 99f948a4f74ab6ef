//! What clients see is there and right, whatever a session found on the way.

use std::fs;

use crate::{
    checker,
    origin::{Origin, bytes_of},
    tool,
};

#[test]
fn inv1_what_verify_finds_bad_is_shown_no_more() {
    let origin = Origin::small();
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    let shown = mirror.labels();
    let file = mirror.crate_file("2", "bb", "1.0.0");
    fs::write(&file, "rotten").unwrap();
    // It still is, and only told of.
    tool::finish(mirror.command(&["--start", "0", "verify"]))
        .assert(3, &["Bad hash for bb-1.0.0.crate"]);
    mirror
        .run(&["--start", "0", "--keep-going", "verify", "mark"])
        .assert(0, &["1 crates are held back"]);
    checker::check(&mirror);
    assert_eq!(mirror.labels().len(), shown.len() - 1);
    // Nobody need ask for it: the next update mends it.
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(fs::read(&file).unwrap(), bytes_of("bb", "1.0.0", ""));
    assert_eq!(mirror.labels(), shown);
}

#[test]
fn inv1_assume_ok_takes_no_old_bytes_for_new_ones() {
    let origin = Origin::small();
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    origin.publish_as("bb", "1.0.0", "again");
    origin.commit();
    mirror.run(&["--assume-ok", "pull", "mark"]).assert(0, &[]);
    checker::check(&mirror);
    mirror.run(&["--assume-ok", "update"]).assert(0, &[]);
    checker::check(&mirror);
    let file = mirror.crate_file("2", "bb", "1.0.0");
    assert_eq!(fs::read(&file).unwrap(), bytes_of("bb", "1.0.0", "again"));
}

#[test]
fn p8_a_pack_leaves_the_bundle_of_upstream_alone() {
    let origin = Origin::small();
    let source = origin.mirror("source");
    source.run(&["export"]).assert(0, &[]);
    let bundle = source.index().join("origin.bundle");
    let before = fs::read(&bundle).unwrap();
    let mirror = origin.directory("relay");
    let address = bundle.to_str().unwrap();
    mirror
        .run(&["--index-url", address, "init", "export"])
        .assert(0, &[]);
    assert_eq!(fs::read(&bundle).unwrap(), before);
    assert!(mirror.index().join("origin.bundle").is_file());
}

#[test]
fn f01_a_list_that_cannot_be_written_is_a_failure() {
    let origin = Origin::small();
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = mirror.command(&["--start", "0", "list"]);
    let status = command.stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(5));
}

#[test]
fn the_style_of_the_directories_is_chosen_when_a_mirror_is_made() {
    let origin = Origin::small();
    let mirror = origin.directory("m");
    let repository = origin.repository();
    let url = repository.to_str().unwrap();
    // The checker knows the usual directories only.
    let run = |args: &[&str]| tool::finish(mirror.command(args));
    run(&["--index-url", url, "--prefix", "mixed", "init", "update"]).assert(0, &[]);
    let config = fs::read_to_string(mirror.path().join("crates/config.toml")).unwrap();
    assert_eq!(config, "prefix = \"mixed\"\narchive_prefix = \"lower\"\n");
    assert!(mirror.crate_file("My/Cr", "MyCrate", "1.0.0").is_file());
    run(&["--start", "0", "--show-path", "list"]).assert(0, &["My/Cr/MyCrate/MyCrate-1.0.0.crate"]);
}
