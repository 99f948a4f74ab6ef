//! `/git/crates.io-index/…`: the history of a full mirror's index, for git and for
//! cargo where it uses git.
//!
//! Fetching is all there is. What git would push to is refused by name, so that its
//! user is told why.

mod body;
mod refusal;

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_index::{GitIndex, GitProtocol, UploadError};

use self::refusal::GitRefusal;
use crate::{
    answer::{NO_CACHE, NOSNIFF, Refusal, respond},
    late_index::LateIndex,
    request_body::Unwanted,
};

/// Where the repository is, for clients.
const REPOSITORY: &str = "/git/crates.io-index/";

/// How long a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const REQUEST: &str = "application/x-git-upload-pack-request";
const RESULT: &str = "application/x-git-upload-pack-result";

/// What a git client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GitTarget {
    /// What there is.
    Refs,
    /// A part of it.
    UploadPack,
    /// To change it.
    ReceivePack,
}

impl GitTarget {
    /// What a decoded path asks for, if it is one of git's.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        match path.strip_prefix(REPOSITORY)? {
            "info/refs" => Some(Self::Refs),
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }
}

/// The history of the index, if it has one.
#[derive(Debug)]
pub(crate) struct GitRoute {
    index: Option<GitIndex>,
    /// The index, if it may become one with a history.
    late: Option<Arc<LateIndex>>,
}

impl GitRoute {
    pub(crate) fn new(index: Option<GitIndex>, late: Option<Arc<LateIndex>>) -> Self {
        Self { index, late }
    }

    /// Answers a request without a body.
    pub(crate) async fn answer(
        &self,
        target: GitTarget,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let index = &self.index().await?;
        let answer = match target {
            GitTarget::Refs => refs(index, request).await,
            GitTarget::UploadPack => Err(GitRefusal::NotPosted),
            GitTarget::ReceivePack => Err(GitRefusal::ReadOnly),
        };
        Ok(answer.unwrap_or_else(GitRefusal::into_answer))
    }

    /// Answers a request that was posted. A body that is not read to its end is the
    /// end of the connection.
    pub(crate) async fn post(
        &self,
        target: GitTarget,
        request: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        let index = &self.index().await?;
        let answer = match target {
            GitTarget::Refs => return Err(Refusal::Method),
            GitTarget::UploadPack => fetch(index, request, body).await,
            GitTarget::ReceivePack => {
                Unwanted::LITTLE.take(body, request).await;
                Err(GitRefusal::ReadOnly)
            }
        };
        Ok(answer.unwrap_or_else(GitRefusal::into_answer))
    }

    async fn index(&self) -> Result<GitIndex, Refusal> {
        let index = match (&self.index, &self.late) {
            (Some(index), _) => Some(index.clone()),
            (None, Some(late)) => late.git().await,
            (None, None) => None,
        };
        index.ok_or(Refusal::NotFound)
    }
}

async fn refs(index: &GitIndex, request: &Parts) -> Result<Response, GitRefusal> {
    match service(request) {
        Some("git-upload-pack") => {}
        Some("git-receive-pack") => return Err(GitRefusal::ReadOnly),
        Some(_) => return Err(GitRefusal::Service),
        // The refs as a file are for clients that can do no more than read files.
        None => return Err(GitRefusal::Dumb),
    }
    let said = index.advertisement(protocol(&request.headers)).await;
    let said = said.map_err(|error| GitRefusal::unavailable(&error))?;
    let mut headers = headers(ADVERTISEMENT);
    headers.insert(header::CONTENT_LENGTH, said.len().into());
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => said.into(),
    };
    Ok(respond(StatusCode::OK, headers, body))
}

async fn fetch(index: &GitIndex, request: &Parts, body: Body) -> Result<Response, GitRefusal> {
    let content_type = request.headers.get(header::CONTENT_TYPE);
    if content_type.is_none_or(|it| it != REQUEST) {
        Unwanted::LITTLE.take(body, request).await;
        return Err(GitRefusal::ContentType);
    }
    let protocol = protocol(&request.headers);
    let read = body::read(&request.headers, body);
    let text = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(text)) => text,
        Ok(Err(refusal)) => return Err(refusal),
        Err(_) => return Err(GitRefusal::TooSlow),
    };
    match index.upload_pack(protocol, &text).await {
        Ok(answer) => {
            let body = Body::from_stream(answer);
            Ok(respond(StatusCode::OK, headers(RESULT), body))
        }
        Err(UploadError::Malformed { what }) => {
            tracing::debug!(what, "a git client sent nonsense");
            Err(GitRefusal::Malformed)
        }
        Err(error) => Err(GitRefusal::unavailable(&error)),
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::VARY, HeaderValue::from_static("git-protocol"));
    headers
}

/// Which service is asked for.
fn service(request: &Parts) -> Option<&str> {
    let mut parameters = request.uri.query()?.split('&');
    parameters.find_map(|it| it.strip_prefix("service="))
}

fn protocol(headers: &HeaderMap) -> GitProtocol {
    let asked = headers.get("git-protocol").and_then(|it| it.to_str().ok());
    asked.map(GitProtocol::asked_for).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_asks_for_is_there() {
        for (path, target) in [
            ("/git/crates.io-index/info/refs", GitTarget::Refs),
            (
                "/git/crates.io-index/git-upload-pack",
                GitTarget::UploadPack,
            ),
            (
                "/git/crates.io-index/git-receive-pack",
                GitTarget::ReceivePack,
            ),
        ] {
            assert_eq!(GitTarget::parse(path), Some(target), "{path}");
        }
        for path in [
            "/git/crates.io-index",
            "/git/crates.io-index/",
            "/git/crates.io-index/HEAD",
            "/git/crates.io-index/.git/config",
            "/git/crates.io-index/objects/info/packs",
            "/git/other/info/refs",
            "/git/crates.io-index/info/refs/",
        ] {
            assert_eq!(GitTarget::parse(path), None, "{path}");
        }
    }
}
