//! Answers without content of their own, and the headers that all have.

use std::{
    fmt,
    pin::Pin,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::SystemTime,
};

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
    /// A token is needed.
    NoToken,
    /// The token is none.
    WrongToken,
    /// Too many of the tokens from there were none.
    TooManyTokens,
    /// Too much is being answered.
    Busy,
    /// The store or index failed, or what it has is damaged.
    Unavailable,
    /// An object was replaced between two looks at it, and that again and again.
    Replaced,
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
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::TooManyTokens => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable | Self::Replaced => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::NoToken => "a token is needed to read this mirror\n",
            Self::WrongToken => "this token is not valid here, or no longer\n",
            Self::TooManyTokens => "too many tokens that are not valid came from this address\n",
            Self::Busy => "too many requests are being answered; try again\n",
            Self::Unavailable | Self::Replaced => "the mirror cannot read this at present\n",
        }
    }
}

impl Refusal {
    /// The text, and for trouble an id that the log repeats, so that who reads the
    /// one can find the other.
    fn body(self) -> (Bytes, Option<TroubleId>) {
        if matches!(self, Self::NotFound) {
            // No trouble, and cargo asks for much that is not there.
            return (Bytes::from_static(self.text().as_bytes()), None);
        }
        let id = TroubleId::new();
        let text = format!("{} (id {id})\n", self.text().trim_end());
        (text.into(), Some(id))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (body, id) = self.body();
        let mut headers = HeaderMap::with_capacity(8);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        match self {
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::Unavailable | Self::Replaced | Self::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::TooManyTokens => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Self::NoToken | Self::WrongToken => {
                headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
        let mut response = respond(self.status(), headers, body);
        if let Some(id) = id {
            if response.status().is_server_error() {
                tracing::error!(%id, status = response.status().as_u16(), "a client was told that its request failed");
            }
            response.extensions_mut().insert(id);
        }
        response
    }
}

/// How to send a token: git, rustup and browsers send it as a password.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"romt\", charset=\"UTF-8\"");

/// Names the trouble that a client was told of, as an extension of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TroubleId(pub(crate) u32);

impl TroubleId {
    /// One that this process has not given out lately, nor probably another.
    fn new() -> Self {
        static START: LazyLock<u32> = LazyLock::new(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let seconds = now.map_or(0, |it| it.as_secs());
            u32::try_from(seconds & 0xffff_ffff).unwrap_or(0) << 8
        });
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(START.wrapping_add(NEXT.fetch_add(1, Relaxed)))
    }
}

impl fmt::Display for TroubleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
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
