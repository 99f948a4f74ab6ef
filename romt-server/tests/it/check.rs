//! What a check of a mirror finds.

use std::{fs, path::Path};

use crate::support::content;
use romt_core::{ErrorClass, Sha256Digest};
use romt_server::{CheckDepth, CheckReport, ServedMirror};
use tempfile::TempDir;

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A mirror of two crates, carried without its hidden files, and of rustup.
fn mirror() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, prefix) in [("base", "ba/se"), ("other", "ot/he")] {
        let mut lines = String::new();
        for version in ["1.0.0", "1.1.0"] {
            let bytes = content(100 + name.len());
            let file = format!("crates/{prefix}/{name}/{name}-{version}.crate");
            write(dir.path(), &file, &bytes);
            let cksum = Sha256Digest::of(&bytes);
            let line = format!(
                "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{cksum}\",\
                 \"features\":{{}},\"yanked\":false}}\n"
            );
            lines.push_str(&line);
        }
        write(dir.path(), &format!("index/{prefix}/{name}"), lines);
    }
    let pointer = "schema-version = \"1\"\nversion = \"1.29.0\"\n";
    write(dir.path(), "rustup/release-stable.toml", pointer);
    for place in ["archive/1.29.0", "dist"] {
        let file = format!("rustup/{place}/x86_64-unknown-linux-gnu/rustup-init");
        write(dir.path(), &file, "installer");
        let digest = Sha256Digest::of("installer");
        write(
            dir.path(),
            &format!("{file}.sha256"),
            format!("{digest} *rustup-init\n"),
        );
    }
    dir
}

async fn check(dir: &TempDir, depth: CheckDepth) -> (CheckReport, Vec<String>) {
    let served = ServedMirror::open(dir.path()).await.unwrap();
    let mut faults = Vec::new();
    let mut tell = |fault: &romt_server::Fault| faults.push(fault.to_string());
    let report = romt_server::check(&served, depth, &mut tell).await.unwrap();
    assert_eq!(report.faults, faults.len() as u64);
    (report, faults)
}

#[tokio::test]
async fn a_whole_mirror_has_no_faults() {
    let dir = mirror();
    for depth in [CheckDepth::Present, CheckDepth::Bytes] {
        let (report, faults) = check(&dir, depth).await;
        assert_eq!(faults, [""; 0], "{depth:?}");
        assert_eq!(
            (report.crates, report.versions, report.installers),
            (2, 4, 1)
        );
        assert_eq!(report.class, None);
        assert!(
            report.to_string().ends_with(": nothing is missing"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_told() {
    let dir = mirror();
    fs::remove_file(dir.path().join("crates/ba/se/base/base-1.0.0.crate")).unwrap();
    write(
        dir.path(),
        "crates/ot/he/other/other-1.1.0.crate",
        content(106),
    );
    fs::remove_dir_all(dir.path().join("rustup/dist")).unwrap();
    write(
        dir.path(),
        "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init",
        "damage",
    );
    write(dir.path(), "index/br/ok/broken", "{\n");
    write(dir.path(), "dist/channel-rust-stable.toml", "junk");

    let (report, faults) = check(&dir, CheckDepth::Present).await;
    assert_eq!(report.versions, 4);
    assert_eq!(report.class, Some(ErrorClass::Refused));
    for expected in [
        "missing: crates/ba/se/base/base-1.0.0.crate",
        "missing: rustup/dist/x86_64-unknown-linux-gnu/rustup-init",
        "index file of broken: 1 of its lines are no index entries",
        "stable: missing file dist/channel-rust-stable.toml.sha256",
    ] {
        assert!(
            faults.iter().any(|it| it.starts_with(expected)),
            "{expected}: {faults:#?}"
        );
    }
    assert_eq!(faults.len(), 4, "{faults:#?}");

    let (report, faults) = check(&dir, CheckDepth::Bytes).await;
    assert_eq!(report.class, Some(ErrorClass::Integrity));
    assert_eq!(faults.len(), 6, "{faults:#?}");
    let damaged = "crates/ot/he/other/other-1.1.0.crate has the digest ";
    assert!(
        faults.iter().any(|it| it.starts_with(damaged)),
        "{faults:#?}"
    );
    assert!(
        faults
            .iter()
            .any(|it| it.contains("rustup-init") && it.contains("Bad hash")),
        "{faults:#?}"
    );
}

#[tokio::test]
async fn a_current_rustup_that_is_not_here_is_missed() {
    let dir = mirror();
    let pointer = "schema-version = \"1\"\nversion = \"1.30.0\"\n";
    write(dir.path(), "rustup/release-stable.toml", pointer);
    let (report, faults) = check(&dir, CheckDepth::Present).await;
    assert_eq!(faults, ["missing: all installers of rustup 1.30.0"]);
    assert_eq!(report.class, Some(ErrorClass::Partial));
    write(dir.path(), "rustup/release-stable.toml", "junk = ");
    let (report, _) = check(&dir, CheckDepth::Present).await;
    assert_eq!(report.faults, 1);
}

#[tokio::test]
async fn an_empty_mirror_lacks_everything() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".romt")).unwrap();
    let (report, faults) = check(&dir, CheckDepth::Present).await;
    assert_eq!(faults, ["missing: everything: nothing is published here"]);
    assert_eq!(report.class, Some(ErrorClass::Partial));
}
