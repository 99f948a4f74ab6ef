//! Whom to trust on the other end of a TLS connection.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::HttpSetupError;

/// Reads the certificates of one PEM file.
pub(super) fn read_ca_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, HttpSetupError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| HttpSetupError::CaFile {
            file: file.to_owned(),
            source: error.into(),
        })?;
    if certificates.is_empty() {
        return Err(HttpSetupError::CaFileEmpty {
            file: file.to_owned(),
        });
    }
    Ok(certificates)
}

/// What this machine trusts, and `extra`.
pub(super) fn system_roots(
    extra: &[CertificateDer<'static>],
) -> Result<RootCertStore, HttpSetupError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some certificates of this machine are left out");
    }
    roots.add_parsable_certificates(found.certs);
    roots.add_parsable_certificates(extra.iter().cloned());
    if roots.is_empty() {
        return Err(HttpSetupError::NoRoots);
    }
    Ok(roots)
}

/// TLS with these roots, offering HTTP/2 first.
pub(super) fn config(roots: RootCertStore) -> Result<ClientConfig, HttpSetupError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpSetupError::Client(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
