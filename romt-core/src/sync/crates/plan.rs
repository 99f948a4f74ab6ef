//! What is to be done about one crate.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    Artifact, CrateName, ErrorClass, IndexEntry, Key, MirrorLayout, Version,
    crates::{IndexFile, LockedCrate},
    ports::{IndexChange, Loaded, PublishedNote, Tag},
    sync::Failure,
};

/// What a mirror shows of one crate.
#[derive(Default)]
pub(super) struct Held {
    pub(super) file: IndexFile,
    /// The size of each crate file when it was published, as far as is known.
    pub(super) sizes: HashMap<Version, u64>,
    /// What the file was made from.
    pub(super) upstream: Option<Tag>,
}

impl Held {
    pub(super) fn new(file: IndexFile, note: PublishedNote) -> Self {
        let versions = file.entries.iter().map(|entry| entry.version().clone());
        let sizes = versions.zip(note.sizes);
        Self {
            sizes: sizes.filter_map(|(v, size)| Some((v, size?))).collect(),
            upstream: note.upstream,
            file,
        }
    }

    pub(super) fn has(&self, version: &Version) -> bool {
        self.file.version(version).is_some()
    }
}

/// What is to be done about one crate.
pub(super) struct CratePlan {
    pub(super) name: CrateName,
    /// What the index shall show of the crate, in upstream's order.
    pub(super) shown: Vec<IndexEntry>,
    /// The sizes of the crate files that are held, as far as is known.
    sizes: HashMap<Version, u64>,
    /// What `shown` was made from.
    upstream: Option<Tag>,
    /// Whether the index shows something else now.
    changed: bool,
    /// Whether the index shows nothing of the crate yet.
    new: bool,
    /// What is to be fetched.
    pub(super) missing: Vec<Artifact>,
    /// What was to be fetched, once that is under way.
    pub(super) wanted: Vec<Key>,
    /// What is not there and cannot be fetched.
    pub(super) held_back: Vec<Key>,
    /// How many versions are held already.
    pub(super) present: u64,
    pub(super) withdrawn: Vec<Arc<str>>,
    pub(super) failed: Vec<Failure>,
    /// Lines of upstream's index file that are held back.
    pub(super) notes: Vec<String>,
}

