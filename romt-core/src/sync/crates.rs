//! The plan builder for crates, and the way from a selection to a publication.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use futures::{StreamExt as _, stream};

use super::{Engine, EngineOptions, Failure, Selection, SyncError, SyncOptions, SyncOutcome};
use crate::{
    Artifact, CrateName, ErrorClass, Event, EventSink, IndexEntry, Key, Mirror, MirrorLayout,
    StoreExt as _, Upstream,
    crates::{ClosureOptions, DownloadTemplate, IndexFile, LockedCrate, Lockfile, resolve_closure},
    ports::{IndexChange, IndexError, Loaded, Sha256Verifier, Tag},
    progress::chain,
};

/// How many index files are asked for at once, for each download.
const INDEX_LOOKUPS_PER_JOB: usize = 4;

/// Everything a sync works with.
struct Run<'a> {
    mirror: &'a Mirror,
    upstream: &'a Upstream,
    options: &'a SyncOptions,
    events: Arc<dyn EventSink>,
    layout: MirrorLayout,
    download: DownloadTemplate,
}

/// What is to be done about one crate.
struct CratePlan {
    name: CrateName,
    /// What the index shall show of the crate, in upstream's order.
    shown: Vec<IndexEntry>,
    /// What `shown` was made from.
    upstream: Option<Tag>,
    /// Whether the index shows something else now.
    changed: bool,
    /// Whether the index shows nothing of the crate yet.
    new: bool,
    /// What is to be fetched.
    missing: Vec<Artifact>,
    /// What is not there and cannot be fetched.
    held_back: Vec<Key>,
    /// How many versions are held already.
    present: u64,
    withdrawn: Vec<Arc<str>>,
    failed: Vec<Failure>,
}

