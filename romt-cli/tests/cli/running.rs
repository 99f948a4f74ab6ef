//! What happens while romt runs: ports, other writers, signals.

#![cfg(unix)]

use std::{fs, net::TcpListener};

use rustix::process::Signal;

use crate::{
    scene::{Scene, small_upstream},
    support::{
        http,
        process::Running,
        upstream::{Upstream, index_path},
    },
};
use romt_store::conformance::scripted::Fault;

const APP: [&str; 2] = ["--crate", "app"];

/// A sync that got as far as downloading `base`, and gets no further.
fn stalled(scene: &Scene, upstream: &Upstream, more: &[&str]) -> Running {
    let path = upstream.crate_path("base", "1.1.0");
    upstream.server.fault_forever(&path, Fault::StallAfter(100));
    let args = [&["--crate", "base", "-v", "--crate", "app"], more].concat();
    let mut up = scene.up(upstream, args);
    // The measuring asks for heads, so this is not the first.
    up.wait_for("fetched app");
    up.wait_until("the stall", |_| upstream.server.requests().faults > 1);
    up
}

/// What is left of writing that was not finished.
fn debris(scene: &Scene) -> Vec<String> {
    let Ok(entries) = fs::read_dir(scene.path().join("mirror/.romt/tmp")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("it is read").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_port_that_is_taken_is_told_before_any_work() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let args = ["up", "--crate", "app", "--port", &port, "--index-url"];
    let finished = scene
        .run(&[&args[..], &[&upstream.index_url()]].concat())
        .expect(2);
    let stderr = scene.filtered(&finished.stderr);
    let first = "error[USAGE]: could not listen on 127.0.0.1:[PORT]: Address already in use";
    assert!(stderr.starts_with(first), "{stderr}");
    assert!(
        stderr.contains("\nhelp: --port and --bind choose another"),
        "{stderr}"
    );
    assert_eq!(upstream.server.requests().total, 0);
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let first = stalled(&scene, &upstream, &["--no-serve"]);
    let second = scene.up(&upstream, ["--crate", "base", "--no-serve"]);
    let second = second.wait().expect(6);
    let stderr = &second.stderr;
    assert!(stderr.starts_with("error[BUSY]: "), "{stderr}");
    assert!(
        stderr.contains("is being written by romt up (process "),
        "{stderr}"
    );
    assert!(
        stderr.contains("\nhelp: wait for the other romt to end"),
        "{stderr}"
    );
    // It did the first no harm.
    upstream.server.heal();
    first.signal(Signal::TERM);
    first.wait().expect(143);
    scene
        .up(&upstream, ["--crate", "base", "--no-serve"])
        .wait()
        .expect(0);
}

#[test]
fn a_sync_that_is_interrupted_leaves_no_debris_and_is_finished_later() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let upstream = small_upstream();
        let scene = Scene::new();
        let up = stalled(&scene, &upstream, &[]);
        up.signal(signal);
        let finished = up.wait().expect(code);
        assert!(
            finished
                .stderr
                .ends_with("interrupted; what was published before is untouched\n"),
            "{finished:#?}"
        );
        assert_eq!(debris(&scene), [""; 0], "{signal:?}");
        upstream.server.heal();
        let finished = scene
            .up(&upstream, [&APP[..], &["--no-serve"]].concat())
            .wait()
            .expect(0);
        assert!(finished.stderr.contains("already here"), "{finished:#?}");
        assert_eq!(debris(&scene), [""; 0]);
    }
}

#[test]
fn an_interrupted_sync_says_so_in_json() {
    let upstream = small_upstream();
    let path = upstream.crate_path("base", "1.1.0");
    upstream.server.fault_forever(&path, Fault::StallAfter(100));
    let scene = Scene::new();
    let json = ["--crate", "app", "--no-serve", "--log-format", "json"];
    let mut up = scene.up(&upstream, json);
    up.wait_for("\"planned\"");
    up.signal(Signal::INT);
    let finished = up.wait().expect(130);
    let outcome = finished
        .stderr
        .lines()
        .find(|it| it.contains("\"outcome\""));
    let outcome = outcome.unwrap_or_else(|| panic!("{finished:#?}"));
    assert!(outcome.contains("\"cancelled\":true"), "{outcome}");
}

