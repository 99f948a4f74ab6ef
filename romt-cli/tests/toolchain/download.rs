//! What `download` and `fetch-manifest` bring, and what they ask upstream for.

use std::collections::BTreeSet;

use romt_core::Sha256Digest;

use crate::world::{LINUX, Mirror, NEW, OLD, Release, Shape, Tool, Upstream, WINDOWS, failed};

with_each_tool![
    statement_43_a_release_gets_all_its_names,
    statement_44_each_file_is_asked_for_once_and_no_digest_of_a_component,
    statement_45_an_older_release_does_not_take_the_channel_back,
    statement_48_wildcards_are_not_downloaded,
    statement_49_an_unknown_target_is_named,
    statement_53_components_are_included_or_excluded,
    cross_targets_are_the_library_only,
    fetch_manifest_keeps_the_manifest_only,
    upstream_is_an_address_or_a_directory,
    what_is_here_is_not_fetched_again,
    what_is_missing_upstream_publishes_nothing,
];

#[test]
fn the_shape_of_a_release_is_that_of_a_real_one() {
    let real = Release {
        shape: Shape::Real,
        ..NEW
    };
    let numbers = real.targets().map(|targets| targets.len());
    assert_eq!(numbers, [24, 61, 9, 21]);
    assert_eq!(real.pairs(), 425);
    assert_eq!(real.components().len(), 402);
}

fn statement_43_a_release_gets_all_its_names(tool: Tool) {
    let upstream = Upstream::empty();
    upstream.publish(&NEW);
    let mirror = Mirror::new(tool);
    let download = ["-s", "stable", "-t", "linux", "download"];
    mirror.from(&upstream, &download).expect(0);
    let manifest = mirror.read("dist/channel-rust-stable.toml");
    assert_eq!(
        manifest.as_bytes(),
        upstream.get("dist/channel-rust-stable.toml")
    );
    let digest = Sha256Digest::of(&manifest);
    for name in ["stable", "1.94.0"] {
        for directory in ["dist", "dist/2026-03-05"] {
            let file = format!("channel-rust-{name}.toml");
            assert_eq!(mirror.read(&format!("{directory}/{file}")), manifest);
            let text = mirror.read(&format!("{directory}/{file}.sha256"));
            assert_eq!(text, format!("{digest} *{file}\n"));
        }
    }
    assert_eq!(mirror.components(), NEW.files_of(&[LINUX], |_| true));
    for path in mirror.components() {
        let digest = Sha256Digest::of(upstream.get(&format!("dist/{path}")));
        let name = path.rsplit('/').next().unwrap();
        let text = mirror.read(&format!("dist/{path}.sha256"));
        assert_eq!(text, format!("{digest} *{name}\n"));
    }
}

fn statement_44_each_file_is_asked_for_once_and_no_digest_of_a_component(tool: Tool) {
    let upstream = Upstream::real(&[NEW]);
    let mirror = Mirror::new(tool);
    let download = ["-s", "stable", "-t", "all", "download"];
    mirror.from(&upstream, &download).expect(0);
    let files: Vec<String> = NEW_REAL.components().into_keys().collect();
    assert_eq!(mirror.components(), files);
    // Each once, and the manifest with its digest. Ours asks for sizes before.
    let requests = upstream.server.requests();
    assert_eq!(requests.total - requests.heads, files.len() as u64 + 2);
    for path in &files {
        let path = format!("dist/{path}");
        assert_eq!(upstream.server.hits(&format!("{path}.sha256")), 0, "{path}");
        assert_eq!(upstream.server.hits(&format!("{path}.asc")), 0, "{path}");
    }
}

const NEW_REAL: Release = Release {
    shape: Shape::Real,
    ..NEW
};

