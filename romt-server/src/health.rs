//! `/healthz`, `/readyz` and `/metrics`: how the server is.
//!
//! What they say is looked up at most once a second, whoever asks how often.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, request::Parts};

use crate::{
    ServedMirror, Telemetry,
    answer::Refusal,
    config_route::{plain, typed},
    metrics::{Page, PageFacts},
};

/// For how long what was looked up is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How long a look may take before the mirror counts as unreadable.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the mirror.
#[derive(Debug)]
pub(crate) struct Health {
    mirror: ServedMirror,
    telemetry: Arc<Telemetry>,
    /// One looks for all who ask.
    turn: tokio::sync::Mutex<()>,
    seen: Mutex<Option<Seen>>,
}

/// What was looked up.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    is_readable: bool,
    is_published: bool,
    position: Option<String>,
    /// When this position was first seen.
    since: Instant,
}

impl Health {
    pub(crate) fn new(mirror: ServedMirror, telemetry: Arc<Telemetry>) -> Self {
        Self {
            mirror,
            telemetry,
            turn: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Whether the server does what it is for: it answers, and can read its mirror.
    pub(crate) async fn health(&self, request: &Parts) -> Response {
        let seen = self.look().await;
        if !seen.is_readable {
            return Refusal::Unavailable.into_response();
        }
        let mut text = String::new();
        if let Some(position) = &seen.position {
            let age = seen.since.elapsed().as_secs();
            text = format!("position {position}\nposition seen for {age} s\n");
        }
        text.push_str("store readable\nok\n");
        plain(request, StatusCode::OK, text)
    }

    /// Whether clients are to be sent here: something is published, and the server
    /// is not about to end.
    pub(crate) async fn readiness(&self, request: &Parts) -> Response {
        let seen = self.look().await;
        let reason = if self.telemetry.is_draining() {
            "the server is about to end\n"
        } else if !seen.is_readable {
            "the mirror cannot be read\n"
        } else if !seen.is_published {
            "nothing is published yet\n"
        } else {
            return plain(request, StatusCode::OK, "ready\n".into());
        };
        plain(request, StatusCode::SERVICE_UNAVAILABLE, reason.into())
    }

    /// What is counted, with these `(name, hits, misses)` of caches.
    pub(crate) async fn metrics(
        &self,
        request: &Parts,
        caches: Vec<(&'static str, u64, u64)>,
    ) -> Response {
        let seen = self.look().await;
        let facts = PageFacts {
            is_ready: seen.is_readable && seen.is_published && !self.telemetry.is_draining(),
            position: seen.position.map(|it| (it, seen.since.elapsed())),
            caches,
        };
        let page = Page::render(&self.telemetry, &facts);
        typed(request, StatusCode::OK, Page::CONTENT_TYPE, page)
    }

    async fn look(&self) -> Seen {
        if let Some(seen) = self.fresh() {
            return seen;
        }
        let _turn = self.turn.lock().await;
        if let Some(seen) = self.fresh() {
            return seen;
        }
        let before = self.seen();
        let looked = tokio::time::timeout(PATIENCE, self.look_now(before.as_ref())).await;
        let (is_published, position) = match looked {
            Ok(Ok(found)) => (found.0, found.1),
            failed => {
                if let Ok(Err(error)) = failed {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the mirror cannot be read");
                } else {
                    tracing::error!("the mirror was not read in time");
                }
                let at = Instant::now();
                let seen = Seen {
                    at,
                    is_readable: false,
                    is_published: before.as_ref().is_some_and(|it| it.is_published),
                    position: None,
                    since: at,
                };
                return self.remember(seen);
            }
        };
        let now = Instant::now();
        let same = before.filter(|it| it.is_readable && it.position == position);
        self.remember(Seen {
            at: now,
            is_readable: true,
            is_published,
            position,
            since: same.map_or(now, |it| it.since),
        })
    }

    async fn look_now(
        &self,
        before: Option<&Seen>,
    ) -> Result<(bool, Option<String>), romt_core::ports::IndexError> {
        self.mirror.check_readable().await?;
        // What is published stays published.
        let is_published = match before {
            Some(Seen {
                is_published: true, ..
            }) => true,
            _ => self.mirror.is_published().await?,
        };
        Ok((is_published, self.mirror.position().await?))
    }

    fn seen(&self) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    fn fresh(&self) -> Option<Seen> {
        self.seen().filter(|seen| seen.at.elapsed() < FRESH)
    }

    fn remember(&self, seen: Seen) -> Seen {
        let mut place = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(seen.clone());
        seen
    }
}
