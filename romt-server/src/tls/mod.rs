//! TLS, with a certificate that can be replaced while the server runs.

mod certificate;
mod validity;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use romt_core::{ErrorClass, Escaped};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use certificate::{Loaded, Stamp};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How long before its end a certificate is warned of.
const AHEAD: Duration = Duration::from_hours(14 * 24);

/// The first byte of everything that begins with a TLS handshake.
const HANDSHAKE: u8 = 22;

/// A certificate with its key, from two files, and how TLS is spoken with it:
/// versions 1.2 and 1.3, HTTP/2 preferred.
///
/// Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {file}")]
    Read {
        /// The file.
        file: Escaped,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file does not have what it should.
    #[error("{file} {what}")]
    Content {
        /// The file.
        file: Escaped,
        /// What is wrong with it.
        what: String,
    },
    /// The key is another certificate's.
    #[error("the key in {key} is not that of the certificate in {certificate}")]
    Mismatch {
        /// The file with the certificate.
        certificate: Escaped,
        /// The file with the key.
        key: Escaped,
    },
    /// The certificate is no longer valid.
    #[error("the certificate in {file} expired {days} days ago")]
    Expired {
        /// The file.
        file: Escaped,
        /// How long ago.
        days: u64,
    },
    /// There is something about the two that TLS cannot use.
    #[error("TLS cannot use {file}")]
    Unusable {
        /// The file.
        file: Escaped,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl TlsError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read { .. } => ErrorClass::Storage,
            _ => ErrorClass::Usage,
        }
    }
}

/// A connection whose first words were understood.
pub(crate) enum Arrived {
    Http1(Box<TlsStream<TcpStream>>),
    Http2(Box<TlsStream<TcpStream>>),
    /// Somebody who does not speak TLS.
    Cleartext(TcpStream),
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its key, both
    /// PEM; the key as PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// If one of the two is unreadable or is not what it should be, if they do not
    /// belong together, or if the certificate has expired.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let stamp = Stamp::of(certificate, key);
        let loaded = certificate::load(certificate, key, SystemTime::now())?;
        tell_of_end(certificate, &loaded);
        let current = Arc::new(Current::new(loaded, stamp));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |source| TlsError::Unusable {
            file: shown(certificate),
            source,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // rustup makes a connection for each request.
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unusable)?;
        Ok(Self(Arc::new(Inner {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
        })))
    }

    /// Speaks the first words of TLS.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Arrived> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            return Ok(Arrived::Cleartext(stream));
        }
        let stream = Box::new(self.0.acceptor.accept(stream).await?);
        let protocol = stream.get_ref().1.alpn_protocol();
        Ok(if protocol == Some(b"h2") {
            Arrived::Http2(stream)
        } else {
            Arrived::Http1(stream)
        })
    }

    /// Takes in what is put in place of the files, for ever.
    ///
    /// The two are taken together, once they belong together; until then, and if
    /// what came cannot be used, the old ones stay.
    pub(crate) async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let this = self.clone();
            if tokio::task::spawn_blocking(move || this.look())
                .await
                .is_err()
            {
                tracing::error!(
                    "looking at the certificate ended in a panic; this is a bug in romt"
                );
                return;
            }
        }
    }

    /// Takes in the files if they have changed since they were looked at.
    fn look(&self) {
        let inner = &*self.0;
        let stamp = Stamp::of(&inner.certificate, &inner.key);
        if !inner.current.is_new(&stamp) {
            return;
        }
        match certificate::load(&inner.certificate, &inner.key, SystemTime::now()) {
            Ok(loaded) => {
                tell_of_end(&inner.certificate, &loaded);
                tracing::info!(file = %shown(&inner.certificate), "the certificate was replaced");
                inner.current.set(loaded);
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    error,
                    "the new certificate is not used; the one before stays"
                );
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.0.certificate)
            .finish_non_exhaustive()
    }
}

/// Warns of a certificate whose end is near, or whose time has not come.
fn tell_of_end(file: &Path, loaded: &Loaded) {
    let (file, now) = (shown(file), SystemTime::now());
    if loaded.not_before > now {
        tracing::warn!(%file, "the certificate is not valid yet; is the clock right?");
    }
    if let Ok(left) = loaded.not_after.duration_since(now)
        && left < AHEAD
    {
        let days = left.as_secs() / (24 * 60 * 60);
        tracing::warn!(%file, days, "the certificate expires soon");
    }
}

fn shown(path: &Path) -> Escaped {
    Escaped::new(path.to_string_lossy().as_bytes())
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
    /// What was looked at last, taken in or not.
    stamp: RwLock<Stamp>,
}

impl Current {
    fn new(loaded: Loaded, stamp: Stamp) -> Self {
        Self {
            key: RwLock::new(loaded.key),
            stamp: RwLock::new(stamp),
        }
    }

    /// Whether the files are others than those that were looked at last. Those of
    /// `stamp` are, from now on.
    fn is_new(&self, stamp: &Stamp) -> bool {
        let mut known = self.stamp.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != *stamp;
        *known = stamp.clone();
        is_new
    }

    fn set(&self, loaded: Loaded) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = loaded.key;
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        Some(key.clone())
    }
}
