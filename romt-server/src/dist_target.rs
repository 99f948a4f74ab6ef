//! Which files of toolchains and of rustup can be asked for.
//!
//! Their tree is that of the upstream distribution server, as far as mirrors have
//! it:
//!
//! ```text
//! dist/channel-rust-{channel}.toml{,.sha256,.asc}
//! dist/{date}/channel-rust-{channel}.toml{,.sha256,.asc}
//! dist/{date}/{component}.tar.{xz,gz,zst}{,.sha256,.asc}
//! rustup/release-stable.toml
//! rustup/dist/{target}/rustup-init[.exe]{,.sha256}
//! rustup/archive/{version}/{target}/rustup-init[.exe]{,.sha256}
//! ```

use http::HeaderValue;
use romt_core::Key;

/// A file that the layout has, which need not be there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DistFile {
    /// Where it is. For the digest of a manifest, where the manifest is.
    pub(crate) key: Key,
    pub(crate) kind: DistKind,
}

/// How a file is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DistKind {
    /// The manifest of a channel.
    Manifest,
    /// The digest of a manifest, which is made from the manifest.
    ManifestDigest,
    /// A file that never changes: its name has a date or version in it.
    Fixed,
    /// A file that may be another one later.
    Moving,
}

impl DistFile {
    /// The file at `path`, which has no slash at its beginning.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut segments = path.splitn(6, '/');
        let mut next = || segments.next();
        let parts = [next(), next(), next(), next(), next(), next()];
        let kind = match parts {
            [Some("dist"), Some(file), None, ..] => manifest(file)?,
            [Some("dist"), Some(date), Some(file), None, ..] if is_date(date) => {
                manifest(file).or_else(|| component(file))?
            }
            [Some("rustup"), Some("release-stable.toml"), None, ..] => DistKind::Moving,
            [
                Some("rustup"),
                Some("dist"),
                Some(target),
                Some(file),
                None,
                _,
            ] => {
                installer(target, file)?;
                DistKind::Moving
            }
            [
                Some("rustup"),
                Some("archive"),
                Some(version),
                Some(target),
                Some(file),
                None,
            ] if is_version(version) => installer(target, file)?,
            _ => return None,
        };
        let path = match kind {
            DistKind::ManifestDigest => path.strip_suffix(DIGEST)?,
            _ => path,
        };
        let key = path.parse().ok()?;
        Some(Self { key, kind })
    }

    /// What the file is, by its name.
    pub(crate) fn content_type(&self) -> HeaderValue {
        let name = self.key.file_name();
        HeaderValue::from_static(match name.rsplit('.').next() {
            Some("toml") => "application/toml",
            Some("sha256") => "text/plain; charset=utf-8",
            Some("asc") => "application/pgp-signature",
            Some("xz") => "application/x-xz",
            Some("gz") => "application/gzip",
            Some("zst") => "application/zstd",
            _ => "application/octet-stream",
        })
    }
}

const DIGEST: &str = ".sha256";
const SIGNATURE: &str = ".asc";

/// The manifest of a channel, or what belongs to one.
fn manifest(file: &str) -> Option<DistKind> {
    let channel = file.strip_prefix("channel-rust-")?;
    let (channel, kind) = if let Some(channel) = channel.strip_suffix(DIGEST) {
        (channel, DistKind::ManifestDigest)
    } else if let Some(channel) = channel.strip_suffix(SIGNATURE) {
        (channel, DistKind::Moving)
    } else {
        (channel, DistKind::Manifest)
    };
    let channel = channel.strip_suffix(".toml")?;
    is_channel(channel).then_some(kind)
}

/// A channel, `X.Y`, `X.Y.Z` or what of it is no release yet.
fn is_channel(text: &str) -> bool {
    let of_version = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.' || b == b'-';
    matches!(text, "stable" | "beta" | "nightly")
        || (text.starts_with(|c: char| c.is_ascii_digit())
            && text.contains('.')
            && text.bytes().all(of_version))
}

/// The archive of a component, or what belongs to one.
fn component(file: &str) -> Option<DistKind> {
    let beside = file
        .strip_suffix(DIGEST)
        .or_else(|| file.strip_suffix(SIGNATURE));
    let archive = beside.unwrap_or(file);
    let stem = [".tar.xz", ".tar.gz", ".tar.zst"]
        .iter()
        .find_map(|suffix| archive.strip_suffix(suffix))?;
    if !stem.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    Some(match beside {
        Some(_) => DistKind::Moving,
        None => DistKind::Fixed,
    })
}

