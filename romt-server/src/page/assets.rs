//! The files that pages are made with.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::Sha256Digest;

use crate::{
    answer::{NO_CACHE, NOSNIFF, not_modified, respond},
    conditional,
    index_route::quoted,
};

/// A file below `/assets/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

static ALL: [Asset; 3] = [
    Asset {
        name: "style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/style.css"),
    },
    Asset {
        name: "copy.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/copy.js"),
    },
    Asset {
        name: "icon.svg",
        content_type: "image/svg+xml",
        content: include_str!("../../assets/icon.svg"),
    },
];

impl Asset {
    /// The file of this name, if there is one.
    pub(crate) fn called(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|asset| asset.name == name)
    }

    /// Answers `request`, which is for this file.
    pub(crate) fn answer(&self, request: &Parts) -> Response {
        let mut headers = HeaderMap::with_capacity(8);
        let etag = quoted(&Sha256Digest::of(self.content).to_string());
        let hit = conditional::none_match_hits(&request.headers, etag.as_bytes());
        headers.insert(header::ETAG, etag);
        // The next release may have another.
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        if hit {
            return not_modified(headers);
        }
        let content_type = HeaderValue::from_static(self.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CONTENT_LENGTH, self.content.len().into());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        let nothing = HeaderValue::from_static("default-src 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
        let body = match request.method {
            Method::HEAD => Body::empty(),
            _ => Bytes::from_static(self.content.as_bytes()).into(),
        };
        respond(StatusCode::OK, headers, body)
    }
}
