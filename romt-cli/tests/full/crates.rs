//! Crates that upstream lists and does not give.

use std::time::{Duration, Instant};

use romt_store::conformance::scripted::Fault;

use crate::{
    fault_support::registry::index_path,
    origin::{Mirror, Origin, served},
};

/// A mirror that shows the small upstream, which has `dddd` and `eeee` since.
fn updated(origin: &Origin) -> Mirror<'_> {
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    origin.publish("dddd", "1.0.0");
    origin.publish("eeee", "1.0.0");
    origin.commit();
    mirror
}

/// `dddd` cannot be had: it is held back, all else can be shown, and what was shown
/// stays; once it can be had, an update does the rest.
#[track_caller]
fn holds_back(fault: Fault, code: i32, needles: &[&str]) {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = mirror.view();
    let path = served("dddd", "1.0.0");
    origin.server().fault_forever(&path, fault);
    let ended = mirror.run(&["update", "--timeout", "1"]);
    ended.assert(code, needles);
    ended.assert(
        code,
        &[
            "failed to download dddd@1.0.0",
            "1 bad_crates, 1 good_crates",
        ],
    );
    assert_eq!(mirror.view(), before, "what was shown stays");
    assert!(!mirror.crate_file("dd/dd", "dddd", "1.0.0").exists());
    let ended = mirror.run(&["update", "--timeout", "1", "--keep-going"]);
    ended.assert(0, needles);
    ended.assert(0, &["1 crates are held back"]);
    assert!(mirror.labels().contains(&"eeee@1.0.0".into()));
    assert!(!mirror.labels().contains(&"dddd@1.0.0".into()));
    assert!(!mirror.crate_file("dd/dd", "dddd", "1.0.0").exists());
    // Again, and it is no failure any more.
    let ended = mirror.run(&["update", "--timeout", "1"]);
    ended.assert(
        0,
        &["still held back: dddd@1.0.0", "1 crates of earlier runs"],
    );
    origin.server().heal();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 6);
    // And once more, and nothing is done.
    origin.server().reset_requests();
    let crates = mirror.crates();
    mirror
        .run(&["update"])
        .assert(0, &["0 bad_crates, 0 good_crates"]);
    assert_eq!(mirror.crates(), crates);
    assert_eq!(origin.server().requests().total, 0);
}

#[test]
fn hostile_u10_a_crate_that_is_not_there_is_held_back() {
    for status in [403, 404, 410, 451] {
        holds_back(Fault::status(status), 1, &[&status.to_string()]);
    }
}

#[test]
fn hostile_u14_wrong_bytes_never_get_the_crates_name() {
    holds_back(Fault::WrongBytes, 3, &[]);
    holds_back(
        Fault::Body("<html>please log in\x1b[31m</html>".into()),
        3,
        &[],
    );
}

#[test]
fn hostile_u13_a_stall_is_cut() {
    let started = Instant::now();
    holds_back(Fault::StallAfter(100), 7, &[]);
    assert!(started.elapsed() < Duration::from_mins(2));
}

#[test]
fn hostile_u06_redirects_out_of_the_web_are_refused() {
    holds_back(Fault::RedirectTo("file:///etc/passwd".into()), 4, &[]);
}

#[test]
fn hostile_u11_a_failure_for_now_is_tried_again() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let faults = [
        Fault::status(500),
        Fault::TruncateAfter(50),
        Fault::status(503),
    ];
    origin.server().fault(served("dddd", "1.0.0"), faults);
    mirror.run(&["update"]).assert(0, &["retrying dddd@1.0.0"]);
    assert_eq!(mirror.labels().len(), 6);
}

#[test]
fn hostile_u12_an_index_that_is_gone_changes_nothing() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = (mirror.view(), mirror.refs());
    let away = origin.repository().with_extension("away");
    std::fs::rename(origin.repository(), &away).unwrap();
    let ended = mirror.run(&["update"]);
    assert!(!matches!(ended.code, Some(0) | None), "{ended:?}");
    ended.assert(ended.code.unwrap(), &["upstream.git"]);
    assert_eq!((mirror.view(), mirror.refs()), before);
    // What is here can be used.
    mirror.run(&["verify", "--start", "0"]).assert(0, &[]);
    std::fs::rename(&away, origin.repository()).unwrap();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 6);
}

/// A repository that misses objects, or has damaged ones.
#[test]
fn hostile_b16_an_upstream_that_is_broken_changes_nothing() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = (mirror.view(), mirror.refs());
    let id = crate::tool::git(
        &origin.repository(),
        &["rev-parse", &format!("master:{}", index_path("dddd"))],
    );
    crate::tool::git(&origin.repository(), &["repack", "-a", "-d", "-q", "-f"]);
    let packs = origin.repository().join("objects/pack");
    let pack = std::fs::read_dir(packs).unwrap();
    let pack = pack
        .map(|it| it.unwrap().path())
        .find(|it| it.extension().is_some_and(|it| it == "pack"))
        .unwrap();
    let whole = std::fs::read(&pack).unwrap();
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    let ended = mirror.run(&["update"]);
    assert!(!matches!(ended.code, Some(0) | None), "{id}: {ended:?}");
    assert_eq!((mirror.view(), mirror.refs()), before);
    std::fs::write(&pack, &whole).unwrap();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 6);
}

/// All of them at once: the gravest decides.
#[test]
fn the_gravest_failure_decides() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin
        .server()
        .fault_forever(served("dddd", "1.0.0"), Fault::status(404));
    origin
        .server()
        .fault_forever(served("eeee", "1.0.0"), Fault::WrongBytes);
    mirror
        .run(&["update"])
        .assert(3, &["2 bad_crates, 0 good_crates"]);
}

/// A good crate at its place that was damaged since is found and fetched again.
#[test]
fn hostile_f18_a_crate_that_rotted_is_found() {
    let origin = Origin::small();
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    let file = mirror.crate_file("3/c", "ccc", "1.0.0");
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &whole[1..]).unwrap();
    let ended = crate::tool::finish(mirror.command(&["verify", "--start", "0"]));
    ended.assert(
        3,
        &[
            "Bad hash for ccc-1.0.0.crate",
            "1 bad_crates, 3 good_crates",
        ],
    );
    mirror
        .run(&["download", "--start", "0"])
        .assert(0, &["0 bad_crates, 4 good_crates"]);
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}