#[test]
fn a_server_that_is_interrupted_finishes_what_it_began() {
    let mut upstream = small_upstream();
    // More than the buffers between the two take in.
    let size = 32 * 1024 * 1024;
    upstream.publish_as("big", "1.0.0", &[], vec![7; size]);
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new();
        let mut up = scene.up(&upstream, [&APP[..], &["--crate", "big"]].concat());
        let url = up.serving();
        up.wait_for("crates fetched");
        let (status, body) = http::get(&url, "index/config.json").expect("it is served");
        assert_eq!(status, 200);
        assert!(body.contains(&url), "{body}");
        assert_eq!(
            http::get(&url, "index/ap/p-/none").map(|it| it.0),
            Some(404)
        );
        let (_, line) = http::get(&url, &format!("index/{}", index_path("base"))).expect("served");
        assert!(
            line.contains("\"1.1.0\"") && !line.contains("\"1.0.0\""),
            "{line}"
        );

        // A download that is under way when the signal comes.
        let begun = http::Begun::get(&url, "crates/big/big-1.0.0.crate");
        up.signal(signal);
        up.wait_until("the end of listening", |_| {
            http::get(&url, "healthz").is_none()
        });
        assert!(begun.finish() > size, "the download was cut short");
        let finished = up.wait().expect(0);
        assert!(
            finished.stdout.contains("[registries.romt]"),
            "{finished:#?}"
        );
    }
}

#[test]
fn what_was_published_is_served_while_it_is_refreshed() {
    let upstream = small_upstream();
    let scene = Scene::new();
    scene
        .up(&upstream, ["--crate", "base@=1.0.0", "--no-serve"])
        .wait()
        .expect(0);
    let mut up = stalled(&scene, &upstream, &[]);
    let url = up.serving();
    let path = format!("index/{}", index_path("base"));
    let (_, line) = http::get(&url, &path).expect("it is served");
    assert!(
        line.contains("\"1.0.0\"") && !line.contains("\"1.1.0\""),
        "{line}"
    );
    assert_eq!(http::get(&url, "healthz").map(|it| it.0), Some(200));
    up.signal(Signal::INT);
    up.wait().expect(130);
}

#[test]
fn an_upstream_that_is_away_does_not_stop_the_server() {
    let upstream = small_upstream();
    let scene = Scene::new();
    scene
        .up(&upstream, [&APP[..], &["--no-serve"]].concat())
        .wait()
        .expect(0);
    let index_url = upstream.index_url();
    drop(upstream);
    let args = ["up", "--crate", "app", "--retries", "0", "--port", "0"];
    let mut up = scene.spawn(&[&args[..], &["--index-url", &index_url]].concat());
    let url = up.serving();
    up.wait_for("error[UPSTREAM]");
    assert_eq!(http::get(&url, "healthz").map(|it| it.0), Some(200));
    up.signal(Signal::INT);
    // It did not do what it was asked to do, and says so in the end.
    up.wait().expect(7);
}

#[test]
fn a_lock_file_without_registry_packages_is_served_as_an_empty_mirror() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let package = "[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n";
    scene.write("Cargo.lock", &format!("version = 4\n\n{package}"));
    let mut up = scene.up(&upstream, [""; 0]);
    up.wait_for("answers once the mirror is complete");
    let url = up.serving();
    for (path, status) in [("index/config.json", 200), ("index/ba/se/base", 404)] {
        assert_eq!(http::get(&url, path).map(|it| it.0), Some(status), "{path}");
    }
    assert!(
        up.stderr()
            .contains("warning: the mirror holds no crates yet")
    );
    up.signal(Signal::INT);
    up.wait().expect(0);
}

#[test]
fn where_nothing_could_be_had_nothing_is_served() {
    let upstream = small_upstream();
    upstream
        .server
        .remove(&upstream.crate_path("base", "1.1.0"));
    let scene = Scene::new();
    let finished = scene.up(&upstream, ["--crate", "base"]).wait().expect(1);
    let said = "warning: the mirror holds no crates yet, so it is not served";
    assert!(finished.stderr.contains(said), "{finished:#?}");
}

#[test]
fn a_mirror_that_is_empty_is_served_with_a_warning() {
    let scene = Scene::new();
    let upstream = small_upstream();
    let failed = scene.up(&upstream, ["--crate", "nothing", "--no-serve"]);
    failed.wait().expect(2);
    let mut server = scene.spawn(&["serve", "--mirror", "mirror", "--port", "0"]);
    server.wait_for("warning: the mirror holds no crates yet");
    let url = server.serving();
    assert_eq!(
        http::get(&url, "index/config.json").map(|it| it.0),
        Some(200)
    );
    server.stop();
}
