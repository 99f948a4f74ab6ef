//! Statements 25 to 32: fetching, checking and removing crates.

use std::{collections::BTreeSet, fs};

use romt_store::conformance::scripted::Fault;

use crate::world::{Mirror, Origin, Tool, crate_path, digest, failed, served};

with_each_tool!(
    statement_25_a_crate_that_cannot_be_had_stops_the_run_unless_told,
    statement_26_good_and_bad_crates_are_each_noted_once,
    statement_27_a_crate_that_is_there_is_not_asked_for,
    statement_28_a_wrong_crate_is_fetched_again_unless_assumed_good,
    statement_29_verify_assumes_nothing,
    statement_30_prune_removes_files_and_empty_directories,
    statement_31_crates_come_from_paths_and_urls,
    statement_32_a_server_that_recovers_is_asked_again,
    a_mixed_mirror_has_mixed_directories,
);

/// An upstream that has all crates but `bb`.
fn forbidding() -> Origin {
    let origin = Origin::small();
    let fault = Fault::status(403);
    origin.server.fault_forever(served("bb", "1.0.0"), fault);
    origin
}

fn statement_25_a_crate_that_cannot_be_had_stops_the_run_unless_told(tool: Tool) {
    let origin = forbidding();
    let mirror = Mirror::init(tool, &origin);
    let finished = mirror.from(&origin, &["update"]).expect(1);
    let wanted = "1 bad_crates, 2 good_crates\nerror: Aborting\n";
    assert!(finished.stdout.ends_with(wanted), "{finished:#?}");
    assert_eq!(mirror.commit("mark"), None);
    assert_eq!(mirror.commit("master"), None);

    let finished = mirror.from(&origin, &["--keep-going", "update"]);
    let finished = finished.expect(0);
    assert!(
        finished.stdout.contains("1 bad_crates, 2 good_crates\n"),
        "{finished:#?}"
    );
    assert_eq!(mirror.commit("mark"), Some(origin.tip()));
    assert!(mirror.commit("master").is_some());
    assert_eq!(mirror.crate_files().len(), 2);
}

fn statement_26_good_and_bad_crates_are_each_noted_once(tool: Tool) {
    let origin = forbidding();
    let mirror = Mirror::init(tool, &origin);
    mirror.krate(&["pull"]).expect(0);
    for form in [&[][..], &["--show-path"], &["--show-hash"]] {
        let notes = ["--good-crates", "good", "--bad-crates", "bad"];
        let args = [&notes[..], form, &["download"]].concat();
        failed(mirror.from(&origin, &args));
        let (good, bad) = (mirror.read("good"), mirror.read("bad"));
        assert_eq!((good.lines().count(), bad.lines().count()), (2, 1));
        assert!(bad.contains("bb"), "{bad}");
        let rows: BTreeSet<_> = good.lines().chain(bad.lines()).map(str::to_owned).collect();
        assert_eq!(rows, mirror.list(form).into_iter().collect());
    }
    // And so does verify, with what is on the disk.
    let notes = ["--good-crates", "good", "--bad-crates", "bad", "verify"];
    failed(mirror.krate(&notes));
    assert_eq!(mirror.read("bad"), "bb@1.0.0\n");
    let good = mirror.read("good");
    let good: BTreeSet<_> = good.lines().collect();
    assert_eq!(good, BTreeSet::from(["a@1.0.0", "ccc@1.0.0"]));
}

