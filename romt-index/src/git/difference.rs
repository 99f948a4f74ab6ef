//! What two states of an index differ by.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gix::{ObjectId, Repository};
use rayon::prelude::*;
use romt_core::{
    CrateName, Sha256Digest,
    crates::{CrateRows, Rows, Version, VersionFilter},
    ports::{Difference, IndexError, RefusedEntry},
};

use super::{
    line::{Judged, Statement, judge, rows},
    walk::{ChangedFile, MAX_REFUSED, changes, too_many_refused},
    walk_blobs::{Wanted, read, read_all},
};

/// What the versions that `filter` selects differ by between two trees; without a
/// start, all of the end is added.
///
/// A version is one crate's, in the case in which its lines spell it. What is held
/// back is listed whatever the filter says.
pub(super) fn difference(
    repo: &Repository,
    index: &str,
    start: Option<ObjectId>,
    end: ObjectId,
    filter: &VersionFilter,
) -> Result<Difference, IndexError> {
    let changes = changes(repo, index, start, end)?;
    let sink = Sink::new(changes.refused);
    if start.is_none() {
        each_file(repo, index, &changes.files, &sink.full, |file, judged| {
            sink.add(Found::of_new(file, &judged, filter));
        })?;
    } else {
        each_change(repo, index, &changes.files, |file, old, new| {
            sink.add(Found::of_change(file, old, new, filter));
            !sink.full.load(Ordering::Relaxed)
        })?;
    }
    drop(changes.files);
    sink.finish(index)
}

/// How many versions the index files of `tree` have.
///
/// All of them are read for it: this costs as much as a difference without a
/// start.
pub(super) fn count(repo: &Repository, index: &str, tree: ObjectId) -> Result<u64, IndexError> {
    let count = AtomicU64::new(0);
    let files = changes(repo, index, None, tree)?.files;
    each_file(repo, index, &files, &AtomicBool::new(false), |_, judged| {
        count.fetch_add(judged.statements().count() as u64, Ordering::Relaxed);
    })?;
    Ok(count.into_inner())
}

/// Judges the newer state of each file, on all cores and in no order, until `stop`
/// is set.
fn each_file(
    repo: &Repository,
    index: &str,
    files: &[ChangedFile],
    stop: &AtomicBool,
    visit: impl Fn(&ChangedFile, Judged) + Sync,
) -> Result<(), IndexError> {
    let wanted = Wanted::new(files.iter().filter_map(|file| file.new));
    read_all(repo, index, &wanted, stop, |at, body| {
        let file = &files[at];
        let judged = body.map_or_else(Judged::too_large, |body| judge(&file.path, body));
        visit(file, judged);
    })
}

/// A state of a file: its bytes, and what they are worth.
struct State {
    body: Vec<u8>,
    judged: Judged,
}

impl State {
    fn read(
        repo: &Repository,
        index: &str,
        path: &str,
        id: Option<ObjectId>,
    ) -> Result<Option<Self>, IndexError> {
        let Some(id) = id else { return Ok(None) };
        let body = read(repo, index, id)?;
        let judged = match &body {
            Some(body) => judge(path, body),
            None => Judged::too_large(),
        };
        let body = body.unwrap_or_default();
        Ok(Some(Self { body, judged }))
    }

    /// The lines that do not even say which version they are about.
    fn unclear(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.judged.held_back();
        lines
            .filter(|(_, held_back)| held_back.about.is_none())
            .map(|(line, _)| &self.body[line.range.clone()])
    }
}

