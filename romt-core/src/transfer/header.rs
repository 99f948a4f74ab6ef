//! The 512-byte header of a tar member, read strictly.
//!
//! Tar readers differ in what they make of an odd header: where a name ends,
//! whether a directory has data, whose size counts. A header that two of them
//! could take for two things is refused here, so that every reader lists what we
//! do.

use crate::Escaped;

/// The unit of a tar: headers are one, data is padded to a multiple.
pub(super) const BLOCK: usize = 512;

/// Where the fields of a header are.
pub(super) mod field {
    use std::ops::Range;

    pub(in super::super) const NAME: Range<usize> = 0..100;
    pub(in super::super) const MODE: Range<usize> = 100..108;
    pub(in super::super) const UID: Range<usize> = 108..116;
    pub(in super::super) const GID: Range<usize> = 116..124;
    pub(in super::super) const SIZE: Range<usize> = 124..136;
    pub(in super::super) const MTIME: Range<usize> = 136..148;
    pub(in super::super) const CHECKSUM: Range<usize> = 148..156;
    pub(in super::super) const KIND: usize = 156;
    pub(in super::super) const LINK: Range<usize> = 157..257;
    pub(in super::super) const MAGIC: Range<usize> = 257..265;
    pub(in super::super) const DEV_MAJOR: Range<usize> = 329..337;
    pub(in super::super) const DEV_MINOR: Range<usize> = 337..345;
    pub(in super::super) const PREFIX: Range<usize> = 345..500;
    pub(in super::super) const REST: Range<usize> = 500..512;
}

/// The magic and version of POSIX.
pub(super) const USTAR: &[u8; 8] = b"ustar\x0000";
/// The magic and version of GNU, where what POSIX has for a prefix is other things.
pub(super) const GNU: &[u8; 8] = b"ustar  \0";

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// PAX records for the next member.
    Pax,
    /// GNU's long name for the next member.
    LongName,
}

#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
}

impl Header {
    /// Reads a header that is not all zeros.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        check_sum(block)?;
        let magic = &block[field::MAGIC];
        if magic != USTAR && magic != GNU {
            return Err("its header is neither a ustar nor a GNU one".to_owned());
        }
        let kind = kind(block[field::KIND])?;
        let size = size(&block[field::SIZE])?;
        check_numbers(block)?;
        // The fields in which GNU and others keep what changes the meaning of data.
        let extra = if magic == GNU {
            field::PREFIX.start..field::REST.end
        } else {
            field::REST
        };
        if block[extra].iter().any(|&byte| byte != 0) {
            return Err("its header has fields of a kind that is not read".to_owned());
        }
        if block[field::LINK].iter().any(|&byte| byte != 0) {
            return Err("it is no link, but has a link target".to_owned());
        }
        if kind == Kind::Directory && size != 0 {
            return Err(format!("it is a directory with {size} bytes of data"));
        }
        text(&block[field::NAME])?;
        text(&block[field::PREFIX])?;
        Ok(Self {
            kind,
            name: raw_name(block),
            size,
        })
    }
}

/// The name in a header, for a message if the header is bad.
pub(super) fn raw_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let until_nulls = |field: &[u8]| {
        let end = field.iter().rposition(|&byte| byte != 0);
        field[..end.map_or(0, |at| at + 1)].to_vec()
    };
    let name = until_nulls(&block[field::NAME]);
    let prefix = until_nulls(&block[field::PREFIX]);
    if &block[field::MAGIC] != USTAR || prefix.is_empty() {
        return name;
    }
    [prefix, name].join(&b'/')
}

/// The sum of a header's bytes, with the field for it taken as blanks.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let blanks = u64::from(b' ') * field::CHECKSUM.len() as u64;
    sum(block) - sum(&block[field::CHECKSUM]) + blanks
}

fn check_sum(block: &[u8; BLOCK]) -> Result<(), String> {
    let actual = checksum(block);
    match octal(&block[field::CHECKSUM]) {
        Some(stated) if stated == actual => Ok(()),
        Some(stated) => Err(format!(
            "the checksum of its header is {actual:o}, not {stated:o}: damaged, or not a tar archive"
        )),
        None => Err("its header has no checksum: damaged, or not a tar archive".to_owned()),
    }
}

