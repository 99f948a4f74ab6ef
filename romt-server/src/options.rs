//! What can be chosen about serving.

use std::{sync::Arc, time::Duration};

use crate::{BaseUrl, HostPolicy, Telemetry, Tokens, proxies::Scheme};

/// How a mirror is presented.
///
/// # Defaults
///
/// Clients are sent to the address under which they asked, under any host name,
/// 64 MiB of answers are kept in memory, and everybody may read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Under which address clients find the server; by default the one that they
    /// asked.
    pub base_url: Option<BaseUrl>,
    /// How many bytes of answers are kept in memory.
    pub cache_bytes: usize,
    /// Which host names may be asked for.
    pub allowed_hosts: HostPolicy,
    /// Whether clients ask over TLS, so that the addresses they are sent to are.
    pub is_tls: bool,
    /// The tokens of whom may read; by default everybody may.
    pub tokens: Option<Tokens>,
    /// What `/metrics` tells of.
    pub telemetry: Arc<Telemetry>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            cache_bytes: 64 * 1024 * 1024,
            allowed_hosts: HostPolicy::Any,
            is_tls: false,
            tokens: None,
            telemetry: Arc::default(),
        }
    }
}

impl ServerOptions {
    /// Sends clients to `base_url`, for a server behind a proxy.
    #[must_use]
    pub fn with_base_url(mut self, base_url: BaseUrl) -> Self {
        self.base_url = Some(base_url);
        self
    }

    /// Keeps at most `bytes` of answers in memory; zero keeps none.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Answers only those who ask for a host that `policy` allows.
    #[must_use]
    pub fn with_allowed_hosts(mut self, policy: HostPolicy) -> Self {
        self.allowed_hosts = policy;
        self
    }

    /// Says that clients ask over TLS.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.is_tls = true;
        self
    }

    /// Lets only those read who have one of `tokens`.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Tells at `/metrics` what is counted in `telemetry`.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Arc<Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// How clients ask, if nobody says otherwise.
    pub(crate) fn scheme(&self) -> Scheme {
        if self.is_tls {
            Scheme::Https
        } else {
            Scheme::Http
        }
    }
}

/// What a client may take of the server.
///
/// # Defaults
///
/// 1,024 connections, 256 from one address; 2,048 requests at a time, 512 from one
/// address and 100 on one HTTP/2 connection; 10 s for a TLS handshake, for a first
/// byte and for a request head; 60 s of idleness between requests; 1 KiB/s over 30 s
/// at least for readers; 100 headers and 32 KiB of request head; 30 s to finish what
/// is being sent when the server ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections there are at a time.
    pub connections: usize,
    /// How many connections one address has at a time.
    pub connections_per_address: usize,
    /// How many requests are answered at a time.
    pub requests: usize,
    /// How many requests of one address are answered at a time.
    pub requests_per_address: usize,
    /// How many requests of one HTTP/2 connection are answered at a time.
    pub streams: u32,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a new connection may take to send a byte, and a request head to
    /// arrive from its first byte to its last.
    pub head_timeout: Duration,
    /// How long a connection may wait between two requests.
    pub idle_timeout: Duration,
    /// Over which time the speed of a slow reader is judged.
    pub stall_timeout: Duration,
    /// What a slow reader must take in at least, in bytes a second.
    pub minimum_rate: u64,
    /// How many headers a request may have.
    pub headers: usize,
    /// How long a request head may be, in bytes; not below 8 KiB.
    pub head_bytes: usize,
    /// How long unfinished answers are waited for when the server ends.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            requests: 2048,
            requests_per_address: 512,
            streams: 100,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            stall_timeout: Duration::from_secs(30),
            minimum_rate: 1024,
            headers: 100,
            head_bytes: 32 * 1024,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Sets how many connections there may be, in all and from one address.
    #[must_use]
    pub fn with_connections(mut self, total: usize, per_address: usize) -> Self {
        self.connections = total;
        self.connections_per_address = per_address;
        self
    }

    /// Sets how many requests are answered at a time, in all and from one address.
    #[must_use]
    pub fn with_requests(mut self, total: usize, per_address: usize) -> Self {
        self.requests = total;
        self.requests_per_address = per_address;
        self
    }

    /// Sets how long a TLS handshake may take.
    #[must_use]
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets the time for a first byte and for a request head.
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// Sets how long a connection may wait between two requests.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets over which time the speed of a reader is judged, and the least bytes
    /// a second.
    #[must_use]
    pub fn with_minimum_rate(mut self, timeout: Duration, bytes_per_second: u64) -> Self {
        self.stall_timeout = timeout;
        self.minimum_rate = bytes_per_second;
        self
    }

    /// Sets how long unfinished answers are waited for when the server ends.
    #[must_use]
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}
