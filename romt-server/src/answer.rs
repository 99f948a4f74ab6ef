//! Answers without content of their own, and the headers that all have.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;

/// Why a request is not answered with content.
///
/// The text goes to the client, where cargo shows it to its user, so it is fixed
/// and says nothing of the inside. Causes are logged where they arise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadTarget,
    TargetTooLong,
    HeadTooLarge,
    BadHost,
    ForeignHost,
    HasBody,
    Method,
    NotFound,
    /// The store or index failed, or what it has is damaged.
    Unavailable,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadTarget | Self::BadHost | Self::HasBody => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::BadTarget => "this is no path of a mirror\n",
            Self::TargetTooLong => "the path is too long\n",
            Self::HeadTooLarge => "the headers are too large\n",
            Self::BadHost => "exactly one Host header with a host name is needed\n",
            Self::ForeignHost => "this server answers to loopback names only\n",
            Self::HasBody => "requests with a body are not served\n",
            Self::Method => "only GET and HEAD are served\n",
            Self::NotFound => "not in this mirror\n",
            Self::Unavailable => "the mirror cannot read this at present\n",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::with_capacity(6);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::CONTENT_LENGTH, self.text().len().into());
        match self {
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            // Where the next request begins is in doubt, or its sender is.
            Self::HasBody
            | Self::BadHost
            | Self::BadTarget
            | Self::HeadTooLarge
            | Self::TargetTooLong => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        respond(
            self.status(),
            headers,
            Bytes::from_static(self.text().as_bytes()),
        )
    }
}

pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
pub(crate) const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// A response of these parts.
pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Says that what the client has is still right.
pub(crate) fn not_modified(headers: HeaderMap) -> Response {
    respond(StatusCode::NOT_MODIFIED, headers, Body::new(NoBody))
}

/// A body that has no length rather than length zero, lest a 304 claim that the
/// content it stands for is empty.
struct NoBody;

impl http_body::Body for NoBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }
}
