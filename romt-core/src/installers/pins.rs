//! What somebody knows of installers.

use std::collections::BTreeMap;

use crate::{InvalidValue, Sha256Digest, rustup::RustupVersion, toolchain::TargetName};

/// The digests that installers must have, as an operator knows them.
///
/// As text, what `sha256sum` writes in the directory of a mirror:
///
/// ```text
/// DIGEST *rustup/archive/X.Y.Z/TARGET/rustup-init
/// ```
///
/// Whatever comes before `archive/` may be missing. Empty lines and those that begin with
/// `#` are passed over. If there are any pins, what is not pinned is not taken.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    digests: Option<BTreeMap<(RustupVersion, TargetName), Sha256Digest>>,
}

impl Pins {
    /// Reads pins.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let mut digests = BTreeMap::new();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (of, digest) = pin(line)?;
            digests.insert(of, digest);
        }
        Ok(Self {
            digests: Some(digests),
        })
    }

    /// The digest that this installer must have, if anything is known; an error if it is
    /// not among those that are known.
    pub fn find(
        &self,
        version: &RustupVersion,
        target: &TargetName,
    ) -> Result<Option<Sha256Digest>, InvalidValue> {
        let Some(digests) = &self.digests else {
            return Ok(None);
        };
        match digests.get(&(*version, target.clone())) {
            Some(digest) => Ok(Some(*digest)),
            None => Err(InvalidValue::new(
                "pinned installer",
                format!("{version} for {target}"),
                "no digest is pinned for it",
            )),
        }
    }
}

fn pin(line: &str) -> Result<((RustupVersion, TargetName), Sha256Digest), InvalidValue> {
    let invalid = || {
        let reason = "it is not DIGEST *archive/X.Y.Z/TARGET/rustup-init";
        InvalidValue::new("pin", line, reason)
    };
    let (digest, rest) = line.split_once(' ').ok_or_else(invalid)?;
    let path = rest.trim_start_matches([' ', '*']);
    let mut parts = path.rsplit('/');
    let file = parts.next().ok_or_else(invalid)?;
    let target: TargetName = parts.next().ok_or_else(invalid)?.parse()?;
    let version = parts.next().ok_or_else(invalid)?.parse()?;
    if parts.next() != Some("archive") || file != crate::rustup::installer_name(&target) {
        return Err(invalid());
    }
    Ok(((version, target), digest.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_what_sha256sum_writes() {
        let digest = Sha256Digest::of("x");
        let text = format!(
            "# known\n\n{digest} *rustup/archive/1.27.1/x86_64-unknown-linux-gnu/rustup-init\n\
             {digest}  archive/1.27.1/x86_64-pc-windows-msvc/rustup-init.exe\n"
        );
        let pins = Pins::parse(&text).unwrap();
        let version = "1.27.1".parse().unwrap();
        for target in ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc"] {
            let found = pins.find(&version, &target.parse().unwrap()).unwrap();
            assert_eq!(found, Some(digest));
        }
        let other = "aarch64-apple-darwin".parse().unwrap();
        assert!(pins.find(&version, &other).is_err());
        assert_eq!(Pins::default().find(&version, &other).unwrap(), None);
        for bad in [
            "x",
            &format!("{digest} rustup-init"),
            &format!("{digest} archive/1.27.1/x86_64-pc-windows-msvc/rustup-init"),
            &format!("{digest} archive/1.27/x/rustup-init"),
            "abc archive/1.27.1/x/rustup-init",
        ] {
            assert!(Pins::parse(bad).is_err(), "{bad}");
        }
    }
}
