//! Compression of index files.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};

/// What is not worth compressing, in bytes.
const TOO_SMALL: usize = 256;

/// What takes too long to compress while somebody waits, in bytes.
const TOO_LARGE: usize = 16 * 1024 * 1024;

/// What is compressed where it is, in bytes; more goes to another thread.
const AT_ONCE: usize = 64 * 1024;

/// Whether the client takes gzip. One pass over the header.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        let Ok(text) = value.to_str() else { continue };
        for item in text.split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let coding = coding.trim();
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return !is_zero(parameters);
            }
            if coding == "*" {
                any = Some(!is_zero(parameters));
            }
        }
    }
    any.unwrap_or(false)
}

/// Whether the weight in `parameters` is zero.
fn is_zero(parameters: &str) -> bool {
    let Some((name, weight)) = parameters.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q")
        && weight.trim().starts_with('0')
        && weight.trim().bytes().all(|b| matches!(b, b'0' | b'.'))
}

/// How long what is worth compressing is at most once it is, in bytes.
pub(crate) fn most(length: usize) -> usize {
    length / 4 * 3
}

/// `body` compressed, if that is worth it.
pub(crate) async fn gzip(body: &Bytes) -> Option<Bytes> {
    match body.len() {
        0..=TOO_SMALL | TOO_LARGE.. => None,
        ..=AT_ONCE => compress(body),
        _ => {
            let body = body.clone();
            // Only a panic or the end of the runtime can fail it.
            tokio::task::spawn_blocking(move || compress(&body))
                .await
                .unwrap_or_default()
        }
    }
}

fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(6));
    encoder.write_all(body).ok()?;
    let mut compressed = encoder.finish().ok()?;
    if compressed.len() > most(body.len()) {
        return None;
    }
    compressed.shrink_to_fit();
    Some(compressed.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use http::HeaderValue;

    use super::*;

    fn accepts(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_str(value).unwrap(),
        );
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_used_for_those_who_take_it() {
        for good in [
            "gzip",
            "deflate, gzip",
            "GZIP;q=0.5",
            "*",
            "br, *;q=0.1",
            "gzip; q=1.000",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip; q=0.000",
            "*;q=0",
            "*, gzip;q=0",
            "gzipx",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn hostile_h24_a_thousand_codings_are_read_once() {
        assert!(!accepts(&"x;q=0.1,".repeat(1000)));
        assert!(accepts(&("x,".repeat(1000) + "gzip")));
    }

    #[tokio::test]
    async fn compressed_bytes_are_the_same_bytes() {
        for length in [257, 300_000] {
            let body = Bytes::from("line\n".repeat(length / 5 + 1));
            let packed = gzip(&body).await.unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..])
                .read_to_end(&mut unpacked)
                .unwrap();
            assert_eq!(unpacked, body);
        }
        assert!(gzip(&Bytes::from_static(b"short")).await.is_none());
    }
}
