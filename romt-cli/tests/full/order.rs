//! Archives in the wrong order, twice, and of other mirrors.

use crate::{
    archive::{self, Members},
    origin::{Origin, bytes_of, digest_of},
};

/// Two archives that follow each other, the second one with a republished crate.
fn two_archives(origin: &Origin) -> [Members; 2] {
    let exporter = origin.mirror("out");
    exporter.run(&["export"]).assert(0, &[]);
    let first = Members::read(&exporter.archive());
    origin.publish_as("bb", "1.0.0", "again");
    origin.publish("dddd", "1.0.0");
    origin.remove("ccc");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    [first, Members::read(&exporter.archive())]
}

#[test]
fn hostile_a38_a_gap_is_refused_and_named() {
    let origin = Origin::small();
    let [first, second] = two_archives(&origin);
    let importer = origin.importer("in");
    second.save(&importer.archive());
    importer.refuses(
        &["import", "--archive", "crates.tar.gz"],
        4,
        &["gap", "needs", "nothing yet"],
    );
    first.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    let had = importer.git(&["rev-parse", "origin_master"]);
    origin.publish("late", "1.0.0");
    origin.commit();
    let exporter = origin.directory("out");
    let needs = exporter.git(&["rev-parse", "mark"]);
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.refuses(&["import"], 4, &["gap", &needs, &had]);
    // The one between closes the gap.
    second.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
}

#[test]
fn statement_41_the_archive_that_was_imported_last_changes_nothing() {
    let origin = Origin::small();
    let archives = two_archives(&origin);
    let importer = origin.importer("in");
    for archive in &archives {
        archive.save(&importer.archive());
        importer.run(&["import"]).assert(0, &[]);
    }
    importer.refuses(&["import"], 0, &[]);
}

#[test]
fn hostile_a38_an_older_archive_is_refused_and_takes_nothing_back() {
    let origin = Origin::small();
    let archives = two_archives(&origin);
    let importer = origin.importer("in");
    for archive in &archives {
        archive.save(&importer.archive());
        importer.run(&["import"]).assert(0, &[]);
    }
    let had = importer.git(&["rev-parse", "origin_master"]);
    let digest = digest_of("bb", "1.0.0", "again");
    assert_eq!(importer.view()["bb@1.0.0"], digest);
    archives[0].save(&importer.archive());
    importer.refuses(&["import"], 4, &["older", &had]);
    assert_eq!(importer.git(&["rev-parse", "origin_master"]), had);
    // And the next one is taken.
    let exporter = origin.directory("out");
    origin.publish("late", "1.0.0");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
}

#[test]
fn hostile_a38_what_follows_on_another_mirror_is_a_gap() {
    let origin = Origin::small();
    let [first, _] = two_archives(&origin);
    let other = Origin::empty();
    other.publish("a", "1.0.0");
    other.commit();
    let outside = other.mirror("out");
    outside.run(&["export"]).assert(0, &[]);
    other.publish("bb", "2.0.0");
    other.commit();
    outside.run(&["export"]).assert(0, &[]);
    let importer = origin.importer("in");
    first.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    std::fs::copy(outside.archive(), importer.archive()).unwrap();
    importer.refuses(&["import"], 4, &["gap"]);
}

/// Nothing tells a squashed history from another mirror's; it is said, and what is
/// shown is that mirror's, truly.
#[test]
fn hostile_b13_a_complete_archive_of_another_history_is_said_to_be_one() {
    let origin = Origin::small();
    let [first, _] = two_archives(&origin);
    let other = Origin::empty();
    other.publish_as("a", "1.0.0", "another");
    other.publish("zz", "1.0.0");
    other.commit();
    let outside = other.mirror("out");
    outside.run(&["export"]).assert(0, &[]);
    let importer = origin.importer("in");
    first.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    std::fs::copy(outside.archive(), importer.archive()).unwrap();
    importer
        .run(&["import"])
        .assert(0, &["replaced the history"]);
    assert_eq!(importer.view(), outside.view());
}

/// The archive was written, and the run died before it could note that.
#[test]
fn an_archive_that_is_written_again_needs_no_more_than_the_one_before() {
    let origin = Origin::small();
    let exporter = origin.mirror("out");
    exporter.run(&["export"]).assert(0, &[]);
    let importer = origin.importer("in");
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    origin.publish("dddd", "1.0.0");
    origin.commit();
    // What `export` does, less its last step.
    exporter
        .run(&["pull", "prune", "download", "pack"])
        .assert(0, &[]);
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
    // The same, when upstream has gone on meanwhile.
    origin.publish("ee", "1.0.0");
    origin.commit();
    exporter
        .run(&["pull", "prune", "download", "pack"])
        .assert(0, &[]);
    origin.publish("ff", "1.0.0");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
}

