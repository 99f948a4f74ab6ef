//! Which toolchains and installers of rustup a mirror has.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    DistLayout, Key, RustupLayout, Sha256Digest, Store, StoreExt as _,
    ports::StoreError,
    rustup::{MAX_RELEASE_FILE_SIZE, ReleaseFile, RustupVersion, installer_name},
    toolchain::{
        Channel, ChannelManifest, DistPath, FormatChoice, MAX_MANIFEST_SIZE, ManifestName, Package,
        ReleaseDate, ReleaseName, TargetCounts, TargetKind, TargetName,
    },
};

use crate::{answer::Refusal, sending::refuse};

/// How many releases are told of with their targets.
const DETAILED: usize = 16;

/// How many of them have a command for each target: there may be a hundred targets.
const COMMANDED: usize = 3;

/// How many more are named.
const NAMED: usize = 400;

/// How many files are looked for at once.
const LOOKS: usize = 64;

/// What there is below `dist/` and `rustup/`.
#[derive(Debug, Default)]
pub(crate) struct Toolchains {
    /// The releases, those that have a name without a date first.
    pub(crate) releases: Vec<Release>,
    /// The names of older ones, as rustup takes them.
    pub(crate) older: Vec<String>,
    /// How many more names there are.
    pub(crate) unnamed: usize,
    pub(crate) rustup: Option<Rustup>,
}

/// A release that is here.
#[derive(Debug)]
pub(crate) struct Release {
    /// What rustup calls it, the shortest name first.
    pub(crate) names: Vec<String>,
    pub(crate) version: String,
    pub(crate) date: String,
    /// Where its compiler runs.
    pub(crate) hosts: Vec<TargetName>,
    /// What it can compile for besides.
    pub(crate) targets: Vec<TargetName>,
    /// Whether the command for each target is shown.
    pub(crate) has_commands: bool,
}

/// The installers of rustup.
#[derive(Debug)]
pub(crate) struct Rustup {
    /// The version that is current.
    pub(crate) version: Option<RustupVersion>,
    /// The installers of it.
    pub(crate) installers: Vec<Installer>,
}

/// An installer of rustup.
#[derive(Debug)]
pub(crate) struct Installer {
    pub(crate) target: TargetName,
    /// Where it is, below the address of the mirror.
    pub(crate) path: String,
    /// Whether its digest is beside it.
    pub(crate) has_digest: bool,
}

impl Release {
    /// The name that one installs it by.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// What installs it.
    pub(crate) fn install(&self) -> String {
        format!("rustup toolchain install {}", self.name())
    }

    /// What installs it on a machine that runs programs of `host`.
    pub(crate) fn install_on(&self, host: &TargetName) -> String {
        format!("rustup toolchain install {}-{host}", self.name())
    }

    /// What lets it compile for `target`.
    pub(crate) fn add(&self, target: &TargetName) -> String {
        format!("rustup target add --toolchain {} {target}", self.name())
    }
}

/// Looks at what is there now.
pub(crate) async fn look(store: Arc<dyn Store>) -> Result<Arc<Toolchains>, Refusal> {
    let found = look_at(&*store).await;
    found.map(Arc::new).map_err(|error| refuse(&error))
}

async fn look_at(store: &dyn Store) -> Result<Toolchains, StoreError> {
    let layout = DistLayout::default();
    let mut names = manifests(store, layout).await?;
    names.sort_unstable_by_key(order);
    let mut found = Toolchains::default();
    let mut known = Known::default();
    for name in names {
        if let Some(release) = known
            .by_day(&name)
            .and_then(|it| found.releases.get_mut(it))
        {
            release.names.push(name.to_string());
            continue;
        }
        if found.releases.len() >= DETAILED {
            if found.older.len() < NAMED {
                found.older.push(name.to_string());
            } else {
                found.unnamed += 1;
            }
            continue;
        }
        let Some(bytes) = read(store, layout, &name).await? else {
            continue;
        };
        // A release has several names.
        let digest = Sha256Digest::of(&bytes);
        let place = known.digests.get(&digest).copied();
        if let Some(release) = place.and_then(|place| found.releases.get_mut(place)) {
            release.names.push(name.to_string());
            continue;
        }
        let Some(manifest) = parse(bytes, &name).await else {
            continue;
        };
        known.note(digest, &manifest, found.releases.len());
        let counts = counted(store, layout, &manifest).await?;
        let mut release = release(&name, &manifest, &counts);
        release.has_commands = found.releases.len() < COMMANDED;
        found.releases.push(release);
    }
    found.rustup = rustup(store).await?;
    Ok(found)
}

/// Where in the list a release is that is told of.
#[derive(Default)]
struct Known {
    digests: BTreeMap<Sha256Digest, usize>,
    days: BTreeMap<(Channel, ReleaseDate), usize>,
}

impl Known {
    fn note(&mut self, digest: Sha256Digest, manifest: &ChannelManifest, place: usize) {
        self.digests.insert(digest, place);
        let day = (manifest.channel(), manifest.date());
        self.days.insert(day, place);
    }

    /// The release that a channel was on a day; there is no reading it again.
    fn by_day(&self, name: &ManifestName) -> Option<usize> {
        match (name.release, name.date) {
            (ReleaseName::Channel(channel), Some(date)) => self.days.get(&(channel, date)).copied(),
            _ => None,
        }
    }
}

