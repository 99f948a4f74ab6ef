//! Archives that lie, and what an import makes of them: nothing.

use std::{fs, io::Write as _, time::Duration};

use crate::{
    archive::{BUNDLE, Members},
    fault_support::tree,
    origin::{Mirror, Origin, bytes_of, digest_of},
    tool,
};

/// Has an importer that shows something refuse what `spoil` makes of the next
/// archive, and then take the whole one.
#[track_caller]
fn refuses(code: i32, needles: &[&str], spoil: impl FnOnce(Members) -> Vec<u8>) {
    let origin = Origin::small();
    let (importer, next) = importer_and_next(&origin);
    fs::write(importer.archive(), spoil(next.clone())).unwrap();
    importer.refuses(&["import"], code, needles);
    next.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), origin.directory("out").view());
}

/// An importer that has imported, and the archive that comes next.
#[track_caller]
fn importer_and_next(origin: &Origin) -> (Mirror<'_>, Members) {
    let (exporter, importer) = (origin.mirror("out"), origin.importer("in"));
    exporter.run(&["export"]).assert(0, &[]);
    exporter.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    for name in ["dddd", "eeee"] {
        origin.publish(name, "1.0.0");
    }
    origin.publish_as("bb", "1.0.0", "again");
    origin.commit();
    exporter.run(&["export"]).assert(0, &[]);
    (importer, Members::read(&exporter.archive()))
}

#[test]
fn hostile_a19_an_archive_that_ends_early_is_refused_anywhere() {
    let origin = Origin::small();
    let (importer, next) = importer_and_next(&origin);
    let whole = next.tar();
    let at = |part: &str| {
        let found = whole
            .windows(part.len())
            .position(|it| it == part.as_bytes());
        found.unwrap_or_else(|| panic!("no {part}"))
    };
    let crates = at("crates/dd/dd/dddd");
    for length in [
        0,
        100,
        600,
        at(BUNDLE) + 600,
        crates,
        crates + 200,
        crates + 600,
        whole.len() - 1024,
    ] {
        fs::write(importer.archive(), &whole[..length]).unwrap();
        let before = importer.view();
        importer.run(&["import"]).assert(4, &["crates.tar.gz"]);
        assert_eq!(importer.view(), before, "cut at {length}");
    }
    // What came whole is not written again.
    let held = importer.crates();
    assert_eq!(
        held.len(),
        7,
        "those that are new, and not the one that is replaced"
    );
    next.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    let after = importer.crates();
    for (path, seal) in &held {
        let is_replaced = path.ends_with("bb/bb-1.0.0.crate");
        assert!(
            is_replaced || after.get(path) == Some(seal),
            "{}",
            path.display()
        );
    }
    assert_eq!(importer.view(), origin.directory("out").view());
    assert!(tree::seals(&importer.path().join(".romt/aside")).is_empty());
}

