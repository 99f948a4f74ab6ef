//! Makes a manifest of what was read: nothing of it is taken on trust.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::{
    Channel, ChannelManifest, ComponentFile, ComponentName, DistPath, Format, ManifestError,
    Package, Profile, ReleaseDate, ReleaseVersion, Stage, TargetName,
    manifest::Release,
    numbers_of,
    reading::{At, Draft, Reader, Text},
};
use crate::{Escaped, InvalidValue, Sha256Digest};

/// What a manifest says, checked.
pub(super) struct Findings {
    date: ReleaseDate,
    release: Release,
    targets: Vec<TargetName>,
    packages: Vec<Package>,
    owners: HashMap<DistPath, usize>,
    renames: BTreeMap<ComponentName, ComponentName>,
    profiles: BTreeMap<Profile, Vec<ComponentName>>,
}

impl Findings {
    pub(super) fn into_manifest(self, bytes: Bytes, label: &str) -> ChannelManifest {
        ChannelManifest {
            label: label.to_owned(),
            digest: Sha256Digest::of(&bytes),
            bytes,
            date: self.date,
            release: self.release,
            targets: self.targets,
            packages: self.packages,
            owners: self.owners,
            renames: self.renames,
            profiles: self.profiles,
        }
    }
}

impl Reader<'_> {
    pub(super) fn finish(mut self) -> Result<Findings, ManifestError> {
        let (version, at) = self.required("manifest-version", self.manifest_version.as_ref())?;
        if version != "2" {
            let reason = format!("version {} is not known", Escaped::new(version));
            return Err(self.error(at, reason).at_key("manifest-version"));
        }
        let (date, at) = self.required("date", self.date.as_ref())?;
        let date = date.parse().map_err(|error: InvalidValue| {
            let error = error.to_string();
            self.error(at, error).at_key("date")
        })?;
        let release = self.release()?;
        self.check_renames()?;
        let targets = self.targets()?;
        let packages = self.packages(&targets)?;
        let owners = self.owners(&packages)?;
        let renames = std::mem::take(&mut self.renames);
        Ok(Findings {
            date,
            release,
            targets: targets.into_iter().collect(),
            packages,
            owners,
            renames: renames.into_iter().map(|(old, it)| (old, it.0)).collect(),
            profiles: self.profiles,
        })
    }

    fn required<'t>(
        &self,
        key: &str,
        text: Option<&'t At<Text<'_>>>,
    ) -> Result<(&'t str, usize), ManifestError> {
        match text {
            Some((text, offset)) => Ok((text, *offset)),
            None => Err(ManifestError::new(self.label, "it is missing").at_key(key)),
        }
    }

    /// What `rust-src` says, as for romt for Python, or else what `rust` does:
    /// the former is missing, or has no version, where it could not be built.
    fn release(&self) -> Result<Release, ManifestError> {
        let (key, text) = match &self.rust_src {
            Some((text, at)) if !text.is_empty() => ("pkg.rust-src.version", Some((text, *at))),
            _ => {
                let rust = self.rust.as_ref().map(|(text, at)| (text, *at));
                ("pkg.rust.version", rust)
            }
        };
        let Some((text, at)) = text else {
            return Err(ManifestError::new(self.label, "it is missing").at_key(key));
        };
        parse_release(text).ok_or_else(|| {
            let text = Escaped::new(text.as_bytes());
            let reason = format!("`{text}` is not the version of a release");
            self.error(at, reason).at_key(key)
        })
    }

    /// Users' names lead to components, and not in a circle.
    fn check_renames(&self) -> Result<(), ManifestError> {
        // Each name leads to one other, so ways meet but do not part: what is
        // known to end need not be followed again.
        let mut ending: BTreeSet<&ComponentName> = BTreeSet::new();
        for start in self.renames.keys() {
            let mut way = BTreeSet::new();
            let mut name = start;
            while let Some((next, at)) = self.renames.get(name) {
                if ending.contains(name) {
                    break;
                }
                if !way.insert(name) {
                    let error = self.error(*at, "it leads in a circle");
                    return Err(error.at_key(&format!("renames.{name}")));
                }
                name = next;
            }
            ending.extend(way);
        }
        Ok(())
    }

    fn targets(&self) -> Result<BTreeSet<TargetName>, ManifestError> {
        let mut targets: BTreeSet<TargetName> = BTreeSet::new();
        for ((component, target), draft) in &self.packages {
            if target != "*" && !targets.contains(target.as_ref()) {
                let target = target
                    .parse()
                    .map_err(|error| self.invalid(component, target, "", draft, &error))?;
                targets.insert(target);
            }
        }
        Ok(targets)
    }

    /// What is available, in order.
    fn packages(&self, targets: &BTreeSet<TargetName>) -> Result<Vec<Package>, ManifestError> {
        let mut packages = Vec::new();
        let mut component: Option<ComponentName> = None;
        for ((name, target), draft) in &self.packages {
            let refuse = |key: &str, reason: &str| {
                let key = key_of(name, target, key);
                Err(self.error(draft.offset, reason).at_key(&key))
            };
            match draft.available {
                None => return refuse("available", "it is missing"),
                Some(false) => continue,
                Some(true) => {}
            }
            let file = |format| self.file(name, target, draft, format);
            let (xz, gz) = (file(Format::Xz)?, file(Format::Gz)?);
            if xz.is_none() && gz.is_none() {
                return refuse("", "it is available, and has neither url nor xz_url");
            }
            // They come by component, which is not to be copied for each target.
            let component = match &component {
                Some(last) if last.as_str() == name => last.clone(),
                _ => {
                    let parsed = name.parse::<ComponentName>();
                    let parsed = parsed.map_err(|e| self.invalid(name, target, "", draft, &e))?;
                    component.insert(parsed).clone()
                }
            };
            let target = targets.get(target.as_ref()).cloned();
            packages.push(Package {
                component,
                target,
                xz,
                gz,
            });
        }
        packages.sort_by(|a, b| (&a.target, &a.component).cmp(&(&b.target, &b.component)));
        Ok(packages)
    }

    fn file(
        &self,
        name: &str,
        target: &str,
        draft: &Draft<'_>,
        format: Format,
    ) -> Result<Option<ComponentFile>, ManifestError> {
        let (keys, url, hash) = match format {
            Format::Xz => (["xz_url", "xz_hash"], &draft.xz_url, &draft.xz_hash),
            Format::Gz => (["url", "hash"], &draft.url, &draft.hash),
        };
        let missing = |key| {
            let error = self.error(draft.offset, "it is missing");
            Err(error.at_key(&key_of(name, target, key)))
        };
        let invalid = |key, error| self.invalid(name, target, key, draft, &error);
        match (url, hash) {
            (None, None) => Ok(None),
            (None, Some(_)) => missing(keys[0]),
            (Some(_), None) => missing(keys[1]),
            (Some(url), Some(hash)) => {
                let path = DistPath::from_url(url, format).map_err(|e| invalid(keys[0], e))?;
                let digest = hash.parse().map_err(|e| invalid(keys[1], e))?;
                Ok(Some(ComponentFile { path, digest }))
            }
        }
    }

    fn invalid(
        &self,
        name: &str,
        target: &str,
        key: &str,
        draft: &Draft<'_>,
        error: &InvalidValue,
    ) -> ManifestError {
        let key = key_of(name, target, key);
        self.error(draft.offset, error.to_string()).at_key(&key)
    }

    /// How many targets each file is for. A file has one digest.
    fn owners(&self, packages: &[Package]) -> Result<HashMap<DistPath, usize>, ManifestError> {
        struct Known<'p> {
            digest: Sha256Digest,
            last: Option<&'p TargetName>,
            targets: usize,
        }
        let mut known: HashMap<&DistPath, Known<'_>> = HashMap::new();
        for package in packages {
            let target = package.target.as_ref();
            for file in [&package.xz, &package.gz].into_iter().flatten() {
                let known = known.entry(&file.path).or_insert(Known {
                    digest: file.digest,
                    last: target,
                    targets: 1,
                });
                if known.digest != file.digest {
                    let reason = format!(
                        "{} has two digests, {} and {}",
                        file.path, known.digest, file.digest
                    );
                    let target = target.map_or("*", TargetName::as_str);
                    let key = key_of(package.component.as_str(), target, "");
                    return Err(ManifestError::new(self.label, reason).at_key(&key));
                }
                // They come by target.
                known.targets += usize::from(known.last != target);
                known.last = target;
            }
        }
        let counts = known.into_iter();
        Ok(counts
            .map(|(path, it)| (path.clone(), it.targets))
            .collect())
    }
}

fn key_of(name: &str, target: &str, key: &str) -> String {
    let dot = if key.is_empty() { "" } else { "." };
    format!("pkg.{name}.target.{target}{dot}{key}")
}

/// The first word of a version, as in `1.78.0-nightly (hash date)`.
fn parse_release(text: &str) -> Option<Release> {
    let full = text.split(' ').next()?;
    let (channel, numbers) = match full.split_once('-') {
        None => (Channel::Stable, full),
        Some((numbers, "nightly")) => (Channel::Nightly, numbers),
        Some((numbers, _)) => (Channel::Beta, numbers),
    };
    let version = match channel {
        Channel::Nightly => {
            let [major, minor, patch] = numbers_of(numbers)?;
            ReleaseVersion {
                major,
                minor,
                patch,
                stage: Stage::Release,
            }
        }
        Channel::Stable | Channel::Beta => full.parse().ok()?,
    };
    Some(Release {
        channel,
        version,
        full: full.to_owned(),
        short: numbers.to_owned(),
    })
}
