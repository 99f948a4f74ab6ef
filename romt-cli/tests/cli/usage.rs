//! What is wrong with the arguments, and what is wrong with the place.

use crate::scene::{Scene, small_upstream};

#[test]
fn help_and_version_are_for_stdout() {
    let scene = Scene::new();
    let help = scene.run(&["--help"]).expect(0);
    for word in ["up", "serve", "client-config", "Examples:", "Exit status:"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert_eq!(help.stderr, "");
    for command in ["up", "serve", "client-config"] {
        let help = scene.run(&[command, "--help"]).expect(0);
        assert!(help.stdout.contains(&format!("Usage: romt {command}")));
    }
    let version = scene.run(&["--version"]).expect(0);
    assert_eq!(
        version.stdout,
        format!("romt {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn help_begins_with_what_the_command_is_for() {
    let scene = Scene::new();
    let help = scene.run(&["up", "--help"]).expect(0).stdout;
    let places = [
        "--lockfile",
        "--crate ",
        "--mirror",
        "--offline",
        "--no-serve",
        "Upstream:",
        "Server:",
        "Output:",
        "--quiet",
        "--log-format",
        "Examples:",
        "exit status",
    ];
    let places = places.map(|it| help.find(it).unwrap_or_else(|| panic!("{it}: {help}")));
    assert!(places.is_sorted(), "{places:?}: {help}");
    let help = scene.run(&["--help"]).expect(0).stdout;
    for code in (0..=8).chain([130, 143]) {
        let status = help.split("Exit status:").nth(1).unwrap_or_default();
        assert!(status.contains(&format!("{code} ")), "{code}: {help}");
    }
}

#[test]
fn bad_usage_is_2_and_touches_nothing() {
    let scene = Scene::new();
    for args in [
        &["down"][..],
        &["up", "--frobnicate"],
        &["up", "--offline", "--no-serve"],
        &["up", "--offline", "--crate", "serde"],
        &["up", "--crate", "serde@one"],
        &["up", "--crate", "../x"],
        &["up", "--port", "65536"],
        &["up", "--crates-url", "https://h/{name}"],
        &["up", "--retries", "many"],
        &["up", "--num-jobs", "0"],
        &["up", "--num-jobs", "65"],
        &["up", "--num-jobs", "1000"],
        &["up", "--timeout", "0"],
        &["up", "-q", "-v"],
        &["client-config", "--force"],
        &["client-config", "--url", "javascript:x"],
        &["up", "--crate", "a", "--index-url", "ftp://h/"],
        &["up", "--crate", "a", "--index-url", "https://h/?q"],
        &["up", "--crate", "a", "--index-url", "nowhere"],
        &["up", "--crate", "a", "--cargo-home", "nowhere"],
        &["up", "--lockfile", "nowhere/Cargo.lock"],
    ] {
        let finished = scene.run(args).expect(2);
        assert_eq!(finished.stdout, "", "{args:?}");
        assert!(!finished.stderr.is_empty(), "{args:?}");
        assert!(!scene.has("mirror"), "{args:?} left something behind");
    }
}

#[test]
fn without_a_lock_file_there_is_a_hint() {
    let scene = Scene::new();
    let finished = scene.run(&["up"]).expect(2);
    assert_eq!(
        scene.filtered(&finished.stderr),
        "error[USAGE]: there is no Cargo.lock in [DIR] or above\n\
         help: name one with --lockfile PATH, or crates with --crate NAME"
    );
    assert!(!scene.has("mirror"));
}

#[test]
fn what_is_no_lock_file_is_refused() {
    let scene = Scene::new();
    for text in ["[[", "version = 5\n", "<html>", "[[package]]\nname = 1\n"] {
        scene.write("Cargo.lock", text);
        let finished = scene.run(&["up", "--no-serve"]).expect(4);
        let first = finished.stderr.lines().next().unwrap_or_default();
        assert!(first.contains("Cargo.lock` is refused: "), "{finished:#?}");
        assert!(!scene.has("mirror"), "{text}");
    }
}

#[test]
fn no_mirror_is_served_from_where_none_is() {
    let scene = Scene::new();
    for args in [
        &["serve", "--mirror", "media"][..],
        &["up", "--offline", "--mirror", "media"],
    ] {
        let finished = scene.run(args).expect(2);
        assert_eq!(
            finished.stderr,
            "error[USAGE]: there is no mirror in media\n\
             help: is the disk mounted? --mirror names the directory; `romt up` makes one\n"
        );
        assert!(!scene.has("media"), "serving makes no mirror");
    }
}

#[test]
fn a_mirror_where_nothing_can_be_written_is_a_storage_error() {
    let scene = Scene::new();
    scene.write("file", "");
    let upstream = small_upstream();
    let args = ["--crate", "app", "--mirror", "file/mirror", "--no-serve"];
    let finished = scene.up(&upstream, args).wait().expect(5);
    assert!(
        finished.stderr.starts_with("error[STORAGE]: "),
        "{finished:#?}"
    );
    assert!(finished.stderr.contains("file/mirror"), "{finished:#?}");
    assert!(
        finished.stderr.contains("\nhelp: --mirror names"),
        "{finished:#?}"
    );
    assert_eq!(upstream.server.requests().total, 0);
}

#[test]
fn an_upstream_that_is_away_is_told_in_one_paragraph() {
    let scene = Scene::new();
    let upstream = small_upstream();
    let port = upstream.server.address().port();
    drop(upstream);
    let url = format!("http://127.0.0.1:{port}/index/");
    let args = ["up", "--crate", "app", "--no-serve", "--retries", "0"];
    let finished = scene
        .run(&[&args[..], &["--index-url", &url]].concat())
        .expect(7);
    let lines: Vec<_> = finished.stderr.lines().collect();
    let [error, note, help] = lines[..] else {
        panic!("{finished:#?}");
    };
    assert!(error.starts_with("error[UPSTREAM]: "), "{error}");
    assert!(error.contains("config.json"), "{error}");
    assert!(error.to_lowercase().contains("refused"), "{error}");
    assert_eq!(note, "note: the mirror shows what it showed before");
    assert!(help.starts_with("help: check the network"), "{help}");
    assert_eq!(scene.tripwire.touched(), 0);
}

#[test]
fn an_upstream_that_anybody_could_forge_is_refused() {
    let scene = Scene::new();
    let url = "http://user:hunter2@mirror.invalid/";
    let finished = scene
        .run(&["up", "--crate", "app", "--index-url", url])
        .expect(2);
    assert!(
        finished
            .stderr
            .contains("http://mirror.invalid/ is not encrypted"),
        "{finished:#?}"
    );
    assert!(finished.stderr.contains("--allow-http"), "{finished:#?}");
    assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
    assert_eq!(scene.tripwire.touched(), 0, "nobody is asked");
    assert!(!scene.has("mirror"));
}

#[test]
fn passwords_in_an_address_that_is_refused_are_not_shown() {
    let scene = Scene::new();
    for url in [
        "https://user:hunter2@h/",
        "https://user:hunter2@h/?query",
        "ftp://user:hunter2@h/",
        "https://user:hunter2@h:port/",
        "sparse+https://user:hunter2@[h/",
    ] {
        let finished = scene
            .run(&["up", "--crate", "app", "--index-url", url])
            .expect(2);
        assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
    }
    for [command, argument, url] in [
        ["up", "--crates-url", "https://user:hunter2@h/{crate}"],
        ["up", "--crates-url", "https://user:hunter2@h/{name}"],
        ["up", "--server-url", "https://user:hunter2@h/"],
        ["client-config", "--url", "https://user:hunter2@h/"],
    ] {
        let finished = scene.run(&[command, argument, url]).expect(2);
        assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
        assert!(finished.stderr.contains(argument), "{finished:#?}");
    }
    for proxy in ["http://user:hunter2@h:port", "gopher://user:hunter2@h"] {
        let args = ["up", "--crate", "app", "--no-serve", "--proxy", proxy];
        let finished = scene.run(&args).expect(2);
        assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
        assert!(finished.stderr.contains("proxy"), "{finished:#?}");
    }
    assert!(!scene.has("mirror"));
}