#[test]
fn hostile_a22_a_bomb_is_refused_before_it_fills_a_disk() {
    let origin = Origin::small();
    let (importer, _) = importer_and_next(&origin);
    // Two gigabytes of nothing, as one member that says so.
    let mut tar = Members::default().and("ARCHIVE_FORMAT", "2\n").tar();
    tar.truncate(1024);
    let mut header = Members::default().and(BUNDLE, "").tar();
    header.truncate(512);
    header[124..136].copy_from_slice(b"20000000000\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(header);
    let file = fs::File::create(importer.archive()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let nothing = vec![0; 1 << 20];
    for _ in 0..2048 {
        gzip.write_all(&nothing).unwrap();
    }
    gzip.finish().unwrap();
    importer.refuses(&["import"], 4, &["crates.tar.gz"]);
}

#[test]
fn hostile_a24_a_crate_twice_is_refused() {
    refuses(
        4,
        &["crates.tar.gz", "dddd-1.0.0.crate", "member #"],
        |next| {
            let again = next.clone().member("dddd").clone();
            next.and(&again.0, again.1).tar()
        },
    );
}

#[test]
fn hostile_a29_a_crate_with_another_digest_is_refused() {
    let expected = digest_of("dddd", "1.0.0", "");
    let needles = ["crates.tar.gz", "member #", "dddd@1.0.0", &expected];
    refuses(3, &needles, |next| {
        next.with("dddd", "something else").tar()
    });
    // Nor in the place of one that is shown.
    refuses(3, &["bb@1.0.0"], |next| {
        next.with("bb-1.0.0", bytes_of("bb", "1.0.0", "")).tar()
    });
}

#[test]
fn hostile_a29_a_crate_that_is_not_in_the_index_is_refused() {
    let needles = ["crates.tar.gz", "member #", "evil@1.0.0", "does not list"];
    refuses(4, &needles, |next| {
        next.and_crate("evil", "1.0.0", b"x".to_vec()).tar()
    });
    let needles = ["crates.tar.gz", "a@9.9.9", "does not list"];
    refuses(4, &needles, |next| {
        next.and_crate("a", "9.9.9", b"x".to_vec()).tar()
    });
    // One that was there before, and is not any more, neither.
    let needles = ["DDDD@1.0.0", "does not list"];
    refuses(4, &needles, |next| {
        let bytes = bytes_of("dddd", "1.0.0", "");
        next.without("dddd").and_crate("DDDD", "1.0.0", bytes).tar()
    });
}

#[test]
fn hostile_a30_a_crate_that_is_missing_is_held_back() {
    let origin = Origin::small();
    let (importer, next) = importer_and_next(&origin);
    next.clone().without("dddd").save(&importer.archive());
    let before = importer.view();
    // The Python tool ends here, too.
    importer
        .run(&["import"])
        .assert(1, &["missing file", "dddd-1.0.0.crate", "1 bad_crates"]);
    let after = importer.view();
    assert!(
        after.keys().all(|label| before.contains_key(label)),
        "{after:?}"
    );
    importer
        .run(&["import", "--keep-going"])
        .assert(0, &["1 crates are held back"]);
    let labels = importer.labels();
    assert!(labels.contains(&"eeee@1.0.0".into()) && !labels.contains(&"dddd@1.0.0".into()));
    importer
        .run(&["list", "--held-back"])
        .assert(0, &["dddd@1.0.0"]);
    next.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), origin.directory("out").view());
}

#[test]
fn hostile_a31_members_that_nobody_expects_are_refused() {
    for name in [
        "etc/passwd",
        ".git/hooks/post-merge",
        "git/crates.io-index/.git/hooks/post-merge",
        "dist2/x",
        "../canary/deep/a-1.0.0.crate",
        "/etc/passwd",
        "crates/config.toml",
        "crates/dd/dd/../../../x.crate",
    ] {
        refuses(4, &["crates.tar.gz", "member #"], |next| {
            next.and(name, "x").tar()
        });
    }
    refuses(4, &["crates.tar.gz", "origin.bundle"], |next| {
        let bundle = next.bundle();
        next.and(BUNDLE, bundle).tar()
    });
}

#[test]
fn hostile_a32_an_archive_without_a_bundle_is_refused() {
    refuses(4, &["origin.bundle"], |next| next.without(BUNDLE).tar());
    refuses(4, &["origin.bundle"], |next| next.with(BUNDLE, "").tar());
    refuses(4, &["origin.bundle"], |next| {
        next.with(BUNDLE, "not a bundle at all\n").tar()
    });
    refuses(4, &["origin.bundle"], |next| {
        let mut next = next;
        let bundle = next.0.remove(1);
        next.0.push(bundle);
        next.tar()
    });
}

#[test]
fn hostile_b05_a_damaged_bundle_is_refused() {
    for place in [0, 1, 2, 3, 4] {
        refuses(4, &["origin.bundle"], |next| {
            let mut bundle = next.bundle();
            let header = bundle.windows(2).position(|it| it == b"\n\n").unwrap() + 2;
            let at = header + (bundle.len() - 1 - header) * place / 4;
            bundle[at] ^= 0x20;
            next.with(BUNDLE, bundle).tar()
        });
    }
    refuses(4, &["origin.bundle"], |next| {
        let mut bundle = next.bundle();
        bundle.truncate(bundle.len() - 100);
        next.with(BUNDLE, bundle).tar()
    });
    refuses(4, &["origin.bundle"], |next| {
        let mut bundle = next.bundle();
        bundle.extend(b"more");
        next.with(BUNDLE, bundle).tar()
    });
}

