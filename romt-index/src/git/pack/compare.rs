//! What a commit changed, against its parents.

use std::cmp::Ordering;

use gix::{
    ObjectId, Repository,
    objs::{CommitRefIter, TreeRef, tree::EntryRef},
};

use super::{IdSet, connect, history::Fault, trim};

/// How deep the paths of an index may be, in names.
pub(super) const MAX_DEPTH: usize = 4;

/// An object that a commit has and its parents have not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) id: ObjectId,
    pub(super) is_tree: bool,
    /// What one of the parents has in its place.
    pub(super) before: Option<ObjectId>,
}

/// What a commit changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What it brought, trees before what is in them.
    pub(super) new: Vec<Change>,
    /// What the parents have in places where it has something else, or nothing.
    pub(super) gone: Vec<ObjectId>,
}

/// What `commit` changed. For the rest, see `each_change`.
pub(super) fn changes_of(
    repo: &Repository,
    commit: ObjectId,
    parents: &[ObjectId],
    judge: bool,
    is_settled: &dyn Fn(&ObjectId) -> bool,
) -> Result<Changes, Fault> {
    let mut comparison = Comparison {
        repo,
        judge,
        is_settled,
        changes: Changes::default(),
        visited: IdSet::default(),
        gone: IdSet::default(),
    };
    let tree = tree_of(repo, commit)?;
    let parents: Result<Vec<_>, _> = parents.iter().map(|it| tree_of(repo, *it)).collect();
    comparison.tree_or_same(tree, &parents?, 0)?;
    if judge {
        for change in comparison.changes.new.iter().filter(|it| !it.is_tree) {
            connect::check_blob(repo, change.id)?;
        }
    }
    Ok(comparison.changes)
}

/// The tree of a commit.
pub(super) fn tree_of(repo: &Repository, commit: ObjectId) -> Result<ObjectId, Fault> {
    let object = read(repo, commit, gix::objs::Kind::Commit)?;
    let tree = CommitRefIter::from_bytes(&object.data, repo.object_hash()).tree_id();
    tree.map_err(|_| Fault::bad(commit, "is a commit that cannot be read"))
}

/// An object that must be there and of this kind.
pub(super) fn read(
    repo: &Repository,
    id: ObjectId,
    kind: gix::objs::Kind,
) -> Result<gix::Object<'_>, Fault> {
    let object = repo.try_find_object(id)?.ok_or(Fault::Missing(id))?;
    if object.kind != kind {
        return Err(Fault::bad(
            id,
            format!("is a {}, not a {kind}", object.kind),
        ));
    }
    Ok(object)
}

/// One commit beside its parents.
struct Comparison<'a> {
    repo: &'a Repository,
    judge: bool,
    is_settled: &'a dyn Fn(&ObjectId) -> bool,
    changes: Changes,
    /// The new trees that were walked, so that a tree that is in a thousand places
    /// is walked once.
    visited: IdSet,
    gone: IdSet,
}

