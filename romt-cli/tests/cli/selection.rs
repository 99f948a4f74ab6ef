//! What `romt up` takes from lock files and names, and what it leaves out.

use romt_store::conformance::scripted::Fault;

use crate::{
    scene::{Scene, small_upstream},
    support::upstream::{PLAIN, Upstream},
};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package of a lock file, with whatever lines besides.
fn package(name: &str, version: &str, rest: &str) -> String {
    format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{rest}")
}

fn registry_package(name: &str, version: &str, checksum: &str) -> String {
    let rest = format!("source = \"{CRATES_IO}\"\nchecksum = \"{checksum}\"\n");
    package(name, version, &rest)
}

const BASE: &str = "mirror/crates/ba/se/base/base-1.0.0.crate";

#[test]
fn lock_files_of_every_version_are_read() {
    let mut upstream = Upstream::start(PLAIN);
    let sum = upstream.publish("base", "1.0.0", &[]);
    let wrong = "0".repeat(64);
    let version_1 = |sum: &str| {
        let base = package("base", "1.0.0", &format!("source = \"{CRATES_IO}\"\n"));
        format!("{base}\n[metadata]\n\"checksum base 1.0.0 ({CRATES_IO})\" = \"{sum}\"\n")
    };
    let later = |head: &str, sum: &str| format!("{head}{}", registry_package("base", "1.0.0", sum));
    for (right, contradicted) in [
        (version_1(&sum), version_1(&wrong)),
        (later("", &sum), later("", &wrong)),
        (later("version = 3\n", &sum), later("version = 3\n", &wrong)),
        (later("version = 4\n", &sum), later("version = 4\n", &wrong)),
    ] {
        let scene = Scene::new();
        scene.write("Cargo.lock", &right);
        scene.up(&upstream, ["--no-serve"]).wait().expect(0);
        assert!(scene.has(BASE), "{right}");

        // The checksum was read, for another one is an integrity failure.
        let scene = Scene::new();
        scene.write("Cargo.lock", &contradicted);
        let finished = scene.up(&upstream, ["--no-serve"]).wait().expect(3);
        assert!(
            finished.stderr.contains("error[INTEGRITY]: base 1.0.0"),
            "{finished:#?}"
        );
        assert!(!scene.has(BASE), "{contradicted}");
    }
}

#[test]
fn lock_files_add_up_and_the_nearest_is_the_default() {
    let mut upstream = Upstream::start(PLAIN);
    let base = upstream.publish("base", "1.0.0", &[]);
    let more = upstream.publish("more", "2.0.0", &[]);
    let scene = Scene::new();
    scene.write("a/Cargo.lock", &registry_package("base", "1.0.0", &base));
    scene.write("b/Cargo.lock", &registry_package("more", "2.0.0", &more));
    let both = [
        "--lockfile",
        "a/Cargo.lock",
        "--lockfile",
        "b/Cargo.lock",
        "--no-serve",
    ];
    let finished = scene.up(&upstream, both).wait().expect(0);
    assert_eq!(
        scene.filtered(&finished.stderr),
        "mirroring what a/Cargo.lock needs into mirror\n\
         mirroring what b/Cargo.lock needs into mirror\n\
         to fetch: 2 crates\n\
         2 crates fetched ([N] B), 0 already here, [N] s"
    );
    assert!(scene.has(BASE));

    scene.write("a/deep/below/file", "");
    let mut up = scene.command(&["up", "--no-serve", "--index-url", &upstream.index_url()]);
    up.current_dir(scene.path().join("a/deep/below"));
    let finished = crate::support::process::run(&mut up).expect(0);
    assert!(
        scene
            .filtered(&finished.stderr)
            .starts_with("mirroring what [DIR]/a/Cargo.lock needs"),
        "{finished:#?}"
    );
}

