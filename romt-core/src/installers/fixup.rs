//! Telling clients which version is current, and giving them its installers.

use super::{InstallerError, InstallerSession, held::is_too_large};
use crate::{
    Key,
    layout::sha256_beside,
    ports::PutOptions,
    rustup::{ReleaseFile, RustupVersion, installer_name},
    toolchain::TargetName,
};

impl InstallerSession {
    /// Makes the newest of `versions` and of what is current the current one, and its
    /// installers those that the installer script gets. Returns it, and whether it is
    /// new.
    ///
    /// # Errors
    ///
    /// If there is nothing of one of these versions, or if an installer of the one that
    /// is to be current is not right. Then nothing has changed.
    pub async fn fixup(
        &mut self,
        versions: &[RustupVersion],
    ) -> Result<(RustupVersion, bool), InstallerError> {
        self.begin_writing().await?;
        let here = self.versions().await?;
        for version in versions {
            if !here.contains_key(version) {
                return Err(InstallerError::NoVersion { version: *version });
            }
        }
        let before = match self.current().await {
            Ok(version) => Some(version),
            // It is written anew.
            Err(InstallerError::Missing { .. } | InstallerError::Release { .. }) => None,
            Err(InstallerError::Body(error)) if is_too_large(&error) => None,
            Err(error) => return Err(error),
        };
        let newest = versions.iter().copied().max().max(before);
        let Some(newest) = newest else {
            let file = self.member(&self.mirror.layout.release_file());
            return Err(InstallerError::Missing { file });
        };
        let Some(targets) = here.get(&newest) else {
            return Err(InstallerError::NoVersion { version: newest });
        };
        for target in targets {
            self.check(newest, target).await?;
        }
        for target in targets {
            self.show(newest, target).await?;
        }
        let text = ReleaseFile { version: newest }.render();
        let key = self.mirror.layout.release_file();
        self.put_unless_same(&key, text.into()).await?;
        self.hide_others(newest).await?;
        Ok((newest, before != Some(newest)))
    }

    async fn show(
        &self,
        version: RustupVersion,
        target: &TargetName,
    ) -> Result<(), InstallerError> {
        let layout = self.mirror.layout;
        let (from, to) = (
            layout.installer(&version, target),
            layout.current_installer(target),
        );
        if self.digest_here(&to).await? != self.digest_here(&from).await? {
            self.copy(&from, &to).await?;
        }
        let (from, to) = (sha256_beside(&from), sha256_beside(&to));
        match self.read_small(&from).await? {
            Some(text) => self.put_unless_same(&to, text).await,
            None => Err(InstallerError::Missing {
                file: self.member(&from),
            }),
        }
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<(), InstallerError> {
        let store = &self.mirror.store;
        store.copy_opts(from, to, PutOptions::default()).await?;
        Ok(())
    }

    /// Removes the installers of other versions that the current one has none for.
    async fn hide_others(&self, version: RustupVersion) -> Result<(), InstallerError> {
        use futures::TryStreamExt as _;
        let here = self.versions().await?;
        let targets = here.get(&version);
        let root = self.mirror.layout.dist();
        let (store, top) = (&self.mirror.store, Some(&root));
        let listed: Vec<_> = store.list(Some(&root)).try_collect().await?;
        for meta in listed {
            let below = meta.key.as_str().strip_prefix(root.as_str());
            // Whatever else lies there is not ours: if DEST is a whole mirror, this is
            // the directory of its toolchains.
            let Some(target) = below.and_then(installer_of) else {
                continue;
            };
            if targets.is_none_or(|targets| !targets.contains(&target)) {
                store.delete(&meta.key).await?;
                store.tidy(&meta.key, top).await?;
            }
        }
        Ok(())
    }
}

/// The target whose installer or digest file is at `/TARGET/rustup-init…`.
fn installer_of(below: &str) -> Option<TargetName> {
    let (target, file) = below.strip_prefix('/')?.split_once('/')?;
    let target: TargetName = target.parse().ok()?;
    let rest = file.strip_prefix(installer_name(&target))?;
    matches!(rest, "" | ".sha256").then_some(target)
}
