//! The accept loop.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use axum::Router;
use romt_core::{ErrorClass, Escaped};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{FrontOptions, connection, metrics::Full};

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
/// Then, after [`FrontOptions::drain_delay`], no more connections are accepted, those
/// that wait for a request are closed, and the others have
/// [`Limits::drain_timeout`](crate::Limits::drain_timeout) to finish the answers they
/// are at.
///
/// A panic ends the request it happened in and is logged; a lack of descriptors is
/// waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    front: impl Into<FrontOptions>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<ServeOutcome, ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let front = front.into();
    tracing::info!(%address, tls = front.tls.is_some(), "serving");
    let reloads = front.tls.clone().map(|tls| tokio::spawn(tls.watch()));
    let _reloads = reloads.map(AbortOnDropHandle::new);
    let mut server = Server::new(router, front);
    server.accept(&listener, shutdown).await;
    server.front.telemetry.begin_drain();
    let delay = server.front.drain_delay;
    if !delay.is_zero() {
        server.accept(&listener, sleep(delay)).await;
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
    front: Arc<FrontOptions>,
    connections: JoinSet<()>,
    addresses: Arc<Addresses>,
    ending: CancellationToken,
    outcome: ServeOutcome,
}

impl Server {
    fn new(router: Router, front: FrontOptions) -> Self {
        Self {
            router,
            front: Arc::new(front),
            connections: JoinSet::new(),
            addresses: Arc::default(),
            ending: CancellationToken::new(),
            outcome: ServeOutcome::default(),
        }
    }

    /// Accepts connections until `end` is done.
    async fn accept(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = end.as_mut() => return,
                Some(ended) = self.connections.join_next() => self.note(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer),
                    Err(error) => rest(&error).await,
                },
            }
        }
    }

    /// Serves a connection, if there is room.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let place = match self.place(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                self.outcome.refused += 1;
                self.front.telemetry.note_refused(full);
                tracing::debug!(%peer, ?full, "there is no room for another connection");
                if self.front.tls.is_none() {
                    // It takes this or nothing.
                    let _ = stream.try_write(FULL);
                }
                return;
            }
        };
        self.outcome.connections += 1;
        let router = self.router.clone();
        let front = self.front.clone();
        let ending = self.ending.clone();
        self.connections.spawn(async move {
            let open = Open::new(&front);
            connection::run(stream, router, front, place.answering.clone(), &ending).await;
            drop((place, open));
        });
    }

    /// A place for a connection from `address`. The clients of a trusted proxy all have
    /// its address, so it may have any number.
    fn place(&self, address: IpAddr) -> Result<Place, Full> {
        let limits = &self.front.limits;
        if self.connections.len() >= limits.connections {
            return Err(Full::All);
        }
        let limit = if self.front.proxies.trusts(address) {
            usize::MAX
        } else {
            limits.connections_per_address
        };
        Place::take(&self.addresses, address, limit).ok_or(Full::Address)
    }

    fn note(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.front.telemetry.note_panic();
        }
    }

    /// Lets the connections finish, and cuts off those that do not.
    async fn drain(mut self) -> ServeOutcome {
        self.ending.cancel();
        let patience = self.front.limits.drain_timeout;
        let finished = timeout(patience, async {
            while let Some(ended) = self.connections.join_next().await {
                self.note(ended);
            }
        });
        if finished.await.is_err() {
            self.outcome.aborted = self.connections.len() as u64;
            self.connections.shutdown().await;
        }
        self.outcome.panicked = self.front.telemetry.panics();
        self.outcome
    }
}

/// A connection that is counted as open until it is dropped.
struct Open(Arc<FrontOptions>);

impl Open {
    fn new(front: &Arc<FrontOptions>) -> Self {
        front.telemetry.note_connection();
        Self(front.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.telemetry.note_end_of_connection();
    }
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, Seat>>);

#[derive(Debug, Default)]
struct Seat {
    connections: usize,
    /// Requests that are being answered on them.
    answering: Arc<AtomicU64>,
}

/// One of the connections that an address may have, given back when dropped.
#[derive(Debug)]
struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
    answering: Arc<AtomicU64>,
}

impl Place {
    fn take(addresses: &Arc<Addresses>, address: IpAddr, limit: usize) -> Option<Self> {
        let address = address.to_canonical();
        let mut counts = addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = counts.entry(address).or_default();
        if seat.connections >= limit {
            return None;
        }
        seat.connections += 1;
        Some(Self {
            addresses: addresses.clone(),
            address,
            answering: seat.answering.clone(),
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
        if let Some(seat) = counts.get_mut(&self.address) {
            seat.connections -= 1;
            if seat.connections == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
