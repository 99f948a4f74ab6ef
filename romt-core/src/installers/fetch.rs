//! Fetching installers.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;

use super::{InstallerError, InstallerSession};
use crate::{
    Artifact, ErrorClass, Event, Key, Location, Sha256Digest, Source,
    digest_file::parse_sha256_file,
    layout::sha256_beside,
    ports::Sha256Verifier,
    progress::chain,
    rustup::{ReleaseFile, RustupVersion, installer_name},
    sync::{Engine, EngineOptions, Failure, fetch_small},
    toolchain::TargetName,
};

/// The longest digest file or release file, in bytes.
pub(super) const MAX_SMALL: u64 = 4 << 10;

/// An installer of which it is known what it should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Installer {
    /// Which version it installs.
    pub version: RustupVersion,
    /// Where it runs.
    pub target: TargetName,
    /// The digest of its bytes.
    pub digest: Sha256Digest,
    /// The digest file, as it came.
    pub(super) digest_file: Bytes,
}

/// What became of the installers of a version.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FetchedInstallers {
    /// How many are here and right.
    pub good: u64,
    /// How many of those were fetched.
    pub fetched: u64,
    /// How many bytes were fetched.
    pub bytes: u64,
    /// The targets that upstream has no installer for.
    pub skipped: Vec<TargetName>,
    /// Those that could not be had, with the reasons.
    pub bad: Vec<Failure>,
}

impl FetchedInstallers {
    /// The gravest class among what is bad, or `None` if nothing is.
    pub fn class(&self) -> Option<ErrorClass> {
        let classes = self.bad.iter().map(|failure| failure.class);
        classes.reduce(ErrorClass::max)
    }
}

impl InstallerSession {
    /// Which version upstream says is current.
    pub async fn current_upstream(
        &self,
        source: &dyn Source,
    ) -> Result<RustupVersion, InstallerError> {
        let file = "release-stable.toml";
        let bytes = self.fetch_file(source, file).await?;
        let bytes = bytes.ok_or_else(|| InstallerError::Missing {
            file: format!("{file} at {source}"),
        })?;
        let release = ReleaseFile::parse(&bytes);
        let release = release.map_err(|source| InstallerError::Release {
            file: file.to_owned(),
            source,
        })?;
        Ok(release.version)
    }

    async fn fetch_file(
        &self,
        source: &dyn Source,
        path: &str,
    ) -> Result<Option<Bytes>, InstallerError> {
        let location: Location = path.parse().map_err(|source| InstallerError::Invalid {
            file: path.to_owned(),
            source,
        })?;
        let (retry, events) = (&self.options.retry, &*self.events);
        let fetching = fetch_small(source, &location, MAX_SMALL, retry, events);
        tokio::select! {
            biased;
            () = self.options.cancel.cancelled() => Err(InstallerError::Cancelled),
            fetched = fetching => Ok(fetched?),
        }
    }

    /// Fetches the installers of a version for these targets. One that fails is
    /// reported, and the others go on; what upstream does not have is passed over with
    /// a word if `skips` says so, and else has failed.
    pub async fn download(
        &mut self,
        source: Arc<dyn Source>,
        version: RustupVersion,
        targets: &[TargetName],
        skips: bool,
    ) -> Result<FetchedInstallers, InstallerError> {
        self.begin_writing().await?;
        let mut outcome = FetchedInstallers::default();
        let mut wanted = Vec::new();
        for target in targets {
            if self.options.assume_ok && self.has_both(version, target).await? {
                outcome.good += 1;
                let label = self.label(version, target);
                self.events.emit(Event::AlreadyPresent { label });
                continue;
            }
            match self.ask(&*source, version, target).await {
                Ok(Some(installer)) => wanted.push(installer),
                Ok(None) if skips => {
                    let message = format!("upstream has no rustup {version} for {target}");
                    self.events.emit(Event::Note { message });
                    outcome.skipped.push(target.clone());
                }
                Ok(None) => {
                    let label = self.label(version, target);
                    let reason = format!("missing file {label}.sha256 at {source}");
                    self.note_bad(&label, ErrorClass::Partial, reason, &mut outcome);
                }
                Err(InstallerError::Cancelled) => return Err(InstallerError::Cancelled),
                Err(error @ InstallerError::Store(_)) => return Err(error),
                Err(error) => {
                    let label = self.label(version, target);
                    self.note_bad(&label, error.class(), chain(&error), &mut outcome);
                }
            }
        }
        self.fetch_all(source, wanted, &mut outcome).await?;
        Ok(outcome)
    }

