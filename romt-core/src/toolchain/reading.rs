//! Reads channel manifests, which are outside text.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use toml::de::DeTable;

use super::{
    ChannelManifest, ComponentName, MAX_MANIFEST_SIZE, ManifestError, Profile, TargetName,
    tables::{Piece, Pieces},
    value::Value,
};
use crate::Escaped;

/// The most pairs of a component and a target, available or not. Upstream has
/// under a thousand.
pub(super) const MAX_PACKAGES: usize = 20_000;

/// The most renames, and the most components of a profile.
pub(super) const MAX_NAMES: usize = 1_000;

const TWICE: &str = "it is stated twice";

/// A value and where it stands in the manifest, in bytes.
pub(super) type At<T> = (T, usize);

/// A piece of the manifest, or a copy where it has escapes.
pub(super) type Text<'a> = Cow<'a, str>;

/// What has been read of a manifest so far: its texts, whose meaning is not
/// looked at yet, and names.
pub(super) struct Reader<'a> {
    pub(super) label: &'a str,
    text: &'a str,
    pub(super) manifest_version: Option<At<Text<'a>>>,
    pub(super) date: Option<At<Text<'a>>>,
    /// The versions that `rust` and `rust-src` state.
    pub(super) rust: Option<At<Text<'a>>>,
    pub(super) rust_src: Option<At<Text<'a>>>,
    /// By component and target.
    pub(super) packages: BTreeMap<(Text<'a>, Text<'a>), Draft<'a>>,
    pub(super) renames: BTreeMap<ComponentName, At<ComponentName>>,
    pub(super) profiles: BTreeMap<Profile, Vec<ComponentName>>,
}

/// What a manifest says of a component for a target.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) offset: usize,
    pub(super) available: Option<bool>,
    pub(super) url: Option<Text<'a>>,
    pub(super) hash: Option<Text<'a>>,
    pub(super) xz_url: Option<Text<'a>>,
    pub(super) xz_hash: Option<Text<'a>>,
}

