//! What the head of an answer says.

use std::time::{Duration, SystemTime};

use reqwest::{
    StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue,
        LAST_MODIFIED, RETRY_AFTER,
    },
};
use romt_core::{
    Escaped, Location,
    ports::{SourceError, SourceErrorKind, Validator},
};

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(2);

/// The prefixes tell the two kinds of validator apart, as in cargo's own cache.
const ETAG_PREFIX: &str = "etag: ";
const DATE_PREFIX: &str = "last-modified: ";

/// What identifies the bytes of this answer.
pub(super) fn validator(headers: &HeaderMap) -> Option<Validator> {
    let made_from = |name: HeaderName, prefix: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Validator::new(&format!("{prefix}{value}"))
    };
    made_from(ETAG, ETAG_PREFIX).or_else(|| made_from(LAST_MODIFIED, DATE_PREFIX))
}

/// A validator of ours, as a server understands it.
pub(super) enum Known<'a> {
    Etag(&'a str),
    Date(&'a str),
}

impl<'a> Known<'a> {
    /// `None` if it came from somewhere else.
    pub(super) fn from(validator: &'a Validator) -> Option<Self> {
        let text = validator.as_str();
        if let Some(etag) = text.strip_prefix(ETAG_PREFIX) {
            return Some(Self::Etag(etag));
        }
        text.strip_prefix(DATE_PREFIX).map(Self::Date)
    }

    /// The value for `If-Range`, which wants bytes that are equal, not similar.
    pub(super) fn for_range(&self) -> Option<HeaderValue> {
        match self {
            Self::Etag(etag) if etag.starts_with("W/") => None,
            Self::Etag(value) | Self::Date(value) => HeaderValue::from_str(value).ok(),
        }
    }
}

/// The length of the body as it travels, if it is said.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The codings of a body that the reader of it must undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    Gzip,
}

/// How the body is coded, or why it cannot be read.
pub(super) fn coding(headers: &HeaderMap, text: bool) -> Result<Coding, String> {
    let mut found = Coding::None;
    let mut count = 0;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.as_bytes().split(|&b| b == b',') {
            let name = name.trim_ascii();
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            count += 1;
            let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
            if !gzip || !text || count > 1 {
                let shown = Escaped::new(value.as_bytes());
                return Err(format!("the answer has the Content-Encoding `{shown}`"));
            }
            found = Coding::Gzip;
        }
    }
    Ok(found)
}

/// The total length, if `headers` announce exactly the bytes from `offset` to
/// the end.
pub(super) fn rest_from(headers: &HeaderMap, offset: u64) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (span, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        // `parse` would take a sign.
        text.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        text.parse().ok()
    };
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    let fits = first == offset && first <= last && last.checked_add(1) == Some(total);
    let length_fits = content_length(headers).is_none_or(|length| offset + length == total);
    (fits && length_fits).then_some(total)
}

/// The error for a status that brings no body to be used.
pub(super) fn status_error(
    status: StatusCode,
    headers: &HeaderMap,
    place: &Location,
) -> SourceError {
    let kind = match status.as_u16() {
        404 | 410 | 451 => SourceErrorKind::NotFound,
        401 | 403 | 407 => SourceErrorKind::Denied,
        408 | 429 | 500..=599 => SourceErrorKind::Transient,
        _ => SourceErrorKind::Failed,
    };
    let wait = (kind == SourceErrorKind::Transient)
        .then(|| retry_after(headers))
        .flatten();
    SourceError::new(kind, place, format!("the server answered {}", name(status)))
        .with_retry_after(wait)
}

