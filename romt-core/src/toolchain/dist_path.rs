//! Where the archives of components are.

use std::{fmt, str::FromStr, sync::Arc};

use super::ReleaseDate;
use crate::{InvalidValue, Key};

/// The longest path, in bytes.
const MAX_LENGTH: usize = 256;

/// How the archive of a component is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `.tar.xz`, which rustup prefers.
    Xz,
    /// `.tar.gz`.
    Gz,
}

impl Format {
    /// What names of such archives end in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Xz => ".tar.xz",
            Self::Gz => ".tar.gz",
        }
    }
}

/// Which archives of each component somebody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FormatChoice {
    /// `.tar.xz`, as romt for Python has them.
    #[default]
    Xz,
    /// `.tar.gz`.
    Gz,
    /// Both.
    All,
}

impl FromStr for FormatChoice {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "xz" => Ok(Self::Xz),
            "gz" => Ok(Self::Gz),
            "all" => Ok(Self::All),
            _ => Err(InvalidValue::new(
                "format",
                text,
                "it must be xz, gz or all",
            )),
        }
    }
}

impl fmt::Display for FormatChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Xz => "xz",
            Self::Gz => "gz",
            Self::All => "all",
        })
    }
}

/// Where the archive of a component is, below `dist/`: `DATE/FILE`.
///
/// The file is one segment of a [`Key`] and ends in `.tar.xz` or `.tar.gz`, so a
/// manifest can name nothing else in a mirror, its own name included.
///
/// ```
/// # use romt_core::toolchain::DistPath;
/// let path: DistPath = "2024-02-08/rustc-1.76.0-x86_64-unknown-linux-gnu.tar.xz".parse()?;
/// assert_eq!(path.date().to_string(), "2024-02-08");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistPath {
    text: Arc<str>,
    date: ReleaseDate,
    format: Format,
}

impl DistPath {
    /// The path of what a manifest says is at `url`.
    ///
    /// `url` must be `http://` or `https://`, a host, and a path with one segment
    /// `dist`. What stands before that is a text to strip, and nothing is ever
    /// fetched from there.
    pub fn from_url(url: &str, format: Format) -> Result<Self, InvalidValue> {
        let invalid = |reason: &str| InvalidValue::of_address("component URL", url, reason);
        let path = strip_base(url).map_err(invalid)?;
        let path: Self = path
            .parse()
            .map_err(|e: InvalidValue| invalid(e.reason()))?;
        if path.format == format {
            Ok(path)
        } else {
            Err(invalid(&format!("it must end in {}", format.extension())))
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory.
    pub fn date(&self) -> ReleaseDate {
        self.date
    }

    /// The name of the file.
    pub fn file_name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// How the archive is compressed.
    pub fn format(&self) -> Format {
        self.format
    }
}

/// What follows `/dist/` in a URL.
fn strip_base(url: &str) -> Result<&str, &'static str> {
    let rest = url.strip_prefix("https://");
    let rest = rest.or_else(|| url.strip_prefix("http://"));
    let rest = rest.ok_or("it must begin with http:// or https://")?;
    let (host, path) = rest.split_once('/').ok_or("it has no path")?;
    if host.contains('@') {
        return Err("it has a user name or a password in it");
    }
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    if host.is_empty() || !host.bytes().all(is_allowed) {
        return Err("its host is not valid");
    }
    // A key has no query, no escapes, no empty segments and no way up.
    if path.parse::<Key>().is_err() {
        return Err("its path must be plain, without `..`, escapes, query and fragment");
    }
    if path.split('/').filter(|segment| *segment == "dist").count() != 1 {
        return Err("its path must have one segment `dist`");
    }
    let found = path.strip_prefix("dist/");
    let found = found.or_else(|| path.split_once("/dist/").map(|it| it.1));
    found.ok_or("nothing follows its segment `dist`")
}

impl FromStr for DistPath {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| InvalidValue::new("component path", text, reason);
        if text.len() > MAX_LENGTH {
            return Err(invalid("it is longer than 256 bytes"));
        }
        let (date, file) = text
            .split_once('/')
            .ok_or_else(|| invalid("it must be a date and a file"))?;
        let date = date
            .parse()
            .map_err(|_| invalid("its directory must be a date, YYYY-MM-DD"))?;
        if file.contains('/') {
            return Err(invalid("it has more than one directory"));
        }
        let (stem, format) = [Format::Xz, Format::Gz]
            .into_iter()
            .find_map(|format| Some((file.strip_suffix(format.extension())?, format)))
            .ok_or_else(|| invalid("it must end in .tar.xz or .tar.gz"))?;
        if !stem.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(invalid(
                "its file must begin with an ASCII letter or a digit",
            ));
        }
        if let Err(error) = text.parse::<Key>() {
            return Err(invalid(error.reason()));
        }
        Ok(Self {
            text: text.into(),
            date,
            format,
        })
    }
}

impl fmt::Display for DistPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for DistPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "2024-02-08/rustc-1.76.0-x86_64-unknown-linux-gnu.tar.xz";

    #[test]
    fn the_base_of_a_url_is_a_text_to_strip() {
        for base in [
            "https://dist.example.com/dist/",
            "http://127.0.0.1:8000/dist/",
            "http://[::1]:8000/dist/",
            "https://example.com/rust-static/dist/",
        ] {
            let path = DistPath::from_url(&format!("{base}{FILE}"), Format::Xz).unwrap();
            assert_eq!(path.as_str(), FILE);
            assert_eq!(path.date().to_string(), "2024-02-08");
            assert_eq!(path.format(), Format::Xz);
            assert!(path.file_name().starts_with("rustc-1.76.0"));
        }
    }

    #[test]
    fn hostile_m04_urls_lead_nowhere_else() {
        let file = "2024-02-08/rustc.tar.xz";
        for url in [
            String::new(),
            format!("file:///dist/{file}"),
            format!("ftp://example.com/dist/{file}"),
            format!("HTTPS://example.com/dist/{file}"),
            format!("/dist/{file}"),
            format!("https:///dist/{file}"),
            format!("https://user:secret@example.com/dist/{file}"),
            format!("https://example.com\\@other/dist/{file}"),
            format!("https://example.com?/dist/{file}"),
            format!("https://example.com/{file}"),
            format!("https://example.com/dist//{file}"),
            format!("https://example.com//dist/{file}"),
            format!("https://example.com/dist/dist/{file}"),
            format!("https://example.com/dist/x/dist/{file}"),
            format!("https://example.com/dist/x/../{file}"),
            format!("https://example.com/a/../dist/{file}"),
            format!("https://example.com/dist/{file}?x=1"),
            format!("https://example.com/dist/{file}#x"),
            format!("https://example.com/dist/x/{file}"),
            "https://example.com/dist".to_owned(),
            "https://example.com/dist/".to_owned(),
            "https://example.com/dist/rustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/".to_owned(),
            "https://example.com/dist/2024-02-08/.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/..tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/../rustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/%2e%2e/rustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08%2frustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/a%2Frustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/a\\rustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/nul.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/-rf.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/rustc\n.tar.xz".to_owned(),
            "https://example.com/dist/2024-13-45/rustc.tar.xz".to_owned(),
            "https://example.com/dist/2024-02-08/rustc.tar.gz".to_owned(),
            "https://example.com/dist/2024-02-08/channel-rust-stable.toml".to_owned(),
            format!(
                "https://example.com/dist/2024-02-08/{}.tar.xz",
                "a".repeat(300)
            ),
        ] {
            let error = DistPath::from_url(&url, Format::Xz).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
