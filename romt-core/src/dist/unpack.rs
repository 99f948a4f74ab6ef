//! Taking releases out of an archive.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    io::Read,
};

use bytes::Bytes;

use super::{
    CarriedList, DistError, DistSession, Release, Wanted,
    component::Found,
    fetch::{MAX_MANIFEST, MAX_SHA256_FILE, MAX_SIGNATURE, parse_digest},
    pack::base_member,
    select::files_of,
    since::MAX_LIST,
};
use crate::{
    ErrorClass, Escaped, Key, Sha256Digest,
    layout::DistLayout,
    ports::StreamError,
    toolchain::{DistPath, FormatChoice, ManifestName, ReleaseName, TargetName, classify},
    transfer::{ArchiveError, ArchiveFeed, ArchiveLimits, FedFile, Place},
};

/// What was unpacked.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnpackedReleases {
    /// The releases, with what the archive brought of each or builds on.
    pub releases: Vec<(Release, Vec<Wanted>)>,
    /// How many components were not here yet.
    pub new: u64,
    /// What was put where nothing was.
    placed: Vec<Key>,
}

impl UnpackedReleases {
    /// The targets of a release that the archive brought something of.
    pub fn targets(release: &Release, wanted: &[Wanted]) -> Vec<TargetName> {
        let brought: BTreeSet<&DistPath> = wanted.iter().map(|wanted| &wanted.file.path).collect();
        let is_brought = |path: &DistPath| brought.contains(path);
        let manifest = &release.manifest;
        let mut targets: Vec<TargetName> = manifest.targets().to_vec();
        targets.retain(|target| classify(manifest, target, is_brought).is_some());
        targets
    }
}

/// How many bytes the manifests of one archive may have.
const MAX_MANIFESTS: u64 = 128 << 20;

/// An archive being taken apart.
pub(super) struct Unpacking {
    pub(super) name: Escaped,
    feed: ArchiveFeed,
    pub(super) releases: Vec<(Release, Vec<Wanted>)>,
    /// Every file that a manifest of the archive names, and whose it is.
    known: HashMap<DistPath, Known>,
    /// How many bytes the manifests have.
    manifests: u64,
    pub(super) new: u64,
    /// What was put where nothing was.
    pub(super) placed: Vec<Key>,
    /// What is to be put beside components.
    pub(super) beside: Vec<(Key, Bytes)>,
    /// What was read to find out that a manifest's own files are over.
    pub(super) next: Option<FedFile>,
}

/// A file that a manifest names.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) wanted: Wanted,
    /// The release that named it first.
    of: usize,
    /// Those that named it too.
    also: Vec<usize>,
    /// Whether it has come: it comes once, after the first of them.
    pub(super) came: bool,
}

impl Known {
    /// The releases that it belongs to.
    pub(super) fn owners(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.of).chain(self.also.iter().copied())
    }
}

impl Unpacking {
    pub(super) async fn next_file(&mut self) -> Result<Option<FedFile>, DistError> {
        match self.next.take() {
            Some(file) => Ok(Some(file)),
            None => Ok(self.feed.next_file().await?),
        }
    }

    pub(super) fn refused(&self, place: &Place, reason: impl Into<String>) -> DistError {
        ArchiveError::Refused {
            archive: self.name.clone(),
            place: place.clone(),
            reason: reason.into(),
        }
        .into()
    }

    /// Says where in the archive something is wrong.
    pub(super) fn at(&self, place: &Place) -> impl Fn(DistError) -> DistError + use<> {
        let (archive, place) = (self.name.clone(), place.clone());
        move |source| match source {
            source @ (DistError::Store(_) | DistError::Archive(_) | DistError::Cancelled) => source,
            source => DistError::InArchive {
                archive: archive.clone(),
                place: place.clone(),
                source: Box::new(source),
            },
        }
    }

    /// Takes note of a file that a release names. One file cannot have two digests.
    fn learn(&mut self, of: usize, wanted: Wanted) -> Result<bool, DistError> {
        let path = wanted.file.path.clone();
        match self.known.entry(path) {
            Entry::Vacant(entry) => {
                let also = Vec::new();
                let came = false;
                entry.insert(Known {
                    wanted,
                    of,
                    also,
                    came,
                });
                Ok(false)
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if known.wanted.file.digest != wanted.file.digest {
                    return Err(DistError::BadHash {
                        file: format!("dist/{}", wanted.file.path),
                        got: wanted.file.digest,
                        expected: known.wanted.file.digest,
                    });
                }
                if !known.owners().any(|owner| owner == of) {
                    known.also.push(of);
                }
                Ok(known.came)
            }
        }
    }

