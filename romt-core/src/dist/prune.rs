//! Letting old releases go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::TryStreamExt as _;

use super::{
    DistError, DistSession,
    journal::{Intent, MAX_JOURNAL, line},
    select::files_of,
};
use crate::{
    Key, StoreExt as _,
    toolchain::{Channel, ChannelManifest, DistPath, FormatChoice, ManifestName, ReleaseName},
};

/// Which releases may go, and what goes with them. Nothing was deleted yet.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PrunePlan {
    /// The releases that stay, by their idents.
    pub kept: Vec<String>,
    /// The releases that go, by their idents.
    pub going: Vec<String>,
    /// What is deleted, each with its digest file and its signature: names first, then of
    /// each release its manifests and the components that no release that stays has.
    pub files: Vec<Key>,
    /// How many bytes those components have.
    pub bytes: u64,
    /// Where in `files` a step ends, which is finished or was not begun.
    ends: Vec<usize>,
}

impl PrunePlan {
    fn end_step(&mut self) {
        if self.files.len() > self.ends.last().copied().unwrap_or_default() {
            self.ends.push(self.files.len());
        }
    }
}

impl DistSession {
    /// Says what goes if of each channel only the `keep` newest releases stay. A
    /// release that a name without a date shows stays in any case, and so does each
    /// file that a release that stays has.
    ///
    /// # Errors
    ///
    /// If a manifest here cannot be read: who knows what it needs.
    pub async fn plan_prune(&mut self, keep: usize) -> Result<PrunePlan, DistError> {
        self.begin_writing().await?;
        let mut by_channel: BTreeMap<Channel, Vec<ManifestName>> = BTreeMap::new();
        for (date, releases) in self.dated_manifests().await?.into_iter().rev() {
            for release in releases {
                if let ReleaseName::Channel(channel) = release {
                    let date = Some(date);
                    let name = ManifestName { release, date };
                    by_channel.entry(channel).or_default().push(name);
                }
            }
        }
        let mut plan = PrunePlan::default();
        let mut needed = BTreeSet::new();
        let mut going = Vec::new();
        for (channel, names) in by_channel {
            let shown = self.shown_date(channel).await?;
            for (age, name) in names.into_iter().enumerate() {
                let release = self.load(&name).await?;
                let manifest = release.manifest;
                if age < keep || name.date == shown {
                    plan.kept.push(manifest.ident());
                    needed.extend(paths_of(&manifest));
                } else {
                    plan.going.push(manifest.ident());
                    going.push((name, manifest));
                }
            }
        }
        for name in self.undated_manifests().await? {
            let release = self.load(&name).await?;
            let goes = |(going, _): &(ManifestName, _)| *going == release.canonical_name();
            if !going.iter().any(goes) {
                needed.extend(paths_of(&release.manifest));
            }
        }
        self.plan_files(&going, &needed, &mut plan).await?;
        Ok(plan)
    }

    /// Deletes what a plan says. A run that dies is finished by the next.
    pub async fn prune(&mut self, plan: &PrunePlan) -> Result<(), DistError> {
        self.begin_writing().await?;
        let (mut begin, mut intents, mut length) = (0, Vec::new(), 0);
        for end in plan.ends.iter().copied() {
            let step = plan.files[begin..end].iter().cloned().map(Intent::Delete);
            let step: Vec<Intent> = step.collect();
            let more: usize = step.iter().map(|intent| line(intent).len()).sum();
            // What would not fit into one journal is done one after the other.
            if length > 0 && length + more > MAX_JOURNAL {
                self.do_all(&intents).await?;
                intents.clear();
                length = 0;
            }
            intents.extend(step);
            length += more;
            begin = end;
        }
        self.do_all(&intents).await
    }

    async fn shown_date(
        &self,
        channel: Channel,
    ) -> Result<Option<crate::toolchain::ReleaseDate>, DistError> {
        let name = ManifestName {
            release: channel.into(),
            date: None,
        };
        self.date_here(&name).await
    }

    async fn plan_files(
        &self,
        going: &[(ManifestName, Arc<ChannelManifest>)],
        needed: &BTreeSet<DistPath>,
        plan: &mut PrunePlan,
    ) -> Result<(), DistError> {
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        let mut manifests = Vec::new();
        for (name, manifest) in going {
            let mut own = vec![layout.manifest(name)];
            for release in manifest.names() {
                let named = |date| ManifestName { release, date };
                let undated = named(None);
                if self.date_here(&undated).await? == Some(manifest.date()) {
                    plan.files.push(layout.manifest(&undated));
                }
                let key = layout.manifest(&named(Some(manifest.date())));
                if key != own[0] && store.try_head(&key).await?.is_some() {
                    own.push(key);
                }
            }
            manifests.push(own);
        }
        plan.end_step();
        let going_keys = plan.files.iter().chain(manifests.iter().flatten());
        let going_keys: BTreeSet<Key> = going_keys.cloned().collect();
        let stays = self.needed_by_others(&going_keys).await?;
        // What several of them have goes with the last.
        let mut last = BTreeMap::new();
        for (number, (_, manifest)) in going.iter().enumerate() {
            for path in paths_of(manifest) {
                if !needed.contains(&path) && !stays.contains(&path) {
                    last.insert(path, number);
                }
            }
        }
        let mut components: Vec<Vec<DistPath>> = vec![Vec::new(); going.len()];
        for (path, number) in last {
            components[number].push(path);
        }
        for (own, paths) in manifests.into_iter().zip(components) {
            plan.files.extend(own);
            for path in paths {
                let key = layout.component(&path);
                if let Some(meta) = store.try_head(&key).await? {
                    plan.bytes = plan.bytes.saturating_add(meta.size);
                    plan.files.push(key);
                }
            }
            plan.end_step();
        }
        Ok(())
    }

    /// What the manifests need that stay and are not under their channel and date:
    /// those without a date, and those with a date and a version.
    async fn needed_by_others(
        &self,
        going: &BTreeSet<Key>,
    ) -> Result<BTreeSet<DistPath>, DistError> {
        let layout = self.mirror.layout;
        let mut names = Vec::new();
        let mut listed = self.mirror.store.list(layout.root().as_ref());
        while let Some(meta) = listed.try_next().await? {
            let name = layout.rest(&meta.key).and_then(|rest| manifest_name(&rest));
            let of_channel = |name: &ManifestName| {
                name.date.is_some() && matches!(name.release, ReleaseName::Channel(_))
            };
            if let Some(name) = name.filter(|name| !of_channel(name) && !going.contains(&meta.key))
            {
                names.push(name);
            }
        }
        let mut needed = BTreeSet::new();
        for name in names {
            // A name that shows nothing whole needs nothing.
            if let Some(manifest) = self.manifest_here(&name).await? {
                needed.extend(paths_of(&manifest));
            }
        }
        Ok(needed)
    }
}

/// The name of the manifest at this path below the toolchains.
fn manifest_name(path: &str) -> Option<ManifestName> {
    let (date, file) = match path.split_once('/') {
        Some((date, file)) => (Some(date.parse().ok()?), file),
        None => (None, path),
    };
    let release = file.strip_prefix("channel-rust-")?.strip_suffix(".toml")?;
    let release = release.parse().ok()?;
    Some(ManifestName { release, date })
}

fn paths_of(manifest: &ChannelManifest) -> impl Iterator<Item = DistPath> + '_ {
    manifest
        .packages()
        .iter()
        .flat_map(|package| files_of(package, FormatChoice::All))
        .map(|file| file.path.clone())
}
