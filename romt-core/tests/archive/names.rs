//! Hostile names of members, each row by its id.

use crate::support::{Header, SERDE, Tar, read, refused, refused_as};

/// Tries a name in each of the three ways in which a member can have one.
#[track_caller]
fn names_are_refused(names: &[&str], reason: &str) {
    for name in names {
        if name.len() <= 100 {
            refused_as(&Tar::begun().file(name, "x").end(), reason);
        }
        let pax = Tar::begun().pax(&[("path", name)]).file("short", "x");
        refused_as(&pax.end(), reason);
        let gnu = Tar::begun()
            .long_name(format!("{name}\0"))
            .file("short", "x");
        refused_as(&gnu.end(), reason);
    }
}

#[test]
fn hostile_a01_ways_up() {
    names_are_refused(
        &[
            "..",
            "../x",
            "crates/../../x",
            "crates/se/rd/serde/../serde-1.0.0.crate",
            "crates/se/rd/serde/serde-1.0.0.crate/..",
            "crates/se/rd/serde..",
        ],
        "there is `..` in its name",
    );
    // Also in a name that another one hides.
    let hidden = Tar::begun().pax(&[("path", SERDE)]).file("../x", "x");
    refused_as(&hidden.end(), "its short name leads elsewhere");
    // Also of a directory, of which nothing is made.
    let directory = Tar::begun().member(&Header::new("crates/../..", b'5', 0), "");
    refused_as(&directory.end(), "there is `..` in its name");
    // Also in two parts.
    let split = Header::new("../serde-1.0.0.crate", b'0', 1).set(345, "crates/se/rd");
    refused_as(
        &Tar::begun().member(&split, "x").end(),
        "there is `..` in its name",
    );
}

#[test]
fn hostile_a02_absolute_names() {
    names_are_refused(&["/etc/passwd", "//x", "/"], "its name is absolute");
    names_are_refused(&["C:\\x", "\\\\host\\share\\x"], "a `\\`, a `:` or a `~`");
}

#[test]
fn hostile_a03_empty_parts() {
    refused_as(&Tar::begun().file("", "x").end(), "its name is empty");
    let pax = Tar::begun().pax(&[("path", "")]).file("short", "x");
    refused_as(&pax.end(), "its PAX path is empty");
    let gnu = Tar::begun().long_name("\0").file("short", "x");
    refused_as(&gnu.end(), "its name is empty");
    names_are_refused(
        &["a//b", "crates/se/rd/serde//serde-1.0.0.crate"],
        "a part of its name is empty",
    );
    names_are_refused(
        &[".", "a/./b", "./ARCHIVE_FORMAT"],
        "a part of its name is `.`",
    );
    let slash = format!("{SERDE}/");
    names_are_refused(&[&slash], "a part of its name is empty");
    let old = Header::new(&slash, 0, 1);
    refused_as(
        &Tar::begun().member(&old, "x").end(),
        "a part of its name is empty",
    );
}

#[test]
fn hostile_a04_other_ways_of_saying_it() {
    names_are_refused(
        &[
            "crates\\se\\rd",
            "C:x",
            "x::$DATA",
            "~root/x",
            "~",
            "crates/1/a/a-0.1.0.crate~",
        ],
        "a `\\`, a `:` or a `~`",
    );
}

#[test]
fn hostile_a05_nul_in_a_name() {
    let behind = Header::new(format!("{SERDE}\0x"), b'0', 1);
    refused_as(
        &Tar::begun().member(&behind, "x").end(),
        "goes on after a NUL",
    );
    let prefix = Header::new("serde-1.0.0.crate", b'0', 1).set(345, "crates/se/rd/serde\0x");
    refused_as(
        &Tar::begun().member(&prefix, "x").end(),
        "goes on after a NUL",
    );
    let pax = format!("{SERDE}\0x");
    let pax = Tar::begun().pax(&[("path", &pax)]).file("short", "x");
    refused_as(&pax.end(), "a NUL byte in its name");
    let gnu = Tar::begun()
        .long_name(format!("{SERDE}\0x\0"))
        .file("short", "x");
    refused_as(&gnu.end(), "its only NUL byte");
}

#[test]
fn hostile_a06_control_bytes() {
    names_are_refused(&["a\nb", "a\tb", "a\x7fb"], "a control byte in its name");
    let message = refused(&Tar::begun().file("\x1b[31mred", "x").end());
    assert!(message.contains("`\\x1b[31mred`"), "{message}");
}

#[test]
fn hostile_a07_names_beyond_ascii() {
    let bytes = Header::new(b"crates/\xff\xfe", b'0', 1);
    refused_as(
        &Tar::begun().member(&bytes, "x").end(),
        "its name is not ASCII",
    );
    names_are_refused(
        &["crates/\u{e9}", "crates/e\u{301}"],
        "its name is not ASCII",
    );
    let pax = [b"19 path=crates/".as_slice(), &[0xff, 0xfe, 0xfd], b"\n"].concat();
    let pax = Tar::begun().pax_raw(pax).file("short", "x");
    refused_as(&pax.end(), "its name is not ASCII");
}

#[test]
fn hostile_a37_device_names() {
    for good in [
        "crates/3/n/nul/nul-1.0.0.crate",
        "crates/co/m1/com1/com1-1.0.0.crate",
    ] {
        assert_eq!(
            read(&Tar::begun().file(good, "x").end()).unwrap()[1].0,
            good
        );
    }
    names_are_refused(
        &[
            "crates/1/a/a-0.1.0.crate.",
            "crates/1/a /a-0.1.0.crate",
            "crates./x",
            "crates/1/a/a-0.1.0.crate ",
        ],
        "ends in a dot or a blank",
    );
    names_are_refused(&["crates/1/a/a-0.1.0.crate:x"], "a `\\`, a `:` or a `~`");
    names_are_refused(&["nul", "con.crate"], "Unexpected archive member");
}

#[test]
fn hostile_a42_deep_and_long_names() {
    let deep = "a/".repeat(2000) + "a";
    let long = "a".repeat(1025);
    names_are_refused(&[&deep, &long], "longer than the limit of 1024 bytes");
}