#[test]
fn what_is_of_no_registry_is_named_and_left_out() {
    let mut upstream = Upstream::start(PLAIN);
    let base = upstream.publish("base", "1.0.0", &[]);
    let scene = Scene::new();
    let lock = [
        "version = 4\n".to_owned(),
        registry_package("base", "1.0.0", &base),
        package("mine", "0.1.0", ""),
        package(
            "from-git",
            "0.2.0",
            "source = \"git+https://user:hunter2@h/g?rev=1#abc\"\n",
        ),
        package(
            "theirs",
            "0.3.0",
            "source = \"sparse+https://other.example/index/\"\n",
        ),
    ];
    scene.write("Cargo.lock", &lock.concat());
    let finished = scene.up(&upstream, ["--no-serve"]).wait().expect(0);
    assert_eq!(
        scene.filtered(&finished.stderr),
        "mirroring what [DIR]/Cargo.lock needs into mirror\n\
         left out, being on this machine already: mine 0.1.0\n\
         warning: left out: from-git 0.2.0 comes from a git repository: https://h/g?rev=1#abc\n\
         warning: left out: theirs 0.3.0 comes from another registry: https://other.example/index/\n\
         to fetch: 1 crate\n\
         1 crate fetched ([N] B), 0 already here, [N] s"
    );
}

#[test]
fn a_closure_is_measured_before_it_is_fetched() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let args = ["--crate", "app@0.1", "--no-serve"];
    let finished = scene.up(&upstream, args).wait().expect(0);
    assert_eq!(
        scene.filtered(&finished.stderr),
        "to fetch: 2 crates, [N] B\n\
         2 crates fetched ([N] B), 0 already here, [N] s"
    );
    let plan = finished.stderr.lines().next().expect("there is a plan");
    let bytes = [("app", "0.1.0"), ("base", "1.1.0")].map(|(name, version)| {
        let path = upstream.crate_path(name, version);
        upstream.server.get(&path).expect("it is published").len()
    });
    let sum = bytes.iter().sum::<usize>();
    assert_eq!(plan, format!("to fetch: 2 crates, {sum} B"));
    assert!(!scene.has(BASE), "only the newest that will do is taken");

    // Where no download gets anywhere, the plan has been told all the same.
    let scene = Scene::new();
    for (name, version) in [("app", "0.1.0"), ("base", "1.1.0")] {
        let path = upstream.crate_path(name, version);
        upstream.server.fault_forever(path, Fault::StallAfter(0));
    }
    let mut up = scene.up(&upstream, args);
    assert_eq!(up.wait_for("to fetch"), plan);
    assert!(!up.stderr().contains("crates fetched"));
}

#[test]
fn an_unknown_crate_is_bad_usage() {
    let upstream = small_upstream();
    let scene = Scene::new();
    let args = ["--crate", "app", "--crate", "bsae", "--no-serve"];
    let finished = scene.up(&upstream, args).wait().expect(2);
    let stderr = scene.filtered(&finished.stderr);
    assert!(stderr.starts_with("error[USAGE]: "), "{stderr}");
    assert!(stderr.contains("bsae"), "{stderr}");
    assert!(stderr.contains("\nhelp: check the spelling"), "{stderr}");
    assert!(!scene.has("mirror/crates/ap"), "nothing was fetched");

    let finished = scene
        .up(&upstream, ["--crate", "app@9", "--no-serve"])
        .wait()
        .expect(2);
    let stderr = scene.filtered(&finished.stderr);
    assert!(stderr.contains("app") && stderr.contains('9'), "{stderr}");
}

#[test]
fn what_cannot_be_had_is_held_back_and_the_rest_is_served() {
    let upstream = small_upstream();
    upstream
        .server
        .remove(&upstream.crate_path("base", "1.1.0"));
    let scene = Scene::new();
    let args = ["--crate", "app", "--no-serve"];
    let finished = scene.up(&upstream, args).wait().expect(1);
    let stderr = scene.filtered(&finished.stderr);
    assert!(stderr.contains("error[PARTIAL]: base 1.1.0: "), "{stderr}");
    assert!(
        stderr.contains(
            "\nnote: 1 crate could not be had or refreshed; all that the mirror shows is there"
        ),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("help: run this again; it fetches only what is missing"),
        "{stderr}"
    );
    let mut upstream = upstream;
    upstream.publish("base", "1.1.0", &[]);
    let finished = scene.up(&upstream, args).wait().expect(0);
    assert!(finished.stderr.contains("1 crate fetched"), "{finished:#?}");
}
