//! Who may read.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Uri, header, request::Parts};

use crate::{
    Telemetry,
    answer::Refusal,
    peer::Peer,
    sending::FOREVER,
    tokens::{CameWith, Tokens, Verdict},
};

/// Who may read: everybody, or who has a token.
#[derive(Debug)]
pub(crate) struct Entrance {
    tokens: Option<Tokens>,
    telemetry: Arc<Telemetry>,
}

/// What let a request in.
#[derive(Debug)]
pub(crate) struct Pass(Option<CameWith>);

/// What never changes, where not everybody may read it: `public` would let a cache on
/// the way hand it to those who have no token (RFC 9111, 3.5).
const FOREVER_FOR_ONE: HeaderValue =
    HeaderValue::from_static("private, max-age=31536000, immutable");

impl Pass {
    /// Notes on the answer whose request it was, for the log, and that it is for nobody
    /// else.
    pub(crate) fn mark(self, response: &mut Response) {
        let Some(name) = self.0 else {
            return;
        };
        response.extensions_mut().insert(name);
        if let Some(keep) = response.headers_mut().get_mut(header::CACHE_CONTROL)
            && *keep == FOREVER
        {
            *keep = FOREVER_FOR_ONE;
        }
    }
}

impl Entrance {
    pub(crate) fn new(tokens: Option<Tokens>, telemetry: Arc<Telemetry>) -> Self {
        Self { tokens, telemetry }
    }

    pub(crate) fn needs_token(&self) -> bool {
        self.tokens.is_some()
    }

    /// Lets a request in, or not. What it is for is looked at only to let monitors in:
    /// without a token nobody learns what there is.
    pub(crate) async fn admit(&self, request: &Parts) -> Result<Pass, Refusal> {
        let Some(tokens) = &self.tokens else {
            return Ok(Pass(None));
        };
        let peer = request.extensions.get::<Peer>();
        let verdict = tokens
            .judge(&request.headers, peer.map(|peer| peer.0))
            .await;
        match verdict {
            Verdict::Known(name) => Ok(Pass(Some(CameWith(name)))),
            Verdict::Missing if is_open(&request.uri) => Ok(Pass(None)),
            Verdict::Missing => Err(Refusal::NoToken),
            Verdict::Wrong => {
                self.telemetry.note_denied();
                Err(Refusal::WrongToken)
            }
            Verdict::TooMany => {
                self.telemetry.note_denied();
                Err(Refusal::TooManyTokens)
            }
        }
    }
}

/// Whether everybody may ask for this: it tells nothing of what the mirror has.
fn is_open(uri: &Uri) -> bool {
    matches!(uri.path(), "/healthz" | "/readyz")
}