    /// Takes note that a component has come, for all releases that have named it.
    pub(super) fn came(&mut self, known: &Known) {
        for owner in known.owners() {
            self.releases[owner].1.push(known.wanted.clone());
        }
        if let Some(known) = self.known.get_mut(&known.wanted.file.path) {
            known.came = true;
        }
    }

    /// Reads a small file of the archive.
    pub(super) async fn small(&mut self, file: FedFile, limit: u64) -> Result<Bytes, DistError> {
        let place = file.entry.place.clone();
        match file.collect(limit).await {
            Ok(bytes) => Ok(bytes),
            Err(error @ StreamError::TooLarge { .. }) => {
                Err(self.refused(&place, error.to_string()))
            }
            Err(error) => Err(self.broken(error).await),
        }
    }

    /// The archive's own fault, if it has one.
    pub(super) async fn broken(&mut self, error: StreamError) -> DistError {
        match self.feed.fault().await {
            Some(fault) => fault.into(),
            None => DistError::body(error),
        }
    }
}

impl DistSession {
    /// Takes releases out of an archive, which messages call `name`.
    ///
    /// Everything is judged as it comes: names by the layout, manifests by their
    /// signatures, components by the manifests. No manifest is kept, which is for
    /// [`keep`](Self::keep) once the components are [verified](Self::verify). If the
    /// archive is at fault, what it brought is removed again; if anything else fails,
    /// what was right stays, and is not written again.
    ///
    /// # Errors
    ///
    /// If the archive is damaged, holds what no manifest in it names, brings nothing of
    /// a release, or builds on components that are not here.
    pub async fn unpack(
        &mut self,
        input: Box<dyn Read + Send>,
        name: &str,
    ) -> Result<UnpackedReleases, DistError> {
        self.begin_writing().await?;
        let limits = ArchiveLimits::default().with_crate_size(self.options.component_size_limit);
        let mut unpacking = Unpacking {
            name: Escaped::new(name),
            feed: ArchiveFeed::start(input, name, limits),
            releases: Vec::new(),
            known: HashMap::new(),
            manifests: 0,
            new: 0,
            placed: Vec::new(),
            beside: Vec::new(),
            next: None,
        };
        let taken = self.take_files(&mut unpacking).await;
        let unpacked = UnpackedReleases {
            releases: unpacking.releases,
            new: unpacking.new,
            placed: unpacking.placed,
        };
        match taken {
            Ok(()) => Ok(unpacked),
            Err(error) => {
                if matches!(error.class(), ErrorClass::Integrity | ErrorClass::Refused) {
                    self.take_back(&unpacked).await?;
                }
                Err(error)
            }
        }
    }

    /// Removes the components that an archive brought and that were not here before,
    /// for one that turns out to be wrong after all.
    pub async fn take_back(&mut self, unpacked: &UnpackedReleases) -> Result<(), DistError> {
        for key in &unpacked.placed {
            self.delete_trio(key).await?;
        }
        Ok(())
    }

    async fn take_files(&mut self, unpacking: &mut Unpacking) -> Result<(), DistError> {
        while let Some(file) = unpacking.next_file().await? {
            if self.options.cancel.is_cancelled() {
                return Err(DistError::Cancelled);
            }
            self.take_file(unpacking, file).await?;
        }
        self.put_beside_all(unpacking).await?;
        let nothing = |what: String| DistError::BringsNothing {
            archive: unpacking.name.clone(),
            what,
        };
        if unpacking.releases.is_empty() {
            return Err(nothing("a release".into()));
        }
        match unpacking.releases.iter().find(|it| it.1.is_empty()) {
            Some((release, _)) => Err(nothing(self.member_of(&release.name))),
            None => Ok(()),
        }
    }

