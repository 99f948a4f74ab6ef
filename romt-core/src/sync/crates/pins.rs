//! From a selection to exact versions.

use std::collections::{BTreeMap, BTreeSet};

use super::{INDEX_LOOKUPS_PER_JOB, Run};
use crate::{
    ErrorClass, Version,
    crates::{ClosureOptions, LockedCrate, Unresolved, resolve_closure},
    sync::{Failure, Selection, SyncError, SyncOutcome},
};

/// The versions that are wanted, by the name of the index file that lists them:
/// the crate's in lower case.
pub(super) type Pins = BTreeMap<String, Vec<LockedCrate>>;

impl Run<'_> {
    /// The versions that the selection comes to.
    pub(super) async fn pins(
        &self,
        selection: &Selection,
        outcome: &mut SyncOutcome,
    ) -> Result<Pins, SyncError> {
        let locked: BTreeSet<LockedCrate> = selection.locked.crates.iter().cloned().collect();
        let mut pins: BTreeMap<String, BTreeMap<Version, Vec<LockedCrate>>> = BTreeMap::new();
        for pin in locked {
            let versions = pins.entry(pin.name.to_lowercase()).or_default();
            versions.entry(pin.version.clone()).or_default().push(pin);
        }
        if !selection.requests.is_empty() {
            let jobs = self.jobs() * INDEX_LOOKUPS_PER_JOB;
            let options = ClosureOptions::default().with_jobs(jobs);
            let index = &*self.upstream.index;
            let closure =
                resolve_closure(index, &selection.requests, &options, &self.events).await?;
            for pin in closure.crates {
                let versions = pins.entry(pin.name.to_lowercase()).or_default();
                // What a lock file says of a version stands: if upstream says
                // otherwise, that is a failure, and not a second opinion.
                versions
                    .entry(pin.version.clone())
                    .or_insert_with(|| vec![pin]);
            }
            outcome
                .failed
                .extend(closure.unresolved.iter().filter_map(missing));
            outcome.unresolved = closure.unresolved;
        }
        Ok(pins
            .into_iter()
            .map(|(name, versions)| {
                (
                    name,
                    versions.into_values().flat_map(most_telling).collect(),
                )
            })
            .collect())
    }
}

/// Of a version that is pinned with and without a digest, the pin with it.
fn most_telling(mut pins: Vec<LockedCrate>) -> Vec<LockedCrate> {
    if pins.iter().any(|pin| pin.checksum.is_some()) {
        pins.retain(|pin| pin.checksum.is_some());
    }
    pins
}

/// A dependency without which something that was asked for cannot be built.
fn missing(unresolved: &Unresolved) -> Option<Failure> {
    if unresolved.optional {
        return None;
    }
    let reason = format!(
        "it needs {} {}, which upstream does not have",
        unresolved.package, unresolved.requirement
    );
    Some(Failure::new(
        unresolved.dependent.clone(),
        ErrorClass::Partial,
        reason,
    ))
}
