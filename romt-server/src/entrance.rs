//! Who may read.

use std::sync::Arc;

use axum::response::Response;
use http::{Uri, request::Parts};

use crate::{
    Telemetry,
    answer::Refusal,
    peer::Peer,
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

impl Pass {
    /// Notes on the answer whose request it was, for the log.
    pub(crate) fn mark(self, response: &mut Response) {
        if let Some(name) = self.0 {
            response.extensions_mut().insert(name);
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
