//! A certificate and its key, as they are in files.

use std::{fs, io::Read as _, path::Path, sync::Arc, time::SystemTime};

use rustls::{
    InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::{TlsError, shown, validity};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// A certificate that can be used.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// Tells one state of two files from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<(u64, Option<SystemTime>, u64)>; 2]);

impl Stamp {
    pub(super) fn of(certificate: &Path, key: &Path) -> Self {
        Self([certificate, key].map(|path| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.len(), meta.modified().ok(), inode(&meta)))
        }))
    }
}

#[cfg(unix)]
fn inode(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

/// Reads and judges both files, as they are at this time.
pub(super) fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<Loaded, TlsError> {
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;
    let unreadable = || content(certificate, "has a certificate that cannot be read");
    let own = chain.first().ok_or_else(unreadable)?;
    let (not_before, not_after) = validity::of(own).ok_or_else(unreadable)?;
    if let Ok(past) = now.duration_since(not_after) {
        return Err(TlsError::Expired {
            file: shown(certificate),
            days: past.as_secs() / (24 * 60 * 60),
        });
    }
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::from_der(chain, private, &provider);
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
            certificate: shown(certificate),
            key: shown(key),
        },
        rustls::Error::InvalidCertificate(_) => TlsError::Unusable {
            file: shown(certificate),
            source: error,
        },
        source => TlsError::Unusable {
            file: shown(key),
            source,
        },
    })?;
    Ok(Loaded {
        key: Arc::new(certified),
        not_before,
        not_after,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(content(path, "has no certificate in PEM in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(no_pem(path, &error)),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if has(&bytes, b"ENCRYPTED PRIVATE KEY") => content(
            path,
            "has a key that is encrypted; a server needs it without a passphrase",
        ),
        pem::Error::NoItemsFound => content(
            path,
            "has no private key in PEM (PKCS#8, PKCS#1 or SEC1) in it",
        ),
        error => no_pem(path, &error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        file: shown(path),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(content(path, "is larger than 1 MiB"));
    }
    Ok(bytes)
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// What cannot be parsed is not shown: it may be part of a key.
fn no_pem(path: &Path, error: &pem::Error) -> TlsError {
    content(
        path,
        match error {
            pem::Error::MissingSectionEnd { .. } => "breaks off within a section of PEM",
            pem::Error::Base64Decode(_) => "has a section of PEM that is not base64",
            _ => "is not PEM",
        },
    )
}

fn content(path: &Path, what: &str) -> TlsError {
    TlsError::Content {
        file: shown(path),
        what: what.to_owned(),
    }
}
