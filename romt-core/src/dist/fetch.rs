//! Getting a manifest, and judging it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{DistError, DistSession, SignaturePolicy};
use crate::{
    Event, Location, Sha256Digest, Source,
    digest_file::parse_sha256_file,
    layout::{manifest_path, signature_beside},
    ports::{SignatureError, SignatureFault},
    sync::fetch_small,
    toolchain::{ChannelManifest, ManifestName},
};

/// The longest manifest, in bytes.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;

/// The longest digest file, in bytes.
pub(super) const MAX_SHA256_FILE: u64 = 4 << 10;

/// The longest signature file, in bytes.
pub(super) const MAX_SIGNATURE: u64 = 64 << 10;

/// In seconds. Somewhere it is tomorrow already.
const A_DAY: u64 = 86_400;

/// How often a manifest is asked for whose digest file is of another one.
const TRIES: u32 = 3;

/// A release: a manifest that was judged, and what vouches for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Release {
    /// The name that it was asked for by.
    pub name: ManifestName,
    /// What it consists of.
    pub manifest: Arc<ChannelManifest>,
    /// The signature file, if signatures are looked at and there is one.
    pub signature: Option<Bytes>,
    /// The digest file, as it came, if there was one.
    pub(super) digest_file: Option<Bytes>,
}

impl Release {
    /// The name that says its date and its channel, under which it never changes.
    pub fn canonical_name(&self) -> ManifestName {
        ManifestName {
            release: self.manifest.channel().into(),
            date: Some(self.manifest.date()),
        }
    }
}

impl DistSession {
    /// Gets the manifest of this name from upstream, and judges it. Nothing is kept.
    ///
    /// What is here and still is what upstream has is not fetched again.
    ///
    /// # Errors
    ///
    /// If it has no good signature and one is required, if it is malformed or is the
    /// manifest of something else, if the one of its date that is here differs, and if
    /// its channel would go back without that being allowed.
    pub async fn fetch(
        &mut self,
        source: &dyn Source,
        name: &ManifestName,
    ) -> Result<Release, DistError> {
        self.begin_writing().await?;
        let mut tries = 0;
        let (bytes, signature, digest_file) = loop {
            tries += 1;
            let (bytes, signature, digest_file) = self.fetch_trio(source, name).await?;
            let file = self.member_of(name);
            let Some(text) = digest_file else {
                let message = format!("upstream has no {file}.sha256");
                self.events.emit(Event::Note { message });
                break (bytes, signature, None);
            };
            let expected = parse_digest(&file, &text)?;
            let got = Sha256Digest::of(&bytes);
            if got == expected {
                break (bytes, signature, Some(text));
            }
            if tries == TRIES {
                return Err(DistError::BadHash {
                    file,
                    got,
                    expected,
                });
            }
            // It may have been switched between our two questions.
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let file = self.member_of(name);
        let release = self.judge(&file, name, &bytes, signature, digest_file)?;
        self.compare_with_here(&release).await?;
        self.note_future(&release);
        Ok(release)
    }

    /// Tells of a release that is not out yet by our clock, which may well be wrong.
    fn note_future(&self, release: &Release) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        let (date, file) = (release.manifest.date(), self.member_of(&release.name));
        if date.begins_at() > now.saturating_add(A_DAY) {
            let message = format!("{file} is dated {date}, which is in the future by this clock");
            self.events.emit(Event::Note { message });
        }
    }

    async fn fetch_trio(
        &self,
        source: &dyn Source,
        name: &ManifestName,
    ) -> Result<(Bytes, Option<Bytes>, Option<Bytes>), DistError> {
        let path = manifest_path(name);
        let digest_file = self
            .fetch_file(source, &format!("{path}.sha256"), MAX_SHA256_FILE)
            .await?;
        let expected = digest_file
            .as_ref()
            .and_then(|text| parse_sha256_file(text).ok());
        let key = self.mirror.layout.manifest(name);
        let here = self.read_whole(&key, MAX_MANIFEST).await?;
        let bytes = match here {
            Some(here) if expected == Some(Sha256Digest::of(&here)) => here,
            _ => {
                let file = self.member_of(name);
                self.fetch_file(source, &path, MAX_MANIFEST)
                    .await?
                    .ok_or(DistError::Missing {
                        file: format!("{file} at {source}"),
                    })?
            }
        };
        let signature = match self.options.signatures {
            SignaturePolicy::Ignored => None,
            _ => {
                self.fetch_file(source, &format!("{path}.asc"), MAX_SIGNATURE)
                    .await?
            }
        };
        Ok((bytes, signature, digest_file))
    }