/// Judges both states of each file, on all cores and in no order, until `visit`
/// says that it is enough.
fn each_change(
    repo: &Repository,
    index: &str,
    files: &[ChangedFile],
    visit: impl Fn(&ChangedFile, Option<&State>, Option<&State>) -> bool + Sync,
) -> Result<(), IndexError> {
    let shared = repo.clone().into_sync();
    let enough = AtomicBool::new(false);
    files.par_chunks(64).try_for_each_init(
        || shared.to_thread_local(),
        |repo, files| {
            for file in files {
                if enough.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let old = State::read(repo, index, &file.path, file.old)?;
                let new = State::read(repo, index, &file.path, file.new)?;
                if !visit(file, old.as_ref(), new.as_ref()) {
                    enough.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        },
    )
}

/// What was found in one file, or in many.
#[derive(Default)]
struct Found {
    added: Vec<CrateRows>,
    removed: Vec<CrateRows>,
    refused: Vec<RefusedEntry>,
}

impl Found {
    /// What a file brings that was not there.
    fn of_new(file: &ChangedFile, judged: &Judged, filter: &VersionFilter) -> Self {
        Self {
            added: rows(judged.statements(), |it| selects(filter, it)),
            removed: Vec::new(),
            refused: refused(&file.path, judged),
        }
    }

    /// What a file's change brings.
    fn of_change(
        file: &ChangedFile,
        old: Option<&State>,
        new: Option<&State>,
        filter: &VersionFilter,
    ) -> Self {
        let before = versions(old);
        let is_new = |it: &Statement| before.get(&key(it)) != Some(&&it.checksum);
        let statements = new.into_iter().flat_map(|state| state.judged.statements());
        let removed = old.filter(|_| !hides_removals(old, new)).map(|state| {
            let kept = spoken_of(new);
            rows(state.judged.statements(), |it| {
                !kept.contains(&key(it)) && selects(filter, it)
            })
        });
        Self {
            added: rows(statements, |it| is_new(it) && selects(filter, it)),
            removed: removed.unwrap_or_default(),
            refused: new.map_or_else(Vec::new, |state| refused(&file.path, &state.judged)),
        }
    }
}

/// What tells a version from others.
type Key<'a> = (&'a CrateName, &'a Version);

fn key(statement: &Statement) -> Key<'_> {
    (&statement.name, &statement.version)
}

fn selects(filter: &VersionFilter, statement: &Statement) -> bool {
    filter.is_all() || filter.selects(&statement.name, &statement.version)
}

/// The digests of the versions of a file.
fn versions(state: Option<&State>) -> HashMap<Key<'_>, &Sha256Digest> {
    let statements = state
        .into_iter()
        .flat_map(|state| state.judged.statements());
    statements.map(|it| (key(it), &it.checksum)).collect()
}

/// The versions that a file speaks of, in lines good or bad. What it speaks of
/// has not been removed, and what was shown of it stays.
fn spoken_of(state: Option<&State>) -> HashSet<Key<'_>> {
    let judged = || state.into_iter().map(|state| &state.judged);
    let good = judged().flat_map(Judged::statements).map(key);
    let bad = judged().flat_map(Judged::held_back).filter_map(|(_, it)| {
        let (name, version) = it.about.as_ref()?;
        Some((name, version))
    });
    good.chain(bad).collect()
}

/// Whether the newer state cannot tell what has been removed: the file as a whole
/// is refused, or one of its new lines could be about any version.
fn hides_removals(old: Option<&State>, new: Option<&State>) -> bool {
    let Some(new) = new else { return false };
    if matches!(new.judged, Judged::Refused(_)) {
        return true;
    }
    let before: HashSet<&[u8]> = old.into_iter().flat_map(State::unclear).collect();
    new.unclear().any(|line| !before.contains(line))
}

/// What of a file is held back.
fn refused(path: &str, judged: &Judged) -> Vec<RefusedEntry> {
    let entry = |line, reason: &str| RefusedEntry {
        path: path.to_owned(),
        line,
        reason: reason.to_owned(),
    };
    if let Judged::Refused(reason) = judged {
        return vec![entry(None, reason)];
    }
    judged
        .held_back()
        .map(|(line, held_back)| entry(Some(line.number), &held_back.reason))
        .collect()
}

/// Takes what several threads find.
struct Sink {
    found: Mutex<Found>,
    /// Whether more is held back than can be.
    full: AtomicBool,
}

impl Sink {
    fn new(refused: Vec<RefusedEntry>) -> Self {
        Self {
            found: Mutex::new(Found {
                refused,
                ..Found::default()
            }),
            full: AtomicBool::new(false),
        }
    }

    fn add(&self, mut found: Found) {
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.added.append(&mut found.added);
        all.removed.append(&mut found.removed);
        all.refused.append(&mut found.refused);
        if all.refused.len() > MAX_REFUSED {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    fn finish(self, index: &str) -> Result<Difference, IndexError> {
        if self.full.into_inner() {
            return Err(too_many_refused(index));
        }
        let found = self.found.into_inner();
        let mut found = found.unwrap_or_else(PoisonError::into_inner);
        let place = |entry: &RefusedEntry| (entry.path.clone(), entry.line);
        found.refused.sort_by_cached_key(place);
        let (added, removed) = (Rows::new(found.added), Rows::new(found.removed));
        Ok(Difference::new(added, removed, found.refused))
    }
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
