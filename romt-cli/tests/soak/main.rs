//! A mirror is served while it changes: real clients, for as long as one cares to
//! look, while runs bring in what happens upstream. Nobody gets an error, or half of
//! something.
//!
//! `ROMT_SOAK_SECONDS` says for how long. The test goes on until each client and each
//! kind of change has been through often enough, so a slow machine takes longer and
//! fails nothing.

#![cfg(unix)]
// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

// Each of the tests uses another part of them.
#[allow(dead_code, unused_imports)]
#[path = "../crate/world/mod.rs"]
mod crates;
#[allow(dead_code, unused_imports)]
#[path = "../dist_support/mod.rs"]
mod dist_support;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code)]
#[path = "../rustup_real/user.rs"]
mod user;

mod changes;
mod clients;
mod prober;
mod scene;
mod wire;

use std::{
    process::Command,
    thread::{self, Scope},
    time::{Duration, Instant},
};

use changes::Upstreams;
use clients::{Cargo, Curl, Git, Index, Rustup};
use prober::{Dist, Registry};
use scene::{EndOnPanic, Scene};
use support::{cargo::Toolchain, process::Running};

/// For how long, unless the environment says.
const SECONDS: u64 = 45;

/// How much longer a machine may take that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(8);

/// How often each client has to come through, at least.
const ROUNDS: usize = 3;

/// How many publications of crates there have to be.
const PUBLICATIONS: usize = 12;

#[test]
fn nobody_notices_that_the_mirror_changes() {
    let origin = changes::origin();
    let scene = Scene::new(&origin);
    let mut upstreams = Upstreams::new(&scene, origin);
    upstreams.begin();
    let servers = Servers(Some(scene.serve()));
    let toolchains = Toolchain::installed();
    let (first, last) = (&toolchains[0], &toolchains[toolchains.len() - 1]);
    let mut clients = Vec::new();
    thread::scope(|scope| {
        let mut begin = |name, round: Box<dyn FnMut() + Send>| {
            clients.push(name);
            spawn(scope, &scene, name, round);
        };
        let cargos = [
            ("cargo, sparse", first, Index::Sparse),
            ("cargo, sparse over TLS", last, Index::SparseTls),
            ("cargo, libgit2", first, Index::Libgit2),
            ("cargo, git", last, Index::Git),
        ];
        for (name, toolchain, index) in cargos {
            let mut cargo = Cargo::new(&scene, toolchain, index);
            begin(name, Box::new(move || cargo.round()));
        }
        let mut git = Git::new(&scene);
        begin("git", Box::new(move || git.round()));
        let mut registry = Registry::new(&scene);
        begin("prober of crates", Box::new(move || registry.round()));
        if has_http2() {
            let mut curl = Curl::new(&scene);
            begin("curl", Box::new(move || curl.round()));
        }
        if let Some(host) = upstreams.host() {
            let mut dist = Dist::new(&scene, host);
            begin("prober of toolchains", Box::new(move || dist.round()));
            if let Some(program) = user::rustup_of_this_machine() {
                let mut rustup = Rustup::new(&scene, &program);
                begin("rustup", Box::new(move || rustup.round()));
            }
        }
        let _end = EndOnPanic(&scene);
        change(&scene, &mut upstreams, &clients);
        scene.end();
    });
    for (what, count) in scene.counted() {
        println!("{count:6} {what}");
    }
    servers.stop();
    assert_eq!(scene.tripwire.touched(), 0, "somebody called the world");
}

/// Has something happen until the time is over and everybody has seen enough of it.
fn change(scene: &Scene, upstreams: &mut Upstreams<'_>, clients: &[&str]) {
    let seconds = std::env::var("ROMT_SOAK_SECONDS").map_or(SECONDS, |text| {
        let seconds = text.parse();
        seconds.expect("ROMT_SOAK_SECONDS is a number")
    });
    let (begun, wanted) = (Instant::now(), Duration::from_secs(seconds));
    while !scene.is_over() {
        upstreams.next();
        let counted = scene.counted();
        let has = |what: &str, count| counted.get(what).is_some_and(|it| *it >= count);
        let is_enough = has("publications of crates", PUBLICATIONS)
            && clients.iter().all(|name| has(name, ROUNDS));
        if begun.elapsed() >= wanted && is_enough {
            return;
        }
        let is_hopeless = begun.elapsed() > wanted + PATIENCE;
        assert!(!is_hopeless, "too little was done: {counted:#?}");
    }
}

/// A client that goes on until all is over, or it is not content.
fn spawn<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    scene: &'env Scene,
    name: &'static str,
    mut round: Box<dyn FnMut() + Send + 'env>,
) {
    scope.spawn(move || {
        let _end = EndOnPanic(scene);
        while !scene.is_over() {
            round();
            scene.count(name);
        }
    });
}

fn has_http2() -> bool {
    let said = Command::new("curl").arg("--version").output();
    let has = said.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("HTTP2"));
    if !has {
        println!("skipped: what needs a curl with HTTP/2, which is not installed");
    }
    has
}

/// The servers; if the test fails, what they say of it is shown.
struct Servers(Option<[Running; 2]>);

impl Servers {
    fn stop(mut self) {
        for server in self.0.take().into_iter().flatten() {
            judge_log(&server.stop().stderr);
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in self.0.iter().flatten() {
            let said = server.stderr();
            for line in said.lines().filter(|line| !line.starts_with('{')) {
                println!("{line}");
            }
        }
    }
}

/// The server does not think either that it failed anybody.
fn judge_log(stderr: &str) {
    let mut requests = 0;
    for line in stderr.lines().filter(|line| line.starts_with('{')) {
        let line: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        let status = line["status"].as_u64().expect("it has one");
        assert!(status < 500 && status != 400 && status != 429, "{line}");
        requests += 1;
    }
    println!("{requests:6} requests");
    assert!(requests > 100, "only {requests} requests");
    let complaints = stderr.lines().filter(|line| !line.starts_with('{'));
    let complaints = complaints.filter(|line| line.contains("error") || line.contains("WARN"));
    let complaints: Vec<_> = complaints.collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
