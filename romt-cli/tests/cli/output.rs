//! How loud, and in what format.

use crate::{
    scene::{Scene, small_upstream},
    support::process::run,
};

const UP: [&str; 3] = ["--crate", "app", "--no-serve"];

#[test]
fn quiet_says_nothing_of_success() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let finished = scene
        .up(&upstream, [&UP[..], &["--quiet"]].concat())
        .wait()
        .expect(0);
    assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
    let finished = scene.run(&["up", "-q", "--crate", "x@!"]).expect(2);
    assert!(!finished.stderr.is_empty(), "errors are told");
    let finished = scene.run(&["serve", "--mirror", "x", "-qq"]).expect(2);
    assert_eq!(finished.stderr, "", "twice quiet is silent");
}

#[cfg(unix)]
#[test]
fn a_quiet_server_says_nothing_either() {
    let upstream = small_upstream();
    let scene = Scene::new();
    scene.up(&upstream, UP).wait().expect(0);
    let port = free_port();
    let mut server = scene.spawn(&["serve", "-q", "--port", &port]);
    server.wait_until("an answer", |_| {
        crate::support::http::get(&format!("http://127.0.0.1:{port}"), "healthz").is_some()
    });
    let finished = server.stop();
    assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = listener.local_addr().expect("it is bound");
    address.port().to_string()
}

#[test]
fn verbose_names_each_crate() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let finished = scene
        .up(&upstream, [&UP[..], &["-v"]].concat())
        .wait()
        .expect(0);
    for line in ["fetched app 0.1.0 (", "fetched base 1.1.0 ("] {
        let told = finished.stderr.lines().any(|it| it.starts_with(line));
        assert!(told, "{line}: {finished:#?}");
    }
}

#[test]
fn the_summary_of_a_rerun_says_that_nothing_was_fetched() {
    let upstream = small_upstream();
    let scene = Scene::new();
    scene.up(&upstream, UP).wait().expect(0);
    let finished = scene.up(&upstream, UP).wait().expect(0);
    assert_eq!(
        scene.filtered(&finished.stderr),
        "0 crates fetched ([N] B), 2 already here, [N] s"
    );
    assert_eq!(finished.stdout, "");
}

fn events(stderr: &str) -> Vec<serde_json::Value> {
    let parse = |line| match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => panic!("{line:?} is no JSON: {error}"),
    };
    stderr.lines().map(parse).collect()
}

#[test]
fn json_is_an_object_a_line() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let json = [&UP[..], &["--log-format", "json", "-v"]].concat();
    let finished = scene.up(&upstream, json).wait().expect(0);
    assert_eq!(finished.stdout, "");
    let events = events(&finished.stderr);
    let named = |name: &str| {
        events
            .iter()
            .filter(|it| it["event"] == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(named("planned")[0]["to-fetch"], 2);
    assert_eq!(named("planned")[0]["unknown-sizes"], 0);
    assert_eq!(named("fetched").len(), 2);
    assert_eq!(named("published")[0]["crates"], 2);
    let outcome = named("outcome")[0];
    assert_eq!(outcome["fetched"], 2);
    assert_eq!(outcome["failed"], serde_json::json!([]));
    assert_eq!(outcome["class"], serde_json::Value::Null);
    assert!(outcome["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
}

#[test]
fn failures_are_json_too() {
    let upstream = small_upstream();
    upstream
        .server
        .remove(&upstream.crate_path("base", "1.1.0"));
    let scene = Scene::new();
    let json = [&UP[..], &["--log-format", "json"]].concat();
    let finished = scene.up(&upstream, json).wait().expect(1);
    let told = events(&finished.stderr);
    let outcome = told
        .iter()
        .find(|it| it["event"] == "outcome")
        .expect("it is told");
    assert_eq!(outcome["failed"][0]["what"], "base 1.1.0");
    assert_eq!(outcome["failed"][0]["class"], "PARTIAL");
    assert_eq!(outcome["class"], "PARTIAL");
    assert_eq!(outcome["cancelled"], false);
    assert_eq!(outcome["unresolved"], serde_json::json!([]));

    let args = ["serve", "--mirror", "nowhere", "--log-format", "json"];
    let finished = scene.run(&args).expect(2);
    let told = events(&finished.stderr);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["event"], "error");
    assert_eq!(told[0]["class"], "USAGE");
    assert_eq!(told[0]["code"], 2);
}

#[test]
fn what_nothing_satisfies_is_json_too() {
    let mut upstream = small_upstream();
    upstream.publish("wants", "1.0.0", &["base@^9"]);
    let scene = Scene::new();
    let json = ["--crate", "wants", "--no-serve", "--log-format", "json"];
    let finished = scene.up(&upstream, json).wait().expect(1);
    let told = events(&finished.stderr);
    let outcome = told.iter().find(|it| it["event"] == "outcome");
    assert_eq!(
        outcome.expect("it is told")["unresolved"],
        serde_json::json!([{
            "what": "base", "requirement": "^9", "needed-by": "wants 1.0.0", "optional": false,
        }])
    );
}

#[test]
fn a_terminal_gets_bars_and_a_pipe_gets_lines() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let piped = scene.up(&upstream, UP).wait().expect(0);
    assert!(!piped.stderr.contains(['\u{1b}', '\r']), "{piped:#?}");

    let has_script = std::process::Command::new("script")
        .arg("--version")
        .output();
    let has_script = has_script
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"));
    if !has_script {
        eprintln!("skipped: a terminal, for want of util-linux's script");
        return;
    }
    // Long enough for the bar to be drawn.
    upstream
        .server
        .set_latency(std::time::Duration::from_millis(300));
    let line = format!(
        "'{}' up --crate app --no-serve --mirror other --index-url '{}'",
        env!("CARGO_BIN_EXE_romt"),
        upstream.index_url()
    );
    let mut script = std::process::Command::new("script");
    script
        .args(["-qec", &line, "typescript"])
        .current_dir(scene.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    scene.tripwire.guard(&mut script);
    let drawn = run(&mut script).expect(0).stdout;
    assert!(drawn.contains("index  ="), "{drawn:?}");
    assert!(drawn.contains("0/2 "), "{drawn:?}");
    assert!(drawn.contains('\r'), "{drawn:?}");
    assert!(drawn.contains("2 crates fetched"), "{drawn:?}");
}
