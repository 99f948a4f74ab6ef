//! Fetching and verifying what a range adds.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, future};

use super::{
    FullError, Session,
    check::{Found, Look, check_all},
};
use crate::{
    Artifact, ErrorClass, Event, EventSink, Key, MirrorLayout, Sha256Digest, Source, StoreExt as _,
    crates::{CrateName, CrateRows, DownloadTemplate, Rows, VersionRow},
    ports::{Position, Sha256Verifier},
    sync::{Engine, EngineOptions, Failure},
};

/// What became of the crates of a range.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CrateOutcome {
    /// How many are here and right.
    pub good: u64,
    /// How many of those were fetched.
    pub fetched: u64,
    /// How many bytes were fetched.
    pub bytes: u64,
    /// Those of the range that are not, with the reasons.
    pub bad: Vec<Failure>,
    /// Those that were held back before and still are, with the reasons.
    pub still_held_back: Vec<Failure>,
}

impl CrateOutcome {
    /// The gravest class among what is bad, or `None` if nothing is.
    pub fn class(&self) -> Option<ErrorClass> {
        let classes = self.bad.iter().map(|failure| failure.class);
        classes.reduce(ErrorClass::max)
    }
}

/// A crate as events and outcomes call it, and as filters select it.
pub(super) fn label(name: &CrateName, row: &VersionRow) -> Arc<str> {
    format!("{name}@{}", row.version).into()
}

impl Session {
    /// Fetches what the range adds and is not here, and what was held back.
    ///
    /// A crate that is here is read and judged first, unless the options say that
    /// being here is enough. One that replaces another under the same version is
    /// fetched aside; then the old one is shown no more, and the new one takes its
    /// place.
    pub async fn download(
        &mut self,
        source: Arc<dyn Source>,
        template: &DownloadTemplate,
    ) -> Result<CrateOutcome, FullError> {
        self.begin_writing().await?;
        let range = self.range().await?;
        let wanted = range.wanted();
        let replacing = self.replacing(&range.end, &wanted).await?;
        let mut judge = Judge::new(&wanted, &range.held_back);
        let events: Arc<dyn EventSink> = Arc::new(HeldBackQuietly {
            events: self.events.clone(),
            held_back: judge.held_back.clone(),
        });
        let look = Look::before_showing(self.options.assume_ok);
        let planner = Planner {
            layout: self.mirror.layout,
            template,
            assumes: self.options.assume_ok,
            replacing: &replacing,
            events: &events,
            refused: Mutex::default(),
        };
        let checks = check_all(&self.mirror.store, planner.layout, &wanted, look);
        let plan =
            checks.filter_map(|(name, row, found)| future::ready(planner.plan(name, row, &found)));
        let fetched = self
            .engine(source)
            .run(plan, &events, &self.options.cancel)
            .await;
        let refused = planner.refused();
        if fetched.cancelled {
            return Err(FullError::Cancelled);
        }
        let mut failures = fetched.failed.into_iter().map(|(_, failure)| failure);
        if fetched.stopped {
            let failure = failures.find(|failure| failure.class == ErrorClass::Storage);
            if let Some(failure) = failure {
                return Err(FullError::StoreStopped { failure });
            }
        }
        judge.note(failures.chain(refused));
        self.replace(&replacing, &wanted, &judge).await?;
        self.note_bad(&wanted, &judge, &replacing).await?;
        let (good, mut outcome) = judge.settle(wanted);
        outcome.fetched = fetched.fetched;
        outcome.bytes = fetched.bytes;
        let known = if self.options.assume_ok {
            &mut self.verified
        } else {
            &mut self.durable
        };
        *known = std::mem::take(known).union(good);
        Ok(outcome)
    }

    fn engine(&self, source: Arc<dyn Source>) -> Engine {
        let options = EngineOptions::new(
            self.options.jobs,
            self.options.retry.clone(),
            self.options.crate_size_limit,
        )
        .without_sizes();
        let store = self.mirror.store.clone();
        Engine::new(source, store, Arc::new(Sha256Verifier), options)
    }

