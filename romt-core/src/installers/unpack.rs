//! Taking installers out of an archive.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, TryStreamExt as _};

use super::{Installer, InstallerError, InstallerSession, fetch::MAX_SMALL};
use crate::{
    Escaped, Event, Key, Sha256Digest, Sha256Hasher,
    layout::{RustupLayout, sha256_beside},
    ports::{Body, PutOptions, StoreError, StreamError},
    rustup::{RustupVersion, installer_name},
    toolchain::TargetName,
    transfer::{ArchiveError, ArchiveFeed, ArchiveLimits, FedFile, Place},
};

/// How many members an archive may have. Ten years of rustup have some 5,000.
const MAX_MEMBERS: u64 = 100_000;

/// What was unpacked.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnpackedInstallers {
    /// The versions that the archive brought, and for which targets.
    pub versions: BTreeMap<RustupVersion, BTreeSet<TargetName>>,
}

/// An installer that waits aside until the archive is known to be right.
#[derive(Debug)]
struct Waiting {
    version: RustupVersion,
    target: TargetName,
    aside: Key,
    digest: Sha256Digest,
    size: u64,
    place: Place,
    installer: Option<Installer>,
}

impl InstallerSession {
    /// Takes installers out of an archive, which messages call `name`.
    ///
    /// Nothing is put in its place until the archive was read to its end and each
    /// installer is what its digest file says.
    pub async fn unpack(
        &mut self,
        input: Box<dyn Read + Send>,
        name: &str,
    ) -> Result<UnpackedInstallers, InstallerError> {
        self.begin_writing().await?;
        // Of a run that died.
        self.sweep_aside().await?;
        let mut waiting = BTreeMap::new();
        let taken = self.take_all(input, name, &mut waiting).await;
        let placed = match taken {
            Ok(()) if waiting.is_empty() => {
                let archive = Escaped::new(name);
                Err(InstallerError::BringsNothing { archive })
            }
            Ok(()) => self.place_all(&Escaped::new(name), waiting.values()).await,
            Err(error) => Err(error),
        };
        // What stays is in nobody's way, and the next run removes it.
        drop(self.sweep_aside().await);
        placed
    }

    /// Removes what waits aside.
    async fn sweep_aside(&self) -> Result<(), InstallerError> {
        let mut left = self.mirror.store.list(Some(&aside_root()));
        while let Some(meta) = left.try_next().await? {
            self.mirror.store.delete(&meta.key).await?;
        }
        Ok(())
    }

    async fn take_all(
        &self,
        input: Box<dyn Read + Send>,
        name: &str,
        waiting: &mut BTreeMap<(RustupVersion, TargetName), Waiting>,
    ) -> Result<(), InstallerError> {
        let archive = Escaped::new(name);
        let limits = ArchiveLimits::default().with_members(MAX_MEMBERS);
        let mut feed = ArchiveFeed::start(input, name, limits);
        while let Some(file) = feed.next_file().await? {
            if self.options.cancel.is_cancelled() {
                return Err(InstallerError::Cancelled);
            }
            let refused = refusal(&archive, &file);
            let path = file.entry.path.clone();
            let Some((version, target, rest)) = parts(&path) else {
                return Err(refused(format!("unexpected archive member {path}")));
            };
            if file.entry.size > self.options.size_limit {
                let limit = self.options.size_limit;
                return Err(refused(format!("it has more than {limit} bytes")));
            }
            if rest.is_empty() {
                let of = (version, target.clone());
                let one = self.take_installer(&mut feed, version, target, file);
                waiting.insert(of, one.await?);
                continue;
            }
            let place = file.entry.place.clone();
            let text = match file.collect(MAX_SMALL).await {
                Ok(text) => text,
                Err(error @ StreamError::TooLarge { .. }) => {
                    return Err(refused(error.to_string()));
                }
                Err(error) => return Err(broken(&mut feed, error).await),
            };
            let Some(known) = waiting.get_mut(&(version, target.clone())) else {
                return Err(refused(format!("{path} comes before its installer")));
            };
            let judged = self.judge(version, &target, text);
            known.installer = Some(judged.map_err(in_archive(&archive, &place))?);
        }
        Ok(())
    }