impl CratePlan {
    /// The plan to leave everything as it is.
    pub(super) fn new(name: CrateName, held: &Held) -> Self {
        Self {
            name,
            shown: held.file.entries.clone(),
            sizes: held.sizes.clone(),
            upstream: held.upstream.clone(),
            changed: false,
            new: held.file.entries.is_empty(),
            missing: Vec::new(),
            wanted: Vec::new(),
            held_back: Vec::new(),
            present: 0,
            withdrawn: Vec::new(),
            failed: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes over what upstream lists: the lines of what is held and of what is
    /// pinned, as upstream writes them now.
    pub(super) fn take_over(
        &mut self,
        listed: &IndexFile,
        tag: Tag,
        held: &Held,
        pins: &[LockedCrate],
    ) {
        let mut wanted: HashSet<&Version> = HashSet::new();
        for pin in pins {
            match judge(pin, listed, held) {
                Ok(()) => {
                    wanted.insert(&pin.version);
                }
                Err(failure) => self.failed.extend(failure),
            }
        }
        let mut shown: Vec<IndexEntry> = Vec::new();
        for entry in &listed.entries {
            match held.file.version(entry.version()) {
                // Bytes under a version never change; see `judge`.
                Some(old) if old.checksum() != entry.checksum() => shown.push(old.clone()),
                Some(_) => shown.push(entry.clone().detached()),
                None if wanted.contains(entry.version()) => shown.push(entry.clone().detached()),
                None => {}
            }
        }
        for entry in &held.file.entries {
            if listed.version(entry.version()).is_none() {
                self.withdrawn.push(label(entry.name(), entry));
                shown.push(entry.clone());
            }
        }
        for line in &listed.rejected {
            let (name, number, reason) = (&self.name, line.number, &line.reason);
            let note =
                format!("upstream's index file of {name}, line {number}, is held back: {reason}");
            self.notes.push(note);
        }
        self.changed = shown != held.file.entries || self.upstream.as_ref() != Some(&tag);
        self.shown = shown;
        self.upstream = Some(tag);
    }

    /// The crate is gone from upstream: what is held stays, the rest fails.
    pub(super) fn withdraw_all(&mut self, pins: &[LockedCrate], held: &Held, reason: &str) {
        let entries = held.file.entries.iter();
        self.withdrawn
            .extend(entries.map(|entry| label(entry.name(), entry)));
        let lost = pins.iter().filter(|pin| !held.has(&pin.version));
        self.fail(lost, ErrorClass::Partial, reason);
    }

    /// What upstream says of the crate could not be had or is no index file. What
    /// is held stays as it was, and that it is up to date is not known.
    pub(super) fn fail<'a>(
        &mut self,
        pins: impl IntoIterator<Item = &'a LockedCrate>,
        class: ErrorClass,
        reason: &str,
    ) {
        for pin in pins {
            let label = format!("{} {}", pin.name, pin.version);
            self.failed.push(Failure::new(label, class, reason));
        }
    }

    /// Hands over what is to be fetched, and lets go of what is not needed any more:
    /// there is a plan for every crate.
    pub(super) fn begin(&mut self) -> Vec<Artifact> {
        let missing = std::mem::take(&mut self.missing);
        self.wanted = missing.iter().map(|wanted| wanted.key.clone()).collect();
        self.notes = Vec::new();
        let idle = self.wanted.is_empty() && self.held_back.is_empty();
        if idle && !self.changed {
            // Nothing will be said of it, see `into_change`.
            self.shown = Vec::new();
            self.sizes = HashMap::new();
        }
        missing
    }

    /// What the index is to be told, if anything: `missing` is not in the store,
    /// and of what was fetched `sizes` are known.
    pub(super) fn into_change(
        self,
        layout: MirrorLayout,
        missing: &HashSet<Key>,
        sizes: &HashMap<Key, u64>,
    ) -> Option<IndexChange> {
        let key = |entry: &IndexEntry| layout.crate_file(entry.name(), entry.version());
        let is_there = |entry: &&IndexEntry| missing.is_empty() || !missing.contains(&key(entry));
        let shown: Vec<&IndexEntry> = self.shown.iter().filter(is_there).collect();
        // A held crate that was lost and could not be had again must not be shown.
        let whole = shown.len() == self.shown.len();
        let mended = self.wanted.iter().any(|key| sizes.contains_key(key));
        if !self.changed && whole && !mended {
            return None;
        }
        if shown.is_empty() && self.new {
            return None;
        }
        let size = |entry: &IndexEntry| {
            let fetched = sizes.get(&key(entry)).copied();
            fetched.or_else(|| self.sizes.get(entry.version()).copied())
        };
        // Without a tag the next run looks at the whole file again, and tries
        // what is held back again.
        let complete = whole && self.failed.is_empty();
        Some(IndexChange {
            note: PublishedNote {
                upstream: self.upstream.filter(|_| complete),
                sizes: shown.iter().map(|entry| size(entry)).collect(),
            },
            body: (!shown.is_empty()).then(|| IndexFile::render(shown)),
            name: self.name,
        })
    }
}

/// Whether a pin can be had from what upstream lists; if not, the failure,
/// unless the mirror holds what the pin asks for.
fn judge(pin: &LockedCrate, listed: &IndexFile, held: &Held) -> Result<(), Option<Failure>> {
    let label: Arc<str> = format!("{} {}", pin.name, pin.version).into();
    let fail = |class, reason: String| Err(Some(Failure::new(label.clone(), class, reason)));
    let Some(entry) = listed.version(&pin.version) else {
        if held.has(&pin.version) {
            return Err(None);
        }
        let held_back = listed.rejected.first();
        let hint = held_back
            .map(|line| format!(" (line {} was held back: {})", line.number, line.reason))
            .unwrap_or_default();
        let reason = format!("upstream's index does not list this version{hint}");
        return fail(ErrorClass::Partial, reason);
    };
    if let Some(old) = held.file.version(&pin.version) {
        // What a lock file says of what is held is compared where it is counted.
        if old.checksum() == entry.checksum() {
            return Ok(());
        }
        let (old, new) = (old.checksum(), entry.checksum());
        let reason = format!(
            "upstream's index changed its digest from {old} to {new}; the mirror keeps what it has"
        );
        return fail(ErrorClass::Integrity, reason);
    }
    if let Some(locked) = pin.checksum.filter(|locked| locked != entry.checksum()) {
        let reason = format!(
            "the lock file says its digest is {locked}, upstream's index says {}",
            entry.checksum()
        );
        return fail(ErrorClass::Integrity, reason);
    }
    if *entry.name() != pin.name {
        let reason = format!("upstream spells this crate `{}`", entry.name());
        return fail(ErrorClass::Partial, reason);
    }
    Ok(())
}

/// What the failure is if the mirror holds a version with another digest than a
/// lock file pins.
pub(super) fn contradiction(pin: &LockedCrate, entry: &IndexEntry) -> Option<Failure> {
    let locked = pin.checksum.filter(|locked| locked != entry.checksum())?;
    let reason = format!(
        "the lock file says its digest is {locked}, the mirror holds {}",
        entry.checksum()
    );
    let label = label(&pin.name, entry);
    Some(Failure::new(label, ErrorClass::Integrity, reason))
}

pub(super) fn label(name: &CrateName, entry: &IndexEntry) -> Arc<str> {
    format!("{name} {}", entry.version()).into()
}

/// Parses an index file: a large one away from the threads that serve others.
pub(super) async fn parse(
    name: &CrateName,
    body: bytes::Bytes,
) -> Result<IndexFile, crate::crates::IndexFileError> {
    const LARGE: usize = 1024 * 1024;
    if body.len() < LARGE {
        return IndexFile::parse(name, &body);
    }
    let name = name.clone();
    let parsed = tokio::task::spawn_blocking(move || IndexFile::parse(&name, &body)).await;
    parsed.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The file in an answer, if there is one.
pub(super) fn body_of(loaded: Loaded) -> Option<bytes::Bytes> {
    match loaded {
        Loaded::Fresh { body, .. } => Some(body),
        Loaded::Unchanged | Loaded::Absent => None,
    }
}
