//! From a selection to exact versions.

use std::{cmp::Ordering, collections::HashSet};

use super::{INDEX_LOOKUPS_PER_JOB, Run};
use crate::{
    CrateName, ErrorClass, Version,
    crates::{ClosureOptions, LockedCrate, Unresolved, resolve_closure},
    sync::{Failure, Selection, SyncError, SyncOutcome},
};

/// The versions that are wanted, those of one index file one after the other.
///
/// They are those of the selection itself: a large one is not copied.
pub(super) struct Pins<'a>(Vec<&'a LockedCrate>);

impl<'a> Pins<'a> {
    /// What is wanted if the lock files pin `locked` and requests came to
    /// `requested`.
    pub(super) fn new(locked: &'a [LockedCrate], requested: &'a [LockedCrate]) -> Self {
        let mut pins: Vec<&LockedCrate> = locked.iter().collect();
        pins.sort_unstable_by(|a, b| by_version(a, b).then_with(|| a.cmp(b)));
        pins.dedup();
        // What a lock file says of a version stands: if upstream says otherwise,
        // that is a failure, and not a second opinion.
        let is_locked = |pin: &&LockedCrate| {
            let found = pins.binary_search_by(|locked| by_version(locked, pin));
            found.is_ok()
        };
        let mut more: Vec<&LockedCrate> = requested.iter().filter(|pin| !is_locked(pin)).collect();
        more.sort_by(|a, b| by_version(a, b));
        more.dedup_by(|a, b| by_version(a, b).is_eq());
        pins.extend(more);
        pins.sort_by(|a, b| by_version(a, b));
        drop_the_less_telling(&mut pins);
        Self(pins)
    }

    /// The pins of one index file after the other.
    pub(super) fn by_crate(&self) -> impl Iterator<Item = &[&'a LockedCrate]> {
        self.0
            .chunk_by(|a, b| by_index_file(&a.name, &b.name).is_eq())
    }
}

/// The order of the index files that list the crates: of their names in lower case.
fn by_index_file(a: &CrateName, b: &CrateName) -> Ordering {
    fn lower(name: &CrateName) -> impl Iterator<Item = u8> {
        name.as_str().bytes().map(|byte| byte.to_ascii_lowercase())
    }
    lower(a).cmp(lower(b))
}

fn by_version(a: &LockedCrate, b: &LockedCrate) -> Ordering {
    by_index_file(&a.name, &b.name).then_with(|| a.version.cmp(&b.version))
}

/// Of a version that is pinned with and without a digest, keeps the pins with it.
fn drop_the_less_telling(pins: &mut Vec<&LockedCrate>) {
    let told: HashSet<(String, &Version)> = pins
        .chunk_by(|a, b| by_version(a, b).is_eq())
        .filter(|same| same.len() > 1 && same.iter().any(|pin| pin.checksum.is_some()))
        .filter_map(|same| same.first())
        .map(|pin| (pin.name.to_lowercase(), &pin.version))
        .collect();
    if !told.is_empty() {
        pins.retain(|pin| {
            pin.checksum.is_some() || !told.contains(&(pin.name.to_lowercase(), &pin.version))
        });
    }
}

impl Run<'_> {
    /// The versions that the requests of the selection come to.
    pub(super) async fn requested(
        &self,
        selection: &Selection,
        outcome: &mut SyncOutcome,
    ) -> Result<Vec<LockedCrate>, SyncError> {
        if selection.requests.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = self.jobs() * INDEX_LOOKUPS_PER_JOB;
        let options = ClosureOptions::default().with_jobs(jobs);
        let index = &*self.upstream.index;
        let closure = resolve_closure(index, &selection.requests, &options, &self.events).await?;
        outcome
            .failed
            .extend(closure.unresolved.iter().filter_map(missing));
        outcome.unresolved = closure.unresolved;
        Ok(closure.crates)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sha256Digest;

    fn pin(name: &str, version: &str, content: Option<&str>) -> LockedCrate {
        LockedCrate {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
            checksum: content.map(Sha256Digest::of),
        }
    }

    #[test]
    fn pins_are_gathered_by_index_file() {
        let locked = [
            pin("b", "2.0.0", Some("x")),
            pin("Ab", "1.0.0", None),
            pin("b", "1.0.0", None),
            pin("ab", "1.0.0", Some("y")),
            pin("b", "2.0.0", Some("x")),
            pin("a-b", "1.0.0", None),
        ];
        let requested = [
            pin("b", "2.0.0", Some("other")),
            pin("B", "3.0.0", Some("z")),
            pin("b", "3.0.0", Some("w")),
            pin("aa", "1.0.0", Some("v")),
        ];
        let pins = Pins::new(&locked, &requested);
        let shown: Vec<String> = pins
            .by_crate()
            .map(|pins| {
                let pins = pins.iter().map(|pin| {
                    let digest = pin.checksum.map(|digest| digest.to_string());
                    let digest = digest.as_deref().and_then(|digest| digest.get(..4));
                    format!("{} {} {}", pin.name, pin.version, digest.unwrap_or("-"))
                });
                pins.collect::<Vec<_>>().join(", ")
            })
            .collect();
        let digest = |of: &str| Sha256Digest::of(of).to_string()[..4].to_owned();
        let (v, x, y, z) = (digest("v"), digest("x"), digest("y"), digest("z"));
        assert_eq!(
            shown,
            [
                "a-b 1.0.0 -".to_owned(),
                format!("aa 1.0.0 {v}"),
                // Of one version, the pin with a digest says more.
                format!("ab 1.0.0 {y}"),
                format!("b 1.0.0 -, b 2.0.0 {x}, B 3.0.0 {z}"),
            ]
        );
    }
}