/// See [`Mirror::sync`].
pub(crate) async fn sync_crates(
    mirror: &Mirror,
    upstream: &Upstream,
    selection: &Selection,
    options: &SyncOptions,
    events: Arc<dyn EventSink>,
) -> Result<SyncOutcome, SyncError> {
    let started = Instant::now();
    let _lock = mirror.store().lock(&options.holder).await?;
    let layout = MirrorLayout::load_or_init(&**mirror.store()).await?;
    mirror.index().recover().await?;
    let config = upstream.index.config().await?;
    let run = Run {
        mirror,
        upstream,
        options,
        events,
        layout,
        download: upstream.download.clone().unwrap_or(config.download),
    };
    let work = run.sync(selection);
    let mut outcome = tokio::select! {
        outcome = work => outcome?,
        () = options.cancel.cancelled() => SyncOutcome {
            cancelled: true,
            ..SyncOutcome::default()
        },
    };
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

impl Run<'_> {
    async fn sync(&self, selection: &Selection) -> Result<SyncOutcome, SyncError> {
        let mut outcome = SyncOutcome::default();
        let pins = self.pins(selection, &mut outcome).await?;
        let plans = self.plan(pins).await?;
        let artifacts = self.diff(&plans, &mut outcome).await;
        let fetched = self.fetch(artifacts).await;
        outcome.fetched = fetched.fetched;
        outcome.present += fetched.present;
        outcome.bytes = fetched.bytes;
        let failed = fetched.failed.iter().map(|(artifact, _)| &artifact.key);
        let held_back = plans.iter().flat_map(|plan| &plan.held_back);
        let missing: HashSet<Key> = failed.chain(held_back).cloned().collect();
        self.distrust(&plans, &fetched.failed).await?;
        outcome
            .failed
            .extend(fetched.failed.into_iter().map(|(_, failure)| failure));
        // A store that fails is left as it is: what it shows is still whole, and
        // what was not begun any more is in nobody's list of what is missing.
        if !outcome.store_failed() {
            self.upstream.index.settle().await?;
            outcome.publication = self.publish(plans, &missing).await?;
        }
        Ok(outcome)
    }

    /// The versions that the selection comes to, by crate.
    async fn pins(
        &self,
        selection: &Selection,
        outcome: &mut SyncOutcome,
    ) -> Result<BTreeMap<CrateName, Vec<LockedCrate>>, SyncError> {
        let mut all = selection.locked.clone();
        if !selection.requests.is_empty() {
            let index = &*self.upstream.index;
            let jobs = self.options.jobs * INDEX_LOOKUPS_PER_JOB;
            let options = ClosureOptions::default().with_jobs(jobs);
            let closure =
                resolve_closure(index, &selection.requests, &options, &self.events).await?;
            outcome.unresolved = closure.unresolved;
            let resolved = Lockfile {
                crates: closure.crates,
                left_out: Vec::new(),
            };
            // Where upstream contradicts a lock file, the lock file's pin stands
            // and fails below, by name.
            if all.merge(resolved.clone()).is_err() {
                all.crates.extend(resolved.crates);
            }
        }
        let mut pins: BTreeMap<CrateName, Vec<LockedCrate>> = BTreeMap::new();
        for pin in all.crates {
            pins.entry(pin.name.clone()).or_default().push(pin);
        }
        Ok(pins)
    }

    /// Looks every crate up and decides what is to be done about it.
    async fn plan(
        &self,
        pins: BTreeMap<CrateName, Vec<LockedCrate>>,
    ) -> Result<Vec<CratePlan>, SyncError> {
        self.events.emit(Event::Resolving {
            crates: pins.len() as u64,
        });
        let jobs = self.options.jobs * INDEX_LOOKUPS_PER_JOB;
        let lookups = pins
            .into_iter()
            .map(|(name, pins)| self.plan_crate(name, pins));
        let mut plans = Vec::new();
        let mut lookups = stream::iter(lookups).buffered(jobs);
        while let Some(plan) = lookups.next().await {
            plans.push(plan?);
        }
        Ok(plans)
    }

    async fn plan_crate(
        &self,
        name: CrateName,
        pins: Vec<LockedCrate>,
    ) -> Result<CratePlan, SyncError> {
        let held = self.held(&name).await?;
        let known = match &held {
            Some(file) if pins.iter().all(|pin| file.version(&pin.version).is_some()) => {
                self.mirror.index().upstream_tag(&name).await?
            }
            _ => None,
        };
        let held = held.unwrap_or_default();
        let mut plan = CratePlan {
            held_back: Vec::new(),
            name: name.clone(),
            shown: held.entries.clone(),
            upstream: known.clone(),
            changed: false,
            new: held.entries.is_empty(),
            missing: Vec::new(),
            present: 0,
            withdrawn: Vec::new(),
            failed: Vec::new(),
        };
        match self.upstream.index.load(&name, known.as_ref()).await {
            Ok(Loaded::Unchanged) => {}
            Ok(Loaded::Fresh { body, tag }) => match IndexFile::parse(&name, &body) {
                Ok(listed) if listed.entries.is_empty() => {
                    let reason = "upstream's index file of this crate is empty";
                    plan.fail_all(&pins, &IndexFile::default(), ErrorClass::Refused, reason);
                }
                Ok(listed) => plan.take_over(&listed, tag, &held, &pins),
                Err(error) => plan.fail_all(&pins, &held, ErrorClass::Refused, &chain(&error)),
            },
            Ok(Loaded::Absent) => {
                let reason = format!("{} has no crate of this name", self.upstream.index);
                plan.withdraw_all(&pins, &held, &reason);
            }
            Err(error) => {
                plan.fail_all(&pins, &IndexFile::default(), error.class(), &chain(&error));
            }
        }
        self.want(&mut plan, &held, &pins).await?;
        self.events.emit(Event::Resolved {
            name: name.as_str().into(),
        });
        Ok(plan)
    }

    /// What the mirror shows of a crate.
    async fn held(&self, name: &CrateName) -> Result<Option<IndexFile>, SyncError> {
        match self.mirror.index().load(name, None).await {
            Ok(Loaded::Fresh { body, .. }) => match IndexFile::parse(name, &body) {
                Ok(file) => Ok(Some(file)),
                Err(error) => {
                    let index = self.mirror.index();
                    Err(IndexError::refused(index, name.as_str(), chain(&error)).into())
                }
            },
            Ok(Loaded::Absent | Loaded::Unchanged) | Err(IndexError::Unpublished { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Turns the pins that are not held into artifacts to fetch.
    async fn want(
        &self,
        plan: &mut CratePlan,
        held: &IndexFile,
        pins: &[LockedCrate],
    ) -> Result<(), SyncError> {
        for pin in pins {
            let Some(entry) = plan.shown.iter().find(|e| *e.version() == pin.version) else {
                continue;
            };
            let key = self.layout.crate_file(entry.name(), entry.version());
            // What the index shows was verified before it was shown. That it is
            // still there is worth a look, so that a rerun mends a lost file.
            let is_held = held.version(&pin.version).is_some();
            if is_held && self.mirror.store().try_head(&key).await?.is_some() {
                plan.present += 1;
                continue;
            }
            let label = label(&pin.name, entry);
            match self
                .download
                .expand(entry.name(), entry.version(), entry.checksum())
            {
                Ok(location) => {
                    let artifact = Artifact::new(label, key, *entry.checksum(), location);
                    plan.missing.push(artifact);
                }
                Err(error) => {
                    plan.failed
                        .push(Failure::new(label, ErrorClass::Refused, error.to_string()));
                    plan.held_back.push(key);
                }
            }
        }
        Ok(())
    }

    /// Adds the plans up, and says what is about to happen.
    async fn diff(&self, plans: &[CratePlan], outcome: &mut SyncOutcome) -> Vec<Artifact> {
        let mut artifacts = Vec::new();
        for plan in plans {
            outcome.present += plan.present;
            outcome.withdrawn.extend(plan.withdrawn.iter().cloned());
            for failure in &plan.failed {
                self.events.emit(Event::Failed {
                    label: failure.label.clone(),
                    class: failure.class,
                    reason: failure.reason.clone(),
                });
                outcome.failed.push(failure.clone());
            }
            artifacts.extend(plan.missing.iter().cloned());
        }
        if self.options.measure {
            artifacts = self.measure(artifacts).await;
        }
        let known: Vec<u64> = artifacts.iter().filter_map(|a| a.size).collect();
        self.events.emit(Event::Planned {
            artifacts: outcome.present + artifacts.len() as u64 + outcome.failed.len() as u64,
            to_fetch: artifacts.len() as u64,
            known_bytes: known.iter().sum(),
            unknown_sizes: (artifacts.len() - known.len()) as u64,
        });
        artifacts
    }

    /// Asks upstream for the sizes. One that is not told is no failure.
    async fn measure(&self, artifacts: Vec<Artifact>) -> Vec<Artifact> {
        let source = &self.upstream.crates;
        let sizes = artifacts.into_iter().map(|artifact| async move {
            let size = source.size(&artifact.location).await.ok().flatten();
            artifact.with_size(size)
        });
        let jobs = self.options.jobs * INDEX_LOOKUPS_PER_JOB;
        stream::iter(sizes).buffered(jobs).collect().await
    }

    async fn fetch(&self, artifacts: Vec<Artifact>) -> super::FetchOutcome {
        let engine = Engine::new(
            self.upstream.crates.clone(),
            self.mirror.store().clone(),
            Arc::new(Sha256Verifier),
            EngineOptions::new(
                self.options.jobs,
                self.options.retry.clone(),
                self.options.crate_size_limit,
            ),
        );
        // Cancelling drops the whole sync, engine and all.
        let cancel = tokio_util::sync::CancellationToken::new();
        engine
            .run(stream::iter(artifacts), &self.events, &cancel)
            .await
    }

    /// What upstream's index says of a crate and cannot be right is asked for anew
    /// by the next run.
    async fn distrust(
        &self,
        plans: &[CratePlan],
        failed: &[(Artifact, Failure)],
    ) -> Result<(), SyncError> {
        let wrong: HashSet<&Key> = failed
            .iter()
            .filter(|(_, failure)| failure.class == ErrorClass::Integrity)
            .map(|(artifact, _)| &artifact.key)
            .collect();
        for plan in plans {
            let is_wrong = plan.missing.iter().any(|a| wrong.contains(&a.key));
            if is_wrong || !plan.failed.is_empty() {
                self.upstream.index.distrust(&plan.name).await?;
            }
        }
        Ok(())
    }

    /// Shows what is there now, holding back what is missing.
    async fn publish(
        &self,
        plans: Vec<CratePlan>,
        missing: &HashSet<Key>,
    ) -> Result<Option<crate::ports::Publication>, SyncError> {
        let layout = self.layout;
        let is_there = move |entry: &IndexEntry| {
            missing.is_empty()
                || !missing.contains(&layout.crate_file(entry.name(), entry.version()))
        };
        let mut changes = plans
            .into_iter()
            .filter_map(move |plan| plan.into_change(&is_there))
            .peekable();
        if changes.peek().is_none() {
            return Ok(None);
        }
        let published = self
            .mirror
            .index()
            .publish(stream::iter(changes).boxed())
            .await?;
        self.events.emit(Event::Published {
            position: published.position.clone(),
            crates: published.crates,
            changed: published.changed,
        });
        Ok(Some(published))
    }
}

impl CratePlan {
    /// Takes over what upstream lists: the lines of what is held and of what is
    /// pinned, as upstream writes them now.
    fn take_over(&mut self, listed: &IndexFile, tag: Tag, held: &IndexFile, pins: &[LockedCrate]) {
        let mut wanted: HashSet<&crate::Version> = HashSet::new();
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
            match held.version(entry.version()) {
                // Bytes under a version never change; see `judge`.
                Some(old) if old.checksum() != entry.checksum() => shown.push(old.clone()),
                Some(_) => shown.push(entry.clone().detached()),
                None if wanted.contains(entry.version()) => shown.push(entry.clone().detached()),
                None => {}
            }
        }
        for entry in &held.entries {
            if listed.version(entry.version()).is_none() {
                self.withdrawn.push(label(entry.name(), entry));
                shown.push(entry.clone());
            }
        }
        self.changed = shown != held.entries || self.upstream.as_ref() != Some(&tag);
        self.shown = shown;
        self.upstream = Some(tag);
    }

    /// The crate is gone from upstream: what is held stays, the rest fails.
    fn withdraw_all(&mut self, pins: &[LockedCrate], held: &IndexFile, reason: &str) {
        self.withdrawn
            .extend(held.entries.iter().map(|entry| label(entry.name(), entry)));
        self.fail_all(pins, held, ErrorClass::Partial, reason);
    }

    /// Fails every pin that is not held.
    fn fail_all(
        &mut self,
        pins: &[LockedCrate],
        held: &IndexFile,
        class: ErrorClass,
        reason: &str,
    ) {
        for pin in pins
            .iter()
            .filter(|pin| held.version(&pin.version).is_none())
        {
            let label = format!("{} {}", pin.name, pin.version);
            self.failed.push(Failure::new(label, class, reason));
        }
    }

    /// What the index is to be told, if anything.
    fn into_change(self, is_there: &impl Fn(&IndexEntry) -> bool) -> Option<IndexChange> {
        let shown: Vec<&IndexEntry> = self.shown.iter().filter(|e| is_there(e)).collect();
        // A held crate that was lost and could not be had again must not be shown.
        let whole = shown.len() == self.shown.len();
        if !self.changed && whole {
            return None;
        }
        if shown.is_empty() && self.new {
            return None;
        }
        // Without a tag the next run looks at the whole file again, and tries
        // what is held back again.
        let complete = whole && self.failed.is_empty();
        Some(IndexChange {
            body: (!shown.is_empty()).then(|| IndexFile::render(shown)),
            upstream: self.upstream.filter(|_| complete),
            name: self.name,
        })
    }
}

/// Whether a pin can be had from what upstream lists; if not, the failure,
/// unless the mirror holds what the pin asks for.
fn judge(pin: &LockedCrate, listed: &IndexFile, held: &IndexFile) -> Result<(), Option<Failure>> {
    let label: Arc<str> = format!("{} {}", pin.name, pin.version).into();
    let fail = |class, reason: String| Err(Some(Failure::new(label.clone(), class, reason)));
    let Some(entry) = listed.version(&pin.version) else {
        if held.version(&pin.version).is_some() {
            return Err(None);
        }
        let held_back = listed.rejected.first();
        let hint = held_back
            .map(|line| format!(" (line {} was held back: {})", line.number, line.reason))
            .unwrap_or_default();
        let reason = format!("upstream's index does not list this version{hint}");
        return fail(ErrorClass::Partial, reason);
    };
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
    match held.version(&pin.version) {
        Some(old) if old.checksum() != entry.checksum() => fail(
            ErrorClass::Integrity,
            format!(
                "upstream's index changed its digest from {} to {}; the mirror keeps what it has",
                old.checksum(),
                entry.checksum()
            ),
        ),
        _ => Ok(()),
    }
}

fn label(name: &CrateName, entry: &IndexEntry) -> Arc<str> {
    format!("{name} {}", entry.version()).into()
}
