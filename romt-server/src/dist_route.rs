//! `/dist/…` and `/rustup/…`: toolchains, and rustup itself.
//!
//! Files are sent as they are in the store, never encoded: rustup compares them
//! with digests. Only a manifest and its digest are a case of their own. See
//! [`manifests`](crate::manifests).

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::{Key, Store};

use crate::{
    answer::{NO_CACHE, NOSNIFF, Refusal, not_modified, respond},
    conditional,
    dist_target::{DistFile, DistKind},
    index_route::quoted,
    manifests::{Manifest, Manifests},
    peer::Peer,
    sending::{FOREVER, LOOKS, Sending, last_modified, refuse},
};

/// The toolchains and rustup.
#[derive(Debug)]
pub(crate) struct DistRoute {
    store: Arc<dyn Store>,
    manifests: Manifests,
}

impl DistRoute {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            manifests: Manifests::new(store.clone()),
            store,
        }
    }

    /// Answers a request for `file`.
    pub(crate) async fn answer(
        &self,
        file: &DistFile,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let peer = request.extensions.get::<Peer>().copied();
        match file.kind {
            DistKind::Manifest => self.manifest(file, peer, request).await,
            DistKind::ManifestDigest => self.digest(&file.key, peer, request).await,
            DistKind::Fixed => self.file(file, FOREVER, request).await,
            DistKind::Moving => self.file(file, NO_CACHE, request).await,
        }
    }

    async fn file(
        &self,
        file: &DistFile,
        cache_control: HeaderValue,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let mut answer = Err(Refusal::Replaced);
        for _ in 0..LOOKS {
            let meta = self.store.head(&file.key).await;
            let meta = meta.map_err(|error| refuse(&error))?;
            let sending = Sending {
                etag: &quoted(meta.version.as_str()),
                modified: last_modified(&meta),
                meta: &meta,
                cache_control: cache_control.clone(),
                content_type: file.content_type(),
            };
            answer = sending.answer(&*self.store, None, request).await;
            if !matches!(answer, Err(Refusal::Replaced)) {
                break;
            }
        }
        answer
    }

    /// The manifest whose digest `peer` was told, else the one that is there.
    async fn manifest(
        &self,
        file: &DistFile,
        peer: Option<Peer>,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let told = peer.and_then(|peer| self.manifests.told(&file.key, peer));
        let manifest = match told {
            Some(manifest) => manifest,
            None => self.manifests.current(&file.key).await?,
        };
        let sending = Sending {
            meta: &manifest.meta,
            etag: &manifest.etag,
            modified: last_modified(&manifest.meta),
            cache_control: NO_CACHE,
            content_type: file.content_type(),
        };
        // From the store as long as it has it: what a slow reader is sent from
        // memory stays in memory until he is done.
        match sending.answer(&*self.store, None, request).await {
            Err(_) => {
                let bytes = Some(&manifest.bytes);
                sending.answer(&*self.store, bytes, request).await
            }
            answer => answer,
        }
    }

    /// The digest of the manifest at `key`, which `peer` is then given.
    async fn digest(
        &self,
        key: &Key,
        peer: Option<Peer>,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let manifest = self.manifests.current(key).await?;
        if let Some(peer) = peer {
            self.manifests.tell(&manifest, peer);
        }
        Ok(digest_page(&manifest, request))
    }
}

/// The digest of `manifest` as upstream and romt for Python write it.
fn digest_page(manifest: &Manifest, request: &Parts) -> Response {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::ETAG, manifest.etag.clone());
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    if conditional::none_match_hits(&request.headers, manifest.etag.as_bytes()) {
        return not_modified(headers);
    }
    let body = format!("{} *{}\n", manifest.digest, manifest.meta.key.file_name());
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
