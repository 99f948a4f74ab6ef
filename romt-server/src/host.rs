//! Under which names the server is asked.

use std::{fmt, net::SocketAddr, str::FromStr};

use http::{HeaderMap, HeaderValue, Uri, header, request::Parts};

use crate::{answer::Refusal, proxies::Scheme};

/// The longest host that is believed, in bytes.
const MAX_HOST: usize = 255;

/// Past this length a host is not wrong but an attack on memory.
const ABSURD_HOST: usize = 8 * 1024;

/// Which host names a server may be asked for.
///
/// A page on the web can have its own name resolve to a loopback address and
/// then read what is served there. A server that only this machine should reach
/// therefore answers to loopback names alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostPolicy {
    /// Whatever the client says.
    #[default]
    Any,
    /// `localhost`, addresses in `127.0.0.0/8` and `[::1]`, with any port, and
    /// the host of the configured base URL.
    LoopbackOnly,
}

impl HostPolicy {
    /// What suits a server that listens at `address`.
    pub fn for_address(address: &SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() {
            Self::LoopbackOnly
        } else {
            Self::Any
        }
    }

    fn allows(self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::LoopbackOnly => is_loopback(host),
        }
    }
}

/// The address under which clients find the server, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// Why an address cannot be a [`BaseUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a base URL is `http://` or `https://`, a host and perhaps a path: {reason}")]
pub struct BaseUrlError {
    reason: &'static str,
}

impl BaseUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and port in the address.
    fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| Err(BaseUrlError { reason });
        let Ok(uri) = text.parse::<Uri>() else {
            return wrong("it does not parse");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return wrong("the scheme is missing or another");
        }
        if text.contains(['?', '#', '{', '}', '"', '\\', ' ']) {
            return wrong("it has a query, a fragment or a character that needs escaping");
        }
        let base = Self(text.trim_end_matches('/').to_owned());
        if !is_host(base.host()) {
            return wrong("the host is not one, or has credentials before it");
        }
        Ok(base)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who may ask, and under which address they are answered.
#[derive(Debug)]
pub(crate) struct HostGate {
    pub(crate) base_url: Option<BaseUrl>,
    pub(crate) policy: HostPolicy,
    /// How clients ask, if no trusted proxy says otherwise.
    pub(crate) scheme: Scheme,
}

impl HostGate {
    /// The host that a request names, if it names one that is allowed.
    ///
    /// A request for an absolute URL is for that URL's host, but must have a
    /// sound `Host` all the same.
    pub(crate) fn admit<'r>(
        &self,
        uri: &'r Uri,
        headers: &'r HeaderMap,
    ) -> Result<&'r str, Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => checked(host)?,
            _ => return Err(Refusal::BadHost),
        };
        self.allowed(host)?;
        match uri.authority() {
            None => Ok(host),
            Some(authority) if is_host(authority.as_str()) => {
                self.allowed(authority.as_str())?;
                Ok(authority.as_str())
            }
            Some(_) => Err(Refusal::BadHost),
        }
    }

    /// The address that who asks for `host` by `request` is sent to.
    pub(crate) fn base_for(&self, host: &str, request: &Parts) -> String {
        let said = request.extensions.get::<Scheme>();
        let scheme = said.copied().unwrap_or(self.scheme).as_str();
        match &self.base_url {
            Some(base) => base.to_string(),
            None => format!("{scheme}://{host}"),
        }
    }

    fn allowed(&self, host: &str) -> Result<(), Refusal> {
        let ours = |base: &BaseUrl| base.host().eq_ignore_ascii_case(host);
        if self.policy.allows(host) || self.base_url.as_ref().is_some_and(ours) {
            Ok(())
        } else {
            Err(Refusal::ForeignHost)
        }
    }
}

fn checked(host: &HeaderValue) -> Result<&str, Refusal> {
    match host.to_str() {
        Ok(text) if is_host(text) => Ok(text),
        _ if host.len() > ABSURD_HOST => Err(Refusal::HeadTooLarge),
        _ => Err(Refusal::BadHost),
    }
}

/// Whether `text` is `host` or `host:port`, with nothing in it that would mean
/// something in a URL, in JSON or in a log.
fn is_host(text: &str) -> bool {
    let (host, port) = split_port(text);
    let port_fits = port.is_none_or(|port| {
        (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
    });
    let host_fits = match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    text.len() <= MAX_HOST && port_fits && host_fits
}

fn is_loopback(host: &str) -> bool {
    let (host, _) = split_port(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    let end_of_address = text.rfind(']').unwrap_or(0);
    match text[end_of_address..].rfind(':') {
        Some(colon) => {
            let (host, port) = text.split_at(end_of_address + colon);
            (host, Some(&port[1..]))
        }
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_ports() {
        for good in [
            "localhost",
            "a.example:8080",
            "127.0.0.1:1",
            "[::1]:80",
            "[2001:db8::1]",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "", ":80", "a:", "a:b", "a:123456", "a/b", "a b", "u@h", "a\"b", "[::1", "[zz]", "a,b",
            "a?b", "a#b", "{crate}", "::1",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(!is_host(&"a".repeat(256)));
    }

    #[test]
    fn hostile_h07_loopback_means_loopback() {
        for good in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "example.com",
            "localhost.example.com",
            "10.0.0.1",
            "128.0.0.1",
            "127.0.0.1.x",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn hostile_c05_base_urls_are_checked() {
        let base: BaseUrl = "https://mirror.example/rust/".parse().unwrap();
        assert_eq!(base.as_str(), "https://mirror.example/rust");
        for bad in [
            "",
            "mirror",
            "mirror/x",
            "javascript:alert(1)",
            "ftp://m/",
            "http://m/?q",
            "http://m/#f",
            "http://u:p@m/",
            "http://m/a b",
            "http://",
            "/path",
        ] {
            assert!(bad.parse::<BaseUrl>().is_err(), "{bad}");
        }
    }
}
