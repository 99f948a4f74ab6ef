//! What is to be done about one crate.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    CrateName, ErrorClass, IndexEntry, Key, MirrorLayout, Version,
    crates::{IndexFile, LockedCrate},
    ports::{IndexChange, Loaded, PublishedNote, Tag},
    sync::Failure,
};

/// What a mirror shows of one crate.
#[derive(Default)]
pub(super) struct Held {
    pub(super) file: IndexFile,
    /// The size of each crate file when it was published, as far as is known, in
    /// the order of the file.
    sizes: Vec<Option<u64>>,
    /// What the file was made from.
    pub(super) upstream: Option<Tag>,
}

impl Held {
    pub(super) fn new(file: IndexFile, note: PublishedNote) -> Self {
        Self {
            file,
            sizes: note.sizes,
            upstream: note.upstream,
        }
    }

    pub(super) fn has(&self, version: &Version) -> bool {
        self.file.version(version).is_some()
    }

    /// The size of a crate file when it was published, if that is known.
    pub(super) fn size(&self, version: &Version) -> Option<u64> {
        let mut entries = self.file.entries.iter();
        let at = entries.position(|entry| entry.version() == version)?;
        *self.sizes.get(at)?
    }

    fn into_sizes(self) -> HashMap<Version, u64> {
        let versions = self.file.entries.iter().map(|e| e.version().clone());
        let sizes = versions.zip(self.sizes);
        sizes.filter_map(|(v, size)| Some((v, size?))).collect()
    }
}

/// What is to be done about one crate.
pub(super) struct CratePlan {
    pub(super) name: CrateName,
    /// What the index shall show of the crate, in upstream's order, if that is
    /// not what it shows already.
    shown: Option<Vec<IndexEntry>>,
    /// The sizes of the crate files that are held, as far as is known.
    sizes: HashMap<Version, u64>,
    /// What `shown` was made from.
    upstream: Option<Tag>,
    /// Whether the index shows something else now.
    changed: bool,
    /// Whether the index shows nothing of the crate yet.
    new: bool,
    /// Which of those that are to be shown are to be fetched.
    pub(super) wanted: Vec<usize>,
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
    /// The plan to leave everything as it is; `new` is whether that is nothing.
    pub(super) fn new(name: CrateName, new: bool) -> Self {
        Self {
            name,
            shown: None,
            sizes: HashMap::new(),
            upstream: None,
            changed: false,
            new,
            wanted: Vec::new(),
            held_back: Vec::new(),
            present: 0,
            withdrawn: Vec::new(),
            failed: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether there is nothing to do, nor anything to be said.
    pub(super) fn is_idle(&self) -> bool {
        !self.changed
            && self.wanted.is_empty()
            && self.held_back.is_empty()
            && self.withdrawn.is_empty()
            && self.failed.is_empty()
            && self.notes.is_empty()
    }

    /// What the index shall show of a crate of which it shows what is `held`.
    pub(super) fn shown<'a>(&'a self, held: &'a Held) -> &'a [IndexEntry] {
        self.shown.as_deref().unwrap_or(&held.file.entries)
    }

    /// Keeps what of `held` the publication will have to know.
    pub(super) fn keep(&mut self, mut held: Held) {
        if !self.changed {
            self.upstream = held.upstream.take();
        }
        if self.shown.is_none() {
            // A few lines of a large file must not keep all of it.
            let entries = held.file.entries.iter().cloned();
            self.shown = Some(entries.map(IndexEntry::detached).collect());
        }
        self.sizes = held.into_sizes();
    }

    /// The entries that are to be fetched.
    pub(super) fn wanted_entries(&self) -> impl Iterator<Item = &IndexEntry> {
        let shown = self.shown.as_deref().unwrap_or_default();
        self.wanted.iter().filter_map(|at| shown.get(*at))
    }

    /// Takes over what upstream lists: the lines of what is held and of what is
    /// pinned, as upstream writes them now.
    pub(super) fn take_over(
        &mut self,
        listed: &IndexFile,
        tag: Tag,
        held: &Held,
        pins: &[&LockedCrate],
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
                Some(old) if old.checksum() != entry.checksum() => {
                    shown.push(old.clone().detached());
                }
                Some(_) => shown.push(entry.clone().detached()),
                None if wanted.contains(entry.version()) => shown.push(entry.clone().detached()),
                None => {}
            }
        }
        for entry in &held.file.entries {
            if listed.version(entry.version()).is_none() {
                self.withdrawn.push(label(entry.name(), entry));
                shown.push(entry.clone().detached());
            }
        }
        for line in &listed.rejected {
            let (name, number, reason) = (&self.name, line.number, &line.reason);
            let note =
                format!("upstream's index file of {name}, line {number}, is held back: {reason}");
            self.notes.push(note);
        }
        self.changed = shown != held.file.entries || held.upstream.as_ref() != Some(&tag);
        self.shown = Some(shown);
        self.upstream = Some(tag);
    }

    /// The crate is gone from upstream: what is held stays, the rest fails.
    pub(super) fn withdraw_all(&mut self, pins: &[&LockedCrate], held: &Held, reason: &str) {
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
        pins: impl IntoIterator<Item = &'a &'a LockedCrate>,
        class: ErrorClass,
        reason: &str,
    ) {
        for pin in pins {
            let label = format!("{} {}", pin.name, pin.version);
            self.failed.push(Failure::new(label, class, reason));
        }
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
        let all = self.shown.as_deref().unwrap_or_default();
        let shown: Vec<&IndexEntry> = all.iter().filter(is_there).collect();
        // A held crate that was lost and could not be had again must not be shown.
        let whole = shown.len() == all.len();
        let mended = self
            .wanted_entries()
            .any(|entry| sizes.contains_key(&key(entry)));
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