/// What was held back when one archive was made, and came with an update since,
/// goes with the next.
#[test]
fn what_an_archive_lacked_goes_with_a_later_one() {
    let origin = Origin::small();
    origin.server().remove("dl/bb/bb-1.0.0.crate");
    let exporter = origin.mirror("out");
    exporter.run(&["export", "--keep-going"]).assert(0, &[]);
    assert_eq!(exporter.labels(), ["MyCrate@1.0.0", "a@1.0.0", "ccc@1.0.0"]);
    let importer = origin.importer("in");
    exporter.carry_to(&importer);
    importer.run(&["import", "--keep-going"]).assert(0, &[]);
    origin.serve("bb", "1.0.0", "");
    exporter.run(&["update"]).assert(0, &[]);
    assert!(exporter.labels().contains(&"bb@1.0.0".to_owned()));
    origin.publish("dddd", "1.0.0");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
}

/// An archive may have the crates of an index that is here already.
#[test]
fn an_archive_with_crates_that_were_missing_fills_the_hole() {
    let origin = Origin::small();
    let exporter = origin.mirror("out");
    exporter.run(&["export"]).assert(0, &[]);
    let whole = Members::read(&exporter.archive());
    let importer = origin.importer("in");
    whole.clone().without("bb-1.0.0").save(&importer.archive());
    importer
        .run(&["import", "--keep-going"])
        .assert(0, &["missing"]);
    assert_eq!(importer.labels(), ["MyCrate@1.0.0", "a@1.0.0", "ccc@1.0.0"]);
    let bundle = archive::bundle(&origin.repository(), None);
    let rest = Members::with_bundle(bundle).and_crate("bb", "1.0.0", bytes_of("bb", "1.0.0", ""));
    rest.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
}

/// What a filter kept out of an archive goes with the first one that has no filter.
#[test]
fn what_a_filter_left_out_goes_with_a_later_archive() {
    let origin = Origin::small();
    let (exporter, importer) = (origin.mirror("out"), origin.importer("in"));
    exporter.run(&["export", "--filter", "a"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer
        .run(&["import", "--filter", "a"])
        .assert(0, &["3 crates are held back"]);
    assert_eq!(importer.labels(), ["a@1.0.0"]);
    exporter.run(&["update"]).assert(0, &[]);
    origin.publish("dddd", "1.0.0");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
    assert_eq!(exporter.labels().len(), 5);
    // And once only.
    exporter.run(&["export"]).assert(0, &["No crates to pack"]);
}

/// What is owed is for archives that follow each other; a range is a range.
#[test]
fn an_archive_of_a_range_has_the_range_alone() {
    let origin = Origin::small();
    let exporter = origin.mirror("out");
    exporter.run(&["update"]).assert(0, &[]);
    origin.publish("dddd", "1.0.0");
    origin.commit();
    exporter.run(&["update"]).assert(0, &[]);
    exporter.run(&["pack", "--start", "mark~1"]).assert(0, &[]);
    let names: Vec<_> = Members::read(&exporter.archive())
        .0
        .into_iter()
        .map(|member| member.0)
        .filter(|name| name.ends_with("crate"))
        .collect();
    assert_eq!(names, ["crates/dd/dd/dddd/dddd-1.0.0.crate"]);
    // And it does not count as what all importers have.
    exporter.run(&["export"]).assert(0, &[]);
    assert_eq!(Members::read(&exporter.archive()).0.len(), 5 + 2);
}

/// Who gets every archive that follows the one before needs no other.
#[test]
fn an_archive_that_leaves_something_out_does_not_break_the_chain() {
    let origin = Origin::small();
    let (exporter, importer) = (origin.mirror("out"), origin.importer("in"));
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    for name in ["dddd", "eeee"] {
        origin.publish(name, "1.0.0");
        origin.commit();
        exporter.run(&["update"]).assert(0, &[]);
    }
    // Without `dddd`, and for somebody else.
    exporter.run(&["pack", "--start", "mark~1"]).assert(0, &[]);
    exporter.run(&["mark"]).assert(0, &[]);
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), exporter.view());
    assert_eq!(exporter.labels().len(), 6);
}
