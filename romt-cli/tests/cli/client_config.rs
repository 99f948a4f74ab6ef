//! `romt client-config`.

use crate::scene::Scene;

const LINES: &str = "\
[source.crates-io]
replace-with = \"romt\"

[registries.romt]
index = \"sparse+http://127.0.0.1:8000/index/\"
";

#[test]
fn the_lines_are_printed_for_whoever_wants_to_place_them() {
    let scene = Scene::new();
    let printed = scene.run(&["client-config"]).expect(0);
    assert_eq!(printed.stdout, LINES);
    assert_eq!(printed.stderr, "");
    let url = "http://mirror.example:81/base";
    let printed = scene.run(&["client-config", "--url", url]).expect(0);
    let index = "index = \"sparse+http://mirror.example:81/base/index/\"";
    assert!(printed.stdout.contains(index), "{}", printed.stdout);
}

#[test]
fn they_are_installed_once() {
    let scene = Scene::new();
    let written = scene.run(&["client-config", "--write"]).expect(0);
    assert_eq!(written.stdout, "");
    assert_eq!(
        written.stderr,
        "./.cargo/config.toml points at http://127.0.0.1:8000 now\n"
    );
    assert_eq!(scene.read(".cargo/config.toml"), LINES);
    let again = scene.run(&["client-config", "--write"]).expect(0);
    assert_eq!(
        again.stderr,
        "./.cargo/config.toml points at http://127.0.0.1:8000 already\n"
    );
    assert_eq!(scene.read(".cargo/config.toml"), LINES);
    let quiet = scene.run(&["client-config", "--write", "-q"]).expect(0);
    assert_eq!((quiet.stdout, quiet.stderr), (String::new(), String::new()));
}

#[test]
fn what_is_in_the_file_stays_as_it_is() {
    let scene = Scene::new();
    let before = "# Ours.\r\n[build]\r\njobs = 4 # few\r\n\n[alias] # short\nb = 'build'\n";
    scene.write("project/.cargo/config.toml", before);
    scene
        .run(&["client-config", "--write", "project"])
        .expect(0);
    let after = scene.read("project/.cargo/config.toml");
    for line in [
        "# Ours.",
        "jobs = 4 # few",
        "[alias] # short",
        "b = 'build'",
    ] {
        assert!(after.contains(line), "{line} is gone: {after}");
    }
    let table: toml::Table = after.parse().expect("it is TOML");
    let replaced = &table["source"]["crates-io"]["replace-with"];
    assert_eq!(replaced.as_str(), Some("romt"));
    // Another address of the mirror is no reason to ask.
    let url = ["--url", "http://127.0.0.1:9"];
    let args = [&["client-config", "--write", "project"], &url[..]].concat();
    scene.run(&args).expect(0);
    let moved = scene.read("project/.cargo/config.toml");
    assert_eq!(moved, after.replace("127.0.0.1:8000", "127.0.0.1:9"));
}

#[test]
fn another_mirror_stays_unless_forced() {
    let scene = Scene::new();
    let before = "[source.crates-io]\nreplace-with = \"theirs\" # the company's\n";
    scene.write(".cargo/config.toml", before);
    let refused = scene.run(&["client-config", "--write"]).expect(4);
    assert_eq!(
        refused.stderr,
        "error[REFUSED]: `source.crates-io.replace-with` is `theirs` already\n\
         note: ./.cargo/config.toml is as it was\n\
         help: --force replaces it; without --write the lines are only printed\n"
    );
    assert_eq!(scene.read(".cargo/config.toml"), before);
    scene
        .run(&["client-config", "--write", "--force"])
        .expect(0);
    let after = scene.read(".cargo/config.toml");
    assert!(
        after.contains("replace-with = \"romt\" # the company's"),
        "{after}"
    );
}

#[test]
fn what_cannot_be_edited_is_left_alone() {
    let scene = Scene::new();
    for before in ["[source", "source = 1\n", "registries = []\n"] {
        scene.write(".cargo/config.toml", before);
        scene.run(&["client-config", "--write"]).expect(4);
        assert_eq!(scene.read(".cargo/config.toml"), before);
    }
    scene
        .run(&["client-config", "--write", "nowhere"])
        .expect(2);
    // A directory in the way.
    scene.write("odd/.cargo/config.toml/file", "");
    scene.run(&["client-config", "--write", "odd"]).expect(5);
}
