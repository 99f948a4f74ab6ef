//! `/index/{prefix}/{name}`: the sparse index.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::{
    CrateName, IndexBackend, Sha256Digest,
    ports::{IndexError, Loaded, Tag},
};
use tokio::sync::OnceCell;

use crate::{
    answer::{NO_CACHE, NOSNIFF, Refusal, not_modified, respond},
    cache::Cache,
    conditional, encoding,
};

/// The files of the index, the lately asked for in memory.
#[derive(Debug)]
pub(crate) struct IndexRoute {
    backend: Arc<dyn IndexBackend>,
    cache: Cache<Arc<IndexFile>>,
}

/// A file of the index, ready to be sent.
#[derive(Debug)]
pub(crate) struct IndexFile {
    name: CrateName,
    tag: Tag,
    pub(crate) body: Bytes,
    /// The same compressed, if that is worth it, once somebody took it so.
    packed: OnceCell<Option<Bytes>>,
    etag: HeaderValue,
}

impl IndexRoute {
    pub(crate) fn new(backend: Arc<dyn IndexBackend>, cache_bytes: usize) -> Self {
        Self {
            backend,
            cache: Cache::new(cache_bytes),
        }
    }

    /// How often a file was in memory, and how often not.
    pub(crate) fn lookups(&self) -> (u64, u64) {
        self.cache.lookups()
    }

    /// Answers a request for the file at `path`, which is where the file of its
    /// last segment is.
    pub(crate) async fn answer(&self, path: &str, request: &Parts) -> Result<Response, Refusal> {
        let file = self.load(path).await?.ok_or(Refusal::NotFound)?;
        Ok(file.answer(request).await)
    }

    /// The bytes of a crate's file, for who asks for many: none of them pushes what
    /// clients ask for out of memory.
    pub(crate) async fn read(&self, name: &CrateName) -> Result<Option<Bytes>, Refusal> {
        let kept = self.cache.get(&name.index_path());
        match self
            .backend
            .load(name, kept.as_ref().map(|file| &file.tag))
            .await
        {
            Ok(Loaded::Unchanged) => Ok(kept.map(|file| file.body.clone())),
            Ok(Loaded::Fresh { body, .. }) => Ok(Some(body)),
            Ok(Loaded::Absent) | Err(IndexError::Unpublished { .. }) => Ok(None),
            Err(error) => Err(unreadable(name, &error)),
        }
    }

    /// The file at `path`, if the index has one.
    ///
    /// The backend is asked every time. It knows cheaply whether anything has
    /// changed, and nobody else does.
    pub(crate) async fn load(&self, path: &str) -> Result<Option<Arc<IndexFile>>, Refusal> {
        let kept = self.cache.get(path);
        let name = match &kept {
            Some(file) => file.name.clone(),
            None => match path.rsplit('/').next().map(str::parse::<CrateName>) {
                Some(Ok(name)) => name,
                _ => return Ok(None),
            },
        };
        let known = kept.as_ref().map(|file| &file.tag);
        match self.backend.load(&name, known).await {
            Ok(Loaded::Unchanged) => Ok(kept),
            Ok(Loaded::Fresh { body, tag }) => {
                let file = Arc::new(IndexFile::new(name, tag, body));
                self.cache.insert(path, file.clone(), file.weight());
                Ok(Some(file))
            }
            Ok(Loaded::Absent) => {
                if kept.is_some() {
                    self.cache.remove(path);
                }
                Ok(None)
            }
            Err(IndexError::Unpublished { .. }) => Ok(None),
            Err(error) => Err(unreadable(&name, &error)),
        }
    }
}

impl IndexFile {
    fn new(name: CrateName, tag: Tag, body: Bytes) -> Self {
        Self {
            etag: etag_of(&tag),
            packed: OnceCell::new(),
            name,
            tag,
            body,
        }
    }

    /// What it takes in memory, at most.
    fn weight(&self) -> usize {
        let length = self.body.len();
        length + encoding::most(length) + 2 * self.tag.as_str().len()
    }

    async fn answer(&self, request: &Parts) -> Response {
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if conditional::none_match_hits(&request.headers, self.etag.as_bytes()) {
            return not_modified(headers);
        }
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        let body = match self.packed_for(request).await {
            Some(packed) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                packed
            }
            None => &self.body,
        };
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        let body = match request.method {
            Method::HEAD => Body::empty(),
            _ => body.clone().into(),
        };
        respond(StatusCode::OK, headers, body)
    }
}

impl IndexFile {
    /// The compressed file, for who takes it.
    async fn packed_for(&self, request: &Parts) -> Option<&Bytes> {
        if !encoding::accepts_gzip(&request.headers) {
            return None;
        }
        let pack = || encoding::gzip(&self.body);
        self.packed.get_or_init(pack).await.as_ref()
    }
}

fn unreadable(name: &CrateName, error: &IndexError) -> Refusal {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, %name, "the index could not be read");
    Refusal::Unavailable
}

/// The tag as a strong `ETag`. Tags that do not fit between its quotes are
/// represented by their digest.
fn etag_of(tag: &Tag) -> HeaderValue {
    quoted(tag.as_str())
}

/// `text`, or its digest if it does not fit, between quotes.
pub(crate) fn quoted(text: &str) -> HeaderValue {
    let fits = !text.is_empty() && text.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'"');
    let value = if fits {
        format!("\"{text}\"")
    } else {
        format!("\"{}\"", Sha256Digest::of(text))
    };
    value.parse().expect("visible ASCII makes a header value")
}
