//! A server about to serve.

use std::net::{Ipv4Addr, SocketAddr};

use romt_core::Escaped;
use tokio::net::TcpListener;

use crate::{
    FrontOptions, HostPolicy, ServeError, ServeOutcome, ServedMirror, ServerOptions, router, serve,
};

/// A listening socket that nobody answers yet.
///
/// Listening early tells that a port is taken before any work is done.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Listens at `host`, a name or an address; port 0 is any free one.
    pub async fn bind(host: &str, port: u16) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind {
            place: Escaped::new(format!("{host}:{port}")),
            source,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let listener = TcpListener::bind((bare, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address by which this machine reaches the server, if it speaks TLS or if
    /// it does not.
    pub fn url(&self, is_tls: bool) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Serves `mirror` until `shutdown` is done, as [`serve`] does.
    ///
    /// On a loopback address only hosts of this machine are answered, so that no
    /// web page can reach the mirror under a name of its own.
    pub async fn serve(
        self,
        mirror: ServedMirror,
        options: ServerOptions,
        front: impl Into<FrontOptions>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<ServeOutcome, ServeError> {
        let front = front.into();
        let mut options = options
            .with_allowed_hosts(HostPolicy::for_address(&self.address))
            .with_telemetry(front.telemetry.clone());
        options.is_tls |= front.tls.is_some();
        let router = router(mirror, &options);
        serve(self.listener, router, front, shutdown).await
    }
}
