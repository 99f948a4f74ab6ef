//! Archives that were cut off, or hit by something, on the way.

use crate::support::{BLOCK, BUNDLE, Header, SERDE, Tar, gzip, read, refused, refused_as};

fn sample() -> Vec<u8> {
    let long = format!("crates/ab/cd/abcd/abcd-1.0.0-{}.crate", "x".repeat(120));
    Tar::begun()
        .member(&Header::new("crates/", b'5', 0), "")
        .file(SERDE, "s".repeat(700))
        .pax(&[("path", &long), ("mtime", "1700000000.5")])
        .file("short", "")
        .long_name("crates/1/a/a-0.1.0.crate\0")
        .file("short", "y".repeat(512))
        .end()
}

/// Pseudo-random numbers, the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn hostile_a19_cut_at_every_block() {
    let tar = sample();
    assert_eq!(read(&tar).unwrap().len(), 4);
    refused_as(&[], "archive ends early: it is empty");
    for end in (1..tar.len())
        .step_by(BLOCK)
        .chain((BLOCK..tar.len()).step_by(BLOCK))
    {
        let message = refused(&tar[..end]);
        assert!(message.contains("archive ends early"), "{end}: {message}");
    }
}

#[test]
fn hostile_a21_cut_anywhere_in_gzip() {
    let zipped = gzip(&sample());
    for end in 2..zipped.len() {
        refused_as(&zipped[..end], "archive ends early");
    }
}

#[test]
fn hostile_a21_checksums_and_what_follows_them() {
    let tar = sample();
    let zipped = gzip(&tar);
    for back in 1..=8 {
        let mut bad = zipped.clone();
        let at = bad.len() - back;
        bad[at] ^= 0x10;
        refused_as(&bad, "the gzip stream is damaged");
    }
    for junk in [b"junk and more of it".as_slice(), &[0; 600]] {
        refused_as(&[&zipped, junk].concat(), "the gzip stream is damaged");
    }
    // The last of several members.
    let mut several = [gzip(&tar[..1000]), gzip(&tar[1000..])].concat();
    assert_eq!(read(&several).unwrap(), read(&tar).unwrap());
    let at = several.len() - 6;
    several[at] ^= 1;
    refused_as(&several, "the gzip stream is damaged");
    // Members without data, many of them, take no stack.
    let empty = gzip(b"").repeat(100_000);
    assert_eq!(
        read(&[empty.as_slice(), &zipped].concat()).unwrap().len(),
        4
    );
}

#[test]
fn hostile_a21_other_compressions_are_named() {
    for (bytes, name) in [
        (b"BZh91AY&SY".as_slice(), "bzip2"),
        (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstd"),
        (b"PK\x03\x04....", "zip"),
    ] {
        refused_as(bytes, &format!("it is compressed with {name}"));
    }
    refused_as(&[b'x'; 600], "or not a tar archive");
}

#[test]
fn a_thousand_hits_on_gzip_are_noticed_or_do_no_harm() {
    let tar = sample();
    let rows = read(&tar).unwrap();
    let zipped = [gzip(&tar[..2000]), gzip(&tar[2000..])].concat();
    let mut dice = Dice::new();
    let mut noticed = 0;
    for _ in 0..1000 {
        let mut hit = zipped.clone();
        let at = dice.below(hit.len());
        hit[at] ^= 1 << dice.below(8);
        match read(&hit) {
            Ok(read) => assert_eq!(read, rows, "at {at}"),
            Err(_) => noticed += 1,
        }
    }
    // A header has a time and a system that nobody needs.
    assert!(noticed > 900, "{noticed}");
}

#[test]
fn hits_on_a_plain_tar_are_noticed_or_change_one_member() {
    let tar = sample();
    let rows = read(&tar).unwrap();
    for at in 0..tar.len() {
        let mut hit = tar.clone();
        hit[at] ^= 1 << (at % 8);
        let Ok(read) = read(&hit) else {
            continue;
        };
        // Nothing in a plain tar vouches for data, nor for names that are in
        // extension headers. The index does.
        let changed = read.iter().zip(&rows).filter(|(a, b)| a != b).count();
        assert!(read.len() == rows.len() && changed <= 1, "at {at}");
        assert!(read.iter().zip(&rows).all(|(a, b)| a.1 == b.1), "at {at}");
    }
    assert_eq!(rows[0].0, BUNDLE);
}
