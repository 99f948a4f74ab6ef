//! What lies beside an archive and says what its bytes are.

use serde::{Deserialize, Serialize};

use crate::{InvalidValue, Sha256Digest, Sha256Hasher};

/// The largest sidecar, in bytes.
pub const MAX_SIDECAR_SIZE: u64 = 64 * 1024;

/// What the ending of a sidecar's name is: `crates.tar.gz` has `crates.tar.gz.romt.json`.
pub const SIDECAR_ENDING: &str = ".romt.json";

/// The version of the format.
const FORMAT: u32 = 1;

/// What an archive file must be, byte for byte: a small file that travels beside it.
///
/// Damage shows before anything of the archive is read. And since it is small and is
/// text, it is what people sign who answer for what crosses the gap.
///
/// ```text
/// {"romt-sidecar":1,"kind":"crates","size":1234,"sha256":"…","made-by":"romt 0.1.0"}
/// ```
///
/// ```
/// # use romt_core::{Sha256Hasher, transfer::Sidecar};
/// let mut hasher = Sha256Hasher::new();
/// hasher.update(b"an archive");
/// let sidecar = Sidecar::of("crates", hasher);
/// assert_eq!(Sidecar::parse(sidecar.render().as_bytes())?, sidecar);
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Sidecar {
    #[serde(rename = "romt-sidecar")]
    format: u32,
    /// What the archive carries: `crates`, `toolchain` or `rustup`.
    pub kind: String,
    /// The size of the archive, in bytes.
    pub size: u64,
    /// The digest of the archive.
    pub sha256: Sha256Digest,
    /// What made it, with its version.
    pub made_by: String,
}

impl Sidecar {
    /// The sidecar of the archive whose bytes `hasher` has taken in.
    pub fn of(kind: impl Into<String>, hasher: Sha256Hasher) -> Self {
        Self {
            format: FORMAT,
            kind: kind.into(),
            size: hasher.length(),
            sha256: hasher.finish(),
            made_by: concat!("romt ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Reads a sidecar. What later versions may add is passed over; another format is
    /// refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let invalid = |reason: String| InvalidValue::new("sidecar", bytes, reason);
        if bytes.len() as u64 > MAX_SIDECAR_SIZE {
            return Err(invalid("it is larger than 64 KiB".into()));
        }
        let sidecar: Self =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if sidecar.format != FORMAT {
            let format = sidecar.format;
            return Err(invalid(format!(
                "it is of format {format}; this romt knows {FORMAT}"
            )));
        }
        Ok(sidecar)
    }

    /// The file, one line.
    pub fn render(&self) -> String {
        let mut text = serde_json::to_string(self).expect("numbers and strings make JSON");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_a39_what_is_no_sidecar_is_refused() {
        let digest = Sha256Digest::of("x");
        let line = |format: &str, size: &str, digest: &str| {
            format!(
                "{{\"romt-sidecar\":{format},\"kind\":\"crates\",\"size\":{size},\
                 \"sha256\":\"{digest}\",\"made-by\":\"x\",\"later\":[1]}}"
            )
        };
        let good = line("1", "1", &digest.to_string());
        assert_eq!(Sidecar::parse(good.as_bytes()).unwrap().sha256, digest);
        for bad in [
            String::new(),
            "{}".into(),
            "[".repeat(60_000),
            line("2", "1", &digest.to_string()),
            line("1", "-1", &digest.to_string()),
            line("1", "1e9", &digest.to_string()),
            line("1", "1", "00"),
            format!("{good}{good}"),
            format!("{good}{}", " ".repeat(65 * 1024)),
        ] {
            assert!(Sidecar::parse(bad.as_bytes()).is_err(), "{bad:.80}");
        }
    }
}