fn kind(byte: u8) -> Result<Kind, String> {
    let what = match byte {
        b'0' | 0 => return Ok(Kind::File),
        b'5' => return Ok(Kind::Directory),
        b'x' => return Ok(Kind::Pax),
        b'L' => return Ok(Kind::LongName),
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' => "a character device",
        b'4' => "a block device",
        b'6' => "a pipe",
        b'7' => "a contiguous file",
        b'S' => "a sparse file",
        b'M' => "a part of a file of several volumes",
        b'V' => "a volume label",
        b'D' => "a GNU directory dump",
        b'K' => "a GNU long link",
        b'g' => "a global PAX header",
        _ => {
            let byte = Escaped::new([byte]);
            return Err(format!("its type `{byte}` is unknown"));
        }
    };
    Err(format!("it is {what}; only regular files are admitted"))
}

/// The size of the data, which must be stated.
fn size(field: &[u8]) -> Result<u64, String> {
    let size = octal(field).map(u64::cast_signed).or_else(|| binary(field));
    match size.map(u64::try_from) {
        Some(Ok(size)) => Ok(size),
        Some(Err(_)) => Err("its size is negative".to_owned()),
        None => Err("its size is not a number".to_owned()),
    }
}

/// Checks that what we do not use is a number for everybody.
fn check_numbers(block: &[u8; BLOCK]) -> Result<(), String> {
    for (name, range) in [
        ("mode", field::MODE),
        ("user", field::UID),
        ("group", field::GID),
        ("time", field::MTIME),
        ("device", field::DEV_MAJOR),
        ("device", field::DEV_MINOR),
    ] {
        let field = &block[range];
        let empty = field.iter().all(|&byte| byte == 0);
        if !empty && octal(field).is_none() && binary(field).is_none() {
            return Err(format!("its {name} is not a number"));
        }
    }
    Ok(())
}

/// A big-endian number of 63 bits and a sign behind a byte that says so, as GNU
/// writes what octal digits cannot say.
fn binary(field: &[u8]) -> Option<i64> {
    let (&mark, bytes) = field.split_first()?;
    let fill = match mark {
        0x80 => 0,
        0xff => 0xff,
        _ => return None,
    };
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
    if high.iter().any(|&byte| byte != fill) {
        return None;
    }
    let start = if fill == 0 { 0 } else { -1 };
    let number = low
        .iter()
        .fold(start, |sum: i64, &byte| sum << 8 | i64::from(byte));
    // Eight bytes may have shifted the sign out.
    ((number < 0) == (start < 0)).then_some(number)
}

/// Octal digits, after blanks, before blanks and NULs.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&byte| byte != b' ')?;
    let digits = field[start..]
        .iter()
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .count();
    let (digits, rest) = field[start..].split_at(digits);
    if digits.is_empty() || !rest.iter().all(|&byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    // At most twelve digits: 36 bits.
    let number = digits
        .iter()
        .fold(0, |sum, &digit| sum << 3 | u64::from(digit - b'0'));
    Some(number)
}

/// Checks that nothing comes after the NUL that ends a text.
fn text(field: &[u8]) -> Result<(), String> {
    match field.iter().position(|&byte| byte == 0) {
        Some(end) if field[end..].iter().any(|&byte| byte != 0) => {
            Err("its name goes on after a NUL byte".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_a18_sizes_are_octal_or_not_negative() {
        assert_eq!(size(b"00000000017\0"), Ok(15));
        assert_eq!(size(b"777777777777"), Ok(0o777_777_777_777));
        assert_eq!(size(b"       17 \0\0"), Ok(15));
        assert_eq!(
            size(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]),
            Ok((2 << 32) + 1)
        );
        for bad in [
            *b"\0\0\0\0\0\0\0\0\0\0\0\0",
            *b"            ",
            *b"00000000018\0",
            *b"-0000000001\0",
            *b"+0000000001\0",
            *b"0x000000001\0",
            *b"0000_000001\0",
            *b"1\x0000000000\x001",
            [0xff; 12],
            [0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0],
            [0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert!(size(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hostile_a36_times_before_1970_are_numbers() {
        let mut minus_two = [0xff; 12];
        minus_two[11] = 0xfe;
        assert_eq!(binary(&minus_two), Some(-2));
        assert_eq!(binary(&[0xff; 8]), Some(-1));
        assert_eq!(binary(&[0x80, 0, 0, 0, 0, 0, 1, 1]), Some(257));
    }

    #[test]
    fn hostile_a05_nothing_follows_a_nul() {
        assert!(text(b"name\0\0").is_ok());
        assert!(text(b"name").is_ok());
        assert!(text(b"name\0x").is_err());
    }
}
