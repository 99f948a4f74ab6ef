//! Hostile headers, each row by its id.

use crate::support::{BLOCK, BUNDLE, Header, SERDE, Tar, pax_record, read, refused, refused_as};

/// Tries a type of member under each name that a file may have.
#[track_caller]
fn types_are_refused(types: &[(u8, &str)]) {
    for (kind, what) in types {
        for name in [SERDE, BUNDLE, "ARCHIVE_FORMAT", "crates"] {
            for target in ["", "/etc/passwd", SERDE] {
                let header = Header::new(name, *kind, 0).set(157, target);
                refused_as(&Tar::begun().member(&header, "").end(), what);
                refused_as(&Tar::default().member(&header, "").end(), what);
            }
        }
    }
}

#[test]
fn hostile_a08_symbolic_links() {
    types_are_refused(&[(b'2', "a symbolic link")]);
}

#[test]
fn hostile_a10_hard_links() {
    types_are_refused(&[(b'1', "a hard link")]);
}

#[test]
fn hostile_a11_devices_and_pipes() {
    types_are_refused(&[
        (b'3', "a character device"),
        (b'4', "a block device"),
        (b'6', "a pipe"),
    ]);
}

#[test]
fn hostile_a12_types_that_are_no_plain_file() {
    types_are_refused(&[
        (b'7', "a contiguous file"),
        (b'S', "a sparse file"),
        (b'M', "several volumes"),
        (b'V', "a volume label"),
        (b'D', "a GNU directory dump"),
        (b'Z', "its type `Z` is unknown"),
        (b'X', "its type `X` is unknown"),
        (0xff, "its type `\\xff` is unknown"),
    ]);
}

#[test]
fn hostile_a17_gnu_long_links() {
    types_are_refused(&[(b'K', "a GNU long link")]);
}

#[test]
fn hostile_a09_a_link_and_then_a_way_through_it() {
    let link = Header::new("crates/se", b'2', 0).set(157, "/etc");
    let through = Tar::begun().member(&link, "").file(SERDE, "x");
    let message = refused(&through.end());
    assert!(
        message.contains("member #3 `crates/se` at byte 2048: "),
        "{message}"
    );
}

#[test]
fn hostile_a12_sparse_files_by_other_means() {
    for (key, value) in [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.map", "0,1"),
        ("SUN.holesdata", "x"),
    ] {
        let tar = Tar::begun().pax(&[(key, value)]).file(SERDE, "x");
        refused_as(&tar.end(), "is not admitted");
    }
    // The old GNU fields, in place of the prefix.
    let header = Header::new(SERDE, b'0', 1).gnu().set(386, "00000000001\0");
    refused_as(
        &Tar::begun().member(&header, "x").end(),
        "fields of a kind that is not read",
    );
    let target = Header::new(SERDE, b'0', 1).set(157, "x");
    refused_as(
        &Tar::begun().member(&target, "x").end(),
        "has a link target",
    );
}

#[test]
fn hostile_a13_global_headers() {
    let record = pax_record("comment", "x");
    let header = Header::new("pax_global_header", b'g', record.len());
    for tar in [Tar::default(), Tar::begun()] {
        refused_as(&tar.member(&header, &record).end(), "a global PAX header");
    }
}

#[test]
fn hostile_a14_sizes_that_disagree() {
    // In each, one of the two sizes would have a header lie in the data.
    let inner = Tar::default()
        .file("crates/1/b/b-0.1.0.crate", "smuggled")
        .0;
    for (stated, in_pax) in [
        (0, inner.len()),
        (BLOCK, inner.len()),
        (inner.len(), 0),
        (inner.len(), BLOCK),
    ] {
        let header = Header::new(SERDE, b'0', stated);
        let size = in_pax.to_string();
        let tar = Tar::begun().pax(&[("size", &size)]).member(&header, &inner);
        refused_as(&tar.end(), "sizes disagree");
    }
    let size = inner.len().to_string();
    let equal = Tar::begun().pax(&[("size", &size)]).file(SERDE, &inner);
    assert_eq!(read(&equal.end()).unwrap().len(), 2);
    let directory = Header::new("crates/", b'5', inner.len());
    refused_as(
        &Tar::begun().member(&directory, &inner).end(),
        "a directory with 1024 bytes",
    );
}

#[test]
fn hostile_a15_several_extension_headers() {
    let path = [("path", SERDE)];
    let long = format!("{SERDE}\0");
    for tar in [
        Tar::begun().pax(&path).pax(&path),
        Tar::begun().pax(&path).long_name(&long),
        Tar::begun().long_name(&long).pax(&path),
        Tar::begun().long_name(&long).long_name(&long),
    ] {
        refused_as(
            &tar.file("short", "x").end(),
            "an extension header follows another one",
        );
    }
    for tar in [Tar::begun().pax(&path), Tar::begun().long_name(&long)] {
        refused_as(&tar.end(), "an extension header has no member");
    }
}