/// The installer for `target`, or its digest.
fn installer(target: &str, file: &str) -> Option<DistKind> {
    let of_target = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    let is_target = target.contains('-') && target.bytes().all(of_target);
    let name = if target.split('-').any(|part| part == "windows") {
        "rustup-init.exe"
    } else {
        "rustup-init"
    };
    match file.strip_prefix(name)? {
        _ if !is_target => None,
        "" => Some(DistKind::Fixed),
        DIGEST => Some(DistKind::Moving),
        _ => None,
    }
}

/// `YYYY-MM-DD`, of digits.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, b)| match place {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

/// `X.Y.Z`, of digits.
fn is_version(text: &str) -> bool {
    let is_number =
        |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> Option<DistKind> {
        DistFile::parse(path).map(|file| file.kind)
    }

    #[test]
    fn what_rustup_asks_for_has_a_place() {
        for (path, expected) in [
            ("dist/channel-rust-stable.toml", DistKind::Manifest),
            ("dist/channel-rust-1.95.toml", DistKind::Manifest),
            ("dist/channel-rust-1.96.0-beta.2.toml", DistKind::Manifest),
            ("dist/channel-rust-1.95.0.toml.asc", DistKind::Moving),
            (
                "dist/2026-01-02/channel-rust-nightly.toml",
                DistKind::Manifest,
            ),
            ("dist/2026-01-02/rust-src-nightly.tar.xz", DistKind::Fixed),
            (
                "dist/2026-01-02/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.zst.sha256",
                DistKind::Moving,
            ),
            ("rustup/release-stable.toml", DistKind::Moving),
            (
                "rustup/dist/x86_64-pc-windows-msvc/rustup-init.exe",
                DistKind::Moving,
            ),
            (
                "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init",
                DistKind::Fixed,
            ),
            (
                "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init.sha256",
                DistKind::Moving,
            ),
        ] {
            let file = DistFile::parse(path).expect(path);
            assert_eq!((file.key.as_str(), file.kind), (path, expected));
        }
        let digest = DistFile::parse("dist/channel-rust-beta.toml.sha256").expect("it is one");
        assert_eq!(digest.key.as_str(), "dist/channel-rust-beta.toml");
        assert_eq!(digest.kind, DistKind::ManifestDigest);
    }

    #[test]
    fn hostile_h16_nothing_else_has_one() {
        for path in [
            "dist",
            "dist/",
            "dist/x",
            "dist/channel-rust-.toml",
            "dist/channel-rust-aux.toml",
            "dist/channel-rust-Stable.toml",
            "dist/channel-rust-stable",
            "dist/channel-rust-stable.sha256",
            "dist/channel-rust-stable.toml.sha256.sha256",
            "dist/.channel-rust-stable.toml.tmp",
            "dist/channel-rust-stable.toml/x",
            "dist/2026-01-02",
            "dist/2026-01-02/",
            "dist/2026-1-02/channel-rust-stable.toml",
            "dist/2026-01-02/.rustc.tar.xz",
            "dist/2026-01-02/.rustc.tar.xz.tmp",
            "dist/2026-01-02/.tar.xz",
            "dist/2026-01-02/rustc.tar",
            "dist/2026-01-02/aux.tar.xz",
            "dist/2026-01-02/rustc.tar.xz:stream",
            "dist/2026-01-02/x/rustc.tar.xz",
            "dist/2026-01-02/rustc.tar.xz ",
            "rustup/release-stable.toml.tmp",
            "rustup/release-beta.toml",
            "rustup/rustup-init.sh",
            "rustup/dist/rustup-init",
            "rustup/dist/linux/rustup-init",
            "rustup/dist/x86_64-pc-windows-msvc/rustup-init",
            "rustup/dist/x86_64-unknown-linux-gnu/rustup-init.exe",
            "rustup/dist/x86_64-unknown-linux-gnu/rustup-init.asc",
            "rustup/dist/x86_64-unknown-linux-gnu/x/rustup-init",
            "rustup/archive/1.29/x86_64-unknown-linux-gnu/rustup-init",
            "rustup/archive/1.29.x/x86_64-unknown-linux-gnu/rustup-init",
            "rustup/archive/1.29.0/x86_64-unknown-linux-gnu/rustup-init/x",
            "rustup/archive/1.29.0/X-Y/rustup-init",
        ] {
            assert_eq!(kind(path), None, "{path}");
        }
        assert_eq!(kind(&"dist/".repeat(1000)), None);
    }
}
