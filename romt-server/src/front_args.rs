//! The options that `romt-server` and `romt` have in common.

use std::{io, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use romt_core::ErrorClass;

use crate::{
    AccessFormat, AccessLog, CheckDepth, FrontOptions, LogQueue, Network, Tls, TlsError,
    TokenFileError, Tokens, TrustedProxies,
};

/// How the server meets the network, as options of a command.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct FrontArgs {
    /// Speak TLS, with HTTP/2, by this certificate and what vouches for it (PEM);
    /// taken in anew when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM: PKCS#8, PKCS#1 or SEC1)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy, or a network of them, whose `X-Forwarded-*` and `Forwarded` headers are
    /// believed; repeatable
    #[arg(long = "trusted-proxy", value_name = "ADDR[/LEN]")]
    pub trusted_proxies: Vec<Network>,
    /// Let only those read who have a token of this file; `romt token new` makes them
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Log each request to stderr once its answer is sent
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub access_log: Option<AccessLogArg>,
    /// How long connections are still accepted after the request to end, while
    /// /readyz says already that the server will
    #[arg(long, value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain_delay: u64,
}

/// How requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLogArg {
    /// `name=value`
    Text,
    /// An object a line
    Json,
    /// Not at all
    Off,
}

/// How closely a mirror is looked at before it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckArg {
    /// Whether everything is there
    Present,
    /// Whether everything is there and has the bytes that it should
    Full,
}

impl From<CheckArg> for CheckDepth {
    fn from(check: CheckArg) -> Self {
        match check {
            CheckArg::Present => Self::Present,
            CheckArg::Full => Self::Bytes,
        }
    }
}

/// Why the options cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontArgsError {
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no tokens.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The log cannot be written.
    #[error("could not begin the access log")]
    Log(#[source] io::Error),
}

impl FrontArgsError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Tls(error) => error.class(),
            Self::Tokens(error) => error.class(),
            Self::Log(_) => ErrorClass::Storage,
        }
    }
}

impl FrontArgs {
    /// The options of the front. Requests are logged as `otherwise` says if nothing was
    /// said, to what `queue` makes.
    pub fn front(
        &self,
        otherwise: AccessLogArg,
        queue: impl FnOnce() -> io::Result<LogQueue>,
    ) -> Result<FrontOptions, FrontArgsError> {
        let proxies = TrustedProxies::new(self.trusted_proxies.iter().copied());
        let mut front = FrontOptions::default()
            .with_proxies(proxies)
            .with_drain_delay(Duration::from_secs(self.drain_delay));
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            front = front.with_tls(Tls::open(certificate, key)?);
        }
        let format = match self.access_log.unwrap_or(otherwise) {
            AccessLogArg::Text => AccessFormat::Text,
            AccessLogArg::Json => AccessFormat::Json,
            AccessLogArg::Off => return Ok(front),
        };
        let queue = queue().map_err(FrontArgsError::Log)?;
        Ok(front.with_access_log(AccessLog::new(format, queue)))
    }

    /// The tokens of whom may read, if not everybody may.
    pub fn tokens(&self) -> Result<Option<Tokens>, FrontArgsError> {
        let tokens = self.token_file.as_deref().map(Tokens::open);
        Ok(tokens.transpose()?)
    }
}
