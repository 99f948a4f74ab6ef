//! Upstreams that fail, or lie.

use std::time::Duration;

use romt_core::Sha256Digest;
use romt_store::conformance::scripted::{Fault, ScriptedServer};
use tokio::runtime::Runtime;

use crate::{
    release::{HOST, Release, SERVER, named, nightly},
    world::{World, run},
};

const OLD: &str = "2026-03-07";
const NEW: &str = "2026-03-08";

/// A scripted upstream with a new release, and a mirror with the old one.
fn scene() -> (Runtime, ScriptedServer, World, Release) {
    let world = World::new();
    world.publish(&nightly(OLD));
    world.mirror().download("nightly");
    let new = nightly(NEW);
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(ScriptedServer::start(new.files(true)));
    (runtime, server, world, new)
}

#[test]
fn hostile_m01_to_m08_bad_manifests_of_upstream_are_refused() {
    let (_runtime, server, world, new) = scene();
    let mirror = world.mirror();
    let url = server.url().to_string();
    let download = || mirror.toolchain(&["--url", &url, "-s", "nightly", "-t", "all", "download"]);
    let text = new.manifest();
    let hash = Sha256Digest::of(&new.components()[&new.path("rustc", HOST)]).to_string();
    let other = Sha256Digest::of(&new.components()[&new.path("cargo", HOST)]).to_string();
    let url_of = format!("{SERVER}/dist/{NEW}/rustc");
    let bad: Vec<(i32, Vec<u8>)> = [
        (4, format!("{}a = 1\n{text}", "a.".repeat(10_000))),
        (4, format!("x = {}\n{text}", "[".repeat(10_000))),
        (4, format!("{text}#{}", "x".repeat(17 << 20))),
        (4, format!("\u{feff}{text}")),
        (4, format!("{text}# \0\n")),
        (4, text.replace(&format!("date = \"{NEW}\""), "")),
        (
            4,
            text.replace(&format!("date = \"{NEW}\""), "date = \"2024-13-45\""),
        ),
        (
            4,
            text.replace("manifest-version = \"2\"", "manifest-version = \"3\""),
        ),
        (4, text.replace(&url_of, "file:///dist/x")),
        (4, text.replace(&url_of, "https://u:p@example.com/dist/x")),
        (
            4,
            text.replace(&url_of, &format!("{SERVER}/dist/../{NEW}/rustc")),
        ),
        (
            4,
            text.replace(&url_of, &format!("{SERVER}/dist/%2e%2e/rustc")),
        ),
        (4, text.replace(&hash, &hash[1..])),
        (4, text.replace(&hash, &hash.to_uppercase())),
        (3, text.replace(&hash, &other)),
        (4, text.replace("available = true", "available = 1")),
        (4, text.replace("1.96.0-nightly", "1.96.0-beta.1")),
        (4, text.replace("1.96.0-nightly", "1.0/../x")),
        (4, text.replace("[pkg.rustc.", "[pkg.\"../x\".")),
    ]
    .map(|(code, text)| (code, text.into_bytes()))
    .into();
    for (code, text) in bad {
        assert_ne!(text, new.manifest().into_bytes());
        let digest = format!("{}\n", Sha256Digest::of(&text));
        let name = named("nightly");
        server.put(format!("{name}.sha256"), digest);
        server.put(name, text);
        let (before, ended) = (mirror.served(), run(download()));
        ended.assert(code, &[]);
        assert!(ended.peak < 256 << 20, "{}", ended.peak);
        // What the manifest says rightly may have come, and nobody is told of it.
        let mut after = mirror.served();
        after.retain(|name, _| !name.starts_with(format!("dist/{NEW}")) || code != 3);
        assert_eq!(after, before, "{}", ended.text());
        assert!(!mirror.dist().join(new.dated()).exists());
    }
}

#[test]
fn hostile_m10_digest_files_of_upstream_are_judged() {
    let (_runtime, server, world, _) = scene();
    let mirror = world.mirror();
    let url = server.url().to_string();
    let name = format!("{}.sha256", named("nightly"));
    for bad in [
        "x".repeat(1 << 20),
        "a\nb\n".into(),
        String::new(),
        "A".repeat(64),
    ] {
        server.put(name.clone(), bad);
        let download =
            || mirror.toolchain(&["--url", &url, "-s", "nightly", "-t", "all", "download"]);
        let code = run(download()).code.unwrap();
        assert!(matches!(code, 4 | 7), "{code}");
        mirror.refuses(download, code, &["channel-rust-nightly.toml.sha256"]);
    }
}

#[test]
fn hostile_u01_u10_u11_u14_faults_of_upstream_hold_the_release_back() {
    let (_runtime, server, world, new) = scene();
    let mirror = world.mirror();
    let url = server.url().to_string();
    let download = || mirror.toolchain(&["--url", &url, "-s", "nightly", "-t", "all", "download"]);
    let path = new.path("rustc", HOST);
    for fault in [
        Fault::status(404),
        Fault::WrongBytes,
        Fault::status(403),
        Fault::Body("<html>log in</html>".into()),
    ] {
        server.fault_forever(path.clone(), fault);
        let ended = run(download());
        assert!(
            matches!(ended.code, Some(1 | 3)),
            "{:?}: {}",
            ended.code,
            ended.text()
        );
        ended.assert(ended.code.unwrap(), &[&path, "1 bad components"]);
        assert!(!mirror.dist().join(new.dated()).exists());
        mirror.check(&[&nightly(OLD)]).unwrap();
    }
    server.heal();
    // Sizes beyond all numbers are claims, and no reason to give up counting.
    let lie = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
    for path in new.components().into_keys() {
        server.fault(path, [Fault::Raw(lie.into())]);
    }
    let ended = run(download());
    assert!(
        matches!(ended.code, Some(0 | 4 | 5)),
        "{:?}: {}",
        ended.code,
        ended.text()
    );
    // Failures that pass do; what is right is not fetched again.
    server.heal();
    server.fault(
        named("nightly"),
        [Fault::status(503), Fault::TruncateAfter(100)],
    );
    server.fault(
        path.clone(),
        [Fault::status(503), Fault::Delay(Duration::from_millis(50))],
    );
    run(download()).assert(0, &[]);
    mirror.check(&[&nightly(OLD), &new]).unwrap();
    server.reset_requests();
    run(download()).assert(0, &[]);
    assert_eq!(server.hits(&path), 0, "it was fetched again");
}

#[test]
fn hostile_x01_a_second_writer_is_told_and_changes_nothing() {
    let (_runtime, server, world, new) = scene();
    let mirror = world.mirror();
    let url = server.url().to_string();
    server.fault_forever(new.path("rustc", HOST), Fault::StallAfter(10));
    let args = ["--url", &url, "-s", "nightly", "-t", "all", "download"];
    let mut first = mirror.toolchain(&args);
    first.stderr(std::process::Stdio::null());
    let mut first = first.spawn().unwrap();
    while server.hits(&new.path("rustc", HOST)) < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    run(mirror.toolchain(&["-s", "nightly", "-t", "all", "download"]))
        .assert(6, &["being written"]);
    run(mirror.toolchain(&["--keep-latest", "1", "prune"])).assert(6, &["being written"]);
    run(mirror.rustup(&["-s", "1.28.1", "fixup"])).assert(6, &["being written"]);
    first.kill().unwrap();
    first.wait().unwrap();
    mirror.check(&[&nightly(OLD)]).unwrap();
}