    /// Puts an installer aside.
    async fn take_installer(
        &self,
        feed: &mut ArchiveFeed,
        version: RustupVersion,
        target: TargetName,
        file: FedFile,
    ) -> Result<Waiting, InstallerError> {
        let (size, place) = (file.entry.size, file.entry.place.clone());
        let what = Sha256Digest::of(format!("{version} {target}"));
        let aside = aside_root()
            .join(&what.to_string())
            .expect("a digest makes a valid key");
        let hasher = Arc::new(Mutex::new(Sha256Hasher::new()));
        let hashing = hasher.clone();
        let body = file.into_stream().inspect(move |piece| {
            if let Ok(bytes) = piece {
                let mut hasher = hashing.lock().unwrap_or_else(PoisonError::into_inner);
                hasher.update(bytes);
            }
        });
        let (body, options) = (Body::Stream(body.boxed()), PutOptions::default());
        match self.mirror.store.put_opts(&aside, body, options).await {
            Ok(_) => {}
            Err(StoreError::Body { source, .. }) => return Err(broken(feed, *source).await),
            Err(error) => return Err(error.into()),
        }
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Waiting {
            version,
            target,
            aside,
            digest: hasher.clone().finish(),
            size,
            place,
            installer: None,
        })
    }

    async fn place_all(
        &self,
        archive: &Escaped,
        waiting: impl Iterator<Item = &Waiting> + Clone,
    ) -> Result<UnpackedInstallers, InstallerError> {
        for one in waiting.clone() {
            let checked = self.check_waiting(one).await;
            checked.map_err(in_archive(archive, &one.place))?;
        }
        let mut unpacked = UnpackedInstallers::default();
        for one in waiting {
            self.place(one).await?;
            let targets = unpacked.versions.entry(one.version).or_default();
            targets.insert(one.target.clone());
        }
        Ok(unpacked)
    }

    async fn check_waiting(&self, one: &Waiting) -> Result<(), InstallerError> {
        let key = self.mirror.layout.installer(&one.version, &one.target);
        let file = self.member(&key);
        let Some(installer) = &one.installer else {
            let file = format!("{file}.sha256");
            return Err(InstallerError::NoDigestFile { file });
        };
        if one.digest != installer.digest {
            return Err(InstallerError::BadHash {
                file,
                got: one.digest,
                expected: installer.digest,
            });
        }
        let beside = self.digest_beside(&key).await?;
        match self.digest_here(&key).await? {
            Some(here) if here != one.digest && beside == Some(here) => {
                Err(InstallerError::Changed {
                    file,
                    here,
                    came: one.digest,
                })
            }
            _ => Ok(()),
        }
    }

    async fn place(&self, one: &Waiting) -> Result<(), InstallerError> {
        let store = &self.mirror.store;
        let key = self.mirror.layout.installer(&one.version, &one.target);
        let label = self.label(one.version, &one.target);
        if self.digest_here(&key).await? == Some(one.digest) {
            store.persist(&key).await?;
            self.events.emit(Event::AlreadyPresent { label });
        } else {
            let options = PutOptions::default();
            store.copy_opts(&one.aside, &key, options).await?;
            let size = one.size;
            self.events.emit(Event::Finished { label, size });
        }
        if let Some(installer) = &one.installer
            && self.digest_beside(&key).await? != Some(one.digest)
        {
            let text = installer.digest_file.clone();
            self.put_unless_same(&sha256_beside(&key), text).await?;
        }
        Ok(())
    }
}

/// Where installers wait until an archive is known to be right.
fn aside_root() -> Key {
    ".romt/rustup-aside".parse().expect("it is a key")
}

/// Says where in an archive something is wrong.
fn in_archive(
    archive: &Escaped,
    place: &Place,
) -> impl Fn(InstallerError) -> InstallerError + use<> {
    let (archive, place) = (archive.clone(), place.clone());
    move |source| match source {
        source @ InstallerError::Store(_) => source,
        source => InstallerError::InArchive {
            archive: archive.clone(),
            place: place.clone(),
            source: Box::new(source),
        },
    }
}

fn refusal(archive: &Escaped, file: &FedFile) -> impl Fn(String) -> InstallerError + use<> {
    let (archive, place) = (archive.clone(), file.entry.place.clone());
    move |reason| {
        ArchiveError::Refused {
            archive: archive.clone(),
            place: place.clone(),
            reason,
        }
        .into()
    }
}

/// The archive's own fault, if it has one.
async fn broken(feed: &mut ArchiveFeed, error: StreamError) -> InstallerError {
    match feed.fault().await {
        Some(fault) => fault.into(),
        None => InstallerError::body(error),
    }
}

/// What `rustup/archive/X.Y.Z/TARGET/rustup-init` is of, and `.sha256` if that follows.
fn parts(member: &str) -> Option<(RustupVersion, TargetName, &str)> {
    let rest = RustupLayout::below(member)?.strip_prefix("archive/")?;
    let (version, rest) = rest.split_once('/')?;
    let (target, file) = rest.split_once('/')?;
    let target: TargetName = target.parse().ok()?;
    let rest = file.strip_prefix(installer_name(&target))?;
    let version = version.parse().ok()?;
    matches!(rest, "" | ".sha256").then_some((version, target, rest))
}
