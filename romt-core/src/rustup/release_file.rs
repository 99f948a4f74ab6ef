//! `release-stable.toml`, which names the newest rustup.

use serde::Deserialize;

use super::RustupVersion;
use crate::{ErrorClass, Escaped, InvalidValue};

/// The largest release file, in bytes.
pub const MAX_RELEASE_FILE_SIZE: u64 = 4 * 1024;

/// What `release-stable.toml` says.
///
/// ```
/// # use romt_core::rustup::ReleaseFile;
/// let file = ReleaseFile::parse(b"schema-version = '1'\nversion = '1.28.2'\n")?;
/// assert_eq!(file.version.to_string(), "1.28.2");
/// assert_eq!(file.render(), "schema-version = \"1\"\nversion = \"1.28.2\"\n");
/// # Ok::<(), romt_core::rustup::ReleaseFileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// The newest rustup.
    pub version: RustupVersion,
}

/// Why a release file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseFileError {
    /// It is over 4 KiB.
    #[error("it is larger than the limit of {MAX_RELEASE_FILE_SIZE} bytes")]
    TooLarge,
    /// It is not UTF-8, no TOML, or not that of a release file.
    #[error("it is not a release file: {0}")]
    Syntax(Escaped),
    /// It is of a schema that is not known.
    #[error("`schema-version` is `{0}`; 1 is known")]
    Schema(Escaped),
    /// The version in it is not valid.
    #[error("`version`: {0}")]
    Version(InvalidValue),
}

impl ReleaseFileError {
    /// The class: always [`ErrorClass::Refused`].
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Wire {
    schema_version: String,
    version: String,
}

impl ReleaseFile {
    /// Parses a release file. Keys that are not known are ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReleaseFileError> {
        if bytes.len() as u64 > MAX_RELEASE_FILE_SIZE {
            return Err(ReleaseFileError::TooLarge);
        }
        let syntax = |reason: &str| ReleaseFileError::Syntax(Escaped::new(reason));
        let text = std::str::from_utf8(bytes).map_err(|_| syntax("it is not UTF-8"))?;
        if text.starts_with('\u{feff}') {
            return Err(syntax("it begins with a byte order mark"));
        }
        let wire: Wire = toml::from_str(text).map_err(|error| syntax(error.message()))?;
        if wire.schema_version != "1" {
            let schema = Escaped::new(wire.schema_version);
            return Err(ReleaseFileError::Schema(schema));
        }
        let version = wire.version.parse().map_err(ReleaseFileError::Version)?;
        Ok(Self { version })
    }

    /// The file as romt writes it: two lines.
    pub fn render(&self) -> String {
        format!("schema-version = \"1\"\nversion = \"{}\"\n", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_55_the_file_written_is_two_lines() {
        let version = "1.28.2".parse().unwrap();
        let text = ReleaseFile { version }.render();
        assert_eq!(text, "schema-version = \"1\"\nversion = \"1.28.2\"\n");
        assert_eq!(
            ReleaseFile::parse(text.as_bytes()).unwrap().version,
            version
        );
    }

    #[test]
    fn upstreams_quotes_and_further_keys_are_accepted() {
        let text = "# x\nschema-version = '1'\nversion='1.9.0'\nextra = { a = 1 }\n";
        let file = ReleaseFile::parse(text.as_bytes()).unwrap();
        assert_eq!(file.version.to_string(), "1.9.0");
    }

    #[test]
    fn hostile_m12_release_files_are_checked() {
        let long = format!(
            "schema-version = '1'\nversion = '1.9.0'\n#{}",
            "x".repeat(4096)
        );
        for bad in [
            &b""[..],
            b"schema-version = '1'\n",
            b"version = '1.9.0'\n",
            b"schema-version = '1'\nversion = '../../x'\n",
            b"schema-version = '1'\nversion = '1.9'\n",
            b"schema-version = '1'\nversion = 1.9\n",
            b"schema-version = '1'\nversion = ['1.9.0']\n",
            b"schema-version = '2'\nversion = '1.9.0'\n",
            b"schema-version = 1\nversion = '1.9.0'\n",
            b"schema-version = '1'\nversion = '1.9.0'\nversion = '1.9.1'\n",
            b"\xef\xbb\xbfschema-version = '1'\nversion = '1.9.0'\n",
            b"schema-version = '1'\nversion = '1.9.0'\0\n",
            b"\xff\xfe",
            b"<html>not found</html>",
            long.as_bytes(),
        ] {
            let error = ReleaseFile::parse(bad).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Refused);
            assert!(error.to_string().is_ascii(), "{error}");
        }
        let error = ReleaseFile::parse(&b"[[".repeat(1000)).unwrap_err();
        assert!(matches!(error, ReleaseFileError::Syntax(_)), "{error}");
    }
}
