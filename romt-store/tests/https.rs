//! [`HttpSource`] over TLS: whom it trusts, and what it says when it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use romt_core::{
    Source,
    ports::{OpenOptions, Opened, SourceErrorKind, collect_bounded},
};
use romt_store::{
    HttpClient, HttpOptions, HttpSource,
    conformance::{
        scripted::{Fault, ScriptedServer},
        source,
    },
    http::{HttpSetupError, ProxyChoice},
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// An authority, and the file in which it is told to clients.
struct Authority {
    issuer: Issuer,
    file: NamedTempFile,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), issuer.pem()).unwrap();
    Authority { issuer, file }
}

fn tls(authority: &Authority, name: &str, expired: bool, protocol: &str) -> TlsAcceptor {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    if expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Ends TLS in front of a plain server.
async fn terminate(acceptor: TlsAcceptor, server: &ScriptedServer) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, plain) = (listener.local_addr().unwrap().port(), server.address());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut plain = TcpStream::connect(plain).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    (port, task)
}

fn options() -> HttpOptions {
    HttpOptions::default()
        .with_proxy(Some(ProxyChoice::Direct))
        .with_first_byte_timeout(Duration::from_secs(5))
}

fn source_at(port: u16, options: HttpOptions) -> HttpSource {
    let base = format!("https://localhost:{port}/").parse().unwrap();
    HttpSource::new(HttpClient::new(options).unwrap(), base).unwrap()
}

#[tokio::test]
async fn it_conforms_over_tls() {
    let authority = authority("known");
    let server = ScriptedServer::start(source::files()).await;
    let (port, _task) = terminate(tls(&authority, "localhost", false, "http/1.1"), &server).await;
    let options = options().with_extra_ca_file(authority.file.path());
    source::all(Arc::new(source_at(port, options))).await;
}

#[tokio::test]
async fn hostile_u12_certificates_are_checked_and_never_tried_again() {
    let (known, unknown) = (authority("known"), authority("unknown"));
    let server = ScriptedServer::start([("a", "a")]).await;
    for (authority, name, expired, reason) in [
        (&unknown, "localhost", false, "issued by nobody"),
        (&known, "example.com", false, "another name"),
        (&known, "localhost", true, "expired"),
    ] {
        let (port, _task) = terminate(tls(authority, name, expired, "http/1.1"), &server).await;
        let source = source_at(port, options().with_extra_ca_file(known.file.path()));
        let error = source
            .open(&"a".parse().unwrap(), OpenOptions::default())
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Failed, "{error}");
        assert!(error.reason().contains(reason), "{error}");
    }
    assert_eq!(
        server.requests().total,
        0,
        "nothing is asked of the wrong server"
    );
}

#[tokio::test]
async fn hostile_u06_tls_is_never_left() {
    let authority = authority("known");
    let server = ScriptedServer::start([("a", "a")]).await;
    let (port, _task) = terminate(tls(&authority, "localhost", false, "http/1.1"), &server).await;
    let source = source_at(port, options().with_extra_ca_file(authority.file.path()));
    server.fault("a", [Fault::RedirectTo(format!("{}a", server.url()))]);
    let error = source
        .open(&"a".parse().unwrap(), OpenOptions::default())
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Refused);
    assert!(error.reason().contains("from https"), "{error}");
}

#[tokio::test]
async fn http_2_is_spoken_with_who_offers_it() {
    let authority = authority("known");
    let acceptor = tls(&authority, "localhost", false, "h2");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = tokio::spawn(async move {
        // One connection is all that is needed, and all that there is.
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let mut requests = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = requests.accept().await {
            let path = Bytes::from(request.uri().path().to_owned());
            let mut body = respond
                .send_response(http::Response::new(()), false)
                .unwrap();
            body.send_data(path, true).unwrap();
        }
    });
    let source = source_at(port, options().with_extra_ca_file(authority.file.path()));
    // The first opens the connection that the rest then share.
    let source = &source;
    for paths in [vec!["first"], vec!["a", "b", "c+d"]] {
        let opens = paths.iter().map(|path| async move {
            let location = path.parse().unwrap();
            let opened = source
                .open(&location, OpenOptions::default())
                .await
                .unwrap();
            let Opened::Body(fetched) = opened else {
                panic!("{opened:?}")
            };
            let bytes = collect_bounded(fetched.body, 100).await.unwrap();
            assert_eq!(bytes, format!("/{path}"));
        });
        futures::future::join_all(opens).await;
    }
    connections.abort();
}

#[test]
fn files_of_certificates_are_checked_at_once() {
    let file = NamedTempFile::new().unwrap();
    let missing = file.path().with_extension("missing");
    let new = |path| HttpClient::new(options().with_extra_ca_file(path)).unwrap_err();
    assert!(matches!(
        new(missing.as_path()),
        HttpSetupError::CaFile { .. }
    ));
    assert!(matches!(
        new(file.path()),
        HttpSetupError::CaFileEmpty { .. }
    ));
}
