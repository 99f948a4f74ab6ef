//! The names of things in a store.

use std::{fmt, str::FromStr, sync::Arc};

use crate::InvalidValue;

/// The longest key, in bytes.
pub const MAX_KEY_LENGTH: usize = 1024;

/// The name of an object in a [`Store`](crate::Store).
///
/// Constructing a key is the only way to name anything in a store, and a key
/// cannot express a place outside of it. On parsing it holds that:
///
/// - there are 1 to 1,024 bytes, all of them ASCII letters, digits, `.`, `_`,
///   `-`, `+`, `=` or the separator `/`;
/// - no segment is empty, `.` or `..`, and none ends in a dot, so there is no
///   absolute key and no way up;
/// - no segment is, up to its first dot, a name that Windows reserves for a
///   device (`aux`, `nul`, `com1`, …) in any case of letters.
///
/// `=` occurs in nothing that upstream names. [`Key::escape_segment`] uses it to
/// give a home to crates that are legally called `aux` or `nul`.
///
/// ```
/// # use romt_core::Key;
/// let key: Key = "crates/se/rd/serde/serde-1.0.0.crate".parse()?;
/// assert_eq!(key.file_name(), "serde-1.0.0.crate");
/// assert!("../etc/passwd".parse::<Key>().is_err());
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key as text, with `/` between segments.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The key of what is called `rest` below this one.
    pub fn join(&self, rest: &str) -> Result<Self, InvalidValue> {
        format!("{self}/{rest}").parse()
    }

    /// Whether this key is `prefix` or lies below it, by whole segments.
    pub fn starts_with(&self, prefix: &Key) -> bool {
        self.0
            .strip_prefix(&*prefix.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// `segment`, made storable if it is a name that Windows reserves.
    ///
    /// The same on every platform, so that a mirror can change its disk.
    pub fn escape_segment(segment: &str) -> String {
        if is_reserved(segment) {
            format!("={segment}")
        } else {
            segment.to_owned()
        }
    }
}

impl FromStr for Key {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => Err(InvalidValue::new("store key", text, reason)),
        }
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > MAX_KEY_LENGTH {
        return Err("it is longer than 1,024 bytes");
    }
    for segment in text.split('/') {
        check_segment(segment)?;
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("a segment is empty");
    }
    if segment == "." || segment == ".." {
        return Err("a segment is `.` or `..`");
    }
    if !segment.bytes().all(is_allowed) {
        return Err("only ASCII letters, digits, `.`, `_`, `-`, `+`, `=` and `/` are allowed");
    }
    if segment.ends_with('.') {
        return Err("a segment ends in a dot");
    }
    if is_reserved(segment) {
        return Err("a segment is a device name on Windows");
    }
    Ok(())
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+=".contains(&byte)
}

fn is_reserved(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default();
    match stem.len() {
        3 => ["con", "prn", "aux", "nul"]
            .iter()
            .any(|device| stem.eq_ignore_ascii_case(device)),
        4 => {
            let (device, port) = stem.split_at_checked(3).unwrap_or_default();
            (device.eq_ignore_ascii_case("com") || device.eq_ignore_ascii_case("lpt"))
                && port.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_keys_are_accepted() {
        for good in [
            "a",
            "crates/se/rd/serde/serde-1.0.0+b1.crate",
            "crates/1/a/a-0.1.0-rc.1.crate",
            ".romt/lock",
            "dist/2026-01-01/channel-rust-nightly.toml.sha256",
            "index/3/a/=aux",
            "console",
            "common",
        ] {
            assert_eq!(good.parse::<Key>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn hostile_i01_keys_cannot_leave_the_store() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/etc/passwd",
            "//x",
            "a//b",
            "a/",
            "a/./b",
            "C:x",
            "C:\\x",
            "a\\b",
            "\\\\host\\share",
            "x::$DATA",
            "~root",
            "a\0b",
            "a\nb",
            "\u{1b}[2J",
            "é",
            "a b",
            "trailing.",
            "a%2fb",
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?}");
        }
        assert!("x/".repeat(600).parse::<Key>().is_err());
        assert!("x".repeat(1025).parse::<Key>().is_err());
    }

    #[test]
    fn hostile_i12_device_names_are_refused_bare_and_kept_escaped() {
        for device in ["aux", "NUL", "con.crate", "Com1", "lpt9.x.y", "prn"] {
            assert!(device.parse::<Key>().is_err(), "{device}");
            assert!(Key::escape_segment(device).parse::<Key>().is_ok());
        }
        assert_eq!(Key::escape_segment("serde"), "serde");
    }

    #[test]
    fn prefixes_match_whole_segments() {
        let key: Key = "crates/se/rd".parse().unwrap();
        assert!(key.starts_with(&"crates".parse().unwrap()));
        assert!(key.starts_with(&key));
        assert!(!key.starts_with(&"crate".parse().unwrap()));
        assert!(!key.starts_with(&"crates/s".parse().unwrap()));
    }
}
