//! Upstreams that lose or change more than a registry does.

use crate::origin::{Origin, digest_of, line_of};

/// A crate with `count` versions, which the server has.
fn many(origin: &Origin, count: usize) {
    many_as(origin, count, "");
}

fn many_as(origin: &Origin, count: usize, salt: &str) {
    let mut body = String::new();
    for number in 0..count {
        let version = format!("1.0.{number}");
        origin.serve("many", &version, salt);
        body += &line_of("many", &version, &digest_of("many", &version, salt));
    }
    origin.put("ma/ny/many", body);
}

#[test]
fn hostile_i14_a_mass_removal_stops_and_asks() {
    let origin = Origin::small();
    many(&origin, 1101);
    origin.commit();
    let mirror = origin.mirror("m");
    mirror.run(&["update", "-j", "32"]).assert(0, &[]);
    origin.put(
        "ma/ny/many",
        line_of("many", "1.0.0", &digest_of("many", "1.0.0", "")),
    );
    origin.commit();
    let needles = [
        "1100 of 1105 versions would vanish",
        "nothing was removed",
        "--accept-removals 1100",
    ];
    mirror.refuses(&["update"], 4, &needles);
    mirror.refuses(&["mark"], 4, &needles);
    mirror.refuses(&["prune", "--accept-removals", "1099"], 4, &needles);
    // No more than a thousand is not asked about.
    many(&origin, 101);
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 105);
    assert_eq!(mirror.crates().len(), 106, "with config.toml");
}

#[test]
fn hostile_i14_a_mass_removal_that_is_accepted_is_done() {
    let origin = Origin::small();
    many(&origin, 1101);
    origin.commit();
    let mirror = origin.mirror("m");
    mirror.run(&["update", "-j", "32"]).assert(0, &[]);
    origin.remove("many");
    origin.commit();
    mirror
        .run(&["update", "--accept-removals", "1101"])
        .assert(0, &[]);
    assert_eq!(mirror.labels().len(), 4);
    assert_eq!(mirror.crates().len(), 5, "with config.toml");
}

#[test]
fn hostile_i14_a_mass_change_stops_and_asks() {
    let origin = Origin::small();
    many(&origin, 1101);
    origin.commit();
    let mirror = origin.mirror("m");
    let importer = origin.importer("in");
    mirror.run(&["export", "-j", "32"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    many_as(&origin, 1101, "again");
    origin.commit();
    origin.server().reset_requests();
    let needles = [
        "1101 of 1105 versions would get other bytes",
        "--accept-changes 1101",
    ];
    mirror.refuses(&["update"], 4, &needles);
    assert_eq!(origin.server().requests().total, 0);
    mirror
        .run(&["export", "-j", "32", "--accept-changes", "1101"])
        .assert(0, &[]);
    assert_eq!(
        mirror.view()["many@1.0.7"],
        digest_of("many", "1.0.7", "again")
    );
    mirror.carry_to(&importer);
    importer.refuses(&["import"], 4, &needles);
    importer
        .run(&["import", "--accept-changes", "1101"])
        .assert(0, &[]);
    assert_eq!(importer.view(), mirror.view());
}
