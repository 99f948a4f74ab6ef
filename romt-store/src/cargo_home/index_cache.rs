//! The files in which cargo keeps what an index said of one crate.
//!
//! ```text
//! 3  2 0 0 0  INDEX-VERSION 0   VERSION 0 JSON 0   VERSION 0 JSON 0 …
//! ```
//!
//! The byte 3 is the version of this format and 2, in four bytes, that of the
//! JSON. Cargo rebuilds a file that begins otherwise, so such a file is not worth
//! guessing at.

use bytes::{BufMut as _, Bytes, BytesMut};

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The longest line, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// The longest version, or version of an index, in bytes.
const MAX_WORD: usize = 4096;

/// The lines of the index that `file` was made from, each with its newline.
pub(super) fn lines(file: &[u8]) -> Result<Bytes, &'static str> {
    let body = file
        .strip_prefix(&[3, 2, 0, 0, 0])
        .ok_or("it is not of the format that cargo 1.85 and later write")?;
    let (_, mut rest) = word(body, MAX_WORD)?;
    let mut lines = BytesMut::with_capacity(rest.len());
    while !rest.is_empty() {
        let (version, after) = word(rest, MAX_WORD)?;
        if version.is_empty() {
            return Err("a version is empty");
        }
        let (line, after) = word(after, MAX_LINE)?;
        if !line.starts_with(b"{") || line.contains(&b'\n') {
            return Err("an entry is no line of JSON");
        }
        lines.put_slice(line);
        lines.put_u8(b'\n');
        rest = after;
    }
    Ok(lines.freeze())
}

/// The bytes up to the next NUL, and those behind it.
fn word(bytes: &[u8], limit: usize) -> Result<(&[u8], &[u8]), &'static str> {
    let seen = &bytes[..bytes.len().min(limit + 1)];
    match seen.iter().position(|&byte| byte == 0) {
        Some(end) => Ok((&bytes[..end], &bytes[end + 1..])),
        None if seen.len() > limit => Err("an entry is too long"),
        None => Err("it is cut short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"\x03\x02\0\0\0etag: \"x\"\x001.0.0\0{\"a\":1}\x001.0.1\0{}\0";

    #[test]
    fn lines_come_in_the_order_of_the_file() {
        assert_eq!(lines(GOOD).unwrap(), "{\"a\":1}\n{}\n");
        assert_eq!(lines(b"\x03\x02\0\0\0Unknown\0").unwrap(), "");
    }

    #[test]
    fn hostile_cache_files_are_refused() {
        // A file that breaks off is noticed wherever it does not end an entry.
        for end in 0..GOOD.len() {
            let whole = GOOD[..end].ends_with(b"}\0") || GOOD[..end].ends_with(b"\"x\"\0");
            assert_eq!(lines(&GOOD[..end]).is_ok(), whole, "{end}");
        }
        for bad in [
            b"\x03\x01\0\0\0x\0".as_slice(),
            b"\x02\x02\0\0\0x\0",
            b"\x03\x02\0\0\0x\0\0{}\0",
            b"\x03\x02\0\0\0x\x001.0.0\0\0",
            b"\x03\x02\0\0\0x\x001.0.0\0{}\n{}\0",
            b"\x03\x02\0\0\0x\x001.0.0\0[]\0",
            b"{\"name\":\"x\"}\n",
        ] {
            assert!(lines(bad).is_err(), "{bad:?}");
        }
        let long = [
            b"\x03\x02\0\0\0x\x001.0.0\0{".as_slice(),
            &vec![b' '; MAX_LINE],
            b"}\0",
        ]
        .concat();
        assert!(lines(&long).is_err());
    }
}
