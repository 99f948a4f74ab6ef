//! Putting installers into an archive.

use std::{collections::BTreeSet, io};

use futures::StreamExt as _;

use super::{InstallerError, InstallerSession};
use crate::{
    Event, Sha256Hasher, StoreExt as _,
    layout::sha256_beside,
    rustup::RustupVersion,
    toolchain::TargetName,
    transfer::{ArchiveOutput, ArchivePipe, Compression},
};

/// What was packed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PackedInstallers {
    /// How many installers are in the archive.
    pub installers: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl InstallerSession {
    /// Packs installers, in the order given, each once and each with its digest file,
    /// all read and judged once more.
    pub async fn pack(
        &mut self,
        wanted: &[(RustupVersion, Vec<TargetName>)],
        create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>> + Send + 'static,
        compression: Compression,
    ) -> Result<PackedInstallers, InstallerError> {
        self.begin_writing().await?;
        let mut pipe = ArchivePipe::start(create, compression);
        let mut packed = PackedInstallers::default();
        let mut seen = BTreeSet::new();
        for (version, targets) in wanted {
            for target in targets {
                if self.options.cancel.is_cancelled() {
                    return Err(InstallerError::Cancelled);
                }
                if seen.insert((*version, target.clone())) {
                    packed.bytes += self.pack_one(*version, target, &mut pipe).await?;
                    packed.installers += 1;
                }
            }
        }
        pipe.finish().await?;
        Ok(packed)
    }

    async fn pack_one(
        &self,
        version: RustupVersion,
        target: &TargetName,
        pipe: &mut ArchivePipe,
    ) -> Result<u64, InstallerError> {
        let key = self.mirror.layout.installer(&version, target);
        let member = self.member(&key);
        let expected = self.check(version, target).await?;
        let mut object = self.mirror.store.get(&key).await?;
        let size = object.meta.size;
        pipe.begin_file(member.as_str(), size).await?;
        let mut hasher = Sha256Hasher::new();
        while let Some(bytes) = object.body.next().await {
            let bytes = bytes.map_err(InstallerError::body)?;
            hasher.update(&bytes);
            pipe.data(bytes).await?;
        }
        pipe.end_file().await?;
        let got = hasher.finish();
        if got != expected {
            let file = member;
            return Err(InstallerError::BadHash {
                file,
                got,
                expected,
            });
        }
        let at = sha256_beside(&key);
        let text = self.read_small(&at).await?;
        let text = text.ok_or_else(|| InstallerError::Missing {
            file: self.member(&at),
        })?;
        pipe.file(self.member(&at), text).await?;
        let label = self.label(version, target);
        self.events.emit(Event::Finished { label, size });
        Ok(size)
    }
}