#[test]
fn hostile_a40_an_archive_that_changes_while_it_is_read_is_refused() {
    let origin = Origin::small();
    let (importer, next) = importer_and_next(&origin);
    // Enough that it is not read at once.
    let bytes: Vec<u8> = (0..40_000_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let digest = romt_core::Sha256Digest::of(&bytes).to_string();
    origin.add_line("large", &crate::origin::line_of("large", "1.0.0", &digest));
    origin
        .server()
        .put(crate::origin::served("large", "1.0.0"), bytes);
    origin.commit();
    origin.directory("out").run(&["export"]).assert(0, &[]);
    next.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    let large = Members::read(&origin.directory("out").archive());
    for grows in [true, false] {
        large.save(&importer.archive());
        let before = importer.view();
        let mut command = importer.command(&["import"]);
        let child = command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let archive = fs::OpenOptions::new()
            .append(true)
            .open(importer.archive())
            .unwrap();
        std::thread::sleep(Duration::from_millis(60));
        if grows {
            (&archive).write_all(&[0; 512]).unwrap();
        } else {
            archive.set_len(1000).unwrap();
        }
        let ended = tool::wait(child, Duration::from_mins(1));
        // Read to its end before it changed, or refused.
        if ended.code != Some(0) {
            assert_eq!(importer.view(), before, "{}", ended.text);
            assert!(ended.text.contains("crates.tar.gz"), "{}", ended.text);
            assert!(matches!(ended.code, Some(4 | 5)), "{ended:?}");
        }
    }
    large.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.view(), origin.directory("out").view());
}

#[test]
fn hostile_a41_what_is_no_file_is_not_read() {
    let origin = Origin::small();
    let (importer, _) = importer_and_next(&origin);
    fs::remove_file(importer.archive()).unwrap();
    let pipe = importer.archive();
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink(&pipe, importer.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", importer.path().join("zero")).unwrap();
    for name in [
        "link",
        "zero",
        "/dev/zero",
        "crates",
        "crates.tar.gz",
        "absent",
    ] {
        let before = importer.refs();
        let ended = tool::finish(importer.command(&["import", "--archive", name]));
        ended.assert(1, &["archive", name]);
        assert_eq!(importer.refs(), before);
    }
    // Nor written to.
    let exporter = origin.directory("out");
    origin.publish("late", "1.0.0");
    origin.commit();
    fs::create_dir(exporter.path().join("taken")).unwrap();
    let refs = exporter.refs();
    let ended = exporter.run(&["export", "--archive", "taken"]);
    assert!(!matches!(ended.code, Some(0)), "{ended:?}");
    assert_eq!(exporter.refs(), refs);
    exporter.run(&["export"]).assert(0, &[]);
}

/// What a mirror has beside crates and index is not touched by an import.
#[test]
fn an_import_that_fails_leaves_all_files_as_they_are() {
    let origin = Origin::small();
    let (importer, next) = importer_and_next(&origin);
    next.with("dddd", "something else")
        .save(&importer.archive());
    importer.run(&["import"]).assert(3, &[]);
    let files = |mirror: &Mirror<'_>| {
        let mut files = tree::contents(mirror.path());
        let kept = |path: &str| !path.contains("/objects/") && !path.starts_with("crates/");
        files.retain(|path, _| kept(path.to_str().unwrap()));
        files
    };
    let before = files(&importer);
    importer.run(&["import"]).assert(3, &[]);
    assert_eq!(files(&importer), before);
}

/// Where upstream is a repository, no bundle is taken; nothing is put beside it.
#[test]
fn a_mirror_that_is_not_fed_by_archives_takes_none() {
    let origin = Origin::small();
    let exporter = origin.mirror("out");
    exporter.run(&["export"]).assert(0, &[]);
    let names = || {
        let entries = fs::read_dir(origin.repository().parent().unwrap()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    exporter.refuses(&["unpack"], 1, &["must have ``url`` as a local file"]);
    assert_eq!(names(), before);
}