#[test]
fn hostile_a16_pax_records() {
    let big = pax_record("comment", &"x".repeat(64 * 1024));
    refused_as(
        &Tar::begun().pax_raw(big).file(SERDE, "x").end(),
        "the limit of 65536",
    );
    let path = pax_record("path", SERDE);
    for (records, reason) in [
        (String::new(), "a PAX header is empty"),
        (path.trim_end().to_owned(), "malformed"),
        (format!("{path}\0"), "malformed"),
        (format!("0{path}"), "malformed"),
        (path.replace("45", "46"), "malformed"),
        (path.replace("45", "44"), "malformed"),
        (path.replace("45", "-5"), "malformed"),
        (format!("{path}{path}"), "is there twice"),
        (pax_record("size", "-1"), "is not a number"),
        (pax_record("path", ""), "its PAX path is empty"),
        (pax_record("", "x"), "malformed"),
    ] {
        refused_as(
            &Tar::begun().pax_raw(&records).file("short", "x").end(),
            reason,
        );
    }
    let known = [
        ("path", SERDE),
        ("size", "1"),
        ("mtime", "1700000000.123456789"),
        ("uid", "4000000"),
        ("gid", "4000000"),
        ("uname", "Zo\u{eb}"),
        ("gname", "users"),
        ("comment", "ignored"),
        ("SCHILY.xattr.user.x", "ignored"),
    ];
    let rows = read(&Tar::begun().pax(&known).file("short", "x").end()).unwrap();
    assert_eq!(rows[1].0, SERDE);
}

#[test]
fn hostile_a17_gnu_long_names() {
    let good = Tar::begun()
        .long_name(format!("{SERDE}\0"))
        .file("short", "x");
    assert_eq!(read(&good.end()).unwrap()[1].0, SERDE);
    for (name, reason) in [
        (SERDE.to_owned(), "its only NUL byte"),
        (String::new(), "its only NUL byte"),
        (format!("{SERDE}\0\0"), "its only NUL byte"),
        (format!("{}\0", "x".repeat(4096)), "the limit of 4096"),
        (format!("{}\0", "x".repeat(1025)), "the limit of 1024"),
    ] {
        refused_as(
            &Tar::begun().long_name(name).file("short", "x").end(),
            reason,
        );
    }
    let directory = Header::new("short", b'5', 0);
    let directory = Tar::begun().long_name("crates\0").member(&directory, "");
    refused_as(&directory.end(), "not followed by a regular file");
}

#[test]
fn hostile_a18_sums_and_sizes() {
    let mut wrong = Header::new(SERDE, b'0', 1);
    wrong.0[0] ^= 1;
    refused_as(
        &Tar::begun().member(&wrong, "x").end(),
        "the checksum of its header is",
    );
    wrong.0[148..156].fill(0);
    refused_as(
        &Tar::begun().member(&wrong, "x").end(),
        "its header has no checksum",
    );
    for (size, reason) in [
        (*b"00000000008\0", "its size is not a number"),
        (*b"-0000000001\0", "its size is not a number"),
        (*b"\0\0\0\0\0\0\0\0\0\0\0\0", "its size is not a number"),
        ([0xff; 12], "its size is negative"),
        (
            [0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "its size is not a number",
        ),
        (*b"00000010000\0", "archive ends early"),
        (
            *b"77777777777\0",
            "more than the limit of 536870912 for a crate",
        ),
    ] {
        let header = Header::new(SERDE, b'0', 1).set(124, size);
        refused_as(&Tar::begun().member(&header, "x").end(), reason);
    }
    // A bundle may be that long, but then it must be there. Nothing is allocated.
    let header = Header::new(BUNDLE, b'0', 1).set(124, "77777777777\0");
    let tar = Tar::default()
        .file("ARCHIVE_FORMAT", "2\n")
        .member(&header, "x");
    refused_as(
        &tar.end(),
        "archive ends early: 8589934591 bytes of data expected, 1536 found",
    );
    let odd = Header::new(SERDE, b'0', 1).set(257, "\0\0\0\0\0\0\0\0");
    refused_as(
        &Tar::begun().member(&odd, "x").end(),
        "neither a ustar nor a GNU one",
    );
}

#[test]
fn hostile_a36_modes_owners_and_times_are_data() {
    // The last second of the year 9999.
    let far = [0x80, 0, 0, 0, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x7f];
    for header in [
        Header::new(SERDE, b'0', 1).set(100, "0007777\0"),
        Header::new(SERDE, b'0', 1)
            .set(108, "0000000\0")
            .set(116, "0000000\0"),
        Header::new(SERDE, b'0', 1).set(136, [0xff; 12]),
        Header::new(SERDE, b'0', 1).set(136, far),
        Header::new(SERDE, b'0', 1)
            .set(100, [0; 8])
            .set(136, [0; 12]),
    ] {
        assert_eq!(
            read(&Tar::begun().member(&header, "x").end()).unwrap()[1].0,
            SERDE
        );
    }
    for time in ["nan", "-1", "253402300799.5"] {
        let tar = Tar::begun().pax(&[("mtime", time)]).file(SERDE, "x");
        assert_eq!(read(&tar.end()).unwrap()[1].0, SERDE);
    }
    let odd = Header::new(SERDE, b'0', 1).set(100, "rw-r--r-");
    refused_as(
        &Tar::begun().member(&odd, "x").end(),
        "its mode is not a number",
    );
}
