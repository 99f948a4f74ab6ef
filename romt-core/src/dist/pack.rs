//! Putting releases into an archive.

use std::{collections::HashSet, io};

use bytes::Bytes;
use futures::StreamExt as _;

use super::{
    CarriedList, DistError, DistSession, Release, Wanted,
    fetch::{MAX_SHA256_FILE, MAX_SIGNATURE},
};
use crate::{
    Event, Key, Sha256Hasher, StoreExt as _,
    layout::{sha256_beside, signature_beside},
    ports::{Object, StoreError},
    toolchain::ManifestName,
    transfer::{ArchiveOutput, ArchivePipe, Compression},
};

/// What was packed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PackedTree {
    /// How many components are in the archive.
    pub components: u64,
    /// How many the other side has already.
    pub left_out: u64,
    /// How many bytes the components in the archive have.
    pub bytes: u64,
    /// What the other side has once it has unpacked the archive, for the next one to
    /// leave out.
    pub carried: CarriedList,
}

/// An archive being filled.
struct Packing<'a> {
    pipe: ArchivePipe,
    since: &'a CarriedList,
    seen: HashSet<Key>,
    packed: PackedTree,
}

impl DistSession {
    /// Packs releases and what is to be had of each, all read and judged once more.
    /// Components that are in `since` are left out; a list of them travels instead, so
    /// that the other side can tell if it lacks one.
    ///
    /// For each release: its manifest, then its components in the order given, each
    /// with what is beside it. The same content makes the same bytes.
    pub async fn pack(
        &mut self,
        releases: &[(Release, Vec<Wanted>)],
        since: &CarriedList,
        create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>> + Send + 'static,
        compression: Compression,
    ) -> Result<PackedTree, DistError> {
        self.begin_writing().await?;
        let mut packing = Packing {
            pipe: ArchivePipe::start(create, compression),
            since,
            seen: HashSet::new(),
            packed: PackedTree {
                carried: since.clone(),
                ..PackedTree::default()
            },
        };
        for (release, wanted) in releases {
            self.pack_manifest(release, &mut packing).await?;
            self.pack_base(release, wanted, &mut packing).await?;
            for wanted in wanted {
                if self.options.cancel.is_cancelled() {
                    return Err(DistError::Cancelled);
                }
                self.pack_component(wanted, &mut packing).await?;
            }
        }
        packing.pipe.finish().await?;
        Ok(packing.packed)
    }

    async fn pack_manifest(
        &self,
        release: &Release,
        packing: &mut Packing<'_>,
    ) -> Result<(), DistError> {
        let key = self.mirror.layout.manifest(&release.canonical_name());
        if !packing.seen.insert(key.clone()) {
            return Ok(());
        }
        let bytes = release.manifest.bytes().clone();
        self.pack_file(&key, bytes, packing).await?;
        self.pack_beside(&key, packing).await
    }

    /// What the release builds on that is not in the archive.
    async fn pack_base(
        &self,
        release: &Release,
        wanted: &[Wanted],
        packing: &mut Packing<'_>,
    ) -> Result<(), DistError> {
        let mut base = CarriedList::default();
        for wanted in wanted {
            let file = &wanted.file;
            if packing.since.has(&file.path, &file.digest) {
                base.insert(file.path.clone(), file.digest);
            }
        }
        if base.is_empty() {
            return Ok(());
        }
        let name = release.canonical_name();
        let member = base_member(&self.member_of(&name));
        packing.packed.left_out += base.len() as u64;
        packing.pipe.file(member, base.render().into()).await?;
        Ok(())
    }

    async fn pack_component(
        &self,
        wanted: &Wanted,
        packing: &mut Packing<'_>,
    ) -> Result<(), DistError> {
        let file = &wanted.file;
        let key = self.mirror.layout.component(&file.path);
        let left_out = packing.since.has(&file.path, &file.digest);
        if left_out || !packing.seen.insert(key.clone()) {
            return Ok(());
        }
        let member = self.mirror.layout.member(&key);
        let Object { meta, mut body, .. } = match self.mirror.store.get(&key).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return Err(DistError::Missing { file: member }),
            Err(error) => return Err(error.into()),
        };
        packing.pipe.begin_file(member.as_str(), meta.size).await?;
        let mut hasher = Sha256Hasher::new();
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(DistError::body)?;
            hasher.update(&bytes);
            packing.pipe.data(bytes).await?;
        }
        if hasher.length() != meta.size {
            return Err(DistError::ChangedMeanwhile { key });
        }
        packing.pipe.end_file().await?;
        let got = hasher.finish();
        if got != file.digest {
            let expected = file.digest;
            return Err(DistError::BadHash {
                file: member,
                got,
                expected,
            });
        }
        self.pack_beside(&key, packing).await?;
        let label = self.label(wanted);
        let size = meta.size;
        self.events.emit(Event::Finished { label, size });
        packing.packed.components += 1;
        packing.packed.bytes += size;
        packing
            .packed
            .carried
            .insert(file.path.clone(), file.digest);
        Ok(())
    }

    /// Packs the digest file and the signature beside `key`.
    async fn pack_beside(&self, key: &Key, packing: &mut Packing<'_>) -> Result<(), DistError> {
        let at = sha256_beside(key);
        let text = self.read_small(&at, MAX_SHA256_FILE).await?;
        let missing = |key: &Key| DistError::Missing {
            file: self.mirror.layout.member(key),
        };
        let text = text.ok_or_else(|| missing(&at))?;
        self.pack_file(&at, text, packing).await?;
        if self.options.signatures.verifier().is_none() {
            return Ok(());
        }
        let at = signature_beside(key);
        match self.read_small(&at, MAX_SIGNATURE).await? {
            Some(signature) => self.pack_file(&at, signature, packing).await,
            None if self.options.signatures.is_required() => Err(missing(&at)),
            None => Ok(()),
        }
    }

    async fn pack_file(
        &self,
        key: &Key,
        bytes: Bytes,
        packing: &mut Packing<'_>,
    ) -> Result<(), DistError> {
        let member = self.mirror.layout.member(key);
        packing.pipe.file(member, bytes).await?;
        Ok(())
    }

    /// What the other side has once it has unpacked these releases.
    pub async fn carried_by(
        &self,
        names: &[ManifestName],
        choice: &crate::toolchain::TargetChoice,
    ) -> Result<CarriedList, DistError> {
        let mut list = CarriedList::default();
        for name in names {
            let release = self.load(name).await?;
            let targets = self.targets(&release, choice).await?;
            for wanted in self.to_have(&release, &targets).await? {
                list.insert(wanted.file.path, wanted.file.digest);
            }
        }
        Ok(list)
    }
}

/// Where the list of what a release builds on is, beside its manifest.
pub(super) fn base_member(manifest: &str) -> String {
    format!("{manifest}.base")
}
