//! The port through which bytes come in.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;

use super::ByteStream;
use crate::{ErrorClass, Escaped, InvalidValue};

/// The longest location, in bytes.
const MAX_LOCATION: usize = 8192;

/// Where a [`Source`] has something: a path below the source's own base, or an
/// address of its own.
///
/// A path has no empty, `.` or `..` segment, no backslash and no control
/// character, and is not percent-encoded; each source encodes it as it must.
/// An address is `http`, `https` or `file` and carries no credentials.
///
/// ```
/// # use romt_core::Location;
/// assert!("se/rd/serde".parse::<Location>().is_ok());
/// assert!("https://example.com/crates/serde".parse::<Location>().is_ok());
/// assert!("../secret".parse::<Location>().is_err());
/// assert!("ftp://example.com/".parse::<Location>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// Below the base of the source that is asked.
    Path(Arc<str>),
    /// Anywhere that the source that is asked can reach.
    Address(Box<Url>),
}

impl FromStr for Location {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| Err(InvalidValue::of_address("location", text, reason));
        if text.len() > MAX_LOCATION {
            return invalid("it is longer than 8,192 bytes");
        }
        if text.chars().any(char::is_control) {
            return invalid("it has a control character");
        }
        if text.contains("://") {
            let url = match Url::parse(text) {
                Ok(url) => url,
                Err(error) => return invalid(&error.to_string()),
            };
            if !matches!(url.scheme(), "http" | "https" | "file") {
                return invalid("only http, https and file addresses are followed");
            }
            if !url.username().is_empty() || url.password().is_some() {
                return invalid("it carries credentials");
            }
            return Ok(Self::Address(Box::new(url)));
        }
        let bad_segment =
            |s: &str| s.is_empty() || s == "." || s == ".." || s.contains(['\\', ':']);
        if text.split('/').any(bad_segment) {
            return invalid("a path has no empty, `.` or `..` segment, no `\\` and no `:`");
        }
        Ok(Self::Path(text.into()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.pad(path),
            // A query may be a signature, which is a secret.
            Self::Address(url) if url.query().is_some() => {
                let mut shown = url.clone();
                shown.set_query(Some("..."));
                f.pad(shown.as_str())
            }
            Self::Address(url) => f.pad(url.as_str()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What a source says identifies the present bytes, to be echoed to the source.
///
/// Opaque to everyone else: an HTTP source keeps its `ETag` or `Last-Modified`
/// in it, a directory its file's size and time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Validator(Arc<str>);

impl Validator {
    /// The longest validator that is kept, in bytes.
    pub const MAX_LENGTH: usize = 1024;

    /// A validator from its text, or `None` if it is empty, over 1,024 bytes or
    /// has anything but printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_LENGTH;
        (fits && text.bytes().all(|b| matches!(b, b' '..=b'~'))).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How to open something at a [`Source`].
///
/// # Defaults
///
/// Unconditional, from the first byte, as an object that is not to be re-encoded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Answer [`Opened::Unchanged`] if this still describes the bytes.
    pub if_changed: Option<Validator>,
    /// Begin in the middle, if the bytes are still the same.
    pub resume: Option<ResumeFrom>,
    /// The body is text, which may be compressed on the way.
    pub text: bool,
}

impl OpenOptions {
    /// Asks only for what differs from what `validator` describes.
    #[must_use]
    pub fn with_if_changed(mut self, validator: Option<Validator>) -> Self {
        self.if_changed = validator;
        self
    }

    /// Asks for the rest of something, beginning at an offset.
    #[must_use]
    pub fn with_resume(mut self, resume: Option<ResumeFrom>) -> Self {
        self.resume = resume;
        self
    }

    /// Allows the source to compress the body on the way.
    #[must_use]
    pub fn with_text(mut self, text: bool) -> Self {
        self.text = text;
        self
    }
}

/// Where to go on, and what the earlier part was taken from.
#[derive(Clone, Debug)]
pub struct ResumeFrom {
    /// How many bytes are already here.
    pub offset: u64,
    /// What described the bytes when the earlier part was taken.
    pub validator: Validator,
}

/// The answer of a [`Source`].
#[derive(Debug)]
pub enum Opened {
    /// What the caller already has is still right.
    Unchanged,
    /// The bytes.
    Body(Fetched),
}

/// Bytes from a [`Source`].
pub struct Fetched {
    /// The bytes, from `offset` on.
    pub body: ByteStream,
    /// Where the body begins. Not 0 only if a resumption was asked for and
    /// granted.
    pub offset: u64,
    /// The length of the whole thing in bytes, as claimed by the source.
    pub size: Option<u64>,
    /// What describes these bytes, if the source says so.
    pub validator: Option<Validator>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("offset", &self.offset)
            .field("size", &self.size)
            .field("validator", &self.validator)
            .finish_non_exhaustive()
    }
}

/// Where bytes come from.
///
/// `Display` names the place for messages, without credentials.
///
/// # Contract
///
/// - [`open`](Source::open) makes one attempt. Retrying is the caller's, by one
///   policy for all sources; [`SourceError::is_transient`] says when it helps.
/// - A body that ends before the announced size ends in an error, never quietly.
///   What a source says of sizes and validators is a claim until verified.
/// - Each call may reach for the network or a disk; dropping the future or the
///   body stops the work.
/// - A source that cannot resume answers from the beginning, with `offset` 0.
#[async_trait]
pub trait Source: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// Opens what is at `location`.
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError>;

    /// The size in bytes of what is at `location`, without fetching it, or
    /// `None` if the source does not say.
    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError>;
}

/// What went wrong at a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// It is not there (404, 410, 451, no such file).
    NotFound,
    /// It may not be had (401, 403, 407, no permission).
    Denied,
    /// The answer breaks a rule or a limit; asking again would not help.
    Refused,
    /// The source, or the way to it, failed for now.
    Transient,
    /// The source failed for good.
    Failed,
}

/// Why a [`Source`] did not deliver.
#[derive(Debug, thiserror::Error)]
#[error("could not get {location}: {reason}")]
pub struct SourceError {
    kind: SourceErrorKind,
    location: Escaped,
    reason: String,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SourceError {
    /// An error at `location` for `reason`, a fragment such as
    /// "the server answered 503".
    pub fn new(
        kind: SourceErrorKind,
        location: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            location: Escaped::new(location.to_string()),
            reason: reason.into(),
            retry_after: None,
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the wait that the source asks for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// What the source said, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long the source asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same question may have a better answer in a moment.
    pub fn is_transient(&self) -> bool {
        self.kind == SourceErrorKind::Transient
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self.kind {
            SourceErrorKind::Refused => ErrorClass::Refused,
            _ => ErrorClass::Upstream,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_c01_locations_stay_within_bounds() {
        for bad in [
            "",
            "/etc/passwd",
            "a/../b",
            "..",
            "a//b",
            "a\\b",
            "a\r\nb",
            "c:/x",
            "ftp://h/x",
            "javascript://x",
            "https://user:pw@h/x",
            "https://user@h/x",
            "http://",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad:?}");
        }
        for good in [
            "config.json",
            "se/rd/serde",
            "http://127.0.0.1:8000/a+b",
            "file:///a/b",
        ] {
            assert!(good.parse::<Location>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let location: Location = "https://h/x?sig=secret".parse().unwrap();
        assert_eq!(location.to_string(), "https://h/x?...");
    }

    #[test]
    fn hostile_i17_validators_are_bounded() {
        assert!(Validator::new("\"abc\"").is_some());
        assert!(Validator::new("").is_none());
        assert!(Validator::new("a\nb").is_none());
        assert!(Validator::new(&"x".repeat(1025)).is_none());
    }
}
