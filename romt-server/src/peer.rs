//! Who asks.

use std::net::IpAddr;

use http::{Request, header};

/// The address that a request comes from, as an extension of the request.
///
/// [`serve`](crate::serve()) adds it. Whoever runs the [`router`](crate::router())
/// otherwise may add it, so that each client is shown one generation of a
/// manifest and its digest; without it a client that asks just when a channel
/// moves may be given two that do not belong together, and has to try again.
/// What headers say of addresses is nobody's proof: it counts only from
/// [`TrustedProxies`](crate::TrustedProxies).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Adds `peer` to `request` if it makes a difference to the answer: an
    /// extension costs allocations, which the many requests of cargo can do
    /// without.
    pub(crate) fn note<B>(request: &mut Request<B>, peer: Option<IpAddr>) {
        let path = request.uri().path().trim_start_matches('/');
        let matters = path.starts_with("dist/") || has_credentials(request);
        if let Some(address) = peer.filter(|_| matters) {
            request.extensions_mut().insert(Self(address));
        }
    }
}

fn has_credentials<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::AUTHORIZATION)
}
