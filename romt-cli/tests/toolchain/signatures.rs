//! Signatures: what is asked for, what is carried, and what becomes of a bad one.
//!
//! The Python tool has one key built in, so nothing that a test signs is good to it. Its
//! judgement needs `gpg`; where there is none it takes everything, and the tests that
//! are about bad signatures say that they are skipped.

use std::process::Command;

use romt_store::conformance::signing::{SigningHash, TestKey};

use crate::{
    support::process::Finished,
    world::{LINUX, Mirror, NEW, Tool, Upstream, failed, members},
};

with_each_tool![
    statement_44_signatures_are_asked_for_once,
    statement_50_signatures_follow_what_they_sign,
    statement_52_a_bad_signature_fails_the_download,
    statement_52_a_bad_signature_is_warned_of_if_so_asked,
    statement_52_no_signature_is_asked_for_or_packed,
    a_signature_that_upstream_lacks_fails_the_download,
];

/// Whether this tool judges signatures here.
fn judges(tool: Tool) -> bool {
    let has_gpg = Command::new("gpg").arg("--version").output().is_ok();
    let judges = tool.is_ours() || has_gpg;
    if !judges {
        println!("skipped: there is no gpg for {tool:?}");
    }
    judges
}

fn is_signature(path: &str) -> bool {
    path.rsplit('.').next() == Some("asc")
}

/// `toolchain` with signatures.
fn signed(mirror: &Mirror, upstream: &Upstream, args: &[&str]) -> Finished {
    let url = upstream.url("dist");
    mirror.run(&[&["toolchain", "--url", &url], args].concat())
}

const DOWNLOAD: [&str; 5] = ["-s", "stable", "-t", "linux", "download"];

