//! What is here.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{
    DistError, DistSession, Release,
    fetch::{MAX_MANIFEST, MAX_SHA256_FILE, MAX_SIGNATURE, parse_digest},
};
use crate::{
    Key, Sha256Digest, StoreExt as _,
    digest_file::parse_sha256_file,
    layout::sha256_beside,
    ports::{StoreError, StreamError},
    toolchain::{
        Channel, ChannelManifest, ManifestName, ReleaseDate, ReleaseName, SpecDate, SpecName,
        ToolchainSpec,
    },
};

impl DistSession {
    /// The manifest of this name that is here, judged anew.
    ///
    /// # Errors
    ///
    /// If there is none, if its digest file or its signature does not fit, or if it is
    /// the manifest of something else.
    pub async fn load(&self, name: &ManifestName) -> Result<Release, DistError> {
        let file = self.member_of(name);
        let key = self.mirror.layout.manifest(name);
        let missing = |file: String| DistError::Missing { file };
        let bytes = self.read_small(&key, MAX_MANIFEST).await?;
        let bytes = bytes.ok_or_else(|| missing(file.clone()))?;
        let text = self
            .read_small(&sha256_beside(&key), MAX_SHA256_FILE)
            .await?
            .ok_or_else(|| missing(format!("{file}.sha256")))?;
        let (got, expected) = (Sha256Digest::of(&bytes), parse_digest(&file, &text)?);
        if got != expected {
            return Err(DistError::BadHash {
                file,
                got,
                expected,
            });
        }
        let signature = match self.options.signatures.verifier() {
            Some(_) => {
                self.read_small(&self.signature_key(name), MAX_SIGNATURE)
                    .await?
            }
            None => None,
        };
        self.judge(&file, name, &bytes, signature, Some(text))
    }

    /// The names that `specs` select of what is here, in the order of `specs`; for a
    /// wildcard the newest date first. Names without a wildcard need not be here.
    pub async fn expand(&self, specs: &[ToolchainSpec]) -> Result<Vec<ManifestName>, DistError> {
        let mut dated = None;
        let mut names = Vec::new();
        for spec in specs {
            if let Some(name) = spec.as_name() {
                names.push(name);
                continue;
            }
            if dated.is_none() {
                dated = Some(self.dated_manifests().await?);
            }
            let dated = dated.as_ref().into_iter().flatten();
            let found = matches(spec, dated);
            if found.is_empty() {
                let spec = *spec;
                return Err(DistError::NoMatch { spec });
            }
            names.extend(found);
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        Ok(names)
    }

    /// The releases that have a manifest under their date.
    pub(super) async fn dated_manifests(
        &self,
    ) -> Result<BTreeMap<ReleaseDate, BTreeSet<ReleaseName>>, DistError> {
        let layout = self.mirror.layout;
        let mut dated: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut listed = self.mirror.store.list(layout.root().as_ref());
        while let Some(meta) = listed.try_next().await? {
            let rest = layout.rest(&meta.key);
            let name = rest.as_deref().and_then(dated_manifest);
            if let Some((date, release)) = name {
                dated.entry(date).or_default().insert(release);
            }
        }
        Ok(dated)
    }

    /// The names without a date that have a manifest.
    pub(super) async fn undated_manifests(&self) -> Result<Vec<ManifestName>, DistError> {
        let layout = self.mirror.layout;
        let mut names = Vec::new();
        let mut listed = self.mirror.store.list(layout.root().as_ref());
        while let Some(meta) = listed.try_next().await? {
            let rest = layout.rest(&meta.key);
            if let Some(release) = rest.as_deref().and_then(release_in) {
                names.push(ManifestName {
                    release,
                    date: None,
                });
            }
        }
        Ok(names)
    }

    /// The date of the release that is here under this name, if that can be told.
    pub(super) async fn date_here(
        &self,
        name: &ManifestName,
    ) -> Result<Option<ReleaseDate>, DistError> {
        let manifest = self.manifest_here(name).await?;
        Ok(manifest.map(|manifest| manifest.date()))
    }

    /// The manifest under this name, if there is one and it is whole.
    pub(super) async fn manifest_here(
        &self,
        name: &ManifestName,
    ) -> Result<Option<ChannelManifest>, DistError> {
        let key = self.mirror.layout.manifest(name);
        let found = self.read_whole(&key, MAX_MANIFEST).await?;
        let file = self.member_of(name);
        Ok(found.and_then(|bytes| ChannelManifest::parse(bytes, &file).ok()))
    }

    /// What the digest file beside `key` says, if there is a good one.
    pub(super) async fn digest_beside(&self, key: &Key) -> Result<Option<Sha256Digest>, DistError> {
        let at = sha256_beside(key);
        let text = self.read_whole(&at, MAX_SHA256_FILE).await?;
        Ok(text.and_then(|text| parse_sha256_file(&text).ok()))
    }

    /// A small file that is here; what is too large to be one is none, and is replaced.
    pub(super) async fn read_whole(
        &self,
        key: &Key,
        limit: u64,
    ) -> Result<Option<Bytes>, DistError> {
        match self.read_small(key, limit).await {
            Err(DistError::Body(error)) if matches!(*error, StreamError::TooLarge { .. }) => {
                Ok(None)
            }
            other => other,
        }
    }

    /// A small file that is here.
    pub(super) async fn read_small(
        &self,
        key: &Key,
        limit: u64,
    ) -> Result<Option<Bytes>, DistError> {
        match self.mirror.store.try_read(key, limit).await {
            Ok(found) => Ok(found.map(|(_, bytes)| bytes)),
            Err(StoreError::Body { source, .. }) => Err(DistError::Body(source)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The date and the release of `DATE/channel-rust-RELEASE.toml`.
fn dated_manifest(path: &str) -> Option<(ReleaseDate, ReleaseName)> {
    let (date, file) = path.split_once('/')?;
    Some((date.parse().ok()?, release_in(file)?))
}

/// The release of `channel-rust-RELEASE.toml`.
pub(super) fn release_in(file: &str) -> Option<ReleaseName> {
    let name = file.strip_prefix("channel-rust-")?.strip_suffix(".toml")?;
    name.parse().ok()
}

fn matches<'a>(
    spec: &ToolchainSpec,
    dated: impl DoubleEndedIterator<Item = (&'a ReleaseDate, &'a BTreeSet<ReleaseName>)>,
) -> Vec<ManifestName> {
    let is_wanted = |release: &ReleaseName| match spec.name() {
        SpecName::Named(wanted) => release == wanted,
        SpecName::Any => matches!(release, ReleaseName::Channel(_)),
    };
    let mut found = Vec::new();
    for (date, releases) in dated.rev() {
        let is_date = match spec.date() {
            SpecDate::On(wanted) => *date == wanted,
            SpecDate::Undated | SpecDate::Latest | SpecDate::Any => true,
        };
        let mut of_date: Vec<_> = releases.iter().filter(|_| is_date).collect();
        of_date.retain(|release| is_wanted(release));
        of_date.sort_by_key(|release| order(release));
        found.extend(of_date.into_iter().map(|release| ManifestName {
            release: *release,
            date: Some(*date),
        }));
        if spec.date() == SpecDate::Latest && !found.is_empty() {
            break;
        }
    }
    found
}

/// Within one date, nightly comes first, as romt for Python asks.
fn order(release: &ReleaseName) -> u8 {
    match release {
        ReleaseName::Channel(Channel::Nightly) => 0,
        ReleaseName::Channel(Channel::Beta) => 1,
        ReleaseName::Channel(Channel::Stable) => 2,
        _ => 3,
    }
}
