//! One connection and the time it may take.
//!
//! What happens on a connection is counted as it happens, and looked at once in a
//! while. So the time limits, of which there are several to each request, cost a
//! busy connection next to nothing, and they hold from before the first byte.

mod frames;
mod http2;
mod progress;
mod watch;

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use axum::Router;
use frames::Frames;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use progress::Counted;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use watch::Watch;

pub(crate) use http2::PIECE;
pub(crate) use progress::{Flow, Progress};

use crate::{
    FrontOptions, Limits,
    exchange::{self, Wire},
    tls::{Arrived, Tls},
};

/// What those get who speak HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
content-length: 40\r\nconnection: close\r\n\r\nthis port speaks TLS: ask with https://\n";

/// Serves a connection until its end, its time limits or `ending`, after which
/// only the answers in progress are finished.
pub(crate) async fn run(
    stream: TcpStream,
    router: Router,
    front: Arc<FrontOptions>,
    of_address: Arc<AtomicU64>,
    ending: &CancellationToken,
) {
    // Only latency would suffer.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    let connection = Connection {
        router,
        front,
        peer,
        of_address,
        ending,
    };
    match connection.front.tls.clone() {
        None => connection.http1(stream).await,
        Some(tls) => connection.tls(stream, &tls).await,
    }
}

/// What the protocols of a connection have in common.
struct Connection<'c> {
    router: Router,
    front: Arc<FrontOptions>,
    peer: Option<SocketAddr>,
    of_address: Arc<AtomicU64>,
    ending: &'c CancellationToken,
}

impl Connection<'_> {
    fn limits(&self) -> &Limits {
        &self.front.limits
    }

    async fn tls(&self, stream: TcpStream, tls: &Tls) {
        let handshake = timeout(self.limits().handshake_timeout, tls.accept(stream));
        let arrived = tokio::select! {
            arrived = handshake => arrived,
            () = self.ending.cancelled() => return,
        };
        match arrived {
            Ok(Ok(Arrived::Http1(stream))) => self.http1(stream).await,
            Ok(Ok(Arrived::Http2(stream))) => self.http2(stream).await,
            Ok(Ok(Arrived::Cleartext(mut stream))) => {
                tracing::debug!(peer = ?self.peer, "somebody does not speak TLS");
                // It takes this or nothing.
                let _ = timeout(Duration::from_secs(1), async {
                    stream.write_all(SPEAK_TLS).await?;
                    stream.shutdown().await
                })
                .await;
            }
            Ok(Err(error)) => {
                self.front.telemetry.note_failed_handshake();
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, peer = ?self.peer, "a TLS handshake failed");
            }
            Err(_) => {
                self.front.telemetry.note_failed_handshake();
                tracing::debug!(peer = ?self.peer, "a TLS handshake took too long");
            }
        }
    }

    async fn http1<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let progress = Progress::new(self.of_address.clone());
        let watch = Watch::new(self.limits(), progress.clone(), None);
        let io = TokioIo::new(Counted::new(stream, progress.clone()));
        let service = self.service(progress, Wire::Http1);
        let connection = builder(self.limits()).serve_connection(io, service);
        self.drive(pin!(connection), watch).await;
    }

    async fn http2<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let progress = Progress::new(self.of_address.clone());
        let (stream, conduct) = Frames::new(Counted::new(stream, progress.clone()));
        let watch = Watch::new(self.limits(), progress.clone(), Some(conduct));
        let service = self.service(progress, Wire::Http2);
        let builder = http2::builder(self.limits(), &self.front.telemetry);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        self.drive(pin!(connection), watch).await;
    }

    fn service(
        &self,
        progress: Arc<Progress>,
        wire: Wire,
    ) -> impl hyper::service::HttpService<
        hyper::body::Incoming,
        ResBody = exchange::Answer,
        Error = std::convert::Infallible,
        Future: Send + 'static,
    > + use<> {
        exchange::service(
            self.router.clone(),
            self.front.clone(),
            progress,
            self.peer,
            wire,
        )
    }

    /// Runs a connection, and looks at it once in a while.
    async fn drive<C: Protocol>(&self, mut connection: Pin<&mut C>, mut watch: Watch<'_>) {
        let peer = self.peer;
        let mut ended = pin!(self.ending.cancelled());
        let mut is_ending = false;
        let mut goodbye: Option<Instant> = None;
        let mut ticks = interval(watch.period());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        let error: &dyn std::error::Error = &error;
                        tracing::debug!(error, ?peer, "a connection ended badly");
                    }
                    return;
                }
                () = ended.as_mut(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().say_goodbye();
                }
                _ = ticks.tick() => {
                    let now = Instant::now();
                    if goodbye.is_some_and(|said| now.duration_since(said) >= watch.period()) {
                        return;
                    }
                    if goodbye.is_none() && watch.is_overdue(now) {
                        tracing::debug!(?peer, phase = ?watch.phase(), "a connection took too long, or too much");
                        self.front.telemetry.note_cut_off();
                        if !C::SAYS_GOODBYE {
                            return;
                        }
                        connection.as_mut().say_goodbye();
                        goodbye = Some(now);
                    }
                    if is_ending && watch.is_quiet() {
                        return;
                    }
                }
            }
        }
    }
}

/// A connection of one version of HTTP.
trait Protocol: Future<Output = hyper::Result<()>> {
    /// Whether there are words for ending a connection without an answer.
    const SAYS_GOODBYE: bool;

    /// Tells the peer that no more requests are answered.
    fn say_goodbye(self: Pin<&mut Self>);
}

impl<I, S> Protocol for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = exchange::Answer>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    const SAYS_GOODBYE: bool = false;

    fn say_goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Protocol for hyper::server::conn::http2::Connection<I, S, http2::Streams>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = exchange::Answer>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    const SAYS_GOODBYE: bool = true;

    fn say_goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Ours hold from the first byte on, and need no timer for each request.
    builder.header_read_timeout(None);
    builder.max_buf_size(limits.head_bytes.max(8 * 1024));
    // To set it costs an allocation for each request.
    if limits.headers != 100 {
        builder.max_headers(limits.headers);
    }
    builder
}
