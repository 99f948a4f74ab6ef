//! The file that says which tokens are valid.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    path::Path,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use romt_core::{ErrorClass, Escaped, InvalidValue, Sha256Digest, toolchain::ReleaseDate};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What tokens begin with, so that one that got about is recognised for what it is.
const PREFIX: &str = "romt_";

/// The name of a token: what logs say of whoever came with it.
///
/// Letters, digits, `-`, `_`, `.`, `@`; at most 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenName(String);

impl FromStr for TokenName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            let reason = "it must be 1 to 64 letters, digits, `-`, `_`, `.` or `@`";
            return Err(InvalidValue::new("name of a token", text, reason));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A token as the file has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Arc<str>,
    pub(super) digest: Sha256Digest,
    pub(super) expires: Option<SystemTime>,
}

/// Why there are no tokens to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// The file cannot be read or written.
    #[error("could not {action} {file}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        file: Escaped,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("{file} may be read by others than its owner (mode {mode:03o}); `chmod 600` it")]
    Exposed {
        /// The file.
        file: Escaped,
        /// Its mode.
        mode: u32,
    },
    /// A line of it is not understood.
    #[error("{file}, line {line}: a line is NAME SHA256 and perhaps YYYY-MM-DD: {reason}")]
    Line {
        /// The file.
        file: Escaped,
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It is no such file.
    #[error("{file} is larger than 1 MiB, or is no text")]
    NoText {
        /// The file.
        file: Escaped,
    },
    /// There is a token of this name.
    #[error("{file} has a token called {name} already")]
    Taken {
        /// The file.
        file: Escaped,
        /// The name.
        name: TokenName,
    },
    /// The system has no random numbers.
    #[error("the system gives out no random numbers")]
    NoRandomness,
}

impl TokenFileError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. } | Self::NoRandomness => ErrorClass::Storage,
            _ => ErrorClass::Usage,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A token that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewToken {
    /// The token itself, which is nowhere else.
    pub token: String,
}

/// Makes a token of 256 random bits and adds a line for it to the file at `path`,
/// which is made if there is none. On Unix only its owner may read it.
///
/// # Errors
///
/// If the file has a token of this name, is not as it should be, or cannot be written.
pub fn new_token(
    path: &Path,
    name: &TokenName,
    expires: Option<ReleaseDate>,
) -> Result<NewToken, TokenFileError> {
    let entries = match read(path) {
        Ok(entries) => entries,
        Err(error) if error.is_gone() => Vec::new(),
        Err(error) => return Err(error),
    };
    if entries.iter().any(|entry| *entry.name == *name.0) {
        return Err(TokenFileError::Taken {
            file: shown(path),
            name: name.clone(),
        });
    }
    let mut random = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| TokenFileError::NoRandomness)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let digest = digest_of(&token);
    let end = expires.map_or(String::new(), |date| format!(" {date}"));
    append(path, &format!("{name} {digest}{end}\n")).map_err(|source| TokenFileError::Io {
        action: "write",
        file: shown(path),
        source,
    })?;
    Ok(NewToken { token })
}

/// What the file has of a token.
pub(super) fn digest_of(token: &str) -> Sha256Digest {
    Sha256Digest::of(token)
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut before = String::new();
    file.read_to_string(&mut before)?;
    // Somebody's editor may have left out the end of the last line.
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all(format!("{gap}{line}").as_bytes())?;
    file.sync_all()
}

/// Reads the tokens in the file at `path`.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, TokenFileError> {
    let failed = |source| TokenFileError::Io {
        action: "read",
        file: shown(path),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(failed)?);
        if mode & 0o077 != 0 {
            return Err(TokenFileError::Exposed {
                file: shown(path),
                mode: mode & 0o777,
            });
        }
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= LARGEST => text,
        _ => return Err(TokenFileError::NoText { file: shown(path) }),
    };
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = parse(line).and_then(|entry| {
            let is_taken = entries.iter().any(|known| known.name == entry.name);
            (!is_taken)
                .then_some(entry)
                .ok_or_else(|| "the name is there twice".to_owned())
        });
        // The line is not shown: somebody may have put the token itself into it.
        entries.push(entry.map_err(|reason| TokenFileError::Line {
            file: shown(path),
            line: number + 1,
            reason,
        })?);
    }
    Ok(entries)
}

fn parse(line: &str) -> Result<Entry, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (name, digest, date) = match fields[..] {
        [name, digest] => (name, digest, None),
        [name, digest, date] => (name, digest, Some(date)),
        _ => return Err("it has more fields, or fewer".to_owned()),
    };
    let name: TokenName = name.parse().map_err(|_| "the name is none".to_owned())?;
    let digest = digest
        .parse()
        .map_err(|_| "the digest is none".to_owned())?;
    let date = date.map(str::parse::<ReleaseDate>).transpose();
    let date = date.map_err(|_| "the date is none".to_owned())?;
    Ok(Entry {
        name: name.0.into(),
        digest,
        expires: date.map(|it| SystemTime::UNIX_EPOCH + Duration::from_secs(it.begins_at())),
    })
}

fn shown(path: &Path) -> Escaped {
    Escaped::new(path.to_string_lossy().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_token_that_is_made_is_found_and_nowhere_to_be_read() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("tokens");
        write(
            &path,
            "# people\nold 0000000000000000000000000000000000000000000000000000000000000000",
        );
        let made = new_token(&path, &"ci".parse().unwrap(), "2030-01-02".parse().ok()).unwrap();
        assert_eq!(made.token.len(), PREFIX.len() + 43);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&made.token[PREFIX.len()..]), "{text}");
        let entries = read(&path).unwrap();
        assert_eq!(entries.len(), 2);
        // 1,893,542,400 s.
        let date = Duration::from_hours(21_916 * 24);
        let end = SystemTime::UNIX_EPOCH + date;
        assert_eq!(entries[1].expires, Some(end));
        let before = end - Duration::from_secs(1);
        let find = |time| super::super::find(&entries, &made.token, time);
        assert_eq!(find(before).as_deref(), Some("ci"));
        assert_eq!(find(end), None);
        let of_prefix = super::super::find(&entries, PREFIX, before);
        assert_eq!(of_prefix, None);
        let again = new_token(&path, &"ci".parse().unwrap(), None).unwrap_err();
        assert!(
            again.to_string().ends_with("has a token called ci already"),
            "{again}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn hostile_t11_a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("tokens");
        new_token(&path, &"ci".parse().unwrap(), None).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("(mode 640); `chmod 600` it"), "{error}");
    }

    #[test]
    fn lines_that_are_none_are_refused_without_being_shown() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("tokens");
        let digest = Sha256Digest::of("x");
        for bad in [
            "romt_secret".to_owned(),
            format!("romt_secret {digest} 2030-01-01 x"),
            "ci romt_secret".to_owned(),
            format!("ci {digest} romt_secret"),
            format!("a\u{e9} {digest}"),
            format!("ci {digest}\nci {digest}"),
        ] {
            write(&path, &format!("\n{bad}\n"));
            let error = read(&path).unwrap_err();
            assert!(matches!(error, TokenFileError::Line { .. }), "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
