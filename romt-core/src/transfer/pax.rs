//! The records of a PAX header, read strictly.

use std::collections::HashSet;

/// The largest PAX header, in bytes.
pub(super) const MAX_SIZE: u64 = 64 * 1024;

/// Keys that would change what a member is or holds.
const REFUSED: &[&str] = &[
    "linkpath",
    "SUN.holesdata",
    "SCHILY.realsize",
    "SCHILY.filetype",
];

/// What a PAX header says of the next member that matters here. Times and owners
/// do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Records {
    pub(super) fn parse(mut block: &[u8]) -> Result<Self, String> {
        if block.is_empty() {
            return Err("a PAX header is empty".to_owned());
        }
        let mut records = Self::default();
        let mut keys = HashSet::new();
        while !block.is_empty() {
            let (key, value, rest) = split(block).ok_or("a PAX record is malformed")?;
            if !keys.insert(key) {
                return Err(format!("the PAX record `{key}` is there twice"));
            }
            records.take(key, value)?;
            block = rest;
        }
        Ok(records)
    }

    fn take(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let invalid = || format!("the PAX record `{key}` is not a number");
        match key {
            "path" if value.is_empty() => return Err("its PAX path is empty".to_owned()),
            "path" => self.path = Some(value.to_vec()),
            "size" => self.size = Some(decimal(value).ok_or_else(invalid)?),
            "uid" | "gid" => {
                decimal(value).ok_or_else(invalid)?;
            }
            _ if key.starts_with("GNU.") || REFUSED.contains(&key) => {
                return Err(format!("its PAX record `{key}` is not admitted"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// `LENGTH KEY=VALUE\n`, where the length is that of all of it.
pub(super) fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    loop {
        let record = format!("{length}{rest}");
        if record.len() == length {
            return record;
        }
        length = record.len();
    }
}

/// Splits `LENGTH KEY=VALUE\n` off, where the length is that of all of it.
fn split(block: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let digits = block.iter().position(|&byte| byte == b' ')?;
    let length = decimal(&block[..digits])?;
    let (record, rest) = block.split_at_checked(usize::try_from(length).ok()?)?;
    let record = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    let printable = |byte: &u8| byte.is_ascii_graphic();
    if key.is_empty() || !key.iter().all(printable) {
        return None;
    }
    Some((std::str::from_utf8(key).ok()?, value, rest))
}

/// A decimal number of at most 18 digits, written in the one way there is.
fn decimal(text: &[u8]) -> Option<u64> {
    let canonical = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    if !canonical || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0')),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Records, String> {
        Records::parse(text.as_bytes())
    }

    #[test]
    fn known_keys_are_taken_and_others_ignored() {
        let records = parse("30 mtime=1700000000.123456789\n12 path=a/b\n9 size=7\n8 a.b=c\n");
        assert_eq!(
            records.unwrap(),
            Records {
                path: Some(b"a/b".to_vec()),
                size: Some(7)
            }
        );
    }

    #[test]
    fn hostile_a36_odd_times_are_data() {
        for time in ["nan", "-1", "253402300799", "1e400"] {
            let records = parse(&record("mtime", time));
            assert_eq!(records.unwrap(), Records::default(), "{time}");
        }
    }

    #[test]
    fn hostile_a16_malformed_records_are_refused() {
        for bad in [
            "",
            "12 path=a/b",
            "13 path=a/b\n",
            "11 path=a/b\n",
            "012 path=a/b\n",
            "+12 path=a/b\n",
            "-1 path=a/b\n",
            "12path=a/b\n",
            "99999999999999999999 path=a/b\n",
            "0 \n",
            "3 \n",
            "5 =a\n",
            "5 ab\n",
            "8 path=\n",
            "12 path=a/b\n12 path=a/c\n",
            "12 path=a/b\n\0",
            "10 k\u{7}ey=v\n",
        ] {
            let error = parse(bad).unwrap_err();
            let why = ["malformed", "empty", "twice"];
            assert!(
                why.iter().any(|why| error.contains(why)),
                "{bad:?}: {error}"
            );
        }
        for (key, number) in [
            ("size", "x"),
            ("size", ""),
            ("size", "-1"),
            ("size", "+1"),
            ("size", "01"),
            ("size", "1.0"),
            ("size", "1000000000000000000"),
            ("uid", "-1"),
            ("gid", "x"),
        ] {
            let error = parse(&record(key, number)).unwrap_err();
            assert!(error.contains("not a number"), "{key}={number}: {error}");
        }
    }

    #[test]
    fn hostile_a12_records_that_change_the_data_are_refused() {
        for key in [
            "GNU.sparse.major",
            "GNU.sparse.name",
            "GNU.sparse.realsize",
            "GNU.dumpdir",
            "linkpath",
            "SCHILY.realsize",
        ] {
            let error = parse(&record(key, "1")).unwrap_err();
            assert!(error.contains("not admitted"), "{key}: {error}");
        }
    }

    #[test]
    fn pax_records_count_their_own_length() {
        assert_eq!(record("path", "a/b"), "12 path=a/b\n");
        // With two digits it would have 99 bytes, with three 100 and more.
        for length in 85..110 {
            let record = record("path", &"x".repeat(length));
            let stated = record.split(' ').next().unwrap();
            assert_eq!(stated.parse::<usize>().unwrap(), record.len());
        }
    }
}