    /// Reads and judges what the range adds, and what was held back and is here.
    /// What this session has fetched or unpacked, and so judged, is not read again.
    pub async fn verify(&mut self) -> Result<CrateOutcome, FullError> {
        let range = self.range().await?;
        let wanted = range.wanted();
        let mut judge = Judge::new(&wanted, &range.held_back);
        let mut unread = wanted.clone();
        unread.retain(|name, row| {
            let is_known = self.durable.has(name, row);
            if is_known {
                let label = label(name, row);
                self.events.emit(Event::AlreadyPresent { label });
            }
            !is_known
        });
        self.judge_files(&unread, &mut judge).await?;
        self.note_bad(&wanted, &judge, &Rows::default()).await?;
        let (good, outcome) = judge.settle(wanted);
        self.verified = std::mem::take(&mut self.verified).union(good);
        Ok(outcome)
    }

    /// Reads the files of `rows`, and tells `judge` of those that are not right.
    async fn judge_files(&self, rows: &Rows, judge: &mut Judge) -> Result<(), FullError> {
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        let mut checks = std::pin::pin!(check_all(store, layout, rows, Look::Reads));
        while let Some((name, row, found)) = checks.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(FullError::Cancelled);
            }
            let label = label(name, row);
            let key = layout.crate_file(name, &row.version);
            let Some((class, reason)) = found.fault(&key, &row.checksum) else {
                self.events.emit(Event::AlreadyPresent { label });
                continue;
            };
            let failure = Failure::new(label, class, reason);
            if !judge.held_back.contains(&failure.label) {
                self.events.emit(failed(&failure));
            }
            judge.note([failure]);
        }
        Ok(())
    }

    /// Remembers what is not right, for the mark to show it no more, and forgets that
    /// it ever was. Of what could not be replaced, the old one may be gone as well.
    async fn note_bad(
        &mut self,
        wanted: &Rows,
        judge: &Judge,
        replacing: &Rows,
    ) -> Result<(), FullError> {
        if judge.bad.is_empty() {
            return Ok(());
        }
        let mut bad = wanted.clone();
        bad.retain(|name, row| judge.is_bad(name, row));
        let mut old = replacing.clone();
        old.retain(|name, row| bad.version(name, &row.version).is_some());
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        let gone: Vec<CrateRows> = check_all(store, layout, &old, Look::Reads)
            .filter_map(|(name, row, found)| {
                let is_right = matches!(found, Found::Right);
                future::ready((!is_right).then(|| CrateRows::one(name, row)))
            })
            .collect()
            .await;
        self.forget(&bad);
        self.bad.push(bad);
        self.bad.push(gone.into_iter().collect());
        Ok(())
    }

    /// Counts these as right no longer.
    pub(super) fn forget(&mut self, rows: &Rows) {
        for known in [&mut self.durable, &mut self.verified] {
            known.retain(|name, row| rows.version(name, &row.version).is_none());
        }
    }

    /// What is shown with another digest than `wanted` has it.
    pub(super) async fn replacing(&self, end: &Position, wanted: &Rows) -> Result<Rows, FullError> {
        let index = &self.mirror.index;
        let Some(shown) = index.shown().await?.filter(|_| !wanted.is_empty()) else {
            return Ok(Rows::default());
        };
        let filter = &self.options.filter;
        let mut old = index.difference(Some(end), &shown, filter).await?.added;
        old.retain(|name, row| {
            let new = wanted.version(name, &row.version);
            new.is_some_and(|new| new.checksum != row.checksum)
        });
        self.guard_changes(old.len() as u64, &shown).await?;
        Ok(old)
    }

    /// Puts what was fetched aside into the place of what it replaces, which is
    /// shown no more from then on until the new state is.
    async fn replace(&self, old: &Rows, wanted: &Rows, judge: &Judge) -> Result<(), FullError> {
        let store = &self.mirror.store;
        let mut ready = Vec::new();
        for (name, row) in old.iter() {
            let new = wanted.version(name, &row.version);
            // One that was in its place already was not fetched.
            if let Some(new) = new.filter(|new| !judge.is_bad(name, new))
                && store.try_head(&aside(name, new)).await?.is_some()
            {
                ready.push((name, row, new));
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let rows = ready.iter().map(|(name, row, _)| CrateRows::one(name, row));
        self.mirror.index.withdraw(&rows.collect()).await?;
        for (name, _, new) in ready {
            self.take_from_aside(name, new).await?;
        }
        Ok(())
    }
}

/// Where crates wait whose places others have.
pub(super) fn aside_root() -> Key {
    ".romt/aside".parse().expect("a constant")
}

/// Where a crate waits whose place another one has. Two versions may have the same
/// bytes.
pub(super) fn aside(name: &CrateName, row: &VersionRow) -> Key {
    // Written out, the three are longer than a file's name may be.
    let what = format!("{name}@{} {}", row.version, row.checksum);
    format!("{}/{}", aside_root(), Sha256Digest::of(what))
        .parse()
        .expect("a digest makes a valid key")
}

pub(super) fn failed(failure: &Failure) -> Event {
    Event::Failed {
        label: failure.label.clone(),
        class: failure.class,
        reason: failure.reason.clone(),
    }
}

/// Turns what is wanted and not here into artifacts.
struct Planner<'a> {
    layout: MirrorLayout,
    template: &'a DownloadTemplate,
    /// Whether being there was enough to be found right.
    assumes: bool,
    /// What is shown under the same version and has other bytes.
    replacing: &'a Rows,
    events: &'a Arc<dyn EventSink>,
    refused: Mutex<Vec<Failure>>,
}