fn statement_45_an_older_release_does_not_take_the_channel_back(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    for specs in ["stable", "1.93.0"] {
        let download = ["-s", specs, "-t", "linux", "download"];
        mirror.from(&upstream, &download).expect(0);
    }
    for (name, release) in [("stable", NEW), ("1.94.0", NEW), ("1.93.0", OLD)] {
        let path = format!("dist/channel-rust-{name}.toml");
        assert_eq!(mirror.read(&path), release.manifest(), "{name}");
    }
    let dated = mirror.read("dist/2026-01-22/channel-rust-stable.toml");
    assert_eq!(dated, OLD.manifest());
    // The other way around it moves on.
    let mirror = Mirror::new(tool);
    for specs in ["1.93.0", "stable"] {
        let download = ["-s", specs, "-t", "linux", "download"];
        mirror.from(&upstream, &download).expect(0);
    }
    let current = mirror.read("dist/channel-rust-stable.toml");
    assert_eq!(current, NEW.manifest());
}

fn statement_48_wildcards_are_not_downloaded(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    for spec in ["stable-*", "latest", "2026-03-05", "*", "*-latest"] {
        for command in ["download", "fetch-manifest"] {
            let refused = mirror.from(&upstream, &["-s", spec, "-t", "linux", command]);
            failed(tool, &refused);
            assert!(
                refused.stdout.contains("error: invalid wild SPEC"),
                "{refused:#?}"
            );
        }
    }
    assert_eq!(upstream.server.requests().total, 0);
}

fn statement_49_an_unknown_target_is_named(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let refused = mirror.from(&upstream, &["-s", "stable", "-t", "bogus", "download"]);
    failed(tool, &refused);
    let expected = "error: target 'bogus' not found in manifest\n";
    assert!(refused.stdout.ends_with(expected), "{refused:#?}");
}

/// Whether a component is to be there.
type Takes<'a> = &'a dyn Fn(&str) -> bool;

