//! How to speak HTTP, and why that may be impossible.

use std::{path::PathBuf, time::Duration};

use romt_core::Escaped;
use url::Url;

/// By which way to reach servers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyChoice {
    /// Directly, whatever the environment says.
    Direct,
    /// Through this proxy, always. `http`, `https`, `socks5` and `socks5h`
    /// addresses are understood, and may carry the proxy's credentials.
    Through(Url),
}

impl std::fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct => f.write_str("Direct"),
            // The credentials are left out.
            Self::Through(url) => write!(
                f,
                "Through({}://{})",
                url.scheme(),
                url.host_str().unwrap_or_default()
            ),
        }
    }
}

/// How an [`HttpClient`](super::HttpClient) speaks.
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | connecting | within 10 s |
/// | the first byte of an answer | within 30 s of the request |
/// | a silence within a body | up to 30 s |
/// | slowness within a body | at least 1 KiB/s over each 60 s |
/// | a whole body | within 30 min |
/// | redirects | up to 5 |
/// | proxy | what the system and `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say |
/// | trusted certificates | the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` |
///
/// Those are the only environment variables that are heeded. The limits on a
/// body count the time spent waiting for the server, not the time in which
/// nobody asks for the next piece.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for the head of an answer, connecting included.
    pub first_byte_timeout: Duration,
    /// How long a body may be silent.
    pub idle_timeout: Duration,
    /// How many bytes a second a body must deliver over each `min_rate_window`.
    pub min_rate: u64,
    /// Over what time `min_rate` is measured.
    pub min_rate_window: Duration,
    /// How long a body may take altogether.
    pub total_timeout: Option<Duration>,
    /// What to call ourselves.
    pub user_agent: String,
    /// By which way; `None` is what the system and the environment say.
    pub proxy: Option<ProxyChoice>,
    /// Files of certificates in PEM form to trust besides the system's.
    pub extra_ca_files: Vec<PathBuf>,
    /// How many redirects to follow.
    pub max_redirects: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            min_rate: 1024,
            min_rate_window: Duration::from_mins(1),
            total_timeout: Some(Duration::from_mins(30)),
            user_agent: concat!("romt/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            extra_ca_files: Vec::new(),
            max_redirects: 5,
        }
    }
}

impl HttpOptions {
    /// Sets how long to wait for a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long to wait for the head of an answer.
    #[must_use]
    pub fn with_first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// Sets how long a body may be silent.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how many bytes a second a body must deliver over each `window`.
    #[must_use]
    pub fn with_min_rate(mut self, bytes_per_second: u64, window: Duration) -> Self {
        self.min_rate = bytes_per_second;
        self.min_rate_window = window;
        self
    }

    /// Sets how long a body may take altogether.
    #[must_use]
    pub fn with_total_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// Sets what to call ourselves.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets by which way to reach servers.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<ProxyChoice>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Trusts the certificates in one more PEM file.
    #[must_use]
    pub fn with_extra_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.extra_ca_files.push(file.into());
        self
    }

    /// Sets how many redirects to follow.
    #[must_use]
    pub fn with_max_redirects(mut self, redirects: usize) -> Self {
        self.max_redirects = redirects;
        self
    }
}

/// Why HTTP cannot be spoken as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// The base of a source is not one.
    #[error("`{base}` cannot be a source: {reason}")]
    Base {
        /// The base, without its credentials.
        base: Escaped,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file of certificates could not be read.
    #[error("could not read certificates from {}", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of certificates has none.
    #[error("{} has no certificate in PEM form", file.display())]
    CaFileEmpty {
        /// The file.
        file: PathBuf,
    },
    /// The proxy is of a kind that is not understood. It is not passed over:
    /// whoever names a proxy does not want to go directly.
    #[error("`{proxy}` cannot be a proxy: only http, https, socks5 and socks5h are known")]
    Proxy {
        /// The proxy, without its credentials.
        proxy: Escaped,
    },
    /// This machine trusts no certificate at all.
    #[error(
        "no trusted certificates were found on this machine; \
         install them, set SSL_CERT_FILE or name a file of certificates"
    )]
    NoRoots,
    /// The client could not be set up: the user agent, the proxy or TLS.
    #[error("could not set up HTTP")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}
