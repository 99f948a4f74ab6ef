//! Statements 16 to 24: ranges, lists and filters.

use std::process::Command;

use crate::{
    support::process::run,
    world::{Mirror, Origin, Tool},
};

with_each_tool!(
    statement_16_rows_are_sorted_as_strings,
    statement_17_additions_come_before_removals,
    statement_18_a_yank_is_no_change,
    statement_19_rows_with_hashes_are_for_sha256sum,
    statement_20_a_range_may_run_backwards,
    statement_21_an_unknown_start_is_an_error_unless_allowed,
    statement_22_filters_select_by_pattern,
    statement_23_a_filter_file_that_is_missing_is_named,
    statement_24_only_index_files_are_looked_at,
    rows_have_three_forms,
);

fn statement_16_rows_are_sorted_as_strings(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::varied());
    let wanted = [
        "MyCrate@0.1.0",
        "MyCrate@1.0.0+build.7",
        "MyCrate@1.0.0-rc.1",
        "a@1.0.0",
        "a@1.0.1",
        "bb@0.1.0",
        "ccc@0.1.0",
        "serde@1.10.0",
        "serde@1.9.0",
    ];
    assert_eq!(mirror.list(&["--start", "0"]), wanted);
}

fn statement_17_additions_come_before_removals(tool: Tool) {
    let mut origin = Origin::varied();
    let mirror = Mirror::updated(tool, &origin);
    origin.publish("serde", "2.0.0");
    origin.publish_as("bb", "0.1.0", &[], b"other bytes".to_vec());
    origin.remove_version("a", "1.0.1");
    origin.commit();
    let finished = mirror.krate(&["pull", "list"]).expect(0);
    assert_eq!(
        finished.stdout,
        "pull...\nbb@0.1.0\nserde@2.0.0\n-a@1.0.1\n"
    );
}

fn statement_18_a_yank_is_no_change(tool: Tool) {
    let mut origin = Origin::varied();
    let mirror = Mirror::updated(tool, &origin);
    origin.yank("a", "1.0.0");
    origin.depend("ccc", "0.1.0", "bb");
    origin.commit();
    let finished = mirror.krate(&["pull", "list"]).expect(0);
    assert_eq!(finished.stdout, "pull...\n");
}

fn statement_19_rows_with_hashes_are_for_sha256sum(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::varied());
    let rows = mirror.holdings();
    assert_eq!(rows.len(), 9);
    let list = mirror.path().join("sums");
    std::fs::write(&list, rows.join("\n") + "\n").unwrap();
    let mut command = Command::new("sha256sum");
    let args = ["--check", "--strict", "--quiet"];
    run(command.args(args).arg(&list).current_dir(mirror.crates())).expect(0);
}

fn statement_20_a_range_may_run_backwards(tool: Tool) {
    let mut origin = Origin::small();
    origin.publish("dddd", "1.0.0");
    origin.commit();
    let mirror = Mirror::updated(tool, &origin);
    let range = ["--start", "HEAD", "--end", "HEAD~1"];
    assert_eq!(mirror.list(&range), ["-dddd@1.0.0"]);
    let range = ["--start", "HEAD~1", "--end", "HEAD"];
    assert_eq!(mirror.list(&range), ["dddd@1.0.0"]);
}

fn statement_21_an_unknown_start_is_an_error_unless_allowed(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::small());
    let finished = mirror.krate(&["--start", "nosuch", "list"]).expect(1);
    assert!(
        finished
            .stdout
            .contains("error: bad commit requested: Ref 'nosuch' did not resolve"),
        "{finished:#?}"
    );
    let allowed = ["--start", "nosuch", "--allow-missing-start"];
    assert_eq!(mirror.list(&allowed).len(), 3);
    // The end must be there in any case.
    let end = ["--end", "nosuch", "--allow-missing-start", "list"];
    mirror.krate(&end).expect(1);
    // Nothing at all is the mark.
    assert_eq!(mirror.list(&["--start", ""]), [""; 0]);
}