/// What there is a manifest of.
async fn manifests(store: &dyn Store, layout: DistLayout) -> Result<Vec<ManifestName>, StoreError> {
    let root = layout.root();
    let files = store.list(root.as_ref());
    let names = files.try_filter_map(async |meta| Ok(manifest_at(layout, &meta.key)));
    names.try_collect().await
}

fn manifest_at(layout: DistLayout, key: &Key) -> Option<ManifestName> {
    let release = key.file_name().strip_prefix("channel-rust-")?;
    let release: ReleaseName = release.strip_suffix(".toml")?.parse().ok()?;
    let mut above = key.as_str().rsplit('/').skip(1);
    let date: Option<ReleaseDate> = above.next().and_then(|date| date.parse().ok());
    let name = ManifestName { release, date };
    (layout.manifest(&name) == *key).then_some(name)
}

/// Channels, then versions, then days; the newest first.
fn order(name: &ManifestName) -> impl Ord + use<> {
    use std::cmp::Reverse;
    let channel = |channel| match channel {
        Channel::Stable => 0,
        Channel::Beta => 1,
        Channel::Nightly => 2,
    };
    match (name.date, name.release) {
        (None, ReleaseName::Channel(it)) => (channel(it), Reverse(None), Reverse(None), 0),
        (None, ReleaseName::Minor { major, minor }) => {
            (3, Reverse(None), Reverse(Some((major, minor, u64::MAX))), 0)
        }
        (None, ReleaseName::Version(it)) => {
            let numbers = (it.major, it.minor, it.patch);
            (3, Reverse(None), Reverse(Some(numbers)), 1)
        }
        (date, ReleaseName::Channel(it)) => (4, Reverse(date), Reverse(None), channel(it)),
        (date, _) => (4, Reverse(date), Reverse(None), 3),
    }
}

/// The manifest of this name. What cannot be one is passed over, here and below:
/// whoever asks for it by its address will see.
async fn read(
    store: &dyn Store,
    layout: DistLayout,
    name: &ManifestName,
) -> Result<Option<Bytes>, StoreError> {
    let key = layout.manifest(name);
    match store.try_read(&key, MAX_MANIFEST_SIZE).await {
        Ok(found) => Ok(found.map(|(_, bytes)| bytes)),
        Err(StoreError::Body { .. } | StoreError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn parse(bytes: Bytes, name: &ManifestName) -> Option<ChannelManifest> {
    let label = name.file_name();
    let parsed = tokio::task::spawn_blocking(move || ChannelManifest::parse(bytes, &label));
    // Only a panic or the end of the runtime can fail the waiting.
    match parsed.await.ok()? {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, %name, "a manifest of the mirror is none");
            None
        }
    }
}

/// What is here of a release, told by the names of files.
async fn counted(
    store: &dyn Store,
    layout: DistLayout,
    manifest: &ChannelManifest,
) -> Result<TargetCounts, StoreError> {
    let all = manifest.packages().iter().flat_map(files);
    let paths: HashSet<DistPath> = all.cloned().collect();
    let here: HashSet<DistPath> = stream::iter(paths)
        .map(|path| async move {
            let found = store.try_head(&layout.component(&path)).await?;
            Ok::<_, StoreError>(found.map(|_| path))
        })
        .buffer_unordered(LOOKS)
        .try_filter_map(async |found| Ok(found))
        .try_collect()
        .await?;
    Ok(TargetCounts::of(manifest, |path| here.contains(path)))
}

fn files(package: &Package) -> impl Iterator<Item = &DistPath> {
    package.files(FormatChoice::All).map(|file| &file.path)
}

fn release(name: &ManifestName, manifest: &ChannelManifest, counts: &TargetCounts) -> Release {
    let of = |wanted| {
        let listed = counts
            .listed
            .iter()
            .filter(move |(_, kind)| *kind == wanted);
        listed.map(|(target, _)| target.clone()).collect()
    };
    Release {
        names: vec![name.to_string()],
        version: manifest.full_version().to_owned(),
        date: manifest.date().to_string(),
        hosts: of(TargetKind::Native),
        targets: of(TargetKind::Cross),
        has_commands: false,
    }
}

/// The installers that are here, if there are any.
async fn rustup(store: &dyn Store) -> Result<Option<Rustup>, StoreError> {
    let layout = RustupLayout::default();
    let pointer = layout.release_file();
    let version = match store.try_read(&pointer, MAX_RELEASE_FILE_SIZE).await {
        Ok(Some((_, bytes))) => ReleaseFile::parse(&bytes).ok().map(|file| file.version),
        Ok(None) | Err(StoreError::Body { .. } | StoreError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let root = layout.dist();
    let files = store.list(Some(&root)).map_ok(|meta| meta.key);
    let files: BTreeSet<Key> = files.try_collect().await?;
    let installers = files.iter().filter_map(|key| {
        let target = installer_at(layout, key)?;
        let path = format!("rustup/dist/{target}/{}", installer_name(&target));
        let digest: Key = format!("{key}.sha256").parse().ok()?;
        let has_digest = files.contains(&digest);
        Some(Installer {
            target,
            path,
            has_digest,
        })
    });
    let installers: Vec<Installer> = installers.collect();
    let is_any = version.is_some() || !installers.is_empty();
    Ok(is_any.then_some(Rustup {
        version,
        installers,
    }))
}

fn installer_at(layout: RustupLayout, key: &Key) -> Option<TargetName> {
    let target: TargetName = key.as_str().rsplit('/').nth(1)?.parse().ok()?;
    (layout.current_installer(&target) == *key).then_some(target)
}
