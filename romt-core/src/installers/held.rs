//! What is here.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{FetchedInstallers, InstallerError, InstallerSession, fetch::MAX_SMALL};
use crate::{
    Event, Key, Sha256Digest, Sha256Hasher, StoreExt as _,
    digest_file::parse_sha256_file,
    layout::sha256_beside,
    ports::{StoreError, StreamError},
    progress::chain,
    rustup::{ReleaseFile, RustupSpec, RustupVersion, installer_name},
    sync::Failure,
    toolchain::TargetName,
};

/// How many installers are read at once.
const READS: usize = 4;

impl InstallerSession {
    /// The versions that are here, and for which targets.
    pub async fn versions(
        &self,
    ) -> Result<BTreeMap<RustupVersion, BTreeSet<TargetName>>, InstallerError> {
        let root = self.mirror.layout.archive();
        let mut versions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut listed = self.mirror.store.list(Some(&root));
        while let Some(meta) = listed.try_next().await? {
            let below = meta.key.as_str().strip_prefix(root.as_str());
            let parts: Vec<&str> = below
                .unwrap_or_default()
                .trim_start_matches('/')
                .split('/')
                .collect();
            let [version, target, file] = parts[..] else {
                continue;
            };
            let (Ok(version), Ok(target)) = (
                version.parse::<RustupVersion>(),
                target.parse::<TargetName>(),
            ) else {
                continue;
            };
            if file == installer_name(&target) {
                versions.entry(version).or_default().insert(target);
            }
        }
        Ok(versions)
    }

    /// The version that clients are told is current.
    pub async fn current(&self) -> Result<RustupVersion, InstallerError> {
        let key = self.mirror.layout.release_file();
        let file = self.member(&key);
        let bytes = self.read_small(&key).await?;
        let bytes = bytes.ok_or_else(|| InstallerError::Missing { file: file.clone() })?;
        let release = ReleaseFile::parse(&bytes);
        let release = release.map_err(|source| InstallerError::Release { file, source })?;
        Ok(release.version)
    }

    /// The versions that `specs` select of what is here, in the order of `specs`; for
    /// `*` the newest first. A version that is named need not be here.
    pub async fn expand(&self, specs: &[RustupSpec]) -> Result<Vec<RustupVersion>, InstallerError> {
        let mut versions = Vec::new();
        for spec in specs {
            match spec {
                RustupSpec::Version(version) => versions.push(*version),
                RustupSpec::Stable => versions.push(self.current().await?),
                RustupSpec::Latest | RustupSpec::Any => {
                    let here = self.versions().await?;
                    let newest_first = here.into_keys().rev();
                    let most = if *spec == RustupSpec::Latest {
                        1
                    } else {
                        usize::MAX
                    };
                    let before = versions.len();
                    versions.extend(newest_first.take(most));
                    if versions.len() == before {
                        return Err(InstallerError::NoMatch { spec: *spec });
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        versions.retain(|version| seen.insert(*version));
        Ok(versions)
    }

    /// Reads the installers of a version for these targets, and judges them by the
    /// digest files beside them and by what is pinned. Looks at everything, whatever it
    /// finds.
    pub async fn verify(
        &self,
        version: RustupVersion,
        targets: &[TargetName],
    ) -> Result<FetchedInstallers, InstallerError> {
        let mut outcome = FetchedInstallers::default();
        let mut looks = stream::iter(targets)
            .map(|target| async move { (target, self.check(version, target).await) })
            .buffered(READS)
            .boxed();
        while let Some((target, checked)) = looks.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(InstallerError::Cancelled);
            }
            let label = self.label(version, target);
            let Err(error) = checked else {
                outcome.good += 1;
                self.events.emit(Event::AlreadyPresent { label });
                continue;
            };
            let (class, reason) = (error.class(), chain(&error));
            self.events.emit(Event::Failed {
                label: label.clone(),
                class,
                reason: reason.clone(),
            });
            outcome.bad.push(Failure::new(label, class, reason));
        }
        Ok(outcome)
    }

    /// Checks one installer that is here; returns its digest.
    pub(super) async fn check(
        &self,
        version: RustupVersion,
        target: &TargetName,
    ) -> Result<Sha256Digest, InstallerError> {
        let key = self.mirror.layout.installer(&version, target);
        let missing = |key: &Key| InstallerError::Missing {
            file: self.member(key),
        };
        let got = self.digest_here(&key).await?.ok_or_else(|| missing(&key))?;
        let at = sha256_beside(&key);
        let text = self.read_small(&at).await?.ok_or_else(|| missing(&at))?;
        let expected = self.judge(version, target, text)?.digest;
        if got == expected {
            return Ok(got);
        }
        Err(InstallerError::BadHash {
            file: self.member(&key),
            got,
            expected,
        })
    }

    pub(super) async fn has_both(
        &self,
        version: RustupVersion,
        target: &TargetName,
    ) -> Result<bool, InstallerError> {
        let key = self.mirror.layout.installer(&version, target);
        for key in [&key, &sha256_beside(&key)] {
            match self.mirror.store.persist(key).await {
                Ok(()) => {}
                Err(StoreError::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// The digest of what is at `key`, if anything is.
    pub(super) async fn digest_here(
        &self,
        key: &Key,
    ) -> Result<Option<Sha256Digest>, InstallerError> {
        let mut body = match self.mirror.store.get(key).await {
            Ok(object) => object.body,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut hasher = Sha256Hasher::new();
        while let Some(bytes) = body.next().await {
            hasher.update(&bytes.map_err(InstallerError::body)?);
        }
        Ok(Some(hasher.finish()))
    }

    pub(super) async fn digest_beside(
        &self,
        key: &Key,
    ) -> Result<Option<Sha256Digest>, InstallerError> {
        match self.read_small(&sha256_beside(key)).await {
            Ok(text) => Ok(text.and_then(|text| parse_sha256_file(&text).ok())),
            // What is too large to be one is none.
            Err(InstallerError::Body(error)) if is_too_large(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn read_small(&self, key: &Key) -> Result<Option<Bytes>, InstallerError> {
        match self.mirror.store.try_read(key, MAX_SMALL).await {
            Ok(found) => Ok(found.map(|(_, bytes)| bytes)),
            Err(StoreError::Body { source, .. }) => Err(InstallerError::Body(source)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn put_unless_same(
        &self,
        key: &Key,
        bytes: Bytes,
    ) -> Result<(), InstallerError> {
        let here = match self.read_small(key).await {
            Ok(here) => here,
            Err(InstallerError::Body(error)) if is_too_large(&error) => None,
            Err(error) => return Err(error),
        };
        if here.is_some_and(|here| here == bytes) {
            self.mirror.store.persist(key).await?;
        } else {
            self.mirror.store.put(key, bytes).await?;
        }
        Ok(())
    }
}

pub(super) fn is_too_large(error: &StreamError) -> bool {
    matches!(error, StreamError::TooLarge { .. })
}
