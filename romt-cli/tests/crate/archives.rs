//! Statements 33 to 41: archives.

use std::fs;

use crate::world::{
    IMPORT, Mirror, Origin, Tool,
    archive::{self, BUNDLE, BundleHead, FORMAT, Pieces},
    carry, failed,
};

with_each_tool!(
    statement_33_an_archive_has_its_members_in_order,
    statement_34_a_mixed_archive_says_so,
    statement_35_a_bundle_has_one_branch,
    statement_36_a_second_bundle_builds_on_the_first,
    statement_37_old_formats_are_read_and_unknown_ones_refused,
    statement_38_what_must_be_in_an_archive_and_what_may,
    statement_39_archives_of_other_makers_are_read,
    statement_40_an_import_equals_the_export,
    statement_41_a_second_import_changes_nothing,
);

/// A mirror that has exported everything.
fn exporter(tool: Tool, origin: &Origin) -> Mirror {
    let mirror = Mirror::init(tool, origin);
    mirror.from(origin, &["export"]).expect(0);
    mirror
}

/// A mirror that is made of an archive in `pieces`, if it is not refused.
fn unpack(tool: Tool, pieces: &Pieces) -> Result<Mirror, String> {
    let mirror = Mirror::init_import(tool);
    pieces.pack(&mirror.archive());
    let finished = mirror.krate(&["unpack"]);
    match finished.code() {
        Some(0) => Ok(mirror),
        _ => Err(failed(finished).stdout),
    }
}

#[track_caller]
fn assert_refused(tool: Tool, pieces: &Pieces, reason: &str) {
    let said = unpack(tool, pieces).expect_err("it is to be refused");
    assert!(said.contains(reason), "no {reason:?} in {said}");
}

fn statement_33_an_archive_has_its_members_in_order(tool: Tool) {
    let origin = Origin::varied();
    let exporter = exporter(tool, &origin);
    let wanted = [
        FORMAT,
        BUNDLE,
        "crates/my/cr/MyCrate/MyCrate-0.1.0.crate",
        "crates/my/cr/MyCrate/MyCrate-1.0.0+build.7.crate",
        "crates/my/cr/MyCrate/MyCrate-1.0.0-rc.1.crate",
        "crates/1/a/a-1.0.0.crate",
        "crates/1/a/a-1.0.1.crate",
        "crates/2/bb/bb-0.1.0.crate",
        "crates/3/c/ccc/ccc-0.1.0.crate",
        "crates/se/rd/serde/serde-1.10.0.crate",
        "crates/se/rd/serde/serde-1.9.0.crate",
    ];
    assert_eq!(archive::members(&exporter.archive()), wanted);
    let pieces = Pieces::of(&exporter.archive());
    assert_eq!(pieces.read(FORMAT), "2\n");
}

fn statement_34_a_mixed_archive_says_so(tool: Tool) {
    let origin = Origin::varied();
    let mirror = Mirror::init(tool, &origin);
    let mixed = "prefix = \"lower\"\narchive_prefix = \"mixed\"\n";
    mirror.write("crates/config.toml", mixed);
    mirror.from(&origin, &["export"]).expect(0);
    let pieces = Pieces::of(&mirror.archive());
    assert_eq!(pieces.read(FORMAT), "1\n");
    assert_eq!(pieces.names[2], "crates/My/Cr/MyCrate/MyCrate-0.1.0.crate");
    assert!(mirror.has("crates/my/cr/MyCrate/MyCrate-0.1.0.crate"));
}

fn statement_35_a_bundle_has_one_branch(tool: Tool) {
    let origin = Origin::small();
    let exporter = exporter(tool, &origin);
    let head = BundleHead::in_archive(&exporter.archive());
    let branch = |name: &str| [(name.to_owned(), origin.tip())];
    assert_eq!(head.branches, branch("refs/heads/bundle/master"));
    let again = ["--start", "0", "--end", "master", "pack"];
    exporter.krate(&again).expect(0);
    let head = BundleHead::in_archive(&exporter.archive());
    assert_eq!(head.branches, branch("refs/heads/master"));
    // Both can be imported.
    let importer = Mirror::init_import(tool);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.commit("master"), Some(origin.tip()));
}

fn statement_36_a_second_bundle_builds_on_the_first(tool: Tool) {
    let mut origin = Origin::small();
    let exporter = exporter(tool, &origin);
    let first = exporter.commit("mark").unwrap();
    assert_eq!(
        BundleHead::in_archive(&exporter.archive()).prerequisites,
        [""; 0]
    );
    origin.publish("dddd", "1.0.0");
    origin.commit();
    exporter.from(&origin, &["export"]).expect(0);
    let head = BundleHead::in_archive(&exporter.archive());
    assert_eq!(head.prerequisites, [first]);
    let crates = Pieces::of(&exporter.archive()).crates();
    assert_eq!(crates, ["crates/dd/dd/dddd/dddd-1.0.0.crate"]);
}