    async fn take_file(
        &mut self,
        unpacking: &mut Unpacking,
        file: FedFile,
    ) -> Result<(), DistError> {
        let member = file.entry.path.clone();
        let unexpected = format!("unexpected archive member {member}");
        let place = file.entry.place.clone();
        let Some(path) = DistLayout::below(&member) else {
            return Err(unpacking.refused(&place, unexpected));
        };
        if let Some(name) = manifest_name(path) {
            let at = unpacking.at(&place);
            let taken = self.take_release(unpacking, name, &member, file).await;
            return taken.map_err(at);
        }
        let component: Option<DistPath> = path.parse().ok();
        let known = component.and_then(|path| unpacking.known.get(&path).cloned());
        if let Some(known) = known {
            let at = unpacking.at(&place);
            return self
                .take_component(unpacking, known, file)
                .await
                .map_err(at);
        }
        let why = "no manifest before it in the archive names it";
        Err(unpacking.refused(&place, format!("{unexpected}: {why}")))
    }

    /// Takes a manifest and what is beside it, and judges them.
    async fn take_release(
        &mut self,
        unpacking: &mut Unpacking,
        name: ManifestName,
        member: &str,
        file: FedFile,
    ) -> Result<(), DistError> {
        let place = file.entry.place.clone();
        let bytes = unpacking.small(file, MAX_MANIFEST).await?;
        unpacking.manifests += bytes.len() as u64;
        if unpacking.manifests > MAX_MANIFESTS {
            let reason =
                format!("the manifests have more bytes in all than the limit of {MAX_MANIFESTS}");
            return Err(unpacking.refused(&place, reason));
        }
        let (mut digest_file, mut signature, mut base) = (None, None, None);
        while let Some(file) = unpacking.next_file().await? {
            let (beside, limit) = match file.entry.path.strip_prefix(member) {
                Some(".sha256") => (&mut digest_file, MAX_SHA256_FILE),
                Some(".asc") => (&mut signature, MAX_SIGNATURE),
                _ if file.entry.path == base_member(member) => (&mut base, MAX_LIST),
                _ => {
                    unpacking.next = Some(file);
                    break;
                }
            };
            *beside = Some(unpacking.small(file, limit).await?);
        }
        let Some(text) = digest_file else {
            let reason = format!("{member}.sha256 does not come behind it");
            return Err(unpacking.refused(&place, reason));
        };
        let (got, expected) = (Sha256Digest::of(&bytes), parse_digest(member, &text)?);
        if got != expected {
            return Err(DistError::BadHash {
                file: member.to_owned(),
                got,
                expected,
            });
        }
        let signature = signature.filter(|_| self.options.signatures.verifier().is_some());
        let release = self.judge(member, &name, &bytes, signature, Some(text))?;
        self.compare_with_here(&release).await?;
        let of = unpacking.releases.len();
        let mut shared = Vec::new();
        for package in release.manifest.packages() {
            for file in files_of(package, FormatChoice::All) {
                let wanted = Wanted::new(&package.component, package.target.as_ref(), file);
                if unpacking.learn(of, wanted.clone())? {
                    shared.push(wanted);
                }
            }
        }
        unpacking.releases.push((release, shared));
        match base {
            Some(base) => self.take_base(unpacking, of, member, &base).await,
            None => Ok(()),
        }
    }

    /// Checks that what an archive builds on is here.
    async fn take_base(
        &self,
        unpacking: &mut Unpacking,
        of: usize,
        member: &str,
        base: &[u8],
    ) -> Result<(), DistError> {
        let base = CarriedList::parse(base, &base_member(member))?;
        for (path, digest) in base.known() {
            let lacks = |why| DistError::LacksBase {
                archive: unpacking.name.clone(),
                file: format!("dist/{}", path.as_str()),
                why,
            };
            let known = unpacking.known.get(path);
            let is_it = |known: &&Known| known.wanted.file.digest == *digest;
            let Some(Known { wanted, .. }) = known.filter(is_it) else {
                return Err(lacks(" and not in its manifest either"));
            };
            match self.look_at(wanted, true).await {
                Found::Right => {}
                Found::Missing => return Err(lacks("")),
                Found::Unreadable(error) => return Err(error.into()),
                _ => return Err(lacks(" as it should be")),
            }
            let wanted = wanted.clone();
            unpacking.releases[of].1.push(wanted);
        }
        Ok(())
    }
}

/// The release that `DATE/channel-rust-CHANNEL.toml` is the manifest of.
fn manifest_name(path: &str) -> Option<ManifestName> {
    let (date, file) = path.split_once('/')?;
    let release: ReleaseName = file
        .strip_prefix("channel-rust-")?
        .strip_suffix(".toml")?
        .parse()
        .ok()?;
    let date = date.parse().ok()?;
    matches!(release, ReleaseName::Channel(_)).then_some(ManifestName {
        release,
        date: Some(date),
    })
}
