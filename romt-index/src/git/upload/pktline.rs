//! The packets that requests and answers are made of: lines with their length before
//! them.

use super::error::{Malformed, UploadError};

/// What ends a list.
pub(super) const FLUSH: &[u8] = b"0000";
/// What parts one section of a message from the next.
pub(super) const DELIMITER: &[u8] = b"0001";

/// How long a packet may be, with its length.
const MAX: usize = 65_520;
const LENGTH: usize = 4;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// Its text, without the end of the line.
    Line(&'a [u8]),
    Flush,
    Delimiter,
}

/// Reads one packet after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packets<'a>(pub(super) &'a [u8]);

impl<'a> Packets<'a> {
    /// The next packet; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Packet<'a>>, UploadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (length, rest) = self.0.split_at_checked(LENGTH).ok_or(CUT)?;
        let length = number(length).ok_or(Malformed("a packet without a length"))?;
        let packet = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            LENGTH..=MAX => {
                let (line, rest) = rest.split_at_checked(length - LENGTH).ok_or(CUT)?;
                self.0 = rest;
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                return Ok(Some(Packet::Line(line)));
            }
            _ => return Err(Malformed("a packet of an impossible length").into()),
        };
        self.0 = rest;
        Ok(Some(packet))
    }
}

const CUT: Malformed = Malformed("it ends within a packet");

fn number(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number * 16 + digit as usize)
    })
}

/// Appends a line, and the end of it.
pub(super) fn line(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    out.extend_from_slice(&length(text.len() + LENGTH + 1));
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// The length of a packet as it is written, with itself counted.
pub(super) fn length(whole: usize) -> [u8; LENGTH] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [12, 8, 4, 0].map(|shift| DIGITS[whole >> shift & 15])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(mut text: Packets<'_>) -> Result<Vec<Packet<'_>>, UploadError> {
        let mut all = Vec::new();
        while let Some(packet) = text.next()? {
            all.push(packet);
        }
        Ok(all)
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        let mut out = Vec::new();
        line(&mut out, "want");
        out.extend_from_slice(FLUSH);
        line(&mut out, "x".repeat(60_000));
        out.extend_from_slice(DELIMITER);
        out.extend_from_slice(b"0004");
        out.extend_from_slice(b"0006no");
        let all = packets(Packets(&out)).unwrap();
        let long = "x".repeat(60_000);
        let expected = [
            Packet::Line(b"want"),
            Packet::Flush,
            Packet::Line(long.as_bytes()),
            Packet::Delimiter,
            Packet::Line(b""),
            Packet::Line(b"no"),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn hostile_h15_malformed_packets_are_told() {
        for text in [
            "0", "000", "zzzz", "0005", "000", "0009done", "0002", "0003", "fff5", "ffff", "+00a",
            "0000x",
        ] {
            assert!(packets(Packets(text.as_bytes())).is_err(), "{text}");
        }
    }
}