impl Planner<'_> {
    fn plan(&self, name: &CrateName, row: &VersionRow, found: &Found) -> Option<Artifact> {
        let label = label(name, row);
        let replaces = self.replacing.version(name, &row.version).is_some();
        // That something is there says nothing where something else was.
        if matches!(found, Found::Right) && !(self.assumes && replaces) {
            self.events.emit(Event::AlreadyPresent { label });
            return None;
        }
        let key = match self.replacing.version(name, &row.version) {
            Some(_) => aside(name, row),
            None => self.layout.crate_file(name, &row.version),
        };
        match self.template.expand(name, &row.version, &row.checksum) {
            Ok(location) => Some(Artifact::new(label, key, row.checksum, location)),
            Err(error) => {
                let failure = Failure::new(label, ErrorClass::Refused, error.to_string());
                self.events.emit(failed(&failure));
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.push(failure);
                None
            }
        }
    }

    fn refused(self) -> Vec<Failure> {
        let refused = self.refused.into_inner();
        refused.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what of the wanted crates is bad.
struct Judge {
    /// The labels of what was held back before this session.
    held_back: Arc<HashSet<Arc<str>>>,
    bad: HashSet<Arc<str>>,
    outcome: CrateOutcome,
}

impl Judge {
    fn new(wanted: &Rows, held_back: &Rows) -> Self {
        let labels = held_back.iter().map(|(name, row)| label(name, row));
        let outcome = CrateOutcome {
            good: wanted.len() as u64,
            ..CrateOutcome::default()
        };
        Self {
            held_back: Arc::new(labels.collect()),
            bad: HashSet::new(),
            outcome,
        }
    }

    fn note(&mut self, failures: impl IntoIterator<Item = Failure>) {
        for failure in failures {
            self.outcome.good -= 1;
            self.bad.insert(failure.label.clone());
            if self.held_back.contains(&failure.label) {
                self.outcome.still_held_back.push(failure);
            } else {
                self.outcome.bad.push(failure);
            }
        }
    }

    fn is_bad(&self, name: &CrateName, row: &VersionRow) -> bool {
        !self.bad.is_empty() && self.bad.contains(&label(name, row))
    }

    /// What is good, and the outcome.
    fn settle(self, mut wanted: Rows) -> (Rows, CrateOutcome) {
        if !self.bad.is_empty() {
            wanted.retain(|name, row| !self.bad.contains(&label(name, row)));
        }
        (wanted, self.outcome)
    }
}

/// What was held back, and still cannot be had, fails nobody's run a second time.
struct HeldBackQuietly {
    events: Arc<dyn EventSink>,
    held_back: Arc<HashSet<Arc<str>>>,
}

impl EventSink for HeldBackQuietly {
    fn emit(&self, event: Event) {
        match event {
            Event::Failed { label, reason, .. } if self.held_back.contains(&label) => {
                self.events.emit(Event::Note {
                    message: format!("still held back: {label}: {reason}"),
                });
            }
            event => self.events.emit(event),
        }
    }
}
