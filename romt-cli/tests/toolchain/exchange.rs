//! Archives go from one tool to the other, and the trees on both sides of the gap are
//! the same.

use crate::world::{LINUX, Mirror, NEW, Tool, Upstream, failed};

/// What goes over: what is downloaded, and what is packed of it.
struct Case {
    download: &'static [&'static str],
    pack: &'static [&'static str],
    /// Said to `unpack` as well: the Python tool has to be told.
    unpack: &'static [&'static str],
    /// Whether the Python tool can do that at all.
    python_packs: bool,
    python_unpacks: bool,
}

const USUAL: Case = Case {
    download: &["-s", "stable", "-t", "linux"],
    pack: &["-s", "stable"],
    unpack: &[],
    python_packs: true,
    python_unpacks: true,
};

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn one_target() {
    exchange(&USUAL);
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn several_targets_of_several_releases() {
    exchange(&Case {
        download: &["-s", "stable,1.93.0 beta", "-t", "linux,windows darwin"],
        pack: &[
            "-s",
            "stable-2026-01-22,stable,beta",
            "-t",
            "linux,windows darwin",
        ],
        ..USUAL
    });
}

/// The Python tool finds the documentation of all in a whole release of another: what
/// is packed of `*` is the same.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn all_targets_that_are_here() {
    exchange(&Case {
        download: &["-s", "nightly", "-t", "all"],
        pack: &["-s", "nightly", "-t", "*"],
        ..USUAL
    });
}

/// Q1: the Python tool does not pack what it can download, and does not unpack what
/// has other targets in each release.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn all_targets() {
    exchange(&Case {
        download: &["-s", "nightly", "-t", "all"],
        pack: &["-s", "nightly", "-t", "all"],
        python_packs: false,
        ..USUAL
    });
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn all_targets_of_releases_that_differ_in_them() {
    exchange(&Case {
        download: &["-s", "beta,nightly", "-t", "all"],
        pack: &["-s", "beta,nightly"],
        python_unpacks: false,
        ..USUAL
    });
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn cross_targets() {
    exchange(&Case {
        download: &["-s", "stable", "-t", "all", "--cross"],
        pack: &["-s", "*"],
        ..USUAL
    });
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn some_components() {
    const LINUX_ONLY: &[&str] = &[
        "-s",
        "stable",
        "-t",
        "linux",
        "--components",
        "!rust-docs,!rustc-docs",
    ];
    exchange(&Case {
        download: LINUX_ONLY,
        pack: &["-s", "stable", "--components", "!rust-docs,!rustc-docs"],
        unpack: &["--components", "!rust-docs,!rustc-docs"],
        ..USUAL
    });
}

/// Q1: each release has a target of its own.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn releases_with_other_targets() {
    let upstream = Upstream::small();
    for packer in Tool::BOTH {
        let from = Mirror::new(packer);
        for (spec, target) in [("stable", "linux"), ("nightly", "windows")] {
            let download = ["-s", spec, "-t", target, "download"];
            from.from(&upstream, &download).expect(0);
        }
        from.toolchain(&["-s", "stable,nightly", "pack"]).expect(0);
        for unpacker in Tool::BOTH {
            let to = Mirror::new(unpacker);
            from.carry("toolchain.tar.gz", &to);
            let done = to.toolchain(&["unpack"]);
            if unpacker.is_ours() {
                done.expect(0);
                assert_eq!(to.common_dist(), from.common_dist());
            } else {
                // It looks for the targets of one in the other.
                failed(unpacker, &done);
                assert!(done.stderr.contains("KeyError"), "{done:#?}");
            }
        }
    }
}

/// In all four directions.
#[track_caller]
fn exchange(case: &Case) {
    let upstream = Upstream::small();
    let mut trees = Vec::new();
    for packer in Tool::BOTH {
        let from = Mirror::new(packer);
        from.from(&upstream, &[case.download, &["download"]].concat())
            .expect(0);
        let result = from.toolchain(&[case.pack, &["pack"]].concat());
        trees.push(from.common_dist());
        if !packer.is_ours() && !case.python_packs {
            assert_eq!(result.code(), Some(1), "{result:#?}");
            assert!(result.stderr.contains("KeyError"), "{result:#?}");
            continue;
        }
        result.expect(0);
        for unpacker in Tool::BOTH {
            let to = Mirror::new(unpacker);
            from.carry("toolchain.tar.gz", &to);
            let done = to.toolchain(&[case.unpack, &["unpack"]].concat());
            if !unpacker.is_ours() && !case.python_unpacks {
                failed(unpacker, &done);
                continue;
            }
            done.expect(0);
            println!(
                "{packer:?} to {unpacker:?}: {} files",
                to.files("dist").len()
            );
            assert_same(&to, &from);
        }
    }
    // Whoever downloaded.
    assert_eq!(trees[0], trees[1]);
}

#[track_caller]
fn assert_same(to: &Mirror, from: &Mirror) {
    let (mut there, mut here) = (to.common_dist(), from.common_dist());
    // The names of channels are those of what was packed.
    assert_eq!(there.len(), here.len(), "{there:#?}\n{here:#?}");
    there.retain(|path, digest| here.get(path) != Some(digest));
    here.retain(|path, _| there.contains_key(path));
    assert_eq!(there, here);
}

/// Nothing that is unpacked twice, or comes in two archives, is the worse for it.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn a_second_archive_adds_to_the_first() {
    let upstream = Upstream::small();
    let from = Mirror::new(Tool::Ours);
    let download = ["-s", "1.93.0,stable", "-t", "linux", "download"];
    from.from(&upstream, &download).expect(0);
    for unpacker in Tool::BOTH {
        let to = Mirror::new(unpacker);
        for specs in ["1.93.0", "stable", "1.93.0"] {
            from.toolchain(&["-s", specs, "pack"]).expect(0);
            from.carry("toolchain.tar.gz", &to);
            to.toolchain(&["unpack"]).expect(0);
        }
        assert_eq!(to.common_dist(), from.common_dist());
        let current = to.read("dist/channel-rust-stable.toml");
        assert_eq!(current, NEW.manifest());
        assert_eq!(
            to.components().len(),
            2 * NEW.files_of(&[LINUX], |_| true).len()
        );
    }
}
