//! Conditional requests: whether a client already has what it asks for.

use http::{HeaderMap, header};

/// Whether `If-None-Match` names `etag`, or anything.
///
/// Tags are compared weakly. One pass over the header, whatever is in it.
pub(crate) fn none_match_hits(headers: &HeaderMap, etag: &[u8]) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| lists(value.as_bytes(), opaque(etag)))
}

/// Whether a `Range` may be honoured: there is no `If-Range`, or it names `etag`
/// strongly. Dates never match: they are too coarse to tell two files apart.
pub(crate) fn range_applies(headers: &HeaderMap, etag: &[u8]) -> bool {
    match headers.get(header::IF_RANGE) {
        None => true,
        Some(value) => value.as_bytes() == etag && !etag.starts_with(b"W/"),
    }
}

/// The quoted part of a tag.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether the list of tags in `list` has `wanted`, which has its quotes on.
fn lists(list: &[u8], wanted: &[u8]) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    while let Some(tag) = next_tag(&mut rest) {
        if tag == wanted {
            return true;
        }
    }
    false
}

/// Takes the next tag off `rest`, or `None` at the end and at nonsense.
fn next_tag<'l>(rest: &mut &'l [u8]) -> Option<&'l [u8]> {
    let separators = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b','))
        .count();
    let list = opaque(&rest[separators..]);
    if list.first() != Some(&b'"') {
        return None;
    }
    let length = list[1..].iter().position(|&b| b == b'"')? + 2;
    let (tag, after) = list.split_at(length);
    *rest = after;
    Some(tag)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hits(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        none_match_hits(&headers, b"\"abc\"")
    }

    #[test]
    fn tags_are_found_in_lists() {
        for good in [
            "\"abc\"",
            "W/\"abc\"",
            "*",
            "\"x\", \"abc\"",
            "\"a,b\",W/\"abc\"",
            " \"abc\" ",
        ] {
            assert!(hits(good), "{good}");
        }
    }

    #[test]
    fn hostile_h09_junk_matches_nothing() {
        for bad in [
            "",
            "abc",
            "\"abc",
            "abc\"",
            "\"x\"",
            "\"abcd\"",
            "**",
            "*, \"x\"",
            "W/",
            "\"x\" junk \"abc\"",
        ] {
            assert!(!hits(bad), "{bad}");
        }
        let many = "\"x\", ".repeat(10_000);
        assert!(!hits(&many));
        assert!(hits(&(many + "\"abc\"")));
    }
}
