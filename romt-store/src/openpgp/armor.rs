//! ASCII armour, read strictly: RFC 9580, section 6.
//!
//! A checksum may be absent, as the RFC has it, and must be right if it is there.
//! Whatever else is in the file is refused rather than skipped: text around the
//! block is text that somebody might believe to be signed.

use romt_core::Escaped;

/// The most header lines of a block, and the most bytes of one.
const MAX_HEADERS: usize = 16;
const MAX_HEADER: usize = 1024;

/// A block of armour: what it says it is, such as `PGP SIGNATURE`, and its bytes.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) bytes: Vec<u8>,
}

/// Whether `file` begins as binary packets do; armour begins with ASCII.
pub(super) fn is_binary(file: &[u8]) -> bool {
    file.first().is_some_and(|first| first & 0x80 != 0)
}

/// The blocks in `file`, of which there may be `limit`.
pub(super) fn decode(file: &[u8], limit: usize) -> Result<Vec<Block>, String> {
    let mut lines = file
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some(kind) = boundary(line, "BEGIN ") else {
            return Err(format!(
                "it has text that is not armour: {}",
                Escaped::new(line)
            ));
        };
        if blocks.len() == limit {
            return Err(format!("it has more armoured blocks than {limit}"));
        }
        skip_headers(&mut lines)?;
        blocks.push(Block {
            bytes: body(&mut lines, kind)?,
            kind: kind.to_owned(),
        });
    }
    Ok(blocks)
}

/// What stands between `-----`, `word` and `-----`.
fn boundary<'a>(line: &'a [u8], word: &str) -> Option<&'a str> {
    std::str::from_utf8(line)
        .ok()?
        .strip_prefix("-----")?
        .strip_prefix(word)?
        .strip_suffix("-----")
}

/// Header lines say nothing that is signed; they are only known to be ones.
fn skip_headers<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
    for count in 0..=MAX_HEADERS {
        let line = lines.next().ok_or("its armour ends in the headers")?;
        if line.is_empty() {
            return Ok(());
        }
        if count == MAX_HEADERS || line.len() > MAX_HEADER {
            return Err(format!(
                "its armour has more than {MAX_HEADERS} headers of {MAX_HEADER} bytes"
            ));
        }
        if !line.contains(&b':') {
            return Err("its armour has a header without a colon".into());
        }
    }
    Err("its armour has too many headers".into())
}

fn body<'a>(lines: &mut impl Iterator<Item = &'a [u8]>, kind: &str) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut checksum = None;
    for line in lines {
        if let Some(end) = boundary(line, "END ") {
            if end != kind {
                return Err("its armour ends as another block than it began".into());
            }
            let bytes = base64(&text).ok_or("its armour is not base64")?;
            return match checksum {
                Some(sum) if sum != crc24(&bytes) => {
                    Err("the checksum of its armour differs".into())
                }
                _ => Ok(bytes),
            };
        }
        if checksum.is_some() {
            return Err("its armour goes on behind the checksum".into());
        }
        if let Some(sum) = line.strip_prefix(b"=") {
            let sum = base64(sum).ok_or("the checksum of its armour is not base64")?;
            let [a, b, c] = sum[..] else {
                return Err("the checksum of its armour is not 24 bits".into());
            };
            checksum = Some(u32::from_be_bytes([0, a, b, c]));
        } else {
            text.extend_from_slice(line);
        }
    }
    Err("its armour has no end line".into())
}

/// What `text` stands for: groups of four digits, the last of which may be padded.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let digits = &text[..text.len() - padding];
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for group in digits.chunks(4) {
        let mut value = 0;
        for digit in group {
            value = value << 6 | base64_digit(*digit)?;
        }
        // A short group has 6 or 12 bits less, and its last ones are no byte's.
        let missing = 4 - group.len();
        value <<= 6 * missing;
        let used = 3 - missing;
        let [_, three @ ..] = u32::to_be_bytes(value);
        if three[used..].iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(&three[..used]);
    }
    Some(bytes)
}

fn base64_digit(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// The checksum of RFC 9580, section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armored(body: &str) -> String {
        format!("-----BEGIN PGP SIGNATURE-----\n\n{body}-----END PGP SIGNATURE-----\n")
    }

    fn decoded(text: &str) -> Result<Vec<u8>, String> {
        decode(text.as_bytes(), 1).map(|mut blocks| blocks.remove(0).bytes)
    }

    #[test]
    fn what_others_write_is_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==\n", b"f"),
            ("Zm8=\n", b"fo"),
            ("Zm9v\n", b"foo"),
            ("Zm9v\nYmFy\n", b"foobar"),
            ("Zm9vYmFy\r\n", b"foobar"),
        ] {
            assert_eq!(decoded(&armored(text)).unwrap(), bytes);
        }
        // The check value of CRC-24/OPENPGP.
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
        assert!(decoded(&armored("MTIzNDU2Nzg5\n=Ic8C\n")).is_ok());
    }

    #[test]
    fn hostile_s04_armour_that_is_not_quite_armour_is_refused() {
        let good = armored("MTIzNDU2Nzg5\n=Ic8C\n");
        let headers = "Comment: x\n".repeat(17);
        for bad in [
            good.replace("-----END PGP SIGNATURE-----\n", ""),
            good.replace("=Ic8C", "=Ic8D"),
            good.replace("=Ic8C", "=I"),
            good.replace("MTIz", "MT!z"),
            good.replace("MTIz", "MTI"),
            good.replace("END PGP SIGNATURE", "END PGP MESSAGE"),
            good.replace("=Ic8C\n", "=Ic8C\nMTIz\n"),
            good.replace("-----\n\n", &format!("-----\n{headers}\n")),
            good.replace(
                "-----\n\n",
                &format!("-----\nComment: {}\n\n", "x".repeat(2000)),
            ),
            good.replace("-----\n\n", "-----\n"),
            format!("{good}{good}"),
            format!("signed, sealed:\n{good}"),
            format!("{good}delivered"),
            armored("Zh==\n"),
            armored("====\n"),
        ] {
            assert!(decode(bad.as_bytes(), 1).is_err(), "{bad}");
        }
    }
}
