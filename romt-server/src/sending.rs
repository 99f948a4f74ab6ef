//! Sending an object of the store, whole or in part.

use std::{ops::Range, time::UNIX_EPOCH};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::{
    Key, Store,
    ports::{ByteRange, GetOptions, ObjectMeta, StoreError, StreamError},
};

use crate::{
    answer::{NOSNIFF, Refusal, not_modified, respond},
    conditional,
    range::{self, Part},
};

/// What never changes, for caches.
pub(crate) const FOREVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// How often an object is looked at anew that was replaced in between.
pub(crate) const LOOKS: usize = 8;

/// When the year 10000 begins, which HTTP cannot write, in seconds after 1970.
const END_OF_DATES: u64 = 253_402_300_800;

/// An object to answer from, and what is said of it.
#[derive(Debug)]
pub(crate) struct Sending<'o> {
    pub(crate) meta: &'o ObjectMeta,
    pub(crate) etag: &'o HeaderValue,
    /// When it was written, if that is known: for people and for tools that copy
    /// trees. Nothing is decided by it.
    pub(crate) modified: Option<HeaderValue>,
    pub(crate) cache_control: HeaderValue,
    pub(crate) content_type: HeaderValue,
}

impl Sending<'_> {
    /// Answers `request` from `bytes`, which are the whole object, or else from
    /// the store. [`Refusal::Replaced`] if that has another object by now, or none.
    pub(crate) async fn answer(
        &self,
        store: &dyn Store,
        bytes: Option<&Bytes>,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        if conditional::none_match_hits(&request.headers, self.etag.as_bytes()) {
            return Ok(not_modified(self.validators()));
        }
        let (status, part) = match self.wanted(request) {
            Part::Whole => (StatusCode::OK, 0..self.meta.size),
            Part::Bytes(part) => (StatusCode::PARTIAL_CONTENT, part),
            Part::Unsatisfiable => return Ok(self.unsatisfiable()),
        };
        let mut headers = self.headers();
        if status == StatusCode::PARTIAL_CONTENT {
            let (start, last, size) = (part.start, part.end - 1, self.meta.size);
            let shown = format!("bytes {start}-{last}/{size}");
            headers.insert(header::CONTENT_RANGE, ascii(&shown));
        }
        headers.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
        let body = match bytes {
            _ if request.method == Method::HEAD => Body::empty(),
            Some(bytes) => slice(bytes, &part).into(),
            None => self.stream(store, part).await?,
        };
        Ok(respond(status, headers, body))
    }

    /// The bytes in `part`, from the store.
    async fn stream(&self, store: &dyn Store, part: Range<u64>) -> Result<Body, Refusal> {
        let meta = self.meta;
        // The whole is asked for as such, for it may be empty.
        let options = if part == (0..meta.size) {
            GetOptions::default()
        } else {
            let (start, end) = (part.start, Some(part.end));
            ByteRange { start, end }.into()
        };
        // In between: whoever looks again finds the new one.
        let object = match store.get_opts(&meta.key, options).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. } | StoreError::RangeNotSatisfiable { .. }) => {
                return Err(Refusal::Replaced);
            }
            Err(error) => return Err(refuse(&error)),
        };
        if object.meta != *meta || object.range != part {
            return Err(Refusal::Replaced);
        }
        let key = meta.key.clone();
        Ok(Body::from_stream(object.body.inspect_err(move |error| {
            broken(&key, error);
        })))
    }

    /// What tells this state of the object from another.
    fn validators(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, self.cache_control.clone());
        headers
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = self.validators();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(modified) = &self.modified {
            headers.insert(header::LAST_MODIFIED, modified.clone());
        }
        headers
    }

    /// What of the object is asked for. A range has no meaning but for GET.
    fn wanted(&self, request: &Parts) -> Part {
        let of_get = request.method == Method::GET;
        if of_get && conditional::range_applies(&request.headers, self.etag.as_bytes()) {
            range::wanted(&request.headers, self.meta.size)
        } else {
            Part::Whole
        }
    }

    fn unsatisfiable(&self) -> Response {
        let mut headers = self.headers();
        headers.remove(header::CACHE_CONTROL);
        let size = self.meta.size;
        headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes */{size}")));
        respond(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty())
    }
}

/// The time at which an object was written as `Last-Modified`, if it can be one.
pub(crate) fn last_modified(meta: &ObjectMeta) -> Option<HeaderValue> {
    // Whoever copies a tree may set any time, and not all are dates.
    let known = meta.modified.filter(|time| {
        let since = time.duration_since(UNIX_EPOCH);
        since.is_ok_and(|since| since.as_secs() < END_OF_DATES)
    })?;
    HeaderValue::from_str(&httpdate::fmt_http_date(known)).ok()
}

/// The bytes in `part`, which lies within.
fn slice(bytes: &Bytes, part: &Range<u64>) -> Bytes {
    let at = |place: u64| {
        usize::try_from(place)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    bytes.slice(at(part.start)..at(part.end))
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and spaces make a header value")
}

/// What a client is told of a failure of the store, which is logged.
pub(crate) fn refuse(error: &StoreError) -> Refusal {
    if matches!(error, StoreError::NotFound { .. }) {
        return Refusal::NotFound;
    }
    let cause: &dyn std::error::Error = error;
    tracing::error!(error = cause, "a file of the mirror could not be read");
    match error {
        StoreError::Refused { .. } => Refusal::NotFound,
        _ => Refusal::Unavailable,
    }
}

/// The same for a file that broke off while it was read.
pub(crate) fn broken(key: &Key, error: &StreamError) -> Refusal {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, %key, "a file of the mirror could not be read to its end");
    Refusal::Unavailable
}
