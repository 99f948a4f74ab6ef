//! Giving a release the names that rustup asks for.

use super::{DistError, DistSession, Release, journal::Intent};
use crate::toolchain::{Channel, ManifestName, ReleaseName, Stage};

impl DistSession {
    /// Lets the release of this name, which is here under its date, be found by all
    /// the names that are its own: `stable`, `1.76` and `1.76.0`, or `nightly`, or
    /// `beta` and `1.77.0-beta.1`. A name that another, newer release has stays.
    ///
    /// Returns the release.
    pub async fn publish(&mut self, name: &ManifestName) -> Result<Release, DistError> {
        self.begin_writing().await?;
        let release = self.load(name).await?;
        let canonical = release.canonical_name();
        let release = if canonical == *name {
            release
        } else {
            self.load(&canonical).await?
        };
        let layout = self.mirror.layout;
        let from = layout.manifest(&canonical);
        let mut intents = Vec::new();
        let mut told = Vec::new();
        for to in self.names_of(&release).await? {
            let to = layout.manifest(&to);
            intents.push(Intent::Copy(from.clone(), to.clone()));
            told.push(to);
        }
        self.do_all(&intents).await?;
        for key in &told {
            self.tell_published(key);
        }
        Ok(release)
    }

    /// The names that are this release's now.
    async fn names_of(&self, release: &Release) -> Result<Vec<ManifestName>, DistError> {
        let manifest = &release.manifest;
        let undated = |release: ReleaseName| ManifestName {
            release,
            date: None,
        };
        let mut names = Vec::new();
        for name in manifest.names() {
            let fixed = is_fixed(name);
            let stays = !fixed && self.is_newer_here(&undated(name), release).await?;
            if fixed && manifest.channel() == Channel::Stable {
                names.push(ManifestName {
                    release: name,
                    date: Some(manifest.date()),
                });
            }
            if !stays {
                names.push(undated(name));
            }
        }
        Ok(names)
    }

    /// Whether a newer release has this name, and is to keep it.
    async fn is_newer_here(
        &self,
        name: &ManifestName,
        release: &Release,
    ) -> Result<bool, DistError> {
        let here = self.manifest_here(name).await?;
        Ok(!self.options.allow_rollback
            && here.is_some_and(|here| here.date() > release.manifest.date()))
    }
}

/// Whether a name will never be another release's.
fn is_fixed(name: ReleaseName) -> bool {
    matches!(name, ReleaseName::Version(version) if version.stage != Stage::Beta(None))
}
