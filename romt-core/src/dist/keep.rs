//! Keeping a manifest under its date.

use bytes::Bytes;

use super::{
    DistError, DistSession, Release,
    fetch::{MAX_MANIFEST, MAX_SHA256_FILE, MAX_SIGNATURE},
    journal::Intent,
};
use crate::{
    Event, Key,
    layout::{DistLayout, sha256_beside, signature_beside},
    toolchain::ManifestName,
};

impl DistSession {
    /// Keeps the manifest of a release under its date and its channel, where it never
    /// changes. Its components are to be here: whoever asks for the date may have them
    /// from now on.
    pub async fn keep(&mut self, release: &Release) -> Result<(), DistError> {
        self.begin_writing().await?;
        let name = release.canonical_name();
        let same_name = name == release.name;
        self.put_release(&name, release, same_name).await
    }

    /// Keeps the manifest under the name that it was fetched by, and no other.
    pub async fn keep_as_named(&mut self, release: &Release) -> Result<(), DistError> {
        self.begin_writing().await?;
        let name = release.name;
        let to = self.mirror.layout.manifest(&name);
        if name.date.is_some() {
            return self.put_release(&name, release, true).await;
        }
        // What is there is another release, and clients read three files of it.
        let aside = DistLayout::aside(&release.manifest.digest());
        self.put_files(&aside, release, true).await?;
        let intents = [
            Intent::Copy(aside.clone(), to.clone()),
            Intent::Delete(aside),
        ];
        self.do_all(&intents).await?;
        self.tell_published(&to);
        Ok(())
    }

    async fn put_release(
        &self,
        name: &ManifestName,
        release: &Release,
        verbatim: bool,
    ) -> Result<(), DistError> {
        let key = self.mirror.layout.manifest(name);
        self.put_files(&key, release, verbatim).await?;
        self.tell_published(&key);
        Ok(())
    }

    /// Puts a manifest and what is beside it; the digest file comes last, without which
    /// rustup sees nothing.
    async fn put_files(
        &self,
        key: &Key,
        release: &Release,
        verbatim: bool,
    ) -> Result<(), DistError> {
        let bytes = release.manifest.bytes().clone();
        let digest = release.manifest.digest();
        let own = || Bytes::from(crate::digest_file::sha256_file(digest, key.file_name()));
        let digest_file = match &release.digest_file {
            Some(text) if verbatim => text.clone(),
            _ => own(),
        };
        self.put_unless_same(key, bytes, MAX_MANIFEST).await?;
        if let Some(signature) = &release.signature {
            let at = signature_beside(key);
            self.put_unless_same(&at, signature.clone(), MAX_SIGNATURE)
                .await?;
        }
        self.put_unless_same(&sha256_beside(key), digest_file, MAX_SHA256_FILE)
            .await
    }

    pub(super) fn tell_published(&self, key: &Key) {
        let path = self.mirror.layout.member(key);
        self.events.emit(Event::Wrote { path: path.into() });
    }
}
