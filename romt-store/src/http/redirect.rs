//! Where a redirect may lead.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

/// Where `from` says to go on, or why not to go there.
///
/// `trusted` is the server that was configured; only if that is itself private
/// may a redirect lead to a private address.
pub(super) fn next(
    from: &Url,
    location: Option<&[u8]>,
    trusted: &Url,
    text: bool,
) -> Result<Url, String> {
    let Some(location) = location else {
        return Err("it redirects without saying where to".to_owned());
    };
    let to = std::str::from_utf8(location)
        .ok()
        .and_then(|text| from.join(text).ok())
        .ok_or("it redirects to what is no address")?;
    let shown = shown(&to);
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("it redirects to {shown}, which is not followed"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(format!("it redirects to {shown} with credentials"));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(format!("it redirects from https to {shown}"));
    }
    if is_private(&to) && !is_private(trusted) {
        return Err(format!("it redirects into a private network, to {shown}"));
    }
    // Text is an index or the like and may have no digest to be checked against.
    if text && to.host() != from.host() {
        return Err(format!("it redirects to another host, {shown}"));
    }
    Ok(to)
}

/// The origin alone: a path or a query may be a secret.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}", url.scheme())
}

/// Whether the host of `url` is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether the host of `url` is, by its address or its name, this machine or one
/// in a network that is not the internet.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            // A name without a dot is one of the local network.
            !name.contains('.')
                || [".localhost", ".local", ".internal", ".home.arpa"]
                    .iter()
                    .any(|suffix| name.ends_with(suffix))
        }
        Some(Host::Ipv4(ip)) => is_private_ip(ip.into()),
        Some(Host::Ipv6(ip)) => is_private_ip(ip.into()),
    }
}

fn is_private_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || a == 0
                // Shared addresses behind carriers' translators.
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            embedded_v4(ip).is_some_and(is_private_ip) || {
                let first = ip.segments()[0];
                ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                // fc00::/7, unique local, and fe80::/10, link local.
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
            }
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: `::ffff:a.b.c.d`, or
/// `64:ff9b::a.b.c.d` for translators.
fn embedded_v4(ip: Ipv6Addr) -> Option<IpAddr> {
    let translated = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let [.., a, b, c, d] = ip.octets();
    ip.to_ipv4_mapped()
        .or_else(|| translated.then_some([a, b, c, d].into()))
        .map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn follow(from: &str, to: &str, text: bool) -> Result<Url, String> {
        next(&url(from), Some(to.as_bytes()), &url(from), text)
    }

    #[test]
    fn hostile_u06_redirects_do_not_leave_the_web() {
        let from = "https://static.example.com/a/b";
        for bad in [
            "http://static.example.com/a/b",
            "file:///etc/passwd",
            "ftp://static.example.com/a",
            "data:text/plain,x",
            "javascript:x",
            "https://user:pw@static.example.com/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://localhost./",
            "https://x.localhost/",
            "https://metadata.internal/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.16.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "//10.1.2.3/x",
            "https://",
        ] {
            assert!(follow(from, bad, false).is_err(), "{bad}");
        }
        assert!(next(&url(from), None, &url(from), false).is_err());
        assert!(next(&url(from), Some(b"\xff"), &url(from), false).is_err());
    }

    #[test]
    fn ordinary_redirects_are_followed() {
        let from = "https://static.example.com/a/b";
        for (to, target) in [
            ("/c", "https://static.example.com/c"),
            ("c", "https://static.example.com/a/c"),
            (
                "https://cdn.example.net/x?sig=1",
                "https://cdn.example.net/x?sig=1",
            ),
        ] {
            assert_eq!(follow(from, to, false).unwrap().as_str(), target);
        }
        assert!(follow("http://h.example.com/x", "https://h.example.com/x", true).is_ok());
        assert!(follow("http://127.0.0.1:1/x", "http://127.0.0.1:2/x", true).is_ok());
    }

    #[test]
    fn hostile_u06_text_stays_on_its_host() {
        assert!(follow("https://a.example.com/x", "https://b.example.com/x", true).is_err());
        assert!(follow("https://a.example.com/x", "https://b.example.com/x", false).is_ok());
    }

    #[test]
    fn hostile_u06_messages_show_no_secret() {
        let error = follow(
            "https://a.example.com/x",
            "http://u:pw@a.example.com/p?sig=secret",
            false,
        )
        .unwrap_err();
        assert!(
            !error.contains("pw") && !error.contains("secret"),
            "{error}"
        );
    }
}