fn statement_37_old_formats_are_read_and_unknown_ones_refused(tool: Tool) {
    let exporter = exporter(tool, &Origin::varied());
    let archive = exporter.archive();
    let mixed = || {
        let mut pieces = Pieces::of(&archive);
        for name in pieces.crates() {
            pieces.rename(&name, &name.replace("/my/cr/", "/My/Cr/"));
        }
        pieces
    };
    let (first, mut without) = (mixed(), mixed());
    first.write(FORMAT, " 1\r\n");
    without.remove(FORMAT);
    for pieces in [first, without] {
        let importer = unpack(tool, &pieces).expect("it is an old format");
        assert_eq!(importer.crate_files(), exporter.crate_files());
        assert!(importer.has("crates/my/cr/MyCrate/MyCrate-0.1.0.crate"));
    }
    assert_refused(tool, &mixed(), "Unexpected crate prefix for crates/My/Cr/");
    let unknown = Pieces::of(&archive);
    unknown.write(FORMAT, "3\n");
    assert_refused(tool, &unknown, "Invalid ARCHIVE_FORMAT '3'");
    let mut late = Pieces::of(&archive);
    let format = late.names.remove(0);
    late.names.insert(1, format);
    assert_refused(
        tool,
        &late,
        "Unexpected ARCHIVE_FORMAT (not at archive start)",
    );
}

fn statement_38_what_must_be_in_an_archive_and_what_may(tool: Tool) {
    let exporter = exporter(tool, &Origin::small());
    let archive = exporter.archive();
    let mut extra = Pieces::of(&archive);
    extra.insert(2, "extra", "extra");
    assert_refused(tool, &extra, "Unexpected archive member extra");
    let mut odd = Pieces::of(&archive);
    odd.insert(2, "crates/1/a/b-1.0.0.crate", "odd");
    assert_refused(tool, &odd, "Invalid crate crates/1/a/b-1.0.0.crate");
    let mut lacking = Pieces::of(&archive);
    lacking.remove(BUNDLE);
    // Each says it in its own way: ours cannot judge the crates that come first.
    assert_refused(tool, &lacking, BUNDLE);

    let mut directories = Pieces::of(&archive);
    directories.insert(0, "other/", "");
    directories.insert(3, "crates/", "");
    let importer = unpack(tool, &directories).expect("directories mean nothing");
    assert_eq!(importer.crate_files(), exporter.crate_files());
    assert!(!importer.has("other") && !importer.has("crates/other"));
    let mut bare = Pieces::of(&archive);
    bare.names.truncate(2);
    let importer = unpack(tool, &bare).expect("it may have no crates");
    assert!(importer.crate_files().is_empty());
}

fn statement_39_archives_of_other_makers_are_read(tool: Tool) {
    let mut origin = Origin::small();
    // Too long for a plain header.
    origin.publish(&"long".repeat(16), &format!("1.0.0-{}", "pre".repeat(20)));
    origin.commit();
    let exporter = exporter(tool, &origin);
    let pieces = Pieces::of(&exporter.archive());
    let mut short = Pieces::of(&exporter.archive());
    short.names.retain(|name| name.len() < 100);
    let tarred = pieces.tar("pax");
    for (bytes, name, count) in [
        (archive::gzip(&pieces.tar("gnu"), 1), "x.tar.gz", 4),
        (archive::gzip(&tarred, 1), "x.gz", 4),
        (archive::gzip(&short.tar("ustar"), 1), "x.tar.gz", 3),
        (archive::gzip(&tarred, 5), "x.tar.gz", 4),
        (archive::gzip(&tarred, 1), "x.tgz", 4),
        (tarred.clone(), "x.tar", 4),
        (archive::xz(&tarred), "x.tar.xz", 4),
    ] {
        let importer = Mirror::init_import(tool);
        fs::write(importer.path().join(name), bytes).unwrap();
        let args = ["--archive", name, "unpack"];
        let finished = importer.krate(&args).expect(0);
        let wanted = format!("{count} extracted crates\n");
        assert!(finished.stdout.ends_with(&wanted), "{finished:#?}");
        assert_eq!(importer.crate_files().len(), count, "of {name}");
    }
}

fn statement_40_an_import_equals_the_export(tool: Tool) {
    let exporter = exporter(tool, &Origin::varied());
    let importer = Mirror::init_import(tool);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.crate_files(), exporter.crate_files());
    assert_eq!(importer.list(&[]), [""; 0]);
    assert_eq!(importer.state(), exporter.state());
    importer.assert_clean();
}

fn statement_41_a_second_import_changes_nothing(tool: Tool) {
    let exporter = exporter(tool, &Origin::varied());
    let importer = Mirror::init_import(tool);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    let before = importer.state();
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.state(), before);
    importer.assert_clean();
}
