//! How the server meets the network.

use std::{sync::Arc, time::Duration};

use crate::{AccessLog, Limits, Telemetry, Tls, TrustedProxies};

/// How the server meets the network.
///
/// # Defaults
///
/// The default [`Limits`], no TLS, no proxy whose word counts, no access log, and no
/// delay between the request to end and the end of listening.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FrontOptions {
    /// What a client may take of the server.
    pub limits: Limits,
    /// The certificate to speak TLS with; without one, connections are in the clear.
    pub tls: Option<Tls>,
    /// Whose word on addresses counts.
    pub proxies: TrustedProxies,
    /// Where each request is logged.
    pub access_log: Option<AccessLog>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// How long connections are still accepted when the server is asked to end,
    /// while `/readyz` says already that it will.
    pub drain_delay: Duration,
}

impl FrontOptions {
    /// Sets what a client may take of the server.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Speaks TLS, with HTTP/2 for who can.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Believes what `proxies` say of who asks them, how and for which host.
    #[must_use]
    pub fn with_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Logs each request to `log`.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Counts in `telemetry`, which the routes may tell of.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Arc<Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// Accepts connections for this long after the server is asked to end, for
    /// balancers of load to notice.
    #[must_use]
    pub fn with_drain_delay(mut self, delay: Duration) -> Self {
        self.drain_delay = delay;
        self
    }
}

impl From<Limits> for FrontOptions {
    fn from(limits: Limits) -> Self {
        Self::default().with_limits(limits)
    }
}
