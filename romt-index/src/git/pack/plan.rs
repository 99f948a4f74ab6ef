//! Deciding what a pack holds.

use std::{io::Write, sync::Arc};

use gix::{ObjectId, Repository, objs::Kind};

use super::{
    IdMap, IdSet,
    body::Body,
    compare::Change,
    history::{Commit, Fault, NEVER, Stop, check, each_change, new_commits},
    stretch::Stretch,
    write::{self, Purpose},
};

/// How many deltas build on one another. What an object costs to read grows with it.
const MAX_CHAIN: u32 = 48;

/// What a pack will hold: all that one side wants and does not have.
///
/// Only what is in the pack already, or what the receiver must have, is the base
/// of a delta. No object is in the pack twice: there are receivers that never
/// finish with such a pack. And what leaves its place and comes back to it, as when
/// a version is yanked and yanked no more, is not sent again: it could be the base
/// of what it is then a delta against.
pub(in crate::git) struct Plan {
    pub(super) body: Option<Arc<Body>>,
    pub(super) objects: Vec<Planned>,
    /// The commits that the receiver has.
    pub(super) has: Vec<ObjectId>,
    /// What it has of what was in the places of objects of the pack.
    had: IdSet,
}

/// An object of the pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) id: ObjectId,
    /// What to make a delta against: before it in the pack, or at the receiver.
    pub(super) base: Option<ObjectId>,
}

/// What is known of an object.
enum Place {
    /// The receiver has it.
    Had,
    /// It is in the pack, so many deltas away from the first of its chain.
    Packed { depth: u32, root: ObjectId },
}

impl Plan {
    /// A pack for who wants the commits `wants`, and has the commits `has` and all
    /// that they reach.
    ///
    /// All these commits are in `repo`. A history that begins anew within what is
    /// wanted is compared with the first of `has`.
    pub(in crate::git) fn new(
        repo: &Repository,
        has: &[ObjectId],
        wants: &[ObjectId],
    ) -> Result<Self, Fault> {
        Self::until(repo, has, wants, NEVER)
    }

    /// The same for who may lose patience.
    pub(in crate::git) fn until(
        repo: &Repository,
        has: &[ObjectId],
        wants: &[ObjectId],
        stop: Stop<'_>,
    ) -> Result<Self, Fault> {
        let commits = new_commits(repo, wants, has, stop)?;
        Self::of(repo, has, &commits, stop)
    }

    /// The pack of a whole history that reaches further than this one's, which is
    /// that of `tip`: as far as `next`. What this one begins with that one does too.
    pub(in crate::git) fn extended(
        &self,
        repo: &Repository,
        tip: ObjectId,
        next: ObjectId,
        stop: Stop<'_>,
    ) -> Result<Self, Fault> {
        let more = Self::until(repo, &[tip], &[next], stop)?;
        let mut objects = self.objects.clone();
        let here: IdSet = objects.iter().map(|it| it.id).collect();
        let body = self.body.as_deref();
        // What left the history and came back to it was planned before.
        let is_new = |it: &Planned| {
            !here.contains(&it.id) && !body.is_some_and(|body| body.contains(&it.id))
        };
        objects.extend(more.objects.into_iter().filter(is_new));
        Ok(Self {
            body: self.body.clone(),
            objects,
            has: Vec::new(),
            had: IdSet::default(),
        })
    }

    /// The entries of another pack that the pack begins with.
    pub(in crate::git) fn copied(&self) -> Option<Stretch> {
        self.body.as_ref().map(|body| body.stretch())
    }