fn statement_27_a_crate_that_is_there_is_not_asked_for(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::init(tool, &origin);
    mirror.krate(&["pull"]).expect(0);
    let file = mirror.crates().join(crate_path("a", "1.0.0"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::copy(origin.crates_path().join("a/a-1.0.0.crate"), &file).unwrap();
    mirror.from(&origin, &["download"]).expect(0);
    let hits = ["a", "bb", "ccc"].map(|name| origin.server.hits(&served(name, "1.0.0")));
    assert_eq!(hits, [0, 1, 1]);
    mirror
        .from(&origin, &["--start", "0", "download"])
        .expect(0);
    assert_eq!(origin.server.requests().total, 2);
}

fn statement_28_a_wrong_crate_is_fetched_again_unless_assumed_good(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    let file = mirror.crates().join(crate_path("a", "1.0.0"));
    let right = digest(&file);
    fs::write(&file, "wrong").unwrap();
    origin.server.reset_requests();
    let all = ["--start", "0", "download"];
    mirror
        .from(&origin, &[&["--assume-ok"], &all[..]].concat())
        .expect(0);
    assert_eq!(origin.server.requests().total, 0);
    assert_eq!(fs::read(&file).unwrap(), b"wrong");
    mirror.from(&origin, &all).expect(0);
    assert_eq!(origin.server.requests().total, 1);
    assert_eq!(digest(&file), right);
}

fn statement_29_verify_assumes_nothing(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    let all = ["--start", "0", "--assume-ok", "verify"];
    let finished = mirror.krate(&all).expect(0);
    assert_eq!(finished.stdout, "verify...\n0 bad_crates, 3 good_crates\n");
    let missing = crate_path("a", "1.0.0");
    fs::remove_file(mirror.crates().join(&missing)).unwrap();
    let wrong = mirror.crates().join(crate_path("bb", "1.0.0"));
    fs::write(&wrong, "wrong").unwrap();
    let finished = failed(mirror.krate(&all));
    let (got, expected) = (digest(&wrong), origin.digest("bb", "1.0.0"));
    for row in [
        format!("error: missing file crates/{missing}\n"),
        format!("error: Bad hash for bb-1.0.0.crate (got {got}, expected {expected})\n"),
        "2 bad_crates, 1 good_crates\nerror: Aborting\n".to_owned(),
    ] {
        assert!(
            finished.stdout.contains(&row),
            "no {row:?} in {finished:#?}"
        );
    }
    let going = [&["--keep-going"], &all[..]].concat();
    mirror.krate(&going).expect(0);
}

fn statement_30_prune_removes_files_and_empty_directories(tool: Tool) {
    let mut origin = Origin::varied();
    let mirror = Mirror::updated(tool, &origin);
    origin.remove_version("a", "1.0.1");
    origin.remove_crate("MyCrate");
    origin.commit();
    mirror.krate(&["pull"]).expect(0);
    mirror.krate(&["prune"]).expect(0);
    assert!(mirror.has("crates/1/a/a-1.0.0.crate"));
    assert!(!mirror.has("crates/1/a/a-1.0.1.crate"));
    assert!(!mirror.has("crates/my"));
    for name in ["a", "bb", "ccc", "serde"] {
        origin.remove_crate(name);
    }
    origin.commit();
    mirror.from(&origin, &["update"]).expect(0);
    assert!(mirror.crate_files().is_empty());
    let left: Vec<_> = fs::read_dir(mirror.crates()).unwrap().collect();
    let names = left.into_iter().map(|it| it.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name != ".romt").collect();
    assert_eq!(names, ["config.toml"]);
}

fn statement_31_crates_come_from_paths_and_urls(tool: Tool) {
    let origin = Origin::varied();
    let wanted = Mirror::updated(tool, &origin).crate_files();
    assert_eq!(wanted.len(), origin.count());
    // The crates as they lie, and as a mirror has them in either style.
    let plain = format!("{}/{{crate}}/", origin.crates_path().display());
    let prefixed = tempfile::tempdir().unwrap();
    for name in ["a", "bb", "ccc", "MyCrate", "serde"] {
        let lower = crate_path(name, "0");
        let lower = lower.split(&format!("/{name}/")).next().unwrap();
        let mixed = if name == "MyCrate" { "My/Cr" } else { lower };
        let place = prefixed.path().join(mixed).join(lower);
        fs::create_dir_all(&place).unwrap();
        for file in fs::read_dir(origin.crates_path().join(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), place.join(file.file_name())).unwrap();
        }
    }
    let marked = format!("{}/{{prefix}}/{{lowerprefix}}/", prefixed.path().display());
    for directory in [plain, marked] {
        for start in ["", "file://"] {
            let url = format!("{start}{directory}{{crate}}-{{version}}.crate");
            let mirror = Mirror::init(tool, &origin);
            mirror.krate(&["--crates-url", &url, "update"]).expect(0);
            assert_eq!(mirror.crate_files(), wanted, "from {url}");
        }
    }
}

fn statement_32_a_server_that_recovers_is_asked_again(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::init(tool, &origin);
    let path = served("bb", "1.0.0");
    origin
        .server
        .fault(&path, [Fault::status(503), Fault::status(503)]);
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(origin.server.hits(&path), 3);
    assert_eq!(mirror.crate_files().len(), 3);
    mirror.expect_silence();
}

fn a_mixed_mirror_has_mixed_directories(tool: Tool) {
    let origin = Origin::varied();
    let mirror = Mirror::init(tool, &origin);
    let mixed = "prefix = \"mixed\"\narchive_prefix = \"lower\"\n";
    mirror.write("crates/config.toml", mixed);
    mirror.from(&origin, &["export"]).expect(0);
    assert!(mirror.has("crates/My/Cr/MyCrate/MyCrate-0.1.0.crate"));
    assert!(!mirror.has("crates/my"));
    let importer = Mirror::init_import(tool);
    crate::world::carry(&mirror, &importer);
    importer.krate(&["import"]).expect(0);
    assert!(importer.has("crates/my/cr/MyCrate/MyCrate-0.1.0.crate"));
}
