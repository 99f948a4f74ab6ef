//! `/rustup-init.sh`: installs rustup from this mirror.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::Sha256Digest;

use crate::{
    answer::{NO_CACHE, NOSNIFF, not_modified, respond},
    conditional,
    index_route::quoted,
    page::sh,
};

/// The script, in which `@MIRROR@` stands for the address of the mirror.
const SCRIPT: &str = include_str!("../assets/rustup-init.sh");

/// Answers a request for the script by a client that reaches the mirror at `base`.
pub(crate) fn answer(base: &str, request: &Parts) -> Response {
    let body = script(base);
    let mut headers = HeaderMap::with_capacity(8);
    let etag = quoted(&Sha256Digest::of(&body).to_string());
    let hit = conditional::none_match_hits(&request.headers, etag.as_bytes());
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::VARY, HeaderValue::from_static("host"));
    if hit {
        return not_modified(headers);
    }
    // A browser shows it: who runs a script from the network should read it first.
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => body.into(),
    };
    respond(StatusCode::OK, headers, body)
}

fn script(base: &str) -> String {
    SCRIPT.replace("@MIRROR@", &sh(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_c05_an_address_is_one_word_of_the_script() {
        for (base, line) in [
            ("http://m:80", "mirror=http://m:80"),
            (
                "https://[::1]/a'$(b)`c`",
                r"mirror='https://[::1]/a'\''$(b)`c`'",
            ),
        ] {
            let text = script(base);
            assert!(text.lines().any(|it| it == line), "{line}");
            assert!(!text.contains("@MIRROR@"));
        }
    }
}