    /// A small file of upstream's; `None` if it has none.
    pub(super) async fn fetch_file(
        &self,
        source: &dyn Source,
        path: &str,
        limit: u64,
    ) -> Result<Option<Bytes>, DistError> {
        let location: Location = path.parse().map_err(|error| DistError::OwnFile {
            file: path.to_owned(),
            reason: format!("{error}"),
        })?;
        let (retry, events) = (&self.options.retry, &*self.events);
        let fetching = fetch_small(source, &location, limit, retry, events);
        tokio::select! {
            biased;
            () = self.options.cancel.cancelled() => Err(DistError::Cancelled),
            fetched = fetching => Ok(fetched?),
        }
    }

    /// Judges a manifest: its signature, its form, and that it is of this name.
    pub(super) fn judge(
        &self,
        file: &str,
        name: &ManifestName,
        bytes: &Bytes,
        signature: Option<Bytes>,
        digest_file: Option<Bytes>,
    ) -> Result<Release, DistError> {
        self.check_signature(file, bytes, signature.as_deref())?;
        let manifest = ChannelManifest::parse(bytes.clone(), file)?;
        manifest.check_name(name)?;
        Ok(Release {
            name: *name,
            manifest: Arc::new(manifest),
            signature,
            digest_file,
        })
    }

    /// Checks the signature of what is at hand, as strictly as the options say.
    pub(super) fn check_signature(
        &self,
        file: &str,
        bytes: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<(), DistError> {
        let Some(verifier) = self.options.signatures.verifier() else {
            return Ok(());
        };
        let judged = match signature {
            None => Err(SignatureError::missing(file)),
            Some(signature) => verifier.begin(file, signature).and_then(|mut check| {
                check.update(bytes);
                let mut hasher = crate::Sha256Hasher::new();
                hasher.update(bytes);
                check.finish(&hasher)
            }),
        };
        match judged {
            Ok(_) => Ok(()),
            Err(source) => self.bad_signature(file, source),
        }
    }

    /// Fails, or tells of it, as the options say.
    pub(super) fn bad_signature(
        &self,
        file: &str,
        source: SignatureError,
    ) -> Result<(), DistError> {
        if self.options.signatures.is_required() {
            let file = file.to_owned();
            return Err(match source.fault() {
                SignatureFault::Missing => DistError::Unsigned { file },
                _ => DistError::Signature { file, source },
            });
        }
        self.events.emit(Event::Unverified {
            label: file.into(),
            reason: source.to_string(),
        });
        Ok(())
    }

    /// Refuses what would change the past, or go back to it.
    pub(super) async fn compare_with_here(&self, release: &Release) -> Result<(), DistError> {
        let (canonical, name) = (release.canonical_name(), release.name);
        self.check_unchanged(&canonical, release).await?;
        if name.date.is_some() && name != canonical {
            self.check_unchanged(&name, release).await?;
        }
        if name.date.is_some() || self.options.allow_rollback {
            return Ok(());
        }
        match self.date_here(&name).await? {
            Some(here) if here > release.manifest.date() => Err(DistError::Rollback {
                file: self.member_of(&name),
                here,
                came: release.manifest.date(),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses another manifest than the one that is here under a name with a date.
    async fn check_unchanged(
        &self,
        name: &ManifestName,
        release: &Release,
    ) -> Result<(), DistError> {
        let key = self.mirror.layout.manifest(name);
        let Some(here) = self.read_whole(&key, MAX_MANIFEST).await? else {
            return Ok(());
        };
        let (here, came) = (Sha256Digest::of(&here), release.manifest.digest());
        // What is here may be damaged; then it is no evidence.
        if here == came || self.digest_beside(&key).await? != Some(here) {
            return Ok(());
        }
        Err(DistError::Changed {
            file: self.member_of(name),
            here,
            came,
        })
    }

    /// Where the signature of a manifest is, for messages and for reading.
    pub(super) fn signature_key(&self, name: &ManifestName) -> crate::Key {
        signature_beside(&self.mirror.layout.manifest(name))
    }

    /// What a manifest is called in messages and in archives.
    pub(super) fn member_of(&self, name: &ManifestName) -> String {
        let layout = self.mirror.layout;
        layout.member(&layout.manifest(name))
    }
}

/// The digest in the digest file of `file`.
pub(super) fn parse_digest(file: &str, text: &[u8]) -> Result<Sha256Digest, DistError> {
    parse_sha256_file(text).map_err(|source| DistError::DigestFile {
        file: format!("{file}.sha256"),
        source,
    })
}
