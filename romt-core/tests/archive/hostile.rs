//! Hostile archives as a whole, each row by its id.

use std::io::{self, Read};

use romt_core::{
    ErrorClass,
    transfer::{ArchiveError, ArchiveLimits, ArchiveReader},
};

use crate::support::{
    BLOCK, BUNDLE, Header, SERDE, Tar, gzip, read, read_within, refused_as, refused_within,
    stays_failed,
};

#[test]
fn hostile_a20_data_behind_the_end() {
    let tar = Tar::begun().end();
    for behind in [
        b"x".as_slice(),
        &[[0; 5000].as_slice(), b"\n"].concat(),
        &tar,
    ] {
        refused_as(&[&tar, behind].concat(), "data behind the end");
        refused_as(&gzip(&[&tar, behind].concat()), "data behind the end");
        refused_as(&[gzip(&tar), gzip(behind)].concat(), "data behind the end");
    }
    let lone = [
        Tar::begun().0,
        vec![0; BLOCK],
        Tar::default().file(SERDE, "x").end(),
    ]
    .concat();
    refused_as(&lone, "data behind the end");
    let padded = [tar, vec![0; 300_001]].concat();
    assert_eq!(read(&padded).unwrap().len(), 1);
}

#[test]
fn hostile_a22_bombs() {
    let limits = ArchiveLimits::default().with_expansion(20, 4 << 20);
    let zeros = vec![0; 32 << 20];
    let tar = Tar::begun().file(SERDE, &zeros).end();
    let reason = "it expands beyond the limit of 20:1 after 4194304 bytes";
    let message = refused_within(&gzip(&tar), &limits);
    assert!(message.contains(reason), "{message}");
    // It is noticed when it happens.
    let input = io::Cursor::new(gzip(&tar));
    let mut reader = ArchiveReader::open(input, "x", limits.clone()).unwrap();
    reader.next_entry().unwrap();
    reader.next_entry().unwrap();
    let mut seen = 0;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = reader.read_data(&mut buffer) {
        assert_ne!(count, 0);
        seen += count;
    }
    assert!(seen <= (4 << 20) + buffer.len(), "{seen}");
    // Also in what follows the end.
    let tail = [Tar::begun().end(), zeros].concat();
    assert!(refused_within(&gzip(&tail), &limits).contains(reason));
    // What is not compressed may be as large as it is.
    read_within(&tar, limits).unwrap();
}

/// Members without end.
struct Endless {
    made: u64,
    pending: io::Cursor<Vec<u8>>,
}

impl Endless {
    fn new() -> Self {
        let pending = io::Cursor::new(Tar::begun().0);
        Self { made: 0, pending }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pending.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        self.made += 1;
        let path = format!("crates/1/a/a-0.0.{}.crate", self.made);
        let comment = "x".repeat(4000);
        let tar = Tar::default().pax(&[("comment", &comment)]).file(path, "");
        self.pending = io::Cursor::new(tar.0);
        self.pending.read(buffer)
    }
}

#[test]
fn hostile_a23_members_without_end() {
    let limits = ArchiveLimits::default().with_members(20_000);
    let reader = ArchiveReader::open(Endless::new(), "x", limits).unwrap();
    let error = reader.finish().unwrap_err();
    assert_eq!(error.place().number(), 20_001);
    assert!(
        error
            .to_string()
            .ends_with("more members than the limit of 20000"),
        "{error}"
    );
    // Directories count.
    let limits = ArchiveLimits::default().with_members(10);
    let mut tar = Tar::begun();
    for _ in 0..9 {
        tar = tar.member(&Header::new("crates/", b'5', 0), "");
    }
    assert!(refused_within(&tar.end(), &limits).contains("limit of 10"));
}

#[test]
fn hostile_a24_members_that_are_there_twice() {
    for again in ["x", "y"] {
        let other = "crates/1/b/b-0.1.0.crate";
        let tar = Tar::begun().file(SERDE, "x").file(other, "b");
        refused_as(&tar.file(SERDE, again).end(), "it is there twice");
    }
    let bundles = Tar::begun().file(BUNDLE, "a bundle");
    refused_as(&bundles.end(), "origin.bundle: it is there twice");
}

#[test]
fn hostile_a25_members_that_differ_in_case_only() {
    for (one, other) in [
        (SERDE, "crates/se/rd/Serde/Serde-1.0.0.crate"),
        ("crates/1/a/a-1.0.0-rc.crate", "crates/1/a/a-1.0.0-RC.crate"),
    ] {
        let tar = Tar::begun().file(one, "x").file(other, "x");
        refused_as(&tar.end(), "it is there twice");
    }
}

