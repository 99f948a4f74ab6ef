//! Where ours does better with archives than the Python tool, on purpose. The
//! numbers are those of the table of quirks.

use std::{fs, os::unix::fs::symlink};

use crate::world::{
    IMPORT, Mirror, Origin, Tool,
    archive::{self, BUNDLE, BundleHead, FORMAT, Pieces},
    carry, crate_path, failed,
};

/// A mirror that has exported, and one that has imported that.
fn sides(origin: &Origin) -> (Mirror, Mirror) {
    let exporter = Mirror::init(Tool::Ours, origin);
    exporter.from(origin, &["export"]).expect(0);
    let importer = Mirror::init_import(Tool::Ours);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    (exporter, importer)
}

#[test]
fn quirk_q03_what_is_packed_is_checked() {
    let origin = Origin::small();
    let mirror = Mirror::updated(Tool::Ours, &origin);
    let file = mirror.crates().join(crate_path("bb", "1.0.0"));
    fs::write(&file, "not what it was").unwrap();
    let pack = ["--start", "0", "pack"];
    failed(mirror.krate(&pack));
    assert!(!mirror.archive().exists());
    mirror
        .krate(&[&["--keep-going"], &pack[..]].concat())
        .expect(0);
    let crates = Pieces::of(&mirror.archive()).crates();
    assert_eq!(
        crates,
        ["crates/1/a/a-1.0.0.crate", "crates/3/c/ccc/ccc-1.0.0.crate"]
    );
}

#[test]
fn quirk_q10_a_failed_pack_leaves_the_old_archive() {
    let mut origin = Origin::small();
    let (exporter, _) = sides(&origin);
    let before = fs::read(exporter.archive()).unwrap();
    origin.publish("dddd", "1.0.0");
    origin.commit();
    exporter.krate(&["pull"]).expect(0);
    // It was never downloaded.
    let finished = failed(exporter.krate(&["pack"]));
    assert!(
        finished.stdout.contains("Error: Missing dddd-1.0.0.crate"),
        "{finished:#?}"
    );
    assert_eq!(fs::read(exporter.archive()).unwrap(), before);
}

#[test]
fn quirk_q19_damage_is_noticed_before_anything_is_taken_in() {
    let origin = Origin::small();
    let (exporter, _) = sides(&origin);
    let good = fs::read(exporter.archive()).unwrap();
    let mut trailer = good.clone();
    let place = trailer.len() - 6;
    trailer[place] ^= 1;
    let cut = good[..good.len() / 2].to_vec();
    let mut middle = good;
    let place = middle.len() / 2;
    middle[place] ^= 0x55;
    for (what, bytes) in [("trailer", trailer), ("cut", cut), ("middle", middle)] {
        let importer = Mirror::init_import(Tool::Ours);
        fs::write(importer.archive(), bytes).unwrap();
        let finished = failed(importer.krate(IMPORT));
        assert!(finished.stdout.contains("error: "), "{finished:#?}");
        assert_eq!(importer.commit("master"), None, "{what}");
        // The sound archive then goes in.
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        assert_eq!(importer.state(), exporter.state());
    }
}

#[test]
fn quirk_q20_links_are_refused() {
    let origin = Origin::small();
    let (exporter, _) = sides(&origin);
    let canary = tempfile::NamedTempFile::new().unwrap();
    for name in [BUNDLE, "crates/1/a/a-1.0.0.crate"] {
        let pieces = Pieces::of(&exporter.archive());
        fs::remove_file(pieces.path(name)).unwrap();
        symlink(canary.path(), pieces.path(name)).unwrap();
        let importer = Mirror::init_import(Tool::Ours);
        pieces.pack(&importer.archive());
        failed(importer.krate(&["unpack"]));
        assert!(!importer.crates().join("1/a/a-1.0.0.crate").is_symlink());
        assert!(!importer.index().join("origin.bundle").is_symlink());
    }
}

