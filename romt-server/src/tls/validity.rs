//! From when to when a certificate is valid, read out of its DER.
//!
//! rustls judges certificates as a client does, up to an authority; a server does
//! not ask who vouches for its own, only whether it still counts.

use std::time::{Duration, SystemTime};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// From when to when `certificate` is valid, if it is one.
pub(super) fn of(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let mut rest = certificate;
    let mut certificate = take(&mut rest, SEQUENCE)?;
    let mut signed = take(&mut certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        take(&mut signed, VERSION)?;
    }
    take(&mut signed, INTEGER)?;
    let (_algorithm, _issuer) = (take(&mut signed, SEQUENCE)?, take(&mut signed, SEQUENCE)?);
    let mut validity = take(&mut signed, SEQUENCE)?;
    Some((time(&mut validity)?, time(&mut validity)?))
}

/// The content of the element at the beginning of `bytes`, which is past it then.
fn take<'b>(bytes: &mut &'b [u8], tag: u8) -> Option<&'b [u8]> {
    let (&[found, short], rest) = bytes.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            let add = |length, digit: &u8| length << 8 | usize::from(*digit);
            (digits.iter().fold(0, add), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(content)
}

fn time(bytes: &mut &[u8]) -> Option<SystemTime> {
    let is_short = bytes.first() == Some(&UTC_TIME);
    let text = take(bytes, if is_short { UTC_TIME } else { GENERALIZED_TIME })?;
    let digits = text.strip_suffix(b"Z")?;
    let (year, rest) = if is_short {
        let (year, rest) = digits.split_at_checked(2)?;
        let year = number(year)?;
        (if year < 50 { 2000 + year } else { 1900 + year }, rest)
    } else {
        let (year, rest) = digits.split_at_checked(4)?;
        (number(year)?, rest)
    };
    if rest.len() != 10 {
        return None;
    }
    let fields: Vec<u64> = rest.chunks(2).map(number).collect::<Option<_>>()?;
    let &[
        month @ 1..=12,
        day @ 1..=31,
        hour @ 0..24,
        minute @ 0..60,
        second @ 0..=60,
    ] = &fields[..]
    else {
        return None;
    };
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Days since 1970; what was before is as good as then.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 {
        return Some(0);
    }
    // The year begins in March, so that the odd day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_years = 365 * year + year / 4 - year / 100 + year / 400;
    (of_years + (153 * month + 2) / 5 + day - 1).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend(text.as_bytes());
        let time = time(&mut &der[..])?;
        Some(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs(),
        )
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "490228235959Z"), Some(2_498_169_599));
        assert_eq!(seconds(UTC_TIME, "240229120000Z"), Some(1_709_208_000));
        assert_eq!(seconds(UTC_TIME, "501231235959Z"), Some(86_399));
        assert_eq!(
            seconds(GENERALIZED_TIME, "20261121010203Z"),
            Some(1_795_222_923)
        );
        assert_eq!(
            seconds(GENERALIZED_TIME, "99991231235959Z"),
            Some(253_402_300_799)
        );
        for (tag, text) in [
            (UTC_TIME, "261121010203"),
            (UTC_TIME, "261321010203Z"),
            (UTC_TIME, "26112101020Z"),
            (UTC_TIME, "2611210102+3Z"),
            (GENERALIZED_TIME, "Z"),
            (INTEGER, "20261121010203Z"),
        ] {
            assert_eq!(seconds(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_validity() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x82\xff\xff\x30",
            b"\x30\x04\x30\x02\x02\x00",
            b"\x30\x80",
        ] {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
    }
}
