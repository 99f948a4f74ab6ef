//! Why a git client is not answered. It shows the text to its user.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::{NOSNIFF, respond};

/// Why a request of git is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GitRefusal {
    ReadOnly,
    Service,
    Dumb,
    NotPosted,
    ContentType,
    Encoding,
    Malformed,
    TooLarge,
    TooSlow,
    BrokeOff,
    Unavailable,
}

impl GitRefusal {
    /// A failure of the mirror, which is logged.
    pub(super) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "the git index could not be read");
        Self::Unavailable
    }

    fn status(self) -> StatusCode {
        match self {
            Self::ReadOnly | Self::Service | Self::Dumb => StatusCode::FORBIDDEN,
            Self::NotPosted => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed | Self::BrokeOff => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::ReadOnly => "this is a mirror: it can be fetched from, but not pushed to\n",
            Self::Service => "there is no such service; git-upload-pack is the only one\n",
            Self::Dumb => "this git client is too old: it does not speak smart HTTP\n",
            Self::NotPosted => "only POST is served here\n",
            Self::ContentType => "only application/x-git-upload-pack-request is served here\n",
            Self::Encoding => "only gzip is understood\n",
            Self::Malformed => "the request is not as git makes it\n",
            Self::TooLarge => "the request is larger than the limit of 1 MiB\n",
            Self::TooSlow => "the request took too long to arrive\n",
            Self::BrokeOff => "the request broke off\n",
            Self::Unavailable => "the mirror cannot read its git index at present\n",
        }
    }

    pub(super) fn into_answer(self) -> Response {
        let mut headers = HeaderMap::with_capacity(6);
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::CONTENT_LENGTH, self.text().len().into());
        match self {
            Self::NotPosted => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Self::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            // There may be more of it to come.
            Self::ReadOnly
            | Self::TooLarge
            | Self::TooSlow
            | Self::BrokeOff
            | Self::Encoding
            | Self::ContentType => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        respond(self.status(), headers, self.text())
    }
}
