//! Certificates, and how to talk to a server that speaks TLS.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use romt_server::{FrontOptions, Limits, Tls};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Mirror, Running};

const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate that vouches for itself, and its key, as files.
pub(crate) struct Certificate {
    pub(crate) dir: TempDir,
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        Self::valid(|_| {})
    }

    /// One with what `change` makes of it.
    pub(crate) fn valid(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key, der) = make(change);
        fs::write(dir.path().join("cert.pem"), certificate).unwrap();
        fs::write(dir.path().join("key.pem"), key).unwrap();
        Self { dir, der }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::open(&self.certificate(), &self.key()).unwrap()
    }

    /// A server of `router` that speaks TLS.
    pub(crate) async fn serve(&self, router: Router, limits: Limits) -> Running {
        let front = FrontOptions::from(limits).with_tls(self.tls());
        Running::start(router, front).await
    }

    /// A server of the sample mirror with the usual limits.
    pub(crate) async fn sample(&self) -> Running {
        self.serve(Mirror::sample().router(), Limits::default())
            .await
    }
}

/// PEM of a certificate and of its key, and the certificate.
pub(crate) fn make(
    change: impl FnOnce(&mut CertificateParams),
) -> (String, String, CertificateDer<'static>) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (
        certificate.pem(),
        key.serialize_pem(),
        certificate.der().clone(),
    )
}

/// A connection to `server` that trusts `certificate` and offers `protocols`.
pub(crate) async fn connect(
    server: &Running,
    certificate: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = server.connect().await;
    let connector = TlsConnector::from(Arc::new(config));
    timeout(PATIENCE, connector.connect(name, stream))
        .await
        .unwrap()
}

/// An HTTP/2 client.
pub(crate) struct Client {
    pub(crate) send: h2::client::SendRequest<Bytes>,
    pub(crate) connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub(crate) async fn connect(server: &Running, certificate: &Certificate) -> Self {
        let builder = h2::client::Builder::new();
        Self::with(server, certificate, &builder).await
    }

    pub(crate) async fn with(
        server: &Running,
        certificate: &Certificate,
        builder: &h2::client::Builder,
    ) -> Self {
        let stream = connect(server, &certificate.der, &["h2"]).await.unwrap();
        let (send, connection) = builder.handshake(stream).await.unwrap();
        Self {
            send,
            connection: tokio::spawn(connection),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<(u16, Bytes), h2::Error> {
        let response = self.ask(path, &[]).await?;
        let status = response.status().as_u16();
        Ok((status, read(response).await?))
    }

    pub(crate) async fn ask(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<h2::RecvStream>, h2::Error> {
        let mut request = Request::get(format!("https://localhost:8000{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.send.clone().ready().await?;
        let (response, _) = send.send_request(request.body(()).unwrap(), true)?;
        timeout(PATIENCE, response).await.unwrap()
    }
}

/// The body of an answer, as fast as it comes.
pub(crate) async fn read(response: Response<h2::RecvStream>) -> Result<Bytes, h2::Error> {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(piece) = timeout(PATIENCE, body.data()).await.unwrap() {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend(piece);
    }
    Ok(all.into())
}
