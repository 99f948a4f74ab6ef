//! Where ours does better than the Python tool, on purpose. The numbers are those
//! of the table of quirks.

use std::fs;

use romt_store::conformance::scripted::Fault;

use crate::world::{Mirror, Origin, Tool, crate_path, digest, failed, served};

/// A mirror of `origin` that ours keeps.
fn ours(origin: &Origin) -> Mirror {
    Mirror::updated(Tool::Ours, origin)
}

/// Whether `args` end with status 1 and one line that says why, and no more.
#[track_caller]
fn assert_one_line(mirror: &Mirror, args: &[&str]) {
    let finished = failed(mirror.krate(args));
    let errors = finished.stdout.lines();
    let errors = errors.filter(|line| line.starts_with("error: ")).count();
    assert!(errors >= 1, "no error in {finished:#?}");
    let said = finished.stdout.clone() + &finished.stderr;
    for trace in ["panicked", "Traceback", "RUST_BACKTRACE"] {
        assert!(!said.contains(trace), "{finished:#?}");
    }
}

#[test]
fn quirk_q02_a_removal_beside_a_similar_addition_is_seen() {
    let mut origin = Origin::small();
    origin.publish("similar-one", "1.0.0");
    origin.commit();
    let mirror = ours(&origin);
    origin.remove_crate("similar-one");
    origin.publish("similar-two", "1.0.0");
    origin.commit();
    let finished = mirror.krate(&["pull", "list"]).expect(0);
    let wanted = "pull...\nsimilar-two@1.0.0\n-similar-one@1.0.0\n";
    assert_eq!(finished.stdout, wanted);
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(mirror.crate_files(), origin.crate_files());
}

#[test]
fn quirk_q03_wrong_bytes_replace_nothing() {
    let mut origin = Origin::small();
    let mirror = ours(&origin);
    let file = mirror.crates().join(crate_path("a", "1.0.0"));
    let before = digest(&file);
    origin.publish_as("a", "1.0.0", &[], b"republished".to_vec());
    origin.publish("dddd", "1.0.0");
    origin.commit();
    for name in ["a", "dddd"] {
        let path = served(name, "1.0.0");
        origin.server.fault_forever(&path, Fault::WrongBytes);
    }
    mirror.from(&origin, &["--keep-going", "update"]).expect(0);
    assert_eq!(digest(&file), before, "the good copy is still there");
    assert!(!mirror.has("crates/dd/dd/dddd/dddd-1.0.0.crate"));
    mirror.shown("master");
}

#[test]
fn quirk_q04_what_could_not_be_had_is_tried_again() {
    let origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    let lost = served("bb", "1.0.0");
    origin.server.fault_forever(&lost, Fault::status(403));
    mirror.from(&origin, &["--keep-going", "update"]).expect(0);
    assert_eq!(mirror.shown("master").len(), 2);
    assert_eq!(mirror.shown("HEAD").len(), 2);
    // Still not there, and still told.
    mirror.from(&origin, &["--keep-going", "update"]).expect(0);
    assert_eq!(mirror.shown("master").len(), 2);
    // Upstream is well again, and has no news.
    origin.server.heal();
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(mirror.shown("master").len(), 3);
    assert_eq!(mirror.crate_files(), origin.crate_files());
    assert_eq!(mirror.commit("master"), Some(origin.tip()));
    assert_eq!(mirror.head(), "refs/heads/working");
}

#[test]
fn quirk_q04_what_a_filter_left_out_is_not_shown() {
    let origin = Origin::varied();
    let mirror = Mirror::init(Tool::Ours, &origin);
    let some = ["--filter", "serde", "update"];
    mirror.from(&origin, &some).expect(0);
    assert_eq!(mirror.crate_files().len(), 2);
    let shown = mirror.shown("master");
    assert_eq!(shown.len(), 2, "{shown:?}");
}

#[test]
fn quirk_q05_an_empty_filter_selects_nothing() {
    let mirror = ours(&Origin::small());
    let list = |args: &[&str]| mirror.list(&[&["--start", "0"], args].concat());
    assert_eq!(list(&["--filter", "a,"]), ["a@1.0.0"]);
    assert_eq!(list(&["--filter", " a ; "]), ["a@1.0.0"]);
    assert_eq!(list(&["--filter", ""]), [""; 0]);
    mirror.write("empty", "");
    assert_eq!(list(&["--filter-file", "empty"]), [""; 0]);
    mirror.write("commented", "# all of them\n\n  a  \n#bb\n");
    assert_eq!(list(&["--filter-file", "commented"]), ["a@1.0.0"]);
}

