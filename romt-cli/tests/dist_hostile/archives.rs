//! Archives whose form is hostile.

use crate::{
    archive::{BLOCK, Header, Members, extension, member},
    fault_support::Random,
    release::nightly,
    world::{World, run},
};

const OLD: &str = "2026-03-07";
const NEW: &str = "2026-03-08";

/// A mirror that has something to lose.
fn world() -> World {
    let world = World::new();
    world.publish(&nightly(OLD));
    world.mirror().download("nightly");
    world
}

/// A good archive with `bytes` before its end.
fn good_and(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Members::of(&nightly(NEW)).open_tar();
    tar.extend(bytes);
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

/// A good archive and one more file.
fn good_and_file(name: &[u8]) -> Vec<u8> {
    good_and(&Header::file(name, 0).block())
}

fn pax(name: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {name}={value}\n");
    let mut length = rest.len();
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    format!("{length}{rest}").into_bytes()
}

#[test]
fn hostile_a01_a02_a03_a04_names_that_lead_elsewhere_are_refused() {
    let world = world();
    let mirror = world.mirror();
    for name in [
        "../secret",
        "dist/../../secret",
        "dist/2026-03-08/../../../secret",
        "dist/2026-03-08/x..tar.xz",
        "/secret",
        "//secret",
        "C:\\secret",
        "\\\\host\\share\\secret",
        "dist//secret",
        "dist/./secret",
        ".",
        "dist/2026-03-08/",
        "dist\\secret",
        "C:secret",
        "dist/x::$DATA",
        "~/secret",
    ] {
        let tar = good_and_file(name.as_bytes());
        mirror.refuses_archive(&tar, 4, &["hostile.tar, member #15", " at byte "]);
    }
    let tar = good_and_file(b"");
    mirror.refuses_archive(&tar, 4, &["hostile.tar, member #15"]);
    let short = Header::file(b"dist/x", 0).block();
    for name in ["../secret", "dist/../../secret", "/secret"] {
        let long = [extension(b'x', &pax("path", name)), short.to_vec()].concat();
        mirror.refuses_archive(&good_and(&long), 4, &["hostile.tar, member #15"]);
        let name = [name.as_bytes(), b"\0"].concat();
        let long = [extension(b'L', &name), short.to_vec()].concat();
        mirror.refuses_archive(&good_and(&long), 4, &["hostile.tar, member #15"]);
    }
}

#[test]
fn hostile_a05_a06_a07_a37_a42_names_of_odd_bytes_are_refused() {
    let world = world();
    let mirror = world.mirror();
    for name in [
        &b"dist/2026-03-08/a\0b.tar.xz"[..],
        b"dist/\x1b[2Jx",
        b"dist/a\nb",
        b"dist/\xff\xfe",
        "dist/e\u{301}".as_bytes(),
        b"dist/nul",
        b"dist/2026-03-08/con.tar.xz",
        b"dist/2026-03-08/x.",
        b"dist/2026-03-08/x.tar.xz ",
    ] {
        mirror.refuses_archive(&good_and_file(name), 4, &["hostile.tar, member #15"]);
    }
    let zero = [
        extension(b'x', &pax("path", "dist/a\0b")),
        Header::file(b"dist/a", 0).block().to_vec(),
    ];
    mirror.refuses_archive(&good_and(&zero.concat()), 4, &["NUL"]);
    let deep = [
        extension(b'x', &pax("path", &"a/".repeat(4000))),
        Header::file(b"dist/a", 0).block().to_vec(),
    ];
    mirror.refuses_archive(&good_and(&deep.concat()), 4, &["limit of 1024"]);
}

#[test]
fn hostile_a08_a09_a10_a11_a12_what_is_no_file_is_refused() {
    let world = world();
    let mirror = world.mirror();
    for kind in *b"12346 7SMVDKAZ" {
        let odd = Header::kind("dist/2026-03-08/x.tar.xz", kind, 0);
        let linked = odd.clone().and(157, b"../../secret");
        for header in [odd, linked] {
            let after = Header::file(b"dist/2026-03-08/x.tar.xz/secret", 0);
            let bytes = [header.block(), after.block()].concat();
            mirror.refuses_archive(&good_and(&bytes), 4, &["member #15"]);
        }
    }
    for key in ["GNU.sparse.size", "GNU.sparse.map", "linkpath"] {
        let sparse = [
            extension(b'x', &pax(key, "1")),
            Header::file(b"dist/x", 0).block().to_vec(),
        ];
        mirror.refuses_archive(&good_and(&sparse.concat()), 4, &["not admitted"]);
    }
}

#[test]
fn hostile_a13_a14_a15_a16_a17_extension_headers_hide_nothing() {
    let world = world();
    let mirror = world.mirror();
    let file = Header::file(b"dist/x", 0).block().to_vec();
    let refused = |parts: &[Vec<u8>], needle: &str| {
        mirror.refuses_archive(&good_and(&parts.concat()), 4, &["member #15", needle]);
    };
    refused(&[extension(b'g', &pax("path", "dist/x"))], "global PAX");
    for size in ["0", "600", "18"] {
        let header = Header::file(b"dist/x", 7).block().to_vec();
        let parts = [extension(b'x', &pax("size", size)), header];
        refused(&parts, "sizes disagree");
    }
    let path = || extension(b'x', &pax("path", "dist/y"));
    refused(&[path(), path(), file.clone()], "follows another");
    let long = extension(b'L', b"dist/y\0");
    refused(&[path(), long.clone(), file.clone()], "follows another");
    refused(&[long, path(), file.clone()], "follows another");
    for bad in [
        &b"9 path=x"[..],
        b"99 path=x\n",
        b"-9 path=x\n",
        b"x path=x\n",
        b"8 path=\n",
    ] {
        let named = Header::file(b"dist/x", 0).block().to_vec();
        mirror.refuses_archive(
            &good_and(&[extension(b'x', bad), named].concat()),
            4,
            &["member #15"],
        );
    }
    let twice = [pax("path", "dist/x"), pax("path", "dist/y")].concat();
    refused(&[extension(b'x', &twice), file.clone()], "twice");
    let large = extension(b'x', &pax("comment", &"x".repeat(70_000)));
    refused(&[large, file.clone()], "limit of 65536");
    let large = extension(b'L', &[b'x'; 5000]);
    refused(&[large, file.clone()], "limit of 4096");
    refused(&[extension(b'L', b"dist/x"), file], "NUL");
}

#[test]
fn hostile_a18_a20_headers_and_ends_are_whole() {
    let world = world();
    let mirror = world.mirror();
    let mut sum = Header::file(b"dist/x", 0).block();
    sum[148] ^= 1;
    mirror.refuses_archive(&good_and(&sum), 4, &["member #15", "checksum"]);
    for size in [
        &b"0000000008x\0"[..],
        b"-0000000001\0",
        b"77777777777\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let header = Header::file(b"dist/x", 0).and(124, size).block();
        mirror.refuses_archive(&good_and(&header), 4, &["member #15"]);
    }
    let good = Members::of(&nightly(NEW));
    let mut behind = good.tar();
    behind.extend([0; BLOCK]);
    behind.push(1);
    mirror.refuses_archive(&behind, 4, &["behind the end"]);
    let second = [good.tar(), good.tar()].concat();
    mirror.refuses_archive(&second, 4, &["behind the end"]);
}

#[test]
fn hostile_a19_an_archive_that_is_cut_off_anywhere_changes_nothing() {
    let world = world();
    let mirror = world.mirror();
    let tar = Members::of(&nightly(NEW)).tar();
    // In the first block of zeros at the end, the archive is as good as whole.
    let ends = (0..=tar.len() - 2 * BLOCK).step_by(BLOCK);
    for end in ends.chain([1, 511, 513, tar.len() - BLOCK]) {
        let path = world.path("cut.tar");
        std::fs::write(&path, &tar[..end]).unwrap();
        let before = mirror.served();
        let archive = path.to_str().unwrap();
        let ended = run(mirror.toolchain(&["--archive", archive, "unpack"]));
        ended.assert(4, &["cut.tar, member #", "archive ends early"]);
        assert_eq!(mirror.served(), before, "cut at {end}");
        mirror.assert_tidy();
    }
    mirror.unpack(&Members::of(&nightly(NEW)));
}

#[test]
fn hostile_a21_compression_that_is_damaged_is_refused() {
    use std::io::Write as _;
    let world = world();
    let mirror = world.mirror();
    let tar = Members::of(&nightly(NEW)).tar();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let length = gzip.len();
    for at in [length - 1, length - 8] {
        let mut bad = gzip.clone();
        bad[at] ^= 1;
        mirror.refuses_archive(&bad, 4, &["hostile.tar"]);
    }
    mirror.refuses_archive(&gzip[..length - 4], 4, &["archive ends early"]);
    let junk = [&gzip[..], b"junk"].concat();
    mirror.refuses_archive(&junk, 4, &["hostile.tar"]);
    mirror.refuses_archive(b"BZh9 and so on", 4, &["bzip2"]);
    mirror.refuses_archive(b"", 4, &["it is empty"]);
    // What it is is told by its bytes, not by its name.
    let path = world.path("hostile.tar");
    std::fs::write(&path, gzip).unwrap();
    let ended = run(mirror.toolchain(&["--archive", path.to_str().unwrap(), "unpack"]));
    ended.assert(0, &[]);
}

#[test]
fn hostile_a22_a23_bombs_end_at_limits() {
    use std::io::Write as _;
    let world = world();
    let mirror = world.mirror();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let first = Members::of(&nightly(NEW)).0[0].clone();
    let mut begin = Vec::new();
    member(&mut begin, &first.0, &first.1);
    let size = 2_usize << 30;
    begin.extend(Header::file(b"dist/2026-03-08/x.tar.xz", size).block());
    gzip.write_all(&begin).unwrap();
    // What is named by no manifest is refused at once, and read no further.
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        gzip.write_all(&zeros).unwrap();
    }
    mirror.refuses_archive(&gzip.finish().unwrap(), 4, &["hostile.tar"]);
    let many = |name: &dyn Fn(usize) -> String| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for number in 0..200_000 {
            let header = Header::kind(&name(number), b'5', 0);
            gzip.write_all(&header.block()).unwrap();
        }
        gzip.write_all(&[0; 2 * BLOCK]).unwrap();
        gzip.finish().unwrap()
    };
    // Of directories nothing is made, and nothing else is there.
    mirror.refuses_archive(
        &many(&|number| format!("dist/{number}")),
        4,
        &["hostile.tar"],
    );
}