#[test]
fn global_pax_headers_are_refused() {
    let origin = Origin::small();
    let (exporter, _) = sides(&origin);
    let pieces = Pieces::of(&exporter.archive());
    let importer = Mirror::init_import(Tool::Ours);
    let tarred = pieces.tar_with(&["--format=pax", "--pax-option=VENDOR.base=1"]);
    fs::write(importer.archive(), archive::gzip(&tarred, 1)).unwrap();
    failed(importer.krate(&["unpack"]));
    assert!(importer.crate_files().is_empty());
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn quirk_q23_yanks_travel_by_themselves() {
    for importer in Tool::BOTH {
        let mut origin = Origin::varied();
        let exporter = Mirror::init(Tool::Ours, &origin);
        exporter.from(&origin, &["export"]).expect(0);
        let importer = Mirror::init_import(importer);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        let before = origin.tip();

        origin.yank("a", "1.0.0");
        origin.depend("ccc", "0.1.0", "bb");
        origin.remove_version("a", "1.0.1");
        origin.commit();
        exporter.from(&origin, &["export"]).expect(0);
        let pieces = Pieces::of(&exporter.archive());
        assert_eq!(pieces.names, [FORMAT, BUNDLE]);
        let head = BundleHead::in_archive(&exporter.archive());
        assert_eq!(head.prerequisites, [before]);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        assert_eq!(importer.state(), exporter.state());
        assert_eq!(importer.commit("master"), Some(origin.tip()));
        assert_eq!(importer.crate_files(), origin.crate_files());
    }
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn quirk_q23_a_config_between_exports_does_not_break_the_chain() {
    for importer in Tool::BOTH {
        let mut origin = Origin::small();
        let exporter = Mirror::init(Tool::Ours, &origin);
        exporter.from(&origin, &["export"]).expect(0);
        let importer = Mirror::init_import(importer);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);

        let config = ["config", "--server-url", "http://h:1"];
        exporter.krate(&config).expect(0);
        origin.publish("dddd", "1.0.0");
        origin.commit();
        exporter.from(&origin, &["export"]).expect(0);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        assert_eq!(importer.tree("master"), exporter.tree("master"));
        assert_eq!(importer.crate_files(), origin.crate_files());
    }
}

#[test]
fn quirk_q24_a_lost_archive_is_noticed_before_anything_is_taken_in() {
    let mut origin = Origin::small();
    let (exporter, importer) = sides(&origin);
    origin.publish("dddd", "1.0.0");
    origin.commit();
    // This one never arrives.
    exporter.from(&origin, &["export"]).expect(0);
    let missed = origin.tip();
    origin.publish("dddd", "2.0.0");
    origin.commit();
    exporter.from(&origin, &["export"]).expect(0);
    carry(&exporter, &importer);
    let before = importer.state();
    let finished = failed(importer.krate(IMPORT));
    assert!(finished.stdout.contains(&missed[..7]), "{finished:#?}");
    assert_eq!(importer.state(), before);
    // What brings both helps.
    let again = ["--start", "mark~2", "pack"];
    exporter.krate(&again).expect(0);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.state(), exporter.state());
}

#[test]
fn quirk_q25_what_is_unpacked_is_checked_whatever_the_range() {
    let origin = Origin::small();
    let (exporter, importer) = sides(&origin);
    let pieces = Pieces::of(&exporter.archive());
    pieces.write("crates/2/bb/bb-1.0.0.crate", "not what it was");
    pieces.pack(&importer.archive());
    failed(importer.krate(IMPORT));
    // What was good still is.
    assert_eq!(importer.crate_files(), origin.crate_files());
    assert_eq!(importer.shown("master").len(), 3);
}

#[test]
fn quirk_q25_a_crate_can_be_repaired_by_an_import() {
    let origin = Origin::small();
    let (exporter, importer) = sides(&origin);
    fs::write(importer.crates().join(crate_path("bb", "1.0.0")), "spoiled").unwrap();
    fs::remove_file(importer.crates().join(crate_path("a", "1.0.0"))).unwrap();
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.crate_files(), origin.crate_files());
}

/// As a run leaves it that is killed between `pack` and `mark`.
#[test]
fn quirk_q23_a_pack_without_a_mark_does_not_break_the_chain() {
    let mut origin = Origin::small();
    let (exporter, importer) = sides(&origin);
    origin.publish("dddd", "1.0.0");
    origin.commit();
    let killed = ["pull", "prune", "download", "pack"];
    exporter.from(&origin, &killed).expect(0);
    // The archive of the rerun replaces that one.
    exporter.from(&origin, &["export"]).expect(0);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.state(), exporter.state());
}