impl Comparison<'_> {
    /// Compares the tree `new` with the ones that the parents have in its place.
    fn tree_or_same(
        &mut self,
        new: ObjectId,
        olds: &[ObjectId],
        depth: usize,
    ) -> Result<(), Fault> {
        if olds.contains(&new) || (self.is_settled)(&new) || !self.visited.insert(new) {
            self.all_gone(olds, &new);
            return Ok(());
        }
        self.changes.new.push(Change {
            id: new,
            is_tree: true,
            before: olds.first().copied(),
        });
        self.all_gone(olds, &new);
        let object = read(self.repo, new, gix::objs::Kind::Tree)?;
        if self.judge {
            connect::check_tree(new, &entries(new, &object.data)?)?;
        }
        let tree = |it: &ObjectId| read(self.repo, *it, gix::objs::Kind::Tree);
        let olds: Result<Vec<gix::Object<'_>>, Fault> = olds.iter().map(tree).collect();
        let olds = olds?;
        let mut parts: Vec<&[u8]> = olds.iter().map(|it| &*it.data).collect();
        let mut part = &*object.data;
        if let [old] = parts.as_mut_slice() {
            (part, *old) = trim::differing(part, old);
        }
        let parts = olds.iter().zip(parts);
        let parts = parts.map(|(old, part)| self::entries(old.id, part));
        let parts: Result<Vec<_>, Fault> = parts.collect();
        self.entries(&entries(new, part)?, &parts?, depth)
    }

    fn entries(
        &mut self,
        new: &[EntryRef<'_>],
        olds: &[Vec<EntryRef<'_>>],
        depth: usize,
    ) -> Result<(), Fault> {
        let mut places = vec![0; olds.len()];
        let mut before = Vec::new();
        for entry in new {
            before.clear();
            for (place, old) in places.iter_mut().zip(olds) {
                let found = self.advance(place, old, Some(entry), depth)?;
                before.extend(found.map(|it| it.oid.to_owned()));
            }
            let id = entry.oid.to_owned();
            if entry.mode.is_tree() {
                if depth + 1 == MAX_DEPTH {
                    return Err(Fault::bad(id, format!("is over {MAX_DEPTH} names deep")));
                }
                self.tree_or_same(id, &before, depth + 1)?;
                continue;
            }
            let is_old = before.contains(&id) || (self.is_settled)(&id);
            if !is_old && self.visited.insert(id) {
                self.changes.new.push(Change {
                    id,
                    is_tree: false,
                    before: before.first().copied(),
                });
            }
            self.all_gone(&before, &id);
        }
        for (place, old) in places.iter_mut().zip(olds) {
            self.advance(place, old, None, depth)?;
        }
        Ok(())
    }

    /// Goes on in `old` to the place where `new` is or would be; what is passed by
    /// is gone.
    fn advance<'e>(
        &mut self,
        place: &mut usize,
        old: &'e [EntryRef<'e>],
        new: Option<&EntryRef<'_>>,
        depth: usize,
    ) -> Result<Option<&'e EntryRef<'e>>, Fault> {
        while let Some(entry) = old.get(*place) {
            match new.map_or(Ordering::Less, |new| in_order(entry, new)) {
                Ordering::Less => self.entry_gone(entry, depth)?,
                Ordering::Equal => {
                    *place += 1;
                    return Ok(Some(entry));
                }
                Ordering::Greater => break,
            }
            *place += 1;
        }
        Ok(None)
    }

    fn entry_gone(&mut self, entry: &EntryRef<'_>, depth: usize) -> Result<(), Fault> {
        let id = entry.oid.to_owned();
        if !self.gone.insert(id) {
            return Ok(());
        }
        self.changes.gone.push(id);
        if entry.mode.is_tree() && depth + 1 < MAX_DEPTH {
            let object = read(self.repo, id, gix::objs::Kind::Tree)?;
            for entry in entries(id, &object.data)? {
                self.entry_gone(&entry, depth + 1)?;
            }
        }
        Ok(())
    }

    fn all_gone(&mut self, olds: &[ObjectId], new: &ObjectId) {
        for old in olds.iter().filter(|it| *it != new) {
            if self.gone.insert(*old) {
                self.changes.gone.push(*old);
            }
        }
    }
}

fn entries(id: ObjectId, data: &[u8]) -> Result<Vec<EntryRef<'_>>, Fault> {
    let tree = TreeRef::from_bytes(data, id.kind());
    let tree = tree.map_err(|_| Fault::bad(id, "is a tree that cannot be read"))?;
    Ok(tree.entries)
}

/// The order of the entries of a tree, in which a tree's name ends with a slash.
pub(super) fn in_order(a: &EntryRef<'_>, b: &EntryRef<'_>) -> Ordering {
    let end = |it: &EntryRef<'_>| {
        if it.mode.is_tree() {
            b"/"
        } else {
            b"".as_slice()
        }
    };
    let shared = a.filename.len().min(b.filename.len());
    let heads = a.filename[..shared].cmp(&b.filename[..shared]);
    heads.then_with(|| {
        let rest_of_a = a.filename[shared..].iter().chain(end(a));
        let rest_of_b = b.filename[shared..].iter().chain(end(b));
        rest_of_a.cmp(rest_of_b)
    })
}