impl Reader<'_> {
    /// Reads a whole manifest.
    pub(super) fn read(bytes: Bytes, label: &str) -> Result<ChannelManifest, ManifestError> {
        let refuse = |reason: String| ManifestError::new(label, reason);
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            return Err(refuse(format!(
                "it is larger than the limit of {MAX_MANIFEST_SIZE} bytes"
            )));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = line_of(&bytes, error.valid_up_to());
            refuse("it is not UTF-8".to_owned()).at_line(line)
        })?;
        if text.starts_with('\u{feff}') {
            return Err(refuse("it begins with a byte order mark".to_owned()).at_line(1));
        }
        let mut reader = Reader {
            label,
            text,
            manifest_version: None,
            date: None,
            rust: None,
            rust_src: None,
            packages: BTreeMap::new(),
            renames: BTreeMap::new(),
            profiles: BTreeMap::new(),
        };
        if let Some(at) = text.find('\0') {
            return Err(reader.error(at, "it has a NUL in it"));
        }
        for piece in Pieces::of(text) {
            let piece = piece.map_err(|excess| reader.error(excess.offset, excess.reason))?;
            reader.take(piece)?;
        }
        let findings = reader.finish()?;
        Ok(findings.into_manifest(bytes, label))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn error(&self, offset: usize, reason: impl Into<String>) -> ManifestError {
        let line = line_of(self.text.as_bytes(), offset);
        ManifestError::new(self.label, reason).at_line(line)
    }

    fn take(&mut self, piece: Piece<'a>) -> Result<(), ManifestError> {
        let table = DeTable::parse(piece.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let reason = format!("it is not TOML: {}", Escaped::new(error.message()));
            self.error(piece.start + offset, reason)
        })?;
        for (key, value) in table.into_inner() {
            let key = key.into_inner();
            let value = Value::new(value, key.to_string(), piece.start);
            match key.as_ref() {
                "manifest-version" => self.set(value, |it| &mut it.manifest_version)?,
                "date" => self.set(value, |it| &mut it.date)?,
                "pkg" => self.take_packages(value)?,
                "renames" => self.take_renames(value)?,
                "profiles" => self.take_profiles(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a text that may be stated once only.
    fn set(
        &mut self,
        value: Value<'a>,
        slot: impl FnOnce(&mut Self) -> &mut Option<At<Text<'a>>>,
    ) -> Result<(), ManifestError> {
        let place = value.place.clone();
        let text = value.text(self)?;
        if slot(self).replace((text, place.offset)).is_some() {
            return Err(place.error(self, TWICE));
        }
        Ok(())
    }

    fn take_packages(&mut self, packages: Value<'a>) -> Result<(), ManifestError> {
        for (name, package) in packages.entries(self)? {
            package.place.check::<ComponentName>(self, &name)?;
            for (key, value) in package.entries(self)? {
                match (key.as_ref(), name.as_ref()) {
                    ("version", "rust") => self.set(value, |it| &mut it.rust)?,
                    ("version", "rust-src") => self.set(value, |it| &mut it.rust_src)?,
                    ("target", _) => self.take_targets(&name, value)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn take_targets(&mut self, name: &Text<'a>, targets: Value<'a>) -> Result<(), ManifestError> {
        for (target, details) in targets.entries(self)? {
            let place = details.place.clone();
            if target != "*" {
                place.check::<TargetName>(self, &target)?;
            }
            // The tables of its components are pieces of their own.
            let id = (name.clone(), target);
            let mut draft = self.packages.remove(&id).unwrap_or_else(|| Draft {
                offset: place.offset,
                ..Draft::default()
            });
            for (key, value) in details.entries(self)? {
                draft.take(&key, value, self)?;
            }
            self.packages.insert(id, draft);
            if self.packages.len() > MAX_PACKAGES {
                return Err(place.error(self, format!("there are more than {MAX_PACKAGES}")));
            }
        }
        Ok(())
    }

    fn take_renames(&mut self, renames: Value<'a>) -> Result<(), ManifestError> {
        for (old, details) in renames.entries(self)? {
            let place = details.place.clone();
            let old = place.check::<ComponentName>(self, &old)?;
            for (key, value) in details.entries(self)? {
                if key != "to" {
                    continue;
                }
                let new = value.name(self)?;
                let new = (new, place.offset);
                if self.renames.insert(old.clone(), new).is_some() {
                    return Err(place.error(self, TWICE));
                }
            }
            if self.renames.len() > MAX_NAMES {
                return Err(place.error(self, format!("there are more than {MAX_NAMES}")));
            }
        }
        Ok(())
    }

    fn take_profiles(&mut self, profiles: Value<'a>) -> Result<(), ManifestError> {
        for (name, value) in profiles.entries(self)? {
            // There may be more of them one day.
            let Ok(profile) = name.parse::<Profile>() else {
                continue;
            };
            let place = value.place.clone();
            let components = value.names(self)?;
            if self.profiles.insert(profile, components).is_some() {
                return Err(place.error(self, TWICE));
            }
        }
        Ok(())
    }
}

impl<'a> Draft<'a> {
    fn take(
        &mut self,
        key: &str,
        value: Value<'a>,
        reader: &Reader<'a>,
    ) -> Result<(), ManifestError> {
        let place = value.place.clone();
        let slot = match key {
            "available" => {
                let available = value.boolean(reader)?;
                return match self.available.replace(available) {
                    None => Ok(()),
                    Some(_) => Err(place.error(reader, TWICE)),
                };
            }
            "url" => &mut self.url,
            "hash" => &mut self.hash,
            "xz_url" => &mut self.xz_url,
            "xz_hash" => &mut self.xz_hash,
            _ => return Ok(()),
        };
        match slot.replace(value.text(reader)?) {
            None => Ok(()),
            Some(_) => Err(place.error(reader, TWICE)),
        }
    }
}

/// The line, counted from 1, in which a byte is.
fn line_of(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::toolchain::samples;

    #[test]
    fn a_manifest_of_115_targets_parses_in_well_under_a_second() {
        let text = samples::large();
        let start = Instant::now();
        let manifest = ChannelManifest::parse(text.into(), "large").unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(manifest.targets().len(), 115);
        assert_eq!(manifest.packages().len(), 8 * 92 + 1);
        let has = |target: &&TargetName| manifest.has_available(target);
        assert_eq!(manifest.targets().iter().filter(has).count(), 92);
    }

    #[test]
    fn the_manifest_of_the_installed_toolchain_parses() {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let asked = std::process::Command::new(rustc)
            .args(["--print", "sysroot"])
            .output();
        let sysroot = asked.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
        let path = "lib/rustlib/multirust-channel-manifest.toml";
        let bytes = sysroot.and_then(|it| std::fs::read(std::path::Path::new(&it).join(path)));
        let Ok(bytes) = bytes else {
            eprintln!("SKIPPED: there is no toolchain that rustup installed");
            return;
        };
        let tree: toml::Table = toml::from_str(std::str::from_utf8(&bytes).unwrap()).unwrap();
        let manifest = ChannelManifest::parse(bytes.into(), "installed").unwrap();
        assert_eq!(tree["date"].as_str(), Some(&*manifest.date().to_string()));
        let mut available = 0;
        for (component, package) in tree["pkg"].as_table().unwrap() {
            for (target, details) in package["target"].as_table().unwrap() {
                if details["available"].as_bool() == Some(true) {
                    available += 1;
                    let found = manifest.packages().iter().find(|it| {
                        let is_target = it.target.as_ref().map_or("*", TargetName::as_str);
                        it.component.as_str() == component && is_target == target
                    });
                    let xz = found.unwrap().xz.as_ref().unwrap();
                    let url = details["xz_url"].as_str().unwrap();
                    assert!(url.ends_with(&format!("/dist/{}", xz.path)), "{url}");
                    assert_eq!(details["xz_hash"].as_str(), Some(&*xz.digest.to_string()));
                }
            }
        }
        assert_eq!(manifest.packages().len(), available);
        let profile = tree["profiles"]["default"].as_array().unwrap();
        assert_eq!(
            manifest.profile(Profile::Default).unwrap().len(),
            profile.len()
        );
        let renames = tree["renames"].as_table().unwrap();
        assert_eq!(manifest.renames().len(), renames.len());
    }

    #[test]
    fn tables_may_be_written_in_any_way_toml_has() {
        let hash = crate::Sha256Digest::of("x");
        let text = format!(
            "manifest-version = '2'\n\"date\" = \"\"\"2024-02-08\"\"\"\n\
             pkg.rust = {{ version = \"1.76.0\", target = {{ x = {{ available = false }} }} }}\n\
             future = [1, {{ a.b = 2 }}]\n\
             [[pkg.rustc.target.a.components]]\npkg = \"b\"\n\
             [pkg]\nrustc.target.a.available = true # yes\n\
             [pkg.rustc.target]\n\
             a.url = \"https://h/dist/2024-02-08/\\u0061.tar.gz\"\r\na.hash = '{hash}'\n\
             [profiles]\nunheard-of = 1\nminimal = [\n\"rustc\",\n]\n"
        );
        let manifest = ChannelManifest::parse(text.into(), "odd").unwrap();
        let package = &manifest.packages()[0];
        assert_eq!(
            package.gz.as_ref().unwrap().path.as_str(),
            "2024-02-08/a.tar.gz"
        );
        assert_eq!(package.xz, None);
        assert_eq!(manifest.targets().len(), 2);
        assert_eq!(manifest.profile(Profile::Minimal).unwrap().len(), 1);
        assert_eq!(manifest.profile(Profile::Complete), None);
    }
}
