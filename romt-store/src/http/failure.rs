//! What a failed request means: whose fault it is, and whether asking again helps.

use std::{error::Error, io};

use romt_core::{
    Location,
    ports::{SourceError, SourceErrorKind},
};

/// The error for a request that got no answer.
pub(super) fn of_request(error: reqwest::Error, place: &Location) -> SourceError {
    let (kind, reason) = judge(&error);
    SourceError::new(kind, place, reason).with_source(error.without_url())
}

/// The error for a body that broke off after `received` bytes.
pub(super) fn of_body(error: reqwest::Error, received: u64, place: &Location) -> SourceError {
    let (kind, reason) = judge(&error);
    let reason = format!("{reason} after {received} bytes of the body");
    SourceError::new(kind, place, reason).with_source(error.without_url())
}

fn judge(error: &reqwest::Error) -> (SourceErrorKind, &'static str) {
    if let Some(reason) = find_in(error, certificate_fault) {
        // The same certificate would be shown again.
        return (SourceErrorKind::Failed, reason);
    }
    // The tunnel's error has no public type to tell it by.
    let wants_login = |cause: &(dyn Error + 'static)| {
        let text = cause.to_string();
        text.contains("proxy authorization required").then_some(())
    };
    if find_in(error, wants_login).is_some() {
        let reason = "the proxy wants a login (407)";
        return (SourceErrorKind::Denied, reason);
    }
    if error.is_builder() {
        return (SourceErrorKind::Failed, "it cannot be asked for");
    }
    (SourceErrorKind::Transient, network_fault(error))
}

fn network_fault(error: &reqwest::Error) -> &'static str {
    if error.is_dns() {
        return "the host's name could not be looked up";
    }
    if error.is_timeout() {
        return if error.is_connect() {
            "connecting timed out"
        } else {
            "the connection timed out"
        };
    }
    let by_kind = |cause: &(dyn Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>()?.kind();
        match kind {
            io::ErrorKind::ConnectionRefused => Some("the connection was refused"),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Some("the connection was reset"),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Some("the network cannot reach the host")
            }
            io::ErrorKind::UnexpectedEof => Some("the connection was closed early"),
            _ => None,
        }
    };
    find_in(error, by_kind).unwrap_or(if error.is_connect() {
        "connecting failed"
    } else if error.is_body() || error.is_decode() {
        "the connection broke off"
    } else {
        "the server gave no valid HTTP answer"
    })
}

fn certificate_fault(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::{CertificateError, Error as TlsError};

    Some(match cause.downcast_ref::<TlsError>()? {
        TlsError::InvalidCertificate(fault) => match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired (or this machine's clock is wrong)"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another name"
            }
            CertificateError::UnknownIssuer => {
                "the server's certificate was issued by nobody this machine trusts"
            }
            _ => "the server's certificate is not valid",
        },
        TlsError::NoCertificatesPresented => "the server showed no certificate",
        TlsError::InvalidCertRevocationList(_) => "the server's certificate could not be checked",
        _ => return None,
    })
}

/// The first answer of `look` along the causes of `error`.
///
/// An [`io::Error`] hides what it wraps from [`Error::source`], so that is
/// looked into as well.
fn find_in<T>(
    error: &(dyn Error + 'static),
    look: impl Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = look(cause) {
            return Some(found);
        }
        next = match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}