#[test]
fn hostile_a24_a25_no_member_comes_twice() {
    let world = world();
    let mirror = world.mirror();
    let good = Members::of(&nightly(NEW));
    for (name, data) in good.0.clone() {
        let again = good.clone().and(&name, data.clone());
        mirror.refuses_archive(&again.tar(), 4, &["twice"]);
        let other = good.clone().and(&name, b"other".to_vec());
        mirror.refuses_archive(&other.tar(), 4, &["twice"]);
        let shouted = good.clone().and(&name.to_ascii_uppercase(), data);
        mirror.refuses_archive(&shouted.tar(), 4, &["twice"]);
    }
}

#[test]
fn hostile_a41_what_is_no_file_is_no_archive() {
    let world = world();
    let mirror = world.mirror();
    let (pipe, link) = (world.path("pipe.tar"), world.path("link.tar"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let directory = world.path("beside");
    let device = std::path::PathBuf::from("/dev/zero");
    for path in [pipe, link, directory, device, world.path("missing.tar")] {
        let archive = path.to_str().unwrap();
        for tool in ["toolchain", "rustup"] {
            let command = || match tool {
                "rustup" => mirror.rustup(&["--archive", archive, "unpack"]),
                _ => mirror.toolchain(&["--archive", archive, "unpack"]),
            };
            mirror.refuses(command, 1, &["could not open the archive"]);
        }
    }
}

/// A flipped byte is refused, or the archive says what it said.
#[test]
fn hostile_a18_flipped_bytes_are_refused_or_harm_nothing() {
    let world = world();
    let mirror = world.mirror();
    let (old, new) = (nightly(OLD), nightly(NEW));
    let tar = Members::of(&new).tar();
    let (before, kept) = (mirror.served(), mirror.keep());
    let (mut random, seed) = Random::from_env();
    println!("seed {seed}");
    let path = world.path("flipped.tar");
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..250 {
        let mut bad = tar.clone();
        let at = random.below(bad.len());
        bad[at] ^= 1 << random.below(8);
        std::fs::write(&path, &bad).unwrap();
        let archive = path.to_str().unwrap();
        let ended = run(mirror.toolchain(&["--archive", archive, "unpack"]));
        match ended.code {
            Some(0) => {
                mirror.check(&[&old, &new]).unwrap();
                mirror.check_components("the archive", &new).unwrap();
                kept.restore();
                harmless += 1;
            }
            Some(3 | 4) => {
                assert_eq!(
                    mirror.served(),
                    before,
                    "seed {seed}, byte {at}: {}",
                    ended.text()
                );
                refused += 1;
            }
            code => panic!("{code:?} of byte {at}, seed {seed}: {}", ended.text()),
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 100, "{refused}");
}
