//! The accept loop.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use romt_core::{ErrorClass, Escaped};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Limits, connection};

/// How long to wait when the system gives out no more descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// What those get for whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
content-length: 0\r\nconnection: close\r\n\r\n";

/// What was served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOutcome {
    /// Connections that were served.
    pub connections: u64,
    /// Connections that were turned away because there were too many.
    pub refused: u64,
    /// Connections that were cut off because they did not end in time.
    pub aborted: u64,
    /// Connections that ended in a panic, which is a bug.
    pub panicked: u64,
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The listener is none.
    #[error("the listening socket is unusable")]
    Listener(#[source] io::Error),
    /// There is no listening at the address asked for.
    #[error("could not listen on {place}")]
    Bind {
        /// The address.
        place: Escaped,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl ServeError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Listener(_) => ErrorClass::Storage,
            Self::Bind { .. } => ErrorClass::Usage,
        }
    }
}

/// Serves `router` on `listener` until `shutdown` is done.
///
/// Then no more connections are accepted, those that wait for a request are
/// closed, and the others have [`Limits::drain_timeout`] to finish the answer
/// they are at.
///
/// A panic ends the connection it happened on and is logged; a lack of
/// descriptors is waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<ServeOutcome, ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    tracing::info!(%address, "serving");
    let mut server = Server::new(router, limits);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            Some(ended) = server.connections.join_next() => server.note(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => server.admit(stream, peer),
                Err(error) => rest(&error).await,
            },
        }
    }
    drop(listener);
    Ok(server.drain().await)
}

/// Waits a little, unless it was the peer who gave up.
async fn rest(error: &io::Error) {
    let peers = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
    ];
    if !peers.contains(&error.kind()) {
        tracing::warn!(%error, "a connection could not be accepted");
        sleep(BREATHER).await;
    }
}

struct Server {
    router: Router,
    limits: Arc<Limits>,
    connections: JoinSet<()>,
    addresses: Arc<Addresses>,
    ending: CancellationToken,
    outcome: ServeOutcome,
}

impl Server {
    fn new(router: Router, limits: Limits) -> Self {
        Self {
            router,
            limits: Arc::new(limits),
            connections: JoinSet::new(),
            addresses: Arc::default(),
            ending: CancellationToken::new(),
            outcome: ServeOutcome::default(),
        }
    }

    /// Serves a connection, if there is room.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let room = self.connections.len() < self.limits.connections;
        let limit = self.limits.connections_per_address;
        let place = room.then(|| Place::take(&self.addresses, peer.ip(), limit));
        let Some(Some(place)) = place else {
            self.outcome.refused += 1;
            tracing::debug!(%peer, "there is no room for another connection");
            // It takes this or nothing.
            let _ = stream.try_write(FULL);
            return;
        };
        self.outcome.connections += 1;
        let router = self.router.clone();
        let limits = self.limits.clone();
        let ending = self.ending.clone();
        self.connections.spawn(async move {
            let _place = place;
            connection::run(stream, router, &limits, &ending).await;
        });
    }

    fn note(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.outcome.panicked += 1;
            tracing::error!(%error, "a request ended in a panic; this is a bug in romt");
        }
    }

    /// Lets the connections finish, and cuts off those that do not.
    async fn drain(mut self) -> ServeOutcome {
        self.ending.cancel();
        let patience = self.limits.drain_timeout;
        let finished = timeout(patience, async {
            while let Some(ended) = self.connections.join_next().await {
                self.note(ended);
            }
        });
        if finished.await.is_err() {
            self.outcome.aborted = self.connections.len() as u64;
            self.connections.shutdown().await;
        }
        self.outcome
    }
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One of the connections that an address may have, given back when dropped.
#[derive(Debug)]
struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Place {
    fn take(addresses: &Arc<Addresses>, address: IpAddr, limit: usize) -> Option<Self> {
        let address = address.to_canonical();
        let mut counts = addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self {
            addresses: addresses.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
