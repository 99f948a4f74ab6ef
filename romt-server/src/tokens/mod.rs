//! Tokens without which nothing can be read, for closed networks.
//!
//! cargo sends a token bare, in `Authorization`, once `config.json` says that it is
//! required. rustup, git and browsers know names and passwords only: for them the token
//! is the password, with any name.

mod credentials;
mod failures;
mod file;

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use http::HeaderMap;
use romt_core::Escaped;
use subtle::ConstantTimeEq as _;

pub use file::{NewToken, TokenFileError, TokenName, new_token};

use credentials::Presented;
use failures::Failures;
use file::Entry;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The name of the token that a request came with, as an extension of its answer.
#[derive(Clone, Debug)]
pub(crate) struct CameWith(pub(crate) Arc<str>);

/// The tokens in a file, which is read again when it has changed.
///
/// The file has a line for each token: its name, the SHA-256 of the token, and perhaps
/// the day from which on it is not valid any more. On Unix nobody but its owner may
/// read it. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    path: PathBuf,
    entries: RwLock<Arc<[Entry]>>,
    looked: Mutex<Looked>,
    failures: Failures,
}

/// When the file was looked at, and what it was like.
struct Looked {
    at: Instant,
    stamp: Option<Stamp>,
}

type Stamp = (u64, Option<SystemTime>, u64);

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It came with a token.
    Known(Arc<str>),
    /// It came with none.
    Missing,
    /// It came with one that is not valid.
    Wrong,
    /// So did too many from there.
    TooMany,
}

impl Tokens {
    /// The tokens in the file at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, may be read by others, or is malformed.
    pub fn open(path: &Path) -> Result<Self, TokenFileError> {
        let stamp = stamp_of(path);
        let entries = file::read(path)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            entries: RwLock::new(entries.into()),
            looked: Mutex::new(Looked {
                at: Instant::now(),
                stamp,
            }),
            failures: Failures::default(),
        })))
    }

    /// Judges a request by the token it came with.
    pub(crate) async fn judge(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Verdict {
        let token = match Presented::of(headers) {
            Presented::Nothing => return Verdict::Missing,
            Presented::Token(token) => token,
            Presented::Garbage => String::new(),
        };
        if self.is_look_due() {
            let this = self.clone();
            // A panic in there would have been told of.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
        let entries = self
            .0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match find(&entries, &token, SystemTime::now()) {
            // Nobody can guess 256 bits, and nobody is to lose his token because another
            // one behind the same address mistypes his: what is right always passes.
            Some(name) => Verdict::Known(name),
            None if self.0.failures.note(address, Instant::now()) => Verdict::TooMany,
            None => Verdict::Wrong,
        }
    }

    /// Whether the file is to be looked at; only one is told so.
    fn is_look_due(&self) -> bool {
        let looked = &self.0.looked;
        let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.at.elapsed() >= LOOK;
        if is_due {
            looked.at = Instant::now();
        }
        is_due
    }

    /// Reads the file again if it has changed. If that fails the old tokens stay, but
    /// those of a file that is gone are gone.
    fn look(&self) {
        let inner = &*self.0;
        let stamp = stamp_of(&inner.path);
        {
            let looked = &inner.looked;
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            if stamp == looked.stamp {
                return;
            }
            looked.stamp = stamp;
        }
        let entries = match file::read(&inner.path) {
            Ok(entries) => entries,
            Err(error) if error.is_gone() => Vec::new(),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the tokens are not read again; those before stay");
                return;
            }
        };
        let file = Escaped::new(inner.path.to_string_lossy().as_bytes());
        tracing::info!(%file, tokens = entries.len(), "the tokens were read again");
        *inner
            .entries
            .write()
            .unwrap_or_else(PoisonError::into_inner) = entries.into();
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some((meta.len(), meta.modified().ok(), inode))
}

/// The name of `token`, if it is valid at this time. How long it takes does not tell
/// how much of it was right, nor which of them it is.
fn find(entries: &[Entry], token: &str, now: SystemTime) -> Option<Arc<str>> {
    let digest = file::digest_of(token);
    let mut found = None;
    for entry in entries {
        let is_same = bool::from(entry.digest.as_bytes().ct_eq(digest.as_bytes()));
        if is_same && entry.expires.is_none_or(|end| now < end) {
            found = Some(entry.name.clone());
        }
    }
    found
}