fn warn(more: &[&'static str]) -> Vec<&'static str> {
    [&["--warn-signature"], &DOWNLOAD[..], more].concat()
}

fn statement_44_signatures_are_asked_for_once(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    signed(&mirror, &upstream, &warn(&[])).expect(0);
    for path in NEW.files_of(&[LINUX], |_| true) {
        let signature = format!("dist/{path}.asc");
        assert_eq!(mirror.read(&signature).as_bytes(), upstream.get(&signature));
        let unsigned = upstream.server.hits(&format!("dist/{path}.sha256"));
        assert_eq!(
            (upstream.server.hits(&signature), unsigned),
            (1, 0),
            "{path}"
        );
    }
    // Beside each name of the manifest, too.
    let signature = upstream.get("dist/channel-rust-stable.toml.asc");
    for name in ["", "2026-03-05/"] {
        for release in ["stable", "1.94.0"] {
            let path = format!("dist/{name}channel-rust-{release}.toml.asc");
            assert_eq!(mirror.read(&path).as_bytes(), signature, "{path}");
        }
    }
}

fn statement_50_signatures_follow_what_they_sign(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    signed(&mirror, &upstream, &warn(&["pack"])).expect(0);
    let archive = members(&mirror.path("toolchain.tar.gz"));
    assert_eq!(
        archive.len(),
        3 * (1 + NEW.files_of(&[LINUX], |_| true).len())
    );
    assert_eq!(archive[0].0, format!("dist/{}", NEW.date_path()));
    for three in archive.chunks(3) {
        let name = &three[0].0;
        let others = [three[1].0.clone(), three[2].0.clone()];
        assert_eq!(others, [format!("{name}.sha256"), format!("{name}.asc")]);
        assert_eq!(mirror.read(&others[1]).as_bytes(), three[2].1);
    }
    for unpacker in Tool::BOTH {
        if tool.is_ours() && !unpacker.is_ours() {
            // Its own test does that.
            continue;
        }
        let to = Mirror::new(unpacker);
        mirror.carry("toolchain.tar.gz", &to);
        to.run(&["toolchain", "--warn-signature", "unpack"])
            .expect(0);
        assert_eq!(to.common_dist(), mirror.common_dist());
    }
}

fn statement_52_a_bad_signature_fails_the_download(tool: Tool) {
    if !judges(tool) {
        return;
    }
    let upstream = Upstream::small();
    sign_all(&upstream, &TestKey::generate("Nobody <nobody@example.com>"));
    let mirror = Mirror::new(tool);
    let refused = signed(&mirror, &upstream, &DOWNLOAD);
    failed(tool, &refused);
    let file = "dist/channel-rust-stable.toml";
    let expected = format!("error: Signature failure for {file} using signature {file}.asc");
    assert!(refused.stdout.contains(&expected), "{refused:#?}");
    assert_eq!(mirror.components(), [""; 0]);
    assert!(!mirror.path("dist/channel-rust-1.94.0.toml").exists());
}

fn statement_52_a_bad_signature_is_warned_of_if_so_asked(tool: Tool) {
    if !judges(tool) {
        return;
    }
    let upstream = Upstream::small();
    sign_all(&upstream, &TestKey::generate("Nobody <nobody@example.com>"));
    let mirror = Mirror::new(tool);
    let done = signed(&mirror, &upstream, &warn(&[])).expect(0);
    for path in NEW.files_of(&[LINUX], |_| true) {
        let warning = format!("Warning: Signature failure for dist/{path}");
        let warnings = done.stdout.lines().filter(|line| *line == warning);
        assert_eq!(warnings.count(), 1, "{warning}: {}", done.stdout);
    }
    assert_eq!(mirror.components(), NEW.files_of(&[LINUX], |_| true));
    // The next command asks again.
    failed(tool, &mirror.run(&["toolchain", "-s", "stable", "list"]));
    failed(tool, &mirror.run(&["toolchain", "-s", "stable", "pack"]));
    let listed = mirror.run(&["toolchain", "--warn-signature", "-s", "stable", "list"]);
    let listed = listed.expect(0);
    assert!(
        listed
            .stdout
            .contains("Warning: Signature failure for dist/"),
        "{listed:#?}"
    );
    assert!(listed.stdout.contains(&NEW.ident()), "{listed:#?}");
}

fn statement_52_no_signature_is_asked_for_or_packed(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let what = [&["--no-signature"], &DOWNLOAD[..], &["pack"]].concat();
    signed(&mirror, &upstream, &what).expect(0);
    for path in upstream.files().keys().filter(|path| is_signature(path)) {
        assert_eq!(upstream.server.hits(path), 0, "{path}");
    }
    assert!(mirror.files("dist").keys().all(|path| !is_signature(path)));
    let archive = members(&mirror.path("toolchain.tar.gz"));
    assert!(archive.iter().all(|(name, _)| !is_signature(name)));
}

/// Without one, the Python tool fails even if it is only to warn of bad ones.
fn a_signature_that_upstream_lacks_fails_the_download(tool: Tool) {
    let upstream = Upstream::small();
    upstream.remove("dist/channel-rust-stable.toml.asc");
    let mirror = Mirror::new(tool);
    let refused = signed(&mirror, &upstream, &DOWNLOAD);
    failed(tool, &refused);
    assert!(
        refused.stdout.contains("channel-rust-stable.toml.asc"),
        "{refused:#?}"
    );
    assert_eq!(mirror.components(), [""; 0]);
}

/// What a key that ours is told of has signed is good.
#[test]
fn statement_52_a_good_signature_is_good() {
    let upstream = Upstream::small();
    let mirror = Mirror::new(Tool::Ours);
    let key = TestKey::generate("Known <known@example.com>");
    sign_all(&upstream, &key);
    mirror.write("key.asc", key.public_armored());
    let what = [
        &["--key-file", "key.asc"],
        &DOWNLOAD[..],
        &["verify", "pack"],
    ]
    .concat();
    let done = signed(&mirror, &upstream, &what).expect(0);
    assert!(!done.stdout.contains("Warning"), "{done:#?}");
    let to = Mirror::new(Tool::Ours);
    mirror.carry("toolchain.tar.gz", &to);
    mirror.carry("key.asc", &to);
    to.run(&["toolchain", "--key-file", "key.asc", "unpack"])
        .expect(0);
    assert_eq!(to.files("dist"), mirror.files("dist"));
    // One of another file's is not.
    let lost = format!("dist/{}.asc", NEW.file("cargo", LINUX));
    mirror.write(&lost, upstream.get("dist/channel-rust-stable.toml.asc"));
    let verify = [
        "toolchain",
        "--key-file",
        "key.asc",
        "-s",
        "stable",
        "verify",
    ];
    failed(Tool::Ours, &mirror.run(&verify));
    // Nor is any to who trusts the Rust project alone.
    failed(
        Tool::Ours,
        &signed(&Mirror::new(Tool::Ours), &upstream, &DOWNLOAD),
    );
}

/// Signs the stable release with this key.
fn sign_all(upstream: &Upstream, key: &TestKey) {
    let mut paths = NEW.files_of(&[LINUX], |_| true);
    paths.push("channel-rust-stable.toml".into());
    paths.push(NEW.date_path());
    for path in paths {
        let path = format!("dist/{path}");
        let signature = key.sign_detached_armored(&upstream.get(&path), SigningHash::Sha512);
        upstream.put(&format!("{path}.asc"), signature);
    }
}
