//! `Range` requests.

use std::ops::Range;

use http::{HeaderMap, header};

/// What a `Range` header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole: there is no range, or none that must be honoured.
    Whole,
    /// These bytes, which are there.
    Bytes(Range<u64>),
    /// Bytes that are not there.
    Unsatisfiable,
}

/// The part of `size` bytes that a request wants.
///
/// Several ranges get the whole file. They are told by their comma and never
/// looked at one by one, so that no number of them costs anything.
pub(crate) fn wanted(headers: &HeaderMap, size: u64) -> Part {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Part::Whole;
    };
    let Ok(text) = value.to_str() else {
        return Part::Whole;
    };
    let spec = match text.split_once('=') {
        Some((unit, spec)) if unit.trim().eq_ignore_ascii_case("bytes") => spec.trim(),
        _ => return Part::Whole,
    };
    match spec.split_once('-') {
        Some(("", suffix)) => suffix_of(suffix, size),
        Some((first, last)) => between(first, last, size),
        None => Part::Whole,
    }
}

fn suffix_of(suffix: &str, size: u64) -> Part {
    match number(suffix) {
        None => Part::Whole,
        Some(0) => Part::Unsatisfiable,
        Some(_) if size == 0 => Part::Unsatisfiable,
        Some(length) => Part::Bytes(size.saturating_sub(length)..size),
    }
}

fn between(first: &str, last: &str, size: u64) -> Part {
    let Some(first) = number(first) else {
        return Part::Whole;
    };
    let last = if last.is_empty() {
        u64::MAX
    } else {
        match number(last) {
            Some(last) if last >= first => last,
            _ => return Part::Whole,
        }
    };
    if first >= size {
        return Part::Unsatisfiable;
    }
    Part::Bytes(first..size.min(last.saturating_add(1)))
}

/// A run of digits; past what fits, the largest number, which means the same.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn part(value: &str) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(value).unwrap());
        wanted(&headers, 100)
    }

    #[test]
    fn single_ranges_are_clipped_to_the_file() {
        for (value, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..100),
            ("Bytes=10-19", 10..20),
            ("bytes=90-200", 90..100),
            ("bytes=-5", 95..100),
            ("bytes=-500", 0..100),
            ("bytes=1-99999999999999999999999", 1..100),
        ] {
            assert_eq!(part(value), Part::Bytes(range), "{value}");
        }
    }

    #[test]
    fn hostile_h08_odd_ranges_do_no_harm() {
        for value in ["bytes=100-", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(part(value), Part::Unsatisfiable, "{value}");
        }
        for value in [
            "bytes=5-1",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "items=0-1",
            "bytes=0-1,2-3",
            "bytes=0-,0-,0-",
            "bytes=0x1-2",
            "bytes=1--2",
        ] {
            assert_eq!(part(value), Part::Whole, "{value}");
        }
        assert_eq!(part(&format!("bytes={}", "0-,".repeat(1000))), Part::Whole);
        assert_eq!(wanted(&HeaderMap::new(), 0), Part::Whole);
    }
}
