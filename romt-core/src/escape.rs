//! Showing outside text without letting it speak to the terminal.

use std::fmt::{self, Write as _};

/// The longest piece of outside text that a message shows, in bytes.
const SHOWN: usize = 256;

/// Text from outside, displayed as printable ASCII on one line.
///
/// Every byte outside printable ASCII becomes `\xNN`, and text over 256 bytes
/// loses its middle, so that neither a terminal escape nor a megabyte of
/// garbage reaches a log or a screen.
///
/// ```
/// # use romt_core::Escaped;
/// assert_eq!(Escaped::new("serde").to_string(), "serde");
/// assert_eq!(Escaped::new("\x1b[31mred").to_string(), "\\x1b[31mred");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Escaped(Box<str>);

impl Escaped {
    /// Escapes `text`.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let bytes = text.as_ref();
        let mut shown = String::with_capacity(bytes.len().min(SHOWN));
        if bytes.len() <= SHOWN {
            push_escaped(&mut shown, bytes);
        } else {
            let half = SHOWN / 2;
            push_escaped(&mut shown, &bytes[..half]);
            shown.push_str("...");
            push_escaped(&mut shown, &bytes[bytes.len() - half..]);
        }
        Self(shown.into())
    }

    /// Escapes an address, valid or not, without the user name and the password
    /// in it, which no message shows.
    ///
    /// ```
    /// # use romt_core::Escaped;
    /// let shown = Escaped::address("https://user:secret@host/path");
    /// assert_eq!(shown.to_string(), "https://host/path");
    /// ```
    pub fn address(address: &str) -> Self {
        let is_scheme = |text: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
            !text.is_empty() && text.bytes().all(fits)
        };
        let Some((scheme, rest)) = address.split_once(':').filter(|it| is_scheme(it.0)) else {
            return Self::new(address);
        };
        // Whoever parses addresses takes any slashes here, or none.
        let rest = rest.trim_start_matches(['/', '\\']);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = &rest[..end];
        let port = host.rsplit_once(':').map_or("", |it| it.1);
        let is_port = host.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit());
        // What is no port may begin a password with a `/` in it.
        let in_rest = || rest.rfind('@').filter(|_| !is_port);
        let at = host.rfind('@').or_else(in_rest);
        match at {
            Some(at) => Self::new(format!("{scheme}://{}", &rest[at + 1..])),
            None => Self::new(address),
        }
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_escaped(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if matches!(byte, b' '..=b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A value from outside that is not what it claims to be.
///
/// Names the kind of value, the offending value (escaped) and the rule that it
/// breaks.
///
/// An argument of romt for Python's command line is reported in its words, as in
/// `invalid SPEC 'x'`, by which scripts may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    kind: &'static str,
    value: Escaped,
    reason: String,
    is_argument: bool,
}

impl std::error::Error for InvalidValue {}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, value, reason) = (self.kind, &self.value, &self.reason);
        if self.is_argument {
            write!(f, "invalid {kind} '{value}': {reason}")
        } else {
            write!(f, "`{value}` is not a valid {kind}: {reason}")
        }
    }
}

impl InvalidValue {
    /// Reports that `value` breaks `reason`, a rule of `kind`.
    pub fn new(kind: &'static str, value: impl AsRef<[u8]>, reason: impl Into<String>) -> Self {
        Self {
            kind,
            value: Escaped::new(value),
            reason: reason.into(),
            is_argument: false,
        }
    }

    /// Reports, as in `invalid SPEC 'x'`, that an argument breaks `reason`.
    pub fn of_argument(
        kind: &'static str,
        value: impl AsRef<[u8]>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            is_argument: true,
            ..Self::new(kind, value, reason)
        }
    }

    /// Reports that `address`, which may have a password in it, breaks `reason`.
    pub fn of_address(kind: &'static str, address: &str, reason: impl Into<String>) -> Self {
        Self {
            kind,
            value: Escaped::address(address),
            reason: reason.into(),
            is_argument: false,
        }
    }

    /// What the value was meant to be, as in "crate name".
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The offending value, safe to print.
    pub fn value(&self) -> &Escaped {
        &self.value
    }

    /// The rule that the value breaks.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_who_asks() {
        for (address, shown) in [
            ("https://u:p@h/x@y", "https://h/x@y"),
            ("https://u:p@q@h", "https://h"),
            ("https://h/?a@b", "https://h/?a@b"),
            ("a/directory@home", "a/directory@home"),
            ("https:u:p@h/", "https://h/"),
            ("https://u:p/q@h/", "https://h/"),
            ("https://h:80/x@y", "https://h:80/x@y"),
            ("https://[::1]/x@y", "https://[::1]/x@y"),
            ("https:\\\\u:p@h\\x", "https://h\\x"),
            ("https:/u:p\\q@h/", "https://h/"),
            ("C:\\a\\b", "C:\\a\\b"),
        ] {
            assert_eq!(Escaped::address(address).as_str(), shown);
        }
    }

    #[test]
    fn control_bytes_and_non_ascii_are_escaped() {
        assert_eq!(
            Escaped::new("a\nb\u{2028}").as_str(),
            "a\\x0ab\\xe2\\x80\\xa8"
        );
    }

    #[test]
    fn long_text_loses_its_middle() {
        let long = "x".repeat(10_000);
        let shown = Escaped::new(&long);
        assert_eq!(shown.as_str().len(), SHOWN + 3);
        assert!(shown.as_str().contains("..."));
    }
}