#[test]
fn hostile_a26_formats() {
    let first = |content: &str| {
        Tar::default()
            .file("ARCHIVE_FORMAT", content)
            .file(BUNDLE, "x")
            .end()
    };
    for good in ["2", "2\n", " 2\r\n", "1\n"] {
        assert_eq!(read(&first(good)).unwrap().len(), 1);
    }
    refused_as(&first("3\n"), "Invalid ARCHIVE_FORMAT '3'");
    for bad in ["", "\n", "2x", "2 \n2", "02", "2\0", "two", "\x1b[2J"] {
        refused_as(&first(bad), "Invalid ARCHIVE_FORMAT '");
    }
    refused_as(
        &first("2               \n"),
        "Invalid ARCHIVE_FORMAT of 17 bytes",
    );
    let misplaced = "Unexpected ARCHIVE_FORMAT (not at archive start)";
    refused_as(&Tar::begun().file("ARCHIVE_FORMAT", "2\n").end(), misplaced);
    refused_as(
        &Tar::default()
            .file(BUNDLE, "x")
            .file("ARCHIVE_FORMAT", "2\n")
            .end(),
        misplaced,
    );
    let link = Header::new("ARCHIVE_FORMAT", b'2', 0).set(157, "x");
    refused_as(&Tar::default().member(&link, "").end(), "a symbolic link");
    // Without one it is of the first format.
    let old = Tar::default().file(BUNDLE, "x");
    let mixed = "crates/Se/rd/Serde/Serde-1.0.0.crate";
    assert_eq!(
        read(&old.clone().file(mixed, "x").end()).unwrap()[1].0,
        mixed
    );
    let lower = "crates/se/rd/Serde/Serde-1.0.0.crate";
    refused_as(
        &old.file(lower, "x").end(),
        &format!("Unexpected crate prefix for {lower}"),
    );
}

#[test]
fn hostile_a27_crates_in_other_directories() {
    let mixed = "crates/Se/rd/Serde/Serde-1.0.0.crate";
    let reason = format!("Unexpected crate prefix for {mixed}");
    refused_as(&Tar::begun().file(mixed, "x").end(), &reason);
}

#[test]
fn hostile_a28_crates_that_are_none() {
    for bad in [
        "crates/se/rd/serde/serde-1.0.crate",
        "crates/se/rd/serde/other-1.0.0.crate",
        "crates/se/rd/se rde/se rde-1.0.0.crate",
        "crates/serde-1.0.0.crate",
        "crates/config.toml",
    ] {
        let reason = format!("Invalid crate {bad}");
        refused_as(&Tar::begun().file(bad, "x").end(), &reason);
    }
}

#[test]
fn hostile_a31_members_that_nobody_expects() {
    for bad in [
        "etc/passwd",
        "git/crates.io-index/other.bundle",
        ".git/hooks/post-merge",
        "git/crates.io-index/.git/config",
        "dist2/x",
        "archive_format",
        "Crates/se/rd/serde/serde-1.0.0.crate",
    ] {
        refused_as(
            &Tar::begun().file(bad, "x").end(),
            &format!("Unexpected archive member {bad}"),
        );
    }
    let early = Tar::default()
        .file("ARCHIVE_FORMAT", "2\n")
        .file(SERDE, "x")
        .file(BUNDLE, "x");
    refused_as(&early.end(), &format!("a crate comes before {BUNDLE}"));
}

#[test]
fn hostile_a32_bundles_that_are_missing_or_empty() {
    let missing = format!("Missing {BUNDLE} in archive");
    refused_as(&Tar::default().end(), &missing);
    refused_as(
        &Tar::default().file("ARCHIVE_FORMAT", "2\n").end(),
        &missing,
    );
    let empty = Tar::default()
        .file("ARCHIVE_FORMAT", "2\n")
        .file(BUNDLE, "");
    refused_as(&empty.end(), "the index bundle is empty");
}

#[test]
fn a_reader_can_move_to_a_thread_of_its_own() {
    let tar = Tar::begun().file(SERDE, "x").end();
    let input = io::Cursor::new(tar);
    let reader = ArchiveReader::open(input, "x", ArchiveLimits::default()).unwrap();
    let summary = std::thread::spawn(|| reader.finish()).join().unwrap();
    assert_eq!(summary.unwrap().crates, 1);
}

#[test]
fn nothing_is_read_after_a_fault() {
    for tar in [
        Tar::begun().file("etc/passwd", "x").file(SERDE, "x").end(),
        Tar::begun().file(SERDE, "x").0,
        gzip(&Tar::begun().end())[..60].to_vec(),
    ] {
        stays_failed(&tar);
    }
}

/// Fails after some bytes.
struct Failing(io::Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is scratched")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_failing_medium_is_not_the_archive_s_fault() {
    let tar = Tar::begun().file(SERDE, "x".repeat(4000)).end();
    for bytes in [&tar[..2000], &gzip(&tar)[..50], &tar[..3], &[]] {
        let input = Failing(io::Cursor::new(bytes.to_vec()));
        let reader = ArchiveReader::open(input, "x", ArchiveLimits::default());
        let error = reader.and_then(ArchiveReader::finish).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Storage);
        let ArchiveError::Read { source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(source.to_string(), "the disk is scratched");
    }
}