fn statement_53_components_are_included_or_excluded(tool: Tool) {
    let upstream = Upstream::small();
    let some = |name: &str| ["rustc", "rust-std"].contains(&name);
    let not_docs = |name: &str| !["rust-docs", "rust-src"].contains(&name);
    let cases: [(&str, Takes<'_>); 4] = [
        ("rustc, rust-std", &some),
        ("!rust-docs !rust-src", &not_docs),
        ("rustc,rust-std,cargo,!cargo", &some),
        ("no-such-component", &|_| false),
    ];
    for (components, takes) in cases {
        let mirror = Mirror::new(tool);
        let download = ["-s", "stable", "-t", "linux", "--components", components];
        let done = mirror.from(&upstream, &[&download[..], &["download"]].concat());
        let files = NEW.files_of(&[LINUX], takes);
        // Ours calls it a failure if nothing is selected: a name is misspelt.
        done.expect(i32::from(tool.is_ours() && files.is_empty()));
        assert_eq!(mirror.components(), files, "{components}");
    }
}

/// What of the sources is for all targets is not for building for others.
fn cross_targets_are_the_library_only(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let cross = "thumbv8m.main-none-eabi, aarch64-apple-darwin";
    let download = ["-s", "stable", "-t", cross, "--cross", "download"];
    mirror.from(&upstream, &download).expect(0);
    let targets = ["thumbv8m.main-none-eabi", "aarch64-apple-darwin"];
    let mut files = NEW.files_of(&targets, |name| name == "rust-std");
    files.retain(|path| !path.contains("rust-src"));
    assert_eq!(mirror.components(), files);
    mirror.toolchain(&["-s", "stable", "verify"]).expect(0);
}

fn fetch_manifest_keeps_the_manifest_only(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let fetch = ["-s", "stable,nightly-2026-03-05", "fetch-manifest"];
    let done = mirror.from(&upstream, &fetch).expect(0);
    for line in [
        "Fetch manifest: stable",
        "  ident: stable-2026-03-05(1.94.0)",
    ] {
        assert!(done.stdout.lines().any(|said| said == line), "{done:#?}");
    }
    let here: Vec<String> = mirror.files("dist").into_keys().collect();
    let files = [
        "2026-03-05/channel-rust-nightly.toml",
        "2026-03-05/channel-rust-nightly.toml.sha256",
        "channel-rust-stable.toml",
        "channel-rust-stable.toml.sha256",
    ];
    assert_eq!(here, files);
    for path in files {
        let theirs = upstream.get(&format!("dist/{path}"));
        assert_eq!(mirror.read(&format!("dist/{path}")).as_bytes(), theirs);
    }
}

fn upstream_is_an_address_or_a_directory(tool: Tool) {
    let upstream = Upstream::small();
    let mut trees = BTreeSet::new();
    let path = upstream.path("dist");
    for url in [
        upstream.url("dist"),
        format!("{}/", upstream.url("dist")),
        path.clone(),
        format!("file://{path}"),
    ] {
        let mirror = Mirror::new(tool);
        let download = ["--url", &url, "-s", "stable,nightly", "-t", "linux,windows"];
        let done = mirror.toolchain(&[&download[..], &["download"]].concat());
        done.expect(0);
        trees.insert(mirror.common_dist());
    }
    assert_eq!(trees.len(), 1);
}

fn what_is_here_is_not_fetched_again(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let download = ["-s", "stable", "-t", "linux", "download"];
    mirror.from(&upstream, &download).expect(0);
    let before = mirror.files("dist");
    let damaged = NEW.file("cargo", LINUX);
    mirror.write(&format!("dist/{damaged}"), "not that");
    upstream.server.reset_requests();
    mirror.from(&upstream, &download).expect(0);
    for path in NEW.files_of(&[LINUX], |_| true) {
        let is_asked_for = upstream.server.hits(&format!("dist/{path}")) > 0;
        assert_eq!(is_asked_for, path == damaged, "{path}");
    }
    assert_eq!(mirror.files("dist"), before);
    // What is there is taken for right if the user says so.
    mirror.write(&format!("dist/{damaged}"), "not that");
    upstream.server.reset_requests();
    let assume = [&["--assume-ok"], &download[..]].concat();
    mirror.from(&upstream, &assume).expect(0);
    assert_eq!(upstream.server.hits(&format!("dist/{damaged}")), 0);
    failed(
        tool,
        &mirror.toolchain(&["--assume-ok", "-s", "stable", "verify"]),
    );
}

fn what_is_missing_upstream_publishes_nothing(tool: Tool) {
    let upstream = Upstream::small();
    let lost = format!("dist/{}", NEW.file("rustc", LINUX));
    upstream.remove(&lost);
    let mirror = Mirror::new(tool);
    let download = ["-s", "stable", "-t", "linux", "download"];
    let refused = mirror.from(&upstream, &download);
    failed(tool, &refused);
    assert!(
        refused.stdout.contains("error: failed to download"),
        "{refused:#?}"
    );
    assert!(refused.stdout.contains("rustc-1.94.0"), "{refused:#?}");
    // Not by the names that fixup gives.
    assert!(!mirror.path("dist/channel-rust-1.94.0.toml").exists());
}

/// Both tools make the same tree of the same requests.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn the_trees_are_equal_whoever_downloads() {
    let upstream = Upstream::small();
    let requests: [&[&str]; 8] = [
        &["-s", "stable", "-t", "linux"],
        &["-s", "stable,beta nightly", "-t", "linux,windows darwin"],
        &["-s", "*", "-s", "nightly-2026-03-05", "-t", "all"],
        &["-s", "1.93.0", "-t", "all", "--cross"],
        &["-s", "stable", "-s", "1.93.0,beta", "-t", "all"],
        &["-s", "beta", "-t", "linux", "--components", "!rust-docs"],
        &["-s", "nightly-2026-03-05", "-t", "mips-unknown-linux-gnu"],
        &[
            "-s",
            "stable-2026-01-22",
            "-t",
            WINDOWS,
            "--components",
            "rustc,cargo",
        ],
    ];
    for request in requests {
        let trees = Tool::BOTH.map(|tool| {
            let mirror = Mirror::new(tool);
            let done = mirror.from(&upstream, &[request, &["download"]].concat());
            if request.contains(&"*") {
                failed(tool, &done);
            } else {
                done.expect(0);
            }
            mirror.common_dist()
        });
        assert_eq!(trees[0], trees[1], "{request:?}");
        println!("{request:?}: {} files", trees[0].len());
    }
}