#[test]
fn quirk_q06_the_case_of_a_name_does_not_matter_to_a_filter() {
    let origin = Origin::varied();
    let mirror = Mirror::init(Tool::Ours, &origin);
    mirror.krate(&["pull"]).expect(0);
    for filter in ["MyCrate@0*", "mycrate@0*", "M[Y]*@0*"] {
        assert_eq!(mirror.list(&["--filter", filter]), ["MyCrate@0.1.0"]);
    }
    let lost = served("MyCrate", "0.1.0");
    origin.server.fault_forever(&lost, Fault::status(404));
    let bad = ["--bad-crates", "bad", "download"];
    failed(mirror.from(&origin, &bad));
    assert_eq!(mirror.list(&["--filter-file", "bad"]), ["MyCrate@0.1.0"]);
}

#[test]
fn quirk_q07_redirects_are_followed() {
    let origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    let to = format!("{}other", origin.server.url());
    let bytes = fs::read(origin.crates_path().join("bb/bb-1.0.0.crate")).unwrap();
    origin.server.put("other", bytes);
    origin
        .server
        .fault_forever(served("bb", "1.0.0"), Fault::RedirectTo(to));
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(mirror.crate_files(), origin.crate_files());
}

#[test]
fn quirk_q08_what_is_forbidden_is_asked_for_once() {
    let origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    for (name, status) in [("a", 403), ("bb", 404), ("ccc", 410)] {
        let path = served(name, "1.0.0");
        origin.server.fault_forever(&path, Fault::status(status));
    }
    failed(mirror.from(&origin, &["update"]));
    for name in ["a", "bb", "ccc"] {
        assert_eq!(origin.server.hits(&served(name, "1.0.0")), 1, "{name}");
    }
}

#[test]
fn quirk_q09_failures_leave_nothing_behind() {
    let origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    let path = served("bb", "1.0.0");
    origin.server.fault_forever(&path, Fault::TruncateAfter(5));
    failed(mirror.from(&origin, &["update"]));
    let left: Vec<_> = mirror.crate_files().into_keys().collect();
    assert_eq!(left, ["1/a/a-1.0.0.crate", "3/c/ccc/ccc-1.0.0.crate"]);
    mirror.assert_clean();
}

#[test]
fn quirk_q11_errors_are_one_line() {
    let mirror = Mirror::nowhere(Tool::Ours);
    for command in ["list", "pull", "verify", "mark", "unpack", "pack", "config"] {
        assert_one_line(&mirror, &[command]);
    }
    let origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    assert_one_line(&mirror, &["mark"]);
    assert_one_line(&mirror, &["unpack"]);
    mirror.krate(&["pull"]).expect(0);
    let unknown = ["--crates-url", "/nowhere/{unknown}", "download"];
    assert_one_line(&mirror, &unknown);
    mirror.write("crates/config.toml", "prefix = \n");
    assert_one_line(&mirror, &["verify"]);
    mirror.write("crates/config.toml", "foo = 1\n");
    assert_one_line(&mirror, &["verify"]);
    mirror.write("crates/config.toml", "prefix = \"lower\"\n");
    fs::rename(
        origin.repository(),
        origin.repository().with_extension("gone"),
    )
    .unwrap();
    assert_one_line(&mirror, &["pull"]);
}

#[test]
fn quirk_q11_a_line_that_is_no_index_line_is_held_back() {
    let mut origin = Origin::small();
    origin.put("br/ok/broken", "{\"name\":\"broken\"\n\n");
    origin.commit();
    let mirror = Mirror::init(Tool::Ours, &origin);
    mirror.from(&origin, &["--keep-going", "update"]).expect(0);
    assert_eq!(mirror.crate_files(), origin.crate_files());
    let shown = mirror.git(&["ls-tree", "-r", "--name-only", "master"]);
    assert!(!shown.contains("broken"), "{shown}");
}

#[test]
fn quirk_q21_clients_of_git_do_not_see_what_is_unfinished() {
    let mut origin = Origin::small();
    let mirror = Mirror::init(Tool::Ours, &origin);
    assert_eq!(mirror.head(), "refs/heads/working");
    mirror.krate(&["pull"]).expect(0);
    assert_eq!(mirror.commit("HEAD"), None, "nothing is published yet");
    assert_eq!(mirror.head(), "refs/heads/master");
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(mirror.head(), "refs/heads/working");
    let published = mirror.commit("master");

    origin.publish("dddd", "1.0.0");
    origin.commit();
    mirror.krate(&["pull"]).expect(0);
    assert_eq!(mirror.commit("HEAD"), published);
    // The range does not care: it ends at what was pulled.
    assert_eq!(mirror.list(&[]), ["dddd@1.0.0"]);
    assert_eq!(mirror.list(&["--end", "HEAD"]), ["dddd@1.0.0"]);
    mirror.shown("HEAD");
}