fn statement_22_filters_select_by_pattern(tool: Tool) {
    let mut origin = Origin::empty();
    for (name, version) in [
        ("a", "1.0.0"),
        ("a", "1.1.0"),
        ("b", "1.0.0"),
        ("x", "1.0.0"),
        ("x", "1.0.10"),
        ("y", "2.0.0"),
        ("z", "1.0.1"),
        ("abcd", "1.0.0-pre"),
    ] {
        origin.publish(name, version);
    }
    origin.commit();
    let mirror = Mirror::init(tool, &origin);
    mirror.krate(&["pull"]).expect(0);
    let select = |filters: &[&str]| {
        let args: Vec<_> = filters.iter().flat_map(|it| ["--filter", it]).collect();
        mirror.list(&args).join(" ")
    };
    assert_eq!(
        select(&["[ab]*@"]),
        "a@1.0.0 a@1.1.0 abcd@1.0.0-pre b@1.0.0"
    );
    assert_eq!(
        select(&["a;@1.0.?"]),
        "a@1.0.0 a@1.1.0 b@1.0.0 x@1.0.0 z@1.0.1"
    );
    assert_eq!(select(&["x,y z"]), "x@1.0.0 x@1.0.10 y@2.0.0 z@1.0.1");
    assert_eq!(select(&["y", "x@1.0.10"]), "x@1.0.10 y@2.0.0");
    // Not "anything but", as elsewhere: `^` itself, or `a`.
    assert_eq!(select(&["[^a]"]), "a@1.0.0 a@1.1.0");
    assert_eq!(
        select(&["[!a]"]),
        "b@1.0.0 x@1.0.0 x@1.0.10 y@2.0.0 z@1.0.1"
    );
    assert_eq!(select(&["[y-x]"]), "");
    assert_eq!(select(&["*@*-*"]), "abcd@1.0.0-pre");
    mirror.write("filters", "y\nx@1.0.0\n");
    let from_file = mirror.list(&["--filter-file", "filters", "--filter", "z"]);
    assert_eq!(from_file, ["x@1.0.0", "y@2.0.0", "z@1.0.1"]);
}

fn statement_23_a_filter_file_that_is_missing_is_named(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::small());
    let finished = mirror.krate(&["--filter-file", "missing", "list"]);
    let finished = finished.expect(1);
    let wanted = "error: could not read FILTER_FILE 'missing'";
    assert!(finished.stdout.contains(wanted), "{finished:#?}");
}

fn statement_24_only_index_files_are_looked_at(tool: Tool) {
    let mut origin = Origin::small();
    let line = "{\"name\":\"zz\",\"vers\":\"1.0.0\",\"cksum\":\"00\"}\n";
    for path in [
        "README.md",
        ".github/workflows/zz",
        "yy",
        "1/zz",
        "2/zzz",
        "3/z/zzzz",
        "zz/zz/zzz",
        "zz/zz/zz/zzzz",
        "zzz/zz/zzzz",
    ] {
        origin.put(path, line);
    }
    origin.commit();
    let mirror = Mirror::init(tool, &origin);
    mirror.krate(&["pull"]).expect(0);
    assert_eq!(mirror.list(&[]), ["a@1.0.0", "bb@1.0.0", "ccc@1.0.0"]);
}

fn rows_have_three_forms(tool: Tool) {
    let origin = Origin::varied();
    let mirror = Mirror::updated(tool, &origin);
    let rows = |args: &[&str]| {
        let args = [&["--start", "0", "--filter", "bb"], args].concat();
        mirror.list(&args).concat()
    };
    let hash = origin.digest("bb", "0.1.0");
    assert_eq!(rows(&[]), "bb@0.1.0");
    assert_eq!(rows(&["--show-path"]), "2/bb/bb-0.1.0.crate");
    let both = format!("{hash} *2/bb/bb-0.1.0.crate");
    assert_eq!(rows(&["--show-hash"]), both);
    // The prefix is in the style of the mirror.
    let path = ["--start", "0", "--show-path", "--filter", "m*@0*"];
    assert_eq!(mirror.list(&path), ["my/cr/MyCrate/MyCrate-0.1.0.crate"]);
    mirror.write("crates/config.toml", "prefix = \"mixed\"\n");
    assert_eq!(mirror.list(&path), ["My/Cr/MyCrate/MyCrate-0.1.0.crate"]);
}