    /// What an installer should be, if upstream has it.
    async fn ask(
        &self,
        source: &dyn Source,
        version: RustupVersion,
        target: &TargetName,
    ) -> Result<Option<Installer>, InstallerError> {
        let label = self.label(version, target);
        let path = format!("{}.sha256", path_of(version, target));
        let Some(digest_file) = self.fetch_file(source, &path).await? else {
            return Ok(None);
        };
        let installer = self.judge(version, target, digest_file)?;
        let key = self.mirror.layout.installer(&version, target);
        let beside = self.digest_beside(&key).await?;
        match self.digest_here(&key).await? {
            // What is here and is what its digest file says was meant to be here.
            Some(here) if here != installer.digest && beside == Some(here) => {
                Err(InstallerError::Changed {
                    file: label.to_string(),
                    here,
                    came: installer.digest,
                })
            }
            _ => Ok(Some(installer)),
        }
    }

    /// What the digest file of an installer says, if that is what is known of it.
    pub(super) fn judge(
        &self,
        version: RustupVersion,
        target: &TargetName,
        digest_file: Bytes,
    ) -> Result<Installer, InstallerError> {
        let file = self.label(version, target);
        let invalid = |source| InstallerError::Invalid {
            file: format!("{file}.sha256"),
            source,
        };
        let digest = parse_sha256_file(&digest_file).map_err(invalid)?;
        let pinned = self.options.pins.find(&version, target).map_err(invalid)?;
        match pinned {
            Some(pinned) if pinned != digest => Err(InstallerError::Pinned {
                file: file.to_string(),
                pinned,
                came: digest,
            }),
            _ => Ok(Installer {
                version,
                target: target.clone(),
                digest,
                digest_file,
            }),
        }
    }

    async fn fetch_all(
        &self,
        source: Arc<dyn Source>,
        wanted: Vec<Installer>,
        outcome: &mut FetchedInstallers,
    ) -> Result<(), InstallerError> {
        let mut by_key = std::collections::HashMap::new();
        let mut artifacts = Vec::new();
        for installer in wanted {
            let (version, target) = (installer.version, &installer.target);
            let key = self.mirror.layout.installer(&version, target);
            let path = path_of(version, target);
            let location = path.parse().map_err(|source| InstallerError::Invalid {
                file: path.clone(),
                source,
            })?;
            let label = self.label(version, target);
            artifacts.push(Artifact::new(
                label,
                key.clone(),
                installer.digest,
                location,
            ));
            by_key.insert(key, installer);
        }
        let options = EngineOptions::new(
            self.options.jobs,
            self.options.retry.clone(),
            self.options.size_limit,
        )
        .without_sizes();
        let store = self.mirror.store.clone();
        let engine = Engine::new(source, store, Arc::new(Sha256Verifier), options);
        let plan = stream::iter(artifacts);
        let fetched = engine.run(plan, &self.events, &self.options.cancel).await;
        if fetched.cancelled {
            return Err(InstallerError::Cancelled);
        }
        for (artifact, failure) in fetched.failed {
            if fetched.stopped && failure.class == ErrorClass::Storage {
                return Err(InstallerError::StoreStopped { failure });
            }
            by_key.remove(&artifact.key);
            outcome.bad.push(failure);
        }
        for (key, installer) in by_key {
            self.put_unless_same(&sha256_beside(&key), installer.digest_file)
                .await?;
        }
        outcome.fetched += fetched.fetched;
        outcome.good += fetched.fetched + fetched.present;
        outcome.bytes += fetched.bytes;
        Ok(())
    }

    fn note_bad(
        &self,
        label: &Arc<str>,
        class: ErrorClass,
        reason: String,
        outcome: &mut FetchedInstallers,
    ) {
        self.events.emit(Event::Failed {
            label: label.clone(),
            class,
            reason: reason.clone(),
        });
        outcome.bad.push(Failure::new(label.clone(), class, reason));
    }

    /// What an installer is called in events and messages: its path in the mirror.
    pub(super) fn label(&self, version: RustupVersion, target: &TargetName) -> Arc<str> {
        let layout = self.mirror.layout;
        layout.member(&layout.installer(&version, target)).into()
    }

    pub(super) fn member(&self, key: &Key) -> String {
        self.mirror.layout.member(key)
    }
}

/// Where upstream has an installer.
fn path_of(version: RustupVersion, target: &TargetName) -> String {
    format!("archive/{version}/{target}/{}", installer_name(target))
}
