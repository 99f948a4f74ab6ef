//! An index's `config.json` and the download template in it.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::{CrateName, Version};
use crate::{Escaped, InvalidValue, Location, PrefixStyle, Sha256Digest};

/// The largest `config.json`, in bytes.
pub const MAX_CONFIG_SIZE: u64 = 64 * 1024;

/// The `config.json` of a registry index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexConfig {
    /// Where the crates are.
    pub download: DownloadTemplate,
    /// Where the registry's web API is, if it has one.
    pub api: Option<String>,
}

/// Why a `config.json` is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is none.
    #[error("there is no config.json; is this the root of a sparse index?")]
    Missing,
    /// It is over 64 KiB.
    #[error("it is larger than the limit of {MAX_CONFIG_SIZE} bytes")]
    TooLarge,
    /// It is not a JSON object with a `dl`.
    #[error("it is not a registry configuration: {0}")]
    Syntax(Escaped),
    /// Its `dl` is not a template that can be followed.
    #[error("its `dl` cannot be followed")]
    Download(#[source] InvalidValue),
    /// The registry wants credentials.
    #[error("the registry requires authentication, which romt does not offer yet")]
    AuthRequired,
}

impl IndexConfig {
    /// Parses a `config.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct Wire {
            dl: String,
            #[serde(default)]
            api: Option<String>,
            #[serde(default, rename = "auth-required")]
            auth_required: bool,
        }

        if bytes.len() as u64 > MAX_CONFIG_SIZE {
            return Err(ConfigError::TooLarge);
        }
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|error| ConfigError::Syntax(Escaped::new(error.to_string())))?;
        if wire.auth_required {
            return Err(ConfigError::AuthRequired);
        }
        Ok(Self {
            download: wire.dl.parse().map_err(ConfigError::Download)?,
            api: wire.api,
        })
    }
}

/// A `dl` template: the address of every crate of a registry.
///
/// The markers are cargo's and are replaced as text, in cargo's order:
/// `{crate}`, `{version}`, `{prefix}`, `{lowerprefix}` and `{sha256-checksum}`.
/// A template with none of them gets `/{crate}/{version}/download` appended.
///
/// ```
/// # use romt_core::{Sha256Digest, crates::DownloadTemplate};
/// let template: DownloadTemplate = "https://example.com/crates".parse()?;
/// let digest = Sha256Digest::of("");
/// let location = template.expand(&"serde".parse()?, &"1.0.0".parse()?, &digest)?;
/// assert_eq!(location.to_string(), "https://example.com/crates/serde/1.0.0/download");
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadTemplate(String);

const MARKERS: [&str; 5] = [
    "{crate}",
    "{version}",
    "{prefix}",
    "{lowerprefix}",
    "{sha256-checksum}",
];

impl DownloadTemplate {
    /// Where the registry has this crate.
    pub fn expand(
        &self,
        name: &CrateName,
        version: &Version,
        checksum: &Sha256Digest,
    ) -> Result<Location, InvalidValue> {
        self.0
            .replace("{crate}", name.as_str())
            .replace("{version}", &version.to_string())
            .replace("{prefix}", &name.prefix(PrefixStyle::Mixed))
            .replace("{lowerprefix}", &name.prefix(PrefixStyle::Lower))
            .replace("{sha256-checksum}", &checksum.to_string())
            .parse()
    }
}

impl FromStr for DownloadTemplate {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut template = text.to_owned();
        if !MARKERS.iter().any(|marker| text.contains(marker)) {
            template = format!(
                "{}/{{crate}}/{{version}}/download",
                text.trim_end_matches('/')
            );
        }
        if let Some(unknown) = unknown_marker(&template) {
            return Err(InvalidValue::of_address(
                "download template",
                text,
                format!(
                    "it has the unknown marker {unknown}; known are {}",
                    MARKERS.join(", ")
                ),
            ));
        }
        let template = Self(template);
        // A template that cannot be followed is refused now, not a crate at a time.
        let (name, version) = ("probe".parse()?, "1.0.0".parse()?);
        template.expand(&name, &version, &Sha256Digest::of(b""))?;
        Ok(template)
    }
}

fn unknown_marker(template: &str) -> Option<Escaped> {
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let tail = &rest[start..];
        let marker = &tail[..tail.find('}').map_or(tail.len(), |end| end + 1)];
        if !MARKERS.contains(&marker) {
            return Some(Escaped::new(marker));
        }
        rest = &tail[marker.len()..];
    }
    None
}

impl fmt::Display for DownloadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Escaped::address(&self.0).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, name: &str) -> String {
        let template: DownloadTemplate = template.parse().unwrap();
        let version = "1.0.0+b1".parse().unwrap();
        template
            .expand(&name.parse().unwrap(), &version, &Sha256Digest::of(""))
            .unwrap()
            .to_string()
    }

    #[test]
    fn hostile_c06_every_marker_is_honoured_as_cargo_does() {
        assert_eq!(
            expand(
                "http://h/{prefix}/{lowerprefix}/{crate}-{version}.crate",
                "GaMma"
            ),
            "http://h/Ga/Mm/ga/mm/GaMma-1.0.0+b1.crate"
        );
        assert_eq!(
            expand("http://h/{lowerprefix}/{crate}", "Abc"),
            "http://h/3/a/Abc"
        );
        assert!(expand("http://h/{sha256-checksum}", "a").starts_with("http://h/e3b0c44298fc"));
        assert_eq!(expand("crates", "a"), "crates/a/1.0.0+b1/download");
        assert_eq!(expand("http://h/x/", "a"), "http://h/x/a/1.0.0+b1/download");
    }

    #[test]
    fn hostile_c06_unknown_markers_are_named() {
        for bad in [
            "http://h/{name}",
            "http://h/{crate}/{",
            "http://h/{}/{crate}",
        ] {
            let error = bad.parse::<DownloadTemplate>().unwrap_err();
            assert!(error.reason().contains("unknown marker"), "{bad}");
        }
    }

    #[test]
    fn hostile_c01_dl_cannot_smuggle() {
        for bad in [
            "http://u:p@h/",
            "../x/{crate}",
            "http://h/\r\nX: y",
            "gopher://h/",
            "",
        ] {
            assert!(bad.parse::<DownloadTemplate>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hostile_c02_refusals_show_no_password() {
        for bad in [
            "https://user:hunter2@h/{crate}",
            "https://user:hunter2@h/{name}",
            "https://user:hunter2@h:port/",
            "ftp://user:hunter2@h/",
            "https:user:hunter2@h/",
        ] {
            let error = bad.parse::<DownloadTemplate>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            let error = bad.parse::<Location>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn hostile_c03_config_json_is_bounded_and_typed() {
        let parse = |text: &str| IndexConfig::parse(text.as_bytes());
        assert!(parse(r#"{"dl":"http://h/x","api":"http://h","other":1}"#).is_ok());
        for bad in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"dl":1}"#,
            "<html>",
            r#"{"dl":"x","dl":"y"}"#,
        ] {
            assert!(matches!(parse(bad), Err(ConfigError::Syntax(_))), "{bad:?}");
        }
        let huge = format!(r#"{{"dl":"http://h/{}"}}"#, "x".repeat(70_000));
        assert!(matches!(parse(&huge), Err(ConfigError::TooLarge)));
    }

    #[test]
    fn hostile_c02_auth_required_is_said() {
        let config = IndexConfig::parse(br#"{"dl":"http://h/x","auth-required":true}"#);
        assert!(matches!(config, Err(ConfigError::AuthRequired)));
    }
}
