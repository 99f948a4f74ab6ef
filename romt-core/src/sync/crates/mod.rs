//! The plan builder for crates, and the way from a selection to a publication.

mod pins;
mod plan;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::{
    Engine, EngineOptions, Failure, FetchOutcome, Selection, SyncError, SyncOptions, SyncOutcome,
};
use crate::{
    Artifact, CrateName, ErrorClass, Event, EventSink, IndexEntry, InvalidValue, Key, Mirror,
    MirrorLayout, StoreExt as _, Upstream, Version,
    crates::{DownloadTemplate, LockedCrate},
    ports::{IndexError, Loaded, Publication, Sha256Verifier, StoreError},
    progress::chain,
};
use pins::Pins;
use plan::{CratePlan, Held, body_of, contradiction, label, parse};

/// How many lines that are held back are told of, for each crate.
const NOTES_PER_CRATE: usize = 5;

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
    let mut outcome = SyncOutcome::default();
    let work = async {
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
        run.sync(selection, &mut outcome).await
    };
    // Dropping the work anywhere leaves what was published, and no debris.
    let finished = tokio::select! {
        result = work => Some(result?),
        () = options.cancel.cancelled() => None,
    };
    outcome.cancelled = finished.is_none();
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

impl Run<'_> {
    async fn sync(
        &self,
        selection: &Selection,
        outcome: &mut SyncOutcome,
    ) -> Result<(), SyncError> {
        let requested = self.requested(selection, outcome).await?;
        let pins = Pins::new(&selection.locked.crates, &requested);
        let plans = self.plan(&pins, outcome).await?;
        let sizes = self.diff(&plans, outcome).await;
        let fetched = self.fetch(&plans, sizes, outcome).await;
        let failed = fetched.failed.iter().map(|(artifact, _)| &artifact.key);
        let held_back = plans.iter().flat_map(|plan| &plan.held_back);
        let missing: HashSet<Key> = failed.chain(held_back).cloned().collect();
        self.distrust(&plans, &fetched.failed).await?;
        let failures = fetched.failed.into_iter().map(|(_, failure)| failure);
        outcome.failed.extend(failures);
        // A store that fails is left as it is: what it shows is still whole, and
        // what was not begun any more is in nobody's list of what is missing.
        if !outcome.store_failed() {
            self.upstream.index.settle().await?;
            outcome.publication = self.publish(plans, &missing, &fetched.sizes).await?;
        }
        Ok(())
    }

    /// How many downloads run at once.
    fn jobs(&self) -> usize {
        self.options.jobs.clamp(1, 64)
    }

    /// Looks every crate up and decides what is to be done about it. Those that
    /// nothing is to be done about are counted, and have no plan.
    async fn plan(
        &self,
        pins: &Pins<'_>,
        outcome: &mut SyncOutcome,
    ) -> Result<Vec<CratePlan>, SyncError> {
        self.events.emit(Event::Resolving {
            crates: pins.by_crate().count() as u64,
        });
        let lookups = pins.by_crate().map(|pins| self.plan_crate(pins));
        let mut plans = Vec::new();
        let width = self.jobs() * INDEX_LOOKUPS_PER_JOB;
        let mut lookups = stream::iter(lookups).buffered(width).boxed();
        while let Some(plan) = lookups.next().await {
            let Some(plan) = plan? else { continue };
            outcome.present += plan.present;
            if !plan.is_idle() {
                plans.push(plan);
            }
        }
        Ok(plans)
    }

    /// `pins` are of one index file.
    async fn plan_crate(&self, pins: &[&LockedCrate]) -> Result<Option<CratePlan>, SyncError> {
        let Some(name) = pins.first().map(|pin| pin.name.clone()) else {
            return Ok(None);
        };
        let mut held = self.held(&name).await?;
        if !pins.iter().all(|pin| held.has(&pin.version)) {
            held.upstream = None;
        }
        let mut plan = CratePlan::new(name.clone(), held.file.entries.is_empty());
        match self
            .upstream
            .index
            .load(&name, held.upstream.as_ref())
            .await
        {
            Ok(Loaded::Unchanged) => {}
            Ok(Loaded::Fresh { body, tag }) => match parse(&name, body).await {
                Ok(listed) if listed.entries.is_empty() => {
                    let reason = "upstream's index file of this crate is empty";
                    plan.fail(pins, ErrorClass::Refused, reason);
                }
                Ok(listed) => plan.take_over(&listed, tag, &held, pins),
                Err(error) => plan.fail(pins, ErrorClass::Refused, &chain(&error)),
            },
            Ok(Loaded::Absent) => {
                let reason = format!("{} has no crate of this name", self.upstream.index);
                plan.withdraw_all(pins, &held, &reason);
            }
            Err(error) => plan.fail(pins, error.class(), &chain(&error)),
        }
        self.want(&mut plan, &held, pins).await?;
        if !plan.is_idle() {
            plan.keep(held);
        }
        self.events.emit(Event::Resolved {
            name: name.as_str().into(),
        });
        Ok(Some(plan))
    }

    /// What the mirror shows of a crate.
    async fn held(&self, name: &CrateName) -> Result<Held, SyncError> {
        let index = self.mirror.index();
        let body = match index.load(name, None).await {
            Ok(loaded) => body_of(loaded),
            Err(IndexError::Unpublished { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(body) = body else {
            return Ok(Held::default());
        };
        let file = parse(name, body).await;
        let file =
            file.map_err(|error| IndexError::refused(index, name.as_str(), chain(&error)))?;
        Ok(Held::new(file, index.note(name).await?))
    }

    /// Counts the pins that are held, and plans to fetch the others.
    async fn want(
        &self,
        plan: &mut CratePlan,
        held: &Held,
        pins: &[&LockedCrate],
    ) -> Result<(), SyncError> {
        // Pins of one version come one after the other.
        let mut last: Option<&Version> = None;
        for pin in pins {
            let shown = plan.shown(held).iter();
            let Some(at) = shown.clone().position(|e| *e.version() == pin.version) else {
                continue;
            };
            let entry = plan.shown(held)[at].clone();
            if let Some(failure) = contradiction(pin, &entry) {
                plan.failed.push(failure);
                continue;
            }
            if last.replace(&pin.version) != Some(&pin.version) {
                self.want_one(plan, held, at, &entry).await?;
            }
        }
        Ok(())
    }

    /// `entry` is the one `at` this place among those that are to be shown.
    async fn want_one(
        &self,
        plan: &mut CratePlan,
        held: &Held,
        at: usize,
        entry: &IndexEntry,
    ) -> Result<(), SyncError> {
        let (name, version) = (entry.name(), entry.version());
        let key = self.layout.crate_file(name, version);
        match self.is_held(held, version, &key).await {
            Ok(true) => {
                plan.present += 1;
                return Ok(());
            }
            Ok(false) => {}
            Err(error) if error.class() == ErrorClass::Storage => return Err(error.into()),
            Err(error) => {
                let failure = Failure::new(label(name, entry), error.class(), chain(&error));
                plan.failed.push(failure);
                plan.held_back.push(key);
                return Ok(());
            }
        }
        match self.artifact(entry) {
            // Made again when its turn comes: a plan for many would be large.
            Ok(_) => plan.wanted.push(at),
            Err(error) => {
                let reason = error.to_string();
                let failure = Failure::new(label(name, entry), ErrorClass::Refused, reason);
                plan.failed.push(failure);
                plan.held_back.push(key);
            }
        }
        Ok(())
    }

    /// What an index entry wants fetched.
    fn artifact(&self, entry: &IndexEntry) -> Result<Artifact, InvalidValue> {
        let (name, version) = (entry.name(), entry.version());
        let location = self.download.expand(name, version, entry.checksum())?;
        let key = self.layout.crate_file(name, version);
        let label = label(name, entry);
        Ok(Artifact::new(label, key, *entry.checksum(), location))
    }

    /// All that is to be fetched, in order.
    fn artifacts<'b>(&'b self, plans: &'b [CratePlan]) -> impl Iterator<Item = Artifact> + 'b {
        let wanted = plans.iter().flat_map(CratePlan::wanted_entries);
        // Those for which there is none are not among what is wanted.
        wanted.filter_map(|entry| self.artifact(entry).ok())
    }

    /// Whether the store has a crate that the index shows. It was verified before
    /// it was shown; that it is still there, and as long as it was, is worth a
    /// look, so that a rerun mends what was lost or cut.
    async fn is_held(&self, held: &Held, version: &Version, key: &Key) -> Result<bool, StoreError> {
        if !held.has(version) {
            return Ok(false);
        }
        let size = held.size(version);
        let meta = self.mirror.store().try_head(key).await?;
        Ok(meta.is_some_and(|meta| size.is_none_or(|size| size == meta.size)))
    }

    /// Adds the plans up, and says what is about to happen. Returns the sizes of
    /// what is to be fetched, in order, if they were asked for.
    async fn diff(&self, plans: &[CratePlan], outcome: &mut SyncOutcome) -> Vec<Option<u64>> {
        for plan in plans {
            outcome.withdrawn.extend(plan.withdrawn.iter().cloned());
            for note in plan.notes.iter().take(NOTES_PER_CRATE) {
                self.events.emit(Event::Note {
                    message: note.clone(),
                });
            }
            for failure in &plan.failed {
                self.events.emit(Event::Failed {
                    label: failure.label.clone(),
                    class: failure.class,
                    reason: failure.reason.clone(),
                });
                outcome.failed.push(failure.clone());
            }
        }
        let to_fetch = plans.iter().map(|plan| plan.wanted.len() as u64).sum();
        let sizes = if self.options.measure {
            self.measure(plans).await
        } else {
            Vec::new()
        };
        let known: Vec<u64> = sizes.iter().copied().flatten().collect();
        self.events.emit(Event::Planned {
            artifacts: outcome.present + to_fetch + outcome.failed.len() as u64,
            to_fetch,
            known_bytes: known.iter().sum(),
            unknown_sizes: to_fetch - known.len() as u64,
        });
        sizes
    }

    /// Asks upstream for the sizes. One that is not told is no failure.
    async fn measure(&self, plans: &[CratePlan]) -> Vec<Option<u64>> {
        let source = &self.upstream.crates;
        let sizes = self
            .artifacts(plans)
            .map(|artifact| async move { source.size(&artifact.location).await.ok().flatten() });
        stream::iter(sizes).buffered(self.jobs()).collect().await
    }

    async fn fetch(
        &self,
        plans: &[CratePlan],
        sizes: Vec<Option<u64>>,
        outcome: &mut SyncOutcome,
    ) -> FetchOutcome {
        let engine = Engine::new(
            self.upstream.crates.clone(),
            self.mirror.store().clone(),
            Arc::new(Sha256Verifier),
            EngineOptions::new(
                self.jobs(),
                self.options.retry.clone(),
                self.options.crate_size_limit,
            ),
        );
        // The whole sync is dropped when it is cancelled, engine and all.
        let never = CancellationToken::new();
        let sizes = sizes.into_iter().chain(std::iter::repeat(None));
        let artifacts = self.artifacts(plans).zip(sizes);
        let plan = stream::iter(artifacts.map(|(artifact, size)| artifact.with_size(size)));
        let fetched = engine.run(plan, &self.events, &never).await;
        outcome.fetched = fetched.fetched;
        outcome.present += fetched.present;
        outcome.bytes = fetched.bytes;
        fetched
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
            let is_wrong = !wrong.is_empty()
                && plan.wanted_entries().any(|entry| {
                    wrong.contains(&self.layout.crate_file(entry.name(), entry.version()))
                });
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
        sizes: &HashMap<Key, u64>,
    ) -> Result<Option<Publication>, SyncError> {
        let layout = self.layout;
        let mut changes = plans
            .into_iter()
            .filter_map(|plan| plan.into_change(layout, missing, sizes))
            .peekable();
        if changes.peek().is_none() {
            return Ok(None);
        }
        let changes = stream::iter(changes).boxed();
        let published = self.mirror.index().publish(changes).await?;
        self.events.emit(Event::Published {
            position: published.position.clone(),
            crates: published.crates,
            changed: published.changed,
        });
        Ok(Some(published))
    }
}
