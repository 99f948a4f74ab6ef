//! What proxies say of whom they ask for.
//!
//! Headers of this kind can be sent by anybody, so they count only from peers that
//! the operator named. Even then a host has to be one that the server answers to.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How many addresses of a chain are looked at.
const CHAIN: usize = 32;

/// An address, or all that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

/// Why something is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no address like 192.0.2.1 or 2001:db8::1, nor a network like 192.0.2.0/24")]
pub struct NetworkError;

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.address
    }
}

/// Addresses of version 4 are among those of version 6 here.
fn bits(address: IpAddr) -> u128 {
    let mapped = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    mapped.to_bits()
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let (most, before) = if address.is_ipv4() {
            (32, 96)
        } else {
            (128, 0)
        };
        let length = match length {
            None => most,
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
                length.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        if length > most {
            return Err(NetworkError);
        }
        let mask = match before + length {
            0 => 0,
            ones => u128::MAX << (128 - ones),
        };
        Ok(Self {
            address: bits(address) & mask,
            mask,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.address);
        let ones = self.mask.count_ones();
        match address.to_ipv4_mapped() {
            Some(address) if ones >= 96 => write!(f, "{address}/{}", ones - 96),
            _ => write!(f, "{address}/{ones}"),
        }
    }
}

/// The proxies whose word counts on who asks, how and for which host.
///
/// They are believed in `X-Forwarded-For`, `X-Forwarded-Proto` and
/// `X-Forwarded-Host`, or else in `Forwarded` (RFC 7239), and must see to it that no
/// client's own reach the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// How the client of a trusted proxy asked it, as an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else {
            None
        }
    }
}

/// What a proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    client: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
}

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether `peer` is one of them.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }

    /// Takes in what the proxy that sent `request` says of it, and returns for whom
    /// it asks.
    pub(crate) fn take_in<B>(
        &self,
        request: &mut Request<B>,
        peer: Option<SocketAddr>,
    ) -> Option<IpAddr> {
        let said = self.hear(request.headers());
        if let Some(scheme) = said.scheme {
            request.extensions_mut().insert(scheme);
        }
        if let Some(host) = said.host {
            request.headers_mut().insert(header::HOST, host);
            forget_authority(request);
        }
        let client = said.client.or(peer.map(|peer| peer.ip()))?;
        Some(client.to_canonical())
    }

    fn hear(&self, headers: &HeaderMap) -> Said {
        if [&FOR, &PROTO, &HOST]
            .iter()
            .any(|it| headers.contains_key(*it))
        {
            return Said {
                client: self.client(list(headers, &FOR)),
                scheme: list(headers, &PROTO).next().and_then(Scheme::parse),
                host: list(headers, &HOST).next().and_then(|it| it.parse().ok()),
            };
        }
        self.hear_forwarded(headers)
    }

    /// The nearest address that is no proxy's, from the nearest to the farthest.
    fn client<'h>(&self, chain: impl Iterator<Item = &'h str>) -> Option<IpAddr> {
        let mut last = None;
        for text in chain.take(CHAIN) {
            let Some(address) = address_of(text) else {
                // What nobody vouches for says nothing of what is before it.
                break;
            };
            last = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        last
    }

    /// RFC 7239: the element of the nearest proxy that asks for none of the others.
    fn hear_forwarded(&self, headers: &HeaderMap) -> Said {
        let mut said = Said::default();
        for element in list(headers, &header::FORWARDED).take(CHAIN) {
            let mut client = None;
            for pair in element.split(';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => client = address_of(value),
                    "proto" => said.scheme = Scheme::parse(value),
                    "host" => said.host = value.parse().ok(),
                    _ => {}
                }
            }
            said.client = client.or(said.client);
            if client.is_none_or(|client| !self.trusts(client)) {
                break;
            }
        }
        said
    }
}

/// The elements of a list in headers, the last first: that is the nearest proxy's.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter().collect::<Vec<_>>();
    let values = values.into_iter().rev();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

/// An address, perhaps with a port, perhaps in brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// Leaves the path alone of a target that names the host by which the proxy asks.
fn forget_authority<B>(request: &mut Request<B>) {
    if request.uri().authority().is_none() {
        return;
    }
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|it| it.parse().unwrap()))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn networks_are_told_apart() {
        let trusted = proxies(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for (address, is_trusted) in [
            ("10.255.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(
                trusted.trusts(address.parse().unwrap()),
                is_trusted,
                "{address}"
            );
        }
        assert!(proxies(&["0.0.0.0/0"]).trusts("9.9.9.9".parse().unwrap()));
        assert!(!proxies(&["0.0.0.0/0"]).trusts("2001:db8::1".parse().unwrap()));
        assert!(!TrustedProxies::default().trusts("127.0.0.1".parse().unwrap()));
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "a",
            "::/129",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }

    #[test]
    fn hostile_h22_a_client_cannot_put_words_into_a_proxys_mouth() {
        let trusted = proxies(&["10.0.0.0/8"]);
        for (chain, client) in [
            ("9.9.9.9", "9.9.9.9"),
            ("1.1.1.1, 9.9.9.9", "9.9.9.9"),
            ("1.1.1.1, 9.9.9.9:5000, 10.0.0.2", "9.9.9.9"),
            ("1.1.1.1, junk, 10.0.0.2", "10.0.0.2"),
            ("[2001:db8::1]:80, 10.0.0.2", "2001:db8::1"),
        ] {
            let said = trusted.hear(&headers(&[("x-forwarded-for", chain)]));
            assert_eq!(said.client, Some(client.parse().unwrap()), "{chain}");
        }
        // What the client says in the other kind of header is not looked at.
        let said = trusted.hear(&headers(&[
            ("x-forwarded-for", "9.9.9.9"),
            ("forwarded", "for=1.1.1.1;host=evil;proto=https"),
        ]));
        assert_eq!((said.host, said.scheme), (None, None));
        // Several lines are one list.
        let said = trusted.hear(&headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-host", "evil, front.example"),
            ("x-forwarded-proto", "http, HTTPS"),
        ]));
        assert_eq!(said.client, Some("9.9.9.9".parse().unwrap()));
        assert_eq!(said.host.unwrap(), "front.example");
        assert_eq!(said.scheme, Some(Scheme::Https));
    }

    #[test]
    fn forwarded_is_understood() {
        let trusted = proxies(&["10.0.0.0/8"]);
        let said = trusted.hear(&headers(&[(
            "forwarded",
            "for=1.1.1.1;host=evil, For=\"[2001:db8::1]:4711\";Proto=https;Host=\"front:8443\", for=10.0.0.3;proto=http",
        )]));
        assert_eq!(said.client, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(said.host.unwrap(), "front:8443");
        assert_eq!(said.scheme, Some(Scheme::Https));
        let said = trusted.hear(&headers(&[("forwarded", "for=unknown, for=_hidden")]));
        assert_eq!(said, Said::default());
    }
}