fn name(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits for a number are too many seconds as well.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let wait = until.duration_since(SystemTime::now()).unwrap_or_default();
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn hostile_u11_retry_after_is_read_and_bounded() {
        let wait = |text: &str| retry_after(&headers(&[(RETRY_AFTER, text)]));
        let date = |offset: i64| {
            let now = SystemTime::now();
            let shift = Duration::from_secs(offset.unsigned_abs());
            let at = if offset < 0 { now - shift } else { now + shift };
            wait(&httpdate::fmt_http_date(at))
        };
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("315360000"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait(&"9".repeat(40)), Some(MAX_RETRY_AFTER));
        assert_eq!(date(-3600), Some(Duration::ZERO));
        assert_eq!(date(3600), Some(MAX_RETRY_AFTER));
        let soon = date(60).unwrap();
        assert!(soon > Duration::from_secs(50) && soon <= Duration::from_mins(1));
        for junk in ["", "soon", "-1", "1.5", "1 2", "+5"] {
            assert_eq!(wait(junk), None, "{junk}");
        }
    }

    #[test]
    fn hostile_u08_only_the_exact_rest_is_a_rest() {
        let total = |range: &str| rest_from(&headers(&[(CONTENT_RANGE, range)]), 10);
        assert_eq!(total("bytes 10-19/20"), Some(20));
        for bad in [
            "bytes 0-19/20",
            "bytes 11-19/20",
            "bytes 10-18/20",
            "bytes 10-20/20",
            "bytes 10-19/*",
            "bytes */20",
            "bytes 10-9/10",
            "bytes 10-18446744073709551615/0",
            "bytes +10-19/20",
            "items 10-19/20",
            "",
        ] {
            assert_eq!(total(bad), None, "{bad}");
        }
        let lying = headers(&[(CONTENT_RANGE, "bytes 10-19/20"), (CONTENT_LENGTH, "9")]);
        assert_eq!(rest_from(&lying, 10), None);
    }

    #[test]
    fn hostile_u07_codings_are_counted() {
        let coded = |text: &str, allowed| coding(&headers(&[(CONTENT_ENCODING, text)]), allowed);
        assert_eq!(coded("identity", false), Ok(Coding::None));
        assert_eq!(coded("gzip", true), Ok(Coding::Gzip));
        assert!(coded("gzip", false).is_err());
        for bad in ["br", "gzip, gzip", "gzip,deflate", "zip\tbomb"] {
            assert!(coded(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_have_their_kinds() {
        let place: Location = "x".parse().unwrap();
        for (status, kind) in [
            (404, SourceErrorKind::NotFound),
            (410, SourceErrorKind::NotFound),
            (451, SourceErrorKind::NotFound),
            (401, SourceErrorKind::Denied),
            (403, SourceErrorKind::Denied),
            (407, SourceErrorKind::Denied),
            (408, SourceErrorKind::Transient),
            (429, SourceErrorKind::Transient),
            (500, SourceErrorKind::Transient),
            (503, SourceErrorKind::Transient),
            (520, SourceErrorKind::Transient),
            (400, SourceErrorKind::Failed),
            (418, SourceErrorKind::Failed),
            (300, SourceErrorKind::Failed),
            (204, SourceErrorKind::Failed),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = status_error(status, &HeaderMap::new(), &place);
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.reason().contains(status.as_str()), "{error}");
        }
    }

    #[test]
    fn validators_are_told_apart() {
        let both = headers(&[
            (ETAG, "\"a\""),
            (LAST_MODIFIED, "Sat, 01 Jan 2000 00:00:00 GMT"),
        ]);
        let made = validator(&both).unwrap();
        assert_eq!(made.as_str(), "etag: \"a\"");
        assert!(Known::from(&made).unwrap().for_range().is_some());
        let weak = validator(&headers(&[(ETAG, "W/\"a\"")])).unwrap();
        assert!(Known::from(&weak).unwrap().for_range().is_none());
        assert!(Known::from(&Validator::new("size 3").unwrap()).is_none());
        // One that is too long to keep does not hide one that is not.
        let long = headers(&[
            (ETAG, &format!("\"{}\"", "a".repeat(2000))),
            (LAST_MODIFIED, "x"),
        ]);
        assert_eq!(validator(&long).unwrap().as_str(), "last-modified: x");
    }
}
