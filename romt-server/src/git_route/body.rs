//! Reading what a git client sends.

use std::io::Read as _;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt as _;
use http::{HeaderMap, header};

use super::refusal::GitRefusal;

/// How long a request may be, inflated.
const LIMIT: usize = 1024 * 1024;

/// The body of a request, inflated if need be. It is never longer than the limit,
/// whatever it would become.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, GitRefusal> {
    let is_packed = is_gzip(headers)?;
    let mut pieces = body.into_data_stream();
    let mut text = BytesMut::new();
    while let Some(piece) = pieces.try_next().await.map_err(|error| {
        tracing::debug!(%error, "a git client's request broke off");
        GitRefusal::BrokeOff
    })? {
        if text.len() + piece.len() > LIMIT {
            return Err(GitRefusal::TooLarge);
        }
        text.extend_from_slice(&piece);
    }
    if is_packed {
        inflate(&text)
    } else {
        Ok(text.freeze())
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, GitRefusal> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding == "identity" => Ok(false),
        (Some(coding), None) if coding == "gzip" || coding == "x-gzip" => Ok(true),
        _ => Err(GitRefusal::Encoding),
    }
}

fn inflate(text: &[u8]) -> Result<Bytes, GitRefusal> {
    let mut inflated = Vec::new();
    let mut decoder = MultiGzDecoder::new(text).take(LIMIT as u64 + 1);
    let read = decoder.read_to_end(&mut inflated);
    if inflated.len() > LIMIT {
        return Err(GitRefusal::TooLarge);
    }
    read.map_err(|_| GitRefusal::Malformed)?;
    Ok(inflated.into())
}