    /// Whether there is nothing better to begin with by now.
    pub(in crate::git) fn is_current(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.is_there())
    }

    /// A pack for who has `start` and wants `tip`, if `tip` builds on `start`.
    pub(in crate::git) fn since(
        repo: &Repository,
        start: ObjectId,
        tip: ObjectId,
    ) -> Result<Option<Self>, Fault> {
        let commits = new_commits(repo, &[tip], &[start], NEVER)?;
        // The way from the one to the other is new but for its beginning.
        let builds = |it: &Commit| it.parents.contains(&start);
        if start != tip && !commits.iter().any(builds) {
            return Ok(None);
        }
        Self::of(repo, &[start], &commits, NEVER).map(Some)
    }

    fn of(
        repo: &Repository,
        has: &[ObjectId],
        commits: &[Commit],
        stop: Stop<'_>,
    ) -> Result<Self, Fault> {
        let body = if has.is_empty() {
            Body::find(repo)?.map(Arc::new)
        } else {
            None
        };
        let mut builder = Builder {
            body: body.as_deref(),
            places: IdMap::default(),
            objects: Vec::new(),
        };
        let instead = has.get(..1).unwrap_or_default();
        each_change(
            repo,
            commits,
            instead,
            false,
            &mut builder,
            |builder, id| builder.places.contains_key(id),
            |builder, commit, changes| {
                check(stop)?;
                for gone in changes.gone {
                    builder.places.entry(gone).or_insert(Place::Had);
                }
                builder.commit(commit);
                for change in changes.new {
                    builder.change(change);
                }
                Ok(())
            },
        )?;
        let objects = builder.objects;
        let had = builder.places.into_iter();
        let had = had.filter(|(_, place)| matches!(place, Place::Had));
        let had = had.map(|(id, _)| id).collect();
        Ok(Self {
            body,
            objects,
            has: has.to_vec(),
            had,
        })
    }

    /// Whether the receiver is known to have this object.
    pub(super) fn is_had(&self, id: &ObjectId) -> bool {
        self.had.contains(id)
    }

    /// How many objects the pack will hold.
    pub(in crate::git) fn objects(&self) -> Option<u32> {
        let body = self.body.as_ref().map_or(0, |body| body.objects());
        u32::try_from(self.objects.len()).ok()?.checked_add(body)
    }

    #[cfg(test)]
    pub(in crate::git) fn ids(&self) -> Vec<ObjectId> {
        self.objects.iter().map(|it| it.id).collect()
    }

    #[cfg(test)]
    pub(in crate::git) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Writes the pack.
    pub(in crate::git) fn write(
        &self,
        repo: &Repository,
        purpose: Purpose,
        out: impl Write,
    ) -> Result<(), Fault> {
        write::pack(self, repo, purpose, out)
    }
}

struct Builder<'a> {
    /// What the pack begins with.
    body: Option<&'a Body>,
    places: IdMap<Place>,
    objects: Vec<Planned>,
}

impl Builder<'_> {
    fn commit(&mut self, commit: &Commit) {
        self.change(Change {
            id: commit.id,
            is_tree: false,
            before: None,
        });
    }

    fn change(&mut self, change: Change) {
        let id = change.id;
        if self.places.contains_key(&id) {
            return;
        }
        if self.body.is_some_and(|body| body.contains(&id)) {
            self.places.insert(id, Place::Had);
            return;
        }
        let base = change.before.map(|before| self.base(before));
        let (depth, root) = base.unwrap_or((0, id));
        self.places.insert(id, Place::Packed { depth, root });
        let base = match change.before {
            Some(before) if depth > 1 => Some(before),
            Some(_) => Some(root),
            None => None,
        };
        self.objects.push(Planned { id, base });
    }

    /// How deep a delta against `before` is, and where its chain begins. A chain
    /// that is long enough starts again at its beginning.
    fn base(&self, before: ObjectId) -> (u32, ObjectId) {
        match self.places.get(&before) {
            Some(Place::Packed { depth, root }) if *depth < MAX_CHAIN => (depth + 1, *root),
            Some(Place::Packed { root, .. }) => (1, *root),
            Some(Place::Had) | None => (1, before),
        }
    }
}

/// The number in the header of an entry of a pack that says what it is.
pub(super) fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}
