//! Which commits are new to somebody, and what each of them changed.

use std::{fmt, io};

use gix::{ObjectId, Repository};
use rayon::prelude::*;

use super::{
    IdMap, IdSet,
    compare::{Changes, changes_of},
    handles::Handles,
    stored::Packs,
};

/// How many commits are looked at together.
const CHUNK: usize = 256;
/// How many of them one thread looks at. Neighbours have most objects in common.
const PIECE: usize = 32;

/// What is wrong with objects, or kept them from being read.
#[derive(Debug)]
pub(in crate::git) enum Fault {
    /// An object is not there.
    Missing(ObjectId),
    /// An object may not be there.
    Bad {
        /// Which one.
        id: ObjectId,
        /// What is wrong with it, as the rest of a sentence.
        reason: String,
    },
    /// The objects could not be read.
    Odb(gix::Error),
    /// What was made of them could not be written.
    Io(io::Error),
}

impl Fault {
    pub(super) fn bad(id: ObjectId, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Bad { id, reason }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "the object {id} is not there"),
            Self::Bad { id, reason } => write!(f, "the object {id} {reason}"),
            Self::Odb(_) => f.write_str("the objects cannot be read"),
            Self::Io(_) => f.write_str("the pack cannot be written"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(_) | Self::Bad { .. } => None,
            Self::Odb(source) => Some(source),
            Self::Io(source) => Some(source),
        }
    }
}

impl From<gix::Error> for Fault {
    fn from(source: gix::Error) -> Self {
        Self::Odb(source)
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// Whether nobody waits any more for what is being made.
pub(in crate::git) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// For what is always waited for.
pub(in crate::git) const NEVER: Stop<'static> = &|| false;

/// Ends the work if nobody waits for it.
pub(in crate::git) fn check(stop: Stop<'_>) -> io::Result<()> {
    if stop() {
        // Not `Interrupted`, which writers take for a reason to try again.
        let text = "nobody waits for it any more, or it took too long";
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    Ok(())
}

/// A commit, and where it comes from.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) id: ObjectId,
    pub(super) parents: Vec<ObjectId>,
}

/// The commits that the references of `repo` name.
pub(in crate::git) fn known_tips(repo: &Repository) -> Result<Vec<ObjectId>, Fault> {
    let references = repo.references()?;
    let mut tips = Vec::new();
    for reference in references.all()? {
        // What names nothing that is there is nothing that anybody has.
        let Ok(mut reference) = reference else {
            continue;
        };
        let Ok(id) = reference.peel_to_id() else {
            continue;
        };
        let id = id.detach();
        let is_commit = repo
            .try_find_header(id)?
            .is_some_and(|it| it.kind() == gix::objs::Kind::Commit);
        if is_commit && !tips.contains(&id) {
            tips.push(id);
        }
    }
    Ok(tips)
}

/// The commits that `tips` reach and `had` do not, parents before children.
pub(super) fn new_commits(
    repo: &Repository,
    tips: &[ObjectId],
    had: &[ObjectId],
    stop: Stop<'_>,
) -> Result<Vec<Commit>, Fault> {
    let had_set: IdSet = had.iter().copied().collect();
    let tips = tips.iter().copied().filter(|it| !had_set.contains(it));
    let tips: Vec<ObjectId> = tips.collect();
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let mut commits = Vec::new();
    let walk = repo.rev_walk(tips).with_hidden(had.iter().copied());
    for commit in walk.all()? {
        check(stop)?;
        let commit = commit?;
        commits.push(Commit {
            id: commit.id,
            parents: commit.parent_ids.iter().copied().collect(),
        });
    }
    Ok(parents_first(commits))
}

/// The walk itself goes by dates, which need not follow the history.
fn parents_first(commits: Vec<Commit>) -> Vec<Commit> {
    let places: IdMap<usize> = (0..).zip(&commits).map(|(n, it)| (it.id, n)).collect();
    let mut waiting_for = vec![0_usize; commits.len()];
    let mut children = vec![Vec::new(); commits.len()];
    for (place, commit) in commits.iter().enumerate() {
        for parent in commit.parents.iter().filter_map(|it| places.get(it)) {
            waiting_for[place] += 1;
            children[*parent].push(place);
        }
    }
    let ready = |place: &usize| waiting_for[*place] == 0;
    // The walk is newest first, so this is oldest first, more or less.
    let mut ready: Vec<usize> = (0..commits.len()).filter(ready).collect();
    let mut commits: Vec<Option<Commit>> = commits.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(commits.len());
    while let Some(place) = ready.pop() {
        sorted.extend(commits[place].take());
        for child in &children[place] {
            waiting_for[*child] -= 1;
            if waiting_for[*child] == 0 {
                ready.push(*child);
            }
        }
    }
    sorted
}

/// Calls `take` with what each of `commits` changed, in their order.
///
/// A commit without parents is compared with `instead`. What `is_settled` says of
/// an object counts for all that it reaches; it is asked while `take` is not
/// running. With `judge`, trees must keep the rules of an index, and all that is
/// new must be there.
pub(super) fn each_change<T: Sync>(
    repo: &Repository,
    commits: &[Commit],
    instead: &[ObjectId],
    judge: bool,
    state: &mut T,
    is_settled: impl Fn(&T, &ObjectId) -> bool + Sync,
    mut take: impl FnMut(&mut T, &Commit, Changes) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let handles = Handles::new(repo);
    let newest_first = lie_newest_first(repo, commits)?;
    for chunk in commits.chunks(CHUNK) {
        let seen = &*state;
        let settled = |id: &ObjectId| is_settled(seen, id);
        let look = |repo: &Repository, commit: &Commit| {
            let parents = match commit.parents.as_slice() {
                [] => instead,
                parents => parents,
            };
            changes_of(repo, commit.id, parents, judge, &settled)
        };
        let pieces = chunk.par_chunks(PIECE).map(|piece| {
            handles.with(|repo| {
                let look = |commit| look(repo, commit);
                if newest_first {
                    let mut changes: Vec<_> = piece.iter().rev().map(look).collect();
                    changes.reverse();
                    changes
                } else {
                    piece.iter().map(look).collect()
                }
            })
        });
        let changes: Vec<Vec<Result<Changes, Fault>>> = pieces.collect();
        for (commit, changes) in chunk.iter().zip(changes.into_iter().flatten()) {
            take(state, commit, changes?)?;
        }
    }
    Ok(())
}

/// Whether the newer commits lie before the older ones, as git puts them. What is
/// of the older ones is then a delta of what is of the newer ones, and is read with
/// least effort after that.
fn lie_newest_first(repo: &Repository, commits: &[Commit]) -> Result<bool, Fault> {
    match commits {
        [oldest, .., newest] => Ok(Packs::of(repo)?.is_behind(&oldest.id, &newest.id)),
        _ => Ok(false),
    }
}
