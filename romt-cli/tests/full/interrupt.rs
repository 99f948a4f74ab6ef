//! Two writers at once, signals, and an output that is closed.

use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use romt_store::conformance::scripted::Fault;

use crate::{
    origin::{Mirror, Origin, served},
    tool::{self, Ended},
};

/// A mirror whose next update waits for a crate.
fn waiting(origin: &Origin) -> Mirror<'_> {
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    origin.publish("dddd", "1.0.0");
    origin.publish("eeee", "1.0.0");
    origin.commit();
    origin
        .server()
        .fault_forever(served("dddd", "1.0.0"), Fault::StallAfter(100));
    mirror
}

fn start(origin: &Origin, mirror: &Mirror<'_>) -> Child {
    origin.server().reset_requests();
    let mut command = mirror.command(&["update"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while origin.server().hits(&served("dddd", "1.0.0")) == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it asks for nothing"
        );
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[track_caller]
fn signal(child: Child, name: &str) -> Ended {
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &id])
        .status();
    assert!(sent.unwrap().success());
    tool::wait(child, Duration::from_secs(5))
}

#[test]
fn hostile_x01_a_second_writer_is_told_and_changes_nothing() {
    let origin = Origin::small();
    let mirror = waiting(&origin);
    let child = start(&origin, &mirror);
    let before = (mirror.view(), mirror.refs());
    for args in [["update"], ["mark"], ["prune"], ["config"], ["export"]] {
        let started = Instant::now();
        let ended = tool::finish(mirror.command(&args));
        ended.assert(6, &["romt crate", &child.id().to_string()]);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // Readers are not kept out.
    tool::finish(mirror.command(&["list", "--start", "0"])).assert(0, &["ccc@1.0.0"]);
    assert_eq!((mirror.view(), mirror.refs()), before);
    signal(child, "KILL");
    origin.server().heal();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 6);
}

#[test]
fn hostile_x09_a_signal_ends_an_update_soon_and_whole() {
    let origin = Origin::small();
    let mirror = waiting(&origin);
    let before = mirror.view();
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
        let ended = signal(start(&origin, &mirror), name);
        ended.assert(code, &["Keyboard interrupt"]);
        assert_eq!(mirror.view(), before);
    }
    origin.server().heal();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.labels().len(), 6);
}

/// An index over HTTP that says nothing.
#[test]
fn hostile_x09_a_signal_ends_a_pull_that_waits() {
    let origin = Origin::small();
    let mirror = origin.directory("h");
    let url = format!("{}index.git", origin.server().url());
    mirror.run(&["init", "--index-url", &url]).assert(0, &[]);
    let info = "index.git/info/refs";
    origin.server().put(info, "x");
    for fault in [Fault::Silence, Fault::StallAfter(0)] {
        origin.server().fault_forever(info, fault);
        origin.server().reset_requests();
        let mut command = mirror.command(&["pull"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_secs(1));
        signal(child, "INT").assert(130, &["Keyboard interrupt"]);
    }
    // And patience ends without a signal.
    let started = Instant::now();
    mirror
        .run(&["pull", "--timeout", "1"])
        .assert(7, &["index.git"]);
    assert!(started.elapsed() < Duration::from_secs(30));
    for answer in [
        Fault::status(404),
        Fault::status(500),
        Fault::Body("<html>\x1b[31m".into()),
    ] {
        origin.server().heal();
        origin.server().fault_forever(info, answer);
        let ended = mirror.run(&["pull", "--timeout", "1"]);
        assert!(matches!(ended.code, Some(1 | 4 | 7)), "{ended:?}");
    }
}

#[test]
fn hostile_x10_a_closed_output_does_not_stop_the_work() {
    let origin = Origin::small();
    for args in [
        &["update"][..],
        &["update", "-vvv"],
        &["list", "--start", "0"],
    ] {
        let mirror = origin.directory("m");
        if !mirror.index().exists() {
            origin.mirror("m");
        }
        let mut command = mirror.command(args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = tool::wait(child, Duration::from_secs(30));
        ended.assert(0, &[]);
        assert_eq!(mirror.labels().len(), 4);
    }
}

#[test]
fn hostile_x12_a_second_run_writes_nothing() {
    let origin = Origin::small();
    let mirror = origin.mirror("m");
    mirror.run(&["export"]).assert(0, &[]);
    let before = (
        mirror.refs(),
        mirror.crates(),
        std::fs::read(mirror.archive()).unwrap(),
    );
    origin.server().reset_requests();
    mirror
        .run(&["export"])
        .assert(0, &["No crates to pack", "of an earlier export"]);
    let after = (
        mirror.refs(),
        mirror.crates(),
        std::fs::read(mirror.archive()).unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!(origin.server().requests().total, 0);
}

/// An init that is refused can be run again.
#[test]
fn hostile_b14_an_init_that_is_refused_leaves_nothing() {
    let origin = Origin::small();
    let mirror = origin.directory("m");
    for url in ["ssh://-oProxyCommand=x/y", "ext::sh -c x", "file://host/x"] {
        let ended = mirror.run(&["init", "--index-url", url]);
        assert!(!matches!(ended.code, Some(0) | None), "{url}: {ended:?}");
        assert!(!mirror.path().join("crates").exists() && !mirror.index().exists());
    }
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
}
