//! Archives that leave out what the other side has.

use crate::world::{LINUX, Mirror, NEW, NIGHTLY, NIGHTLY_BEFORE, Tool, Upstream, failed, members};

/// The first archive has one target, the second adds another and leaves out the first.
fn two_archives(unpacker: Tool) -> (Mirror, Mirror) {
    let upstream = Upstream::small();
    let from = Mirror::new(Tool::Ours);
    let to = Mirror::new(unpacker);
    let first = ["-s", "stable", "-t", "linux", "--archive", "first.tar.gz"];
    let first = [
        &first[..],
        &["--carried", "carried.txt", "download", "pack"],
    ]
    .concat();
    from.from(&upstream, &first).expect(0);
    from.carry("first.tar.gz", &to);
    to.toolchain(&["--archive", "first.tar.gz", "unpack"])
        .expect(0);
    let download = ["-s", "stable", "-t", "windows", "download"];
    from.from(&upstream, &download).expect(0);
    (from, to)
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn what_the_other_side_has_is_left_out_for_either_tool() {
    for unpacker in Tool::BOTH {
        for since in ["first.tar.gz", "carried.txt"] {
            let (from, to) = two_archives(unpacker);
            let pack = ["-s", "stable", "--since", since, "pack"];
            from.toolchain(&pack).expect(0);
            let archive = members(&from.path("toolchain.tar.gz"));
            let components = archive.iter().filter(|(name, _)| name.ends_with(".tar.xz"));
            let has_linux = |name: &str| name.contains(LINUX) || name.contains("rust-src");
            let mut names = components.map(|(name, _)| name);
            assert!(!names.any(|name| has_linux(name)), "{since}");
            from.carry("toolchain.tar.gz", &to);
            to.toolchain(&["unpack"]).expect(0);
            let mut there = to.common_dist();
            // The list of what it builds on stays with the Python tool.
            there.retain(|path, _| unpacker.is_ours() || path.rsplit('.').next() != Some("base"));
            assert_eq!(there, from.common_dist(), "{unpacker:?} {since}");
        }
    }
}

/// With ours alone: an archive that builds on what is not here changes nothing.
#[test]
fn an_archive_without_its_base_is_refused() {
    let (from, _) = two_archives(Tool::Ours);
    let pack = ["-s", "stable", "--since", "first.tar.gz", "pack"];
    from.toolchain(&pack).expect(0);
    let to = Mirror::new(Tool::Ours);
    from.carry("toolchain.tar.gz", &to);
    let refused = to.toolchain(&["unpack"]);
    failed(Tool::Ours, &refused);
    assert!(refused.stdout.contains("builds on dist/"), "{refused:#?}");
    assert!(!to.path("dist/channel-rust-stable.toml").exists());
}

/// A release that shares nothing with the one before goes over whole.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn the_next_nightly_goes_over_whole() {
    let upstream = Upstream::small();
    for unpacker in Tool::BOTH {
        let from = Mirror::new(Tool::Ours);
        let to = Mirror::new(unpacker);
        for release in [NIGHTLY_BEFORE, NIGHTLY] {
            let spec = release.dated();
            let what = ["-s", &spec, "-t", "linux", "download"];
            from.from(&upstream, &what).expect(0);
        }
        let before = NIGHTLY_BEFORE.dated();
        from.toolchain(&["-s", &before, "pack"]).expect(0);
        from.carry("toolchain.tar.gz", &to);
        to.toolchain(&["unpack"]).expect(0);
        let since = ["-s", "nightly", "--since", &before, "pack"];
        from.toolchain(&since).expect(0);
        let number = NIGHTLY.files_of(&[LINUX], |_| true).len() + 1;
        assert_eq!(members(&from.path("toolchain.tar.gz")).len(), 2 * number);
        from.carry("toolchain.tar.gz", &to);
        to.toolchain(&["unpack"]).expect(0);
        assert_eq!(to.common_dist(), from.common_dist());
    }
    assert_ne!(NEW.date, NIGHTLY.date);
}
