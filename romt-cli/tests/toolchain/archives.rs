//! What is in `toolchain.tar.gz`, and what may be.

use crate::world::{
    LINUX, Mirror, NEW, NIGHTLY, Release, Tool, Upstream, WINDOWS, failed, members, pack,
};

with_each_tool![
    statement_50_an_archive_has_manifest_then_components_in_order,
    statement_51_unpacking_gives_all_names_again,
    an_archive_may_be_a_plain_tar,
    q22_what_is_packed_elsewhere_is_packed_alike,
    a_member_that_does_not_belong_is_refused,
    a_missing_component_is_not_packed,
    a_missing_archive_is_an_error,
];

/// The members for a release, in their order, without signatures.
fn expected(release: &Release, targets: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    let mut targets = targets.to_vec();
    targets.sort_unstable();
    for target in [&["*"], &targets[..]].concat() {
        let mut names = release.components_of(target);
        names.sort();
        files.extend(names);
    }
    let mut members = vec![release.date_path()];
    for (_, path) in files {
        if !members.contains(&path) {
            members.push(path);
        }
    }
    let beside = |path: String| [format!("dist/{path}"), format!("dist/{path}.sha256")];
    members.into_iter().flat_map(beside).collect()
}

fn statement_50_an_archive_has_manifest_then_components_in_order(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let what = ["-s", "nightly,stable", "-t", "windows,linux"];
    mirror
        .from(&upstream, &[&what[..], &["download", "pack"]].concat())
        .expect(0);
    let archive = members(&mirror.path("toolchain.tar.gz"));
    let names: Vec<&String> = archive.iter().map(|(name, _)| name).collect();
    let mut all = expected(&NIGHTLY, &[LINUX, WINDOWS]);
    all.extend(expected(&NEW, &[LINUX, WINDOWS]));
    assert_eq!(names, all.iter().collect::<Vec<_>>());
    for (name, content) in &archive {
        assert_eq!(mirror.read(name).as_bytes(), content, "{name}");
    }
}

fn statement_51_unpacking_gives_all_names_again(tool: Tool) {
    let upstream = Upstream::small();
    let from = Mirror::new(tool);
    let what = ["-s", "stable", "-t", "linux", "download", "pack"];
    from.from(&upstream, &what).expect(0);
    let to = Mirror::new(tool);
    from.carry("toolchain.tar.gz", &to);
    let done = to.toolchain(&["unpack"]).expect(0);
    let mut lines = done.stdout.lines();
    for line in [
        "Unpacking archive: toolchain.tar.gz",
        "Unpacked specs: 1",
        "  stable-2026-03-05",
        "Unpacked targets: 2",
        "  mips-unknown-linux-gnu",
        "  x86_64-unknown-linux-gnu",
        "Verify: stable-2026-03-05",
        "  ident: stable-2026-03-05(1.94.0)",
        "Fixup: stable-2026-03-05",
    ] {
        assert!(lines.any(|said| said == line), "{line}: {}", done.stdout);
    }
    assert_eq!(to.files("dist"), from.files("dist"));
}

/// Whoever names it so: what does not end in `.gz` is not compressed.
fn an_archive_may_be_a_plain_tar(tool: Tool) {
    let upstream = Upstream::small();
    let from = Mirror::new(Tool::Ours);
    let what = ["-s", "stable", "-t", "linux", "--archive", "x.tar"];
    from.from(&upstream, &[&what[..], &["download", "pack"]].concat())
        .expect(0);
    assert_eq!(&std::fs::read(from.path("x.tar")).unwrap()[..5], b"dist/");
    let to = Mirror::new(tool);
    from.carry("x.tar", &to);
    to.toolchain(&["--archive", "x.tar", "unpack"]).expect(0);
    assert_eq!(to.common_dist(), from.common_dist());
}

/// Where the mirror is does not show in the archive. Only ours unpacks it there: the
/// Python tool leaves it in the working directory.
fn q22_what_is_packed_elsewhere_is_packed_alike(tool: Tool) {
    let upstream = Upstream::small();
    let from = Mirror::new(tool);
    let usual = ["-s", "stable", "-t", "linux", "download", "pack"];
    from.from(&upstream, &usual).expect(0);
    let there = from.path("away/toolchains");
    let dest = [
        "--dest",
        there.to_str().unwrap(),
        "--archive",
        "other.tar.gz",
    ];
    from.from(&upstream, &[&dest[..], &usual].concat())
        .expect(0);
    let names = |archive: &str| members(&from.path(archive));
    assert_eq!(names("other.tar.gz"), names("toolchain.tar.gz"));
    let mut theirs = from.files("away/toolchains");
    theirs.retain(|path, _| from.common_dist().contains_key(path));
    assert_eq!(theirs, from.common_dist());
    let to = Mirror::new(Tool::Ours);
    from.carry("other.tar.gz", &to);
    let there = to.path("else/where");
    let dest = [
        "--dest",
        there.to_str().unwrap(),
        "--archive",
        "other.tar.gz",
    ];
    to.toolchain(&[&dest[..], &["unpack"]].concat()).expect(0);
    assert_eq!(to.files("dist").len(), 0);
    let mut theirs = to.files("else/where");
    theirs.retain(|path, _| from.common_dist().contains_key(path));
    assert_eq!(theirs, from.common_dist());
}

fn a_member_that_does_not_belong_is_refused(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let what = ["-s", "stable", "-t", "linux", "download", "pack"];
    mirror.from(&upstream, &what).expect(0);
    let mut archive = members(&mirror.path("toolchain.tar.gz"));
    archive.push(("elsewhere/file".into(), b"x".to_vec()));
    let to = Mirror::new(tool);
    pack(&to.path("toolchain.tar.gz"), &archive);
    let refused = to.toolchain(&["unpack"]);
    failed(tool, &refused);
    let expected = "unexpected archive member elsewhere/file";
    assert!(refused.stdout.contains(expected), "{refused:#?}");
    assert!(!to.path("elsewhere").exists());
    assert!(!to.path("dist/channel-rust-stable.toml").exists());
}

fn a_missing_component_is_not_packed(tool: Tool) {
    let upstream = Upstream::small();
    let mirror = Mirror::new(tool);
    let what = ["-s", "stable", "-t", "linux", "download"];
    mirror.from(&upstream, &what).expect(0);
    let lost = format!("dist/{}", NEW.file("cargo", LINUX));
    std::fs::remove_file(mirror.path(&lost)).unwrap();
    let refused = mirror.toolchain(&["-s", "stable", "pack"]);
    failed(tool, &refused);
    let expected = format!("error: missing file {lost}\n");
    assert!(refused.stdout.ends_with(&expected), "{refused:#?}");
    assert!(!mirror.path("toolchain.tar.gz").exists());
    // Nor is it right.
    let refused = mirror.toolchain(&["-s", "stable", "verify"]);
    failed(tool, &refused);
    let expected = format!("error: missing file {lost}");
    assert!(refused.stdout.contains(&expected), "{refused:#?}");
}

fn a_missing_archive_is_an_error(tool: Tool) {
    let mirror = Mirror::new(tool);
    let refused = mirror.toolchain(&["unpack"]);
    failed(tool, &refused);
    if tool.is_ours() {
        assert!(
            refused.stdout.contains("error: could not open"),
            "{refused:#?}"
        );
        assert_eq!(refused.stderr, "");
    }
}
