//! Which of some objects a commit's tree has.

use gix::{ObjectId, Repository, objs::TreeRefIter};
use rayon::prelude::*;

use super::{
    IdSet,
    compare::{MAX_DEPTH, read, tree_of},
    handles::Handles,
    history::Fault,
};

/// How many directories one thread goes through before it takes others.
const PIECE: usize = 16;

/// Those of `wanted` that are in the tree of `commit`, found by going through all
/// directories of it.
pub(super) fn in_tree(handles: &Handles, commit: ObjectId, wanted: &IdSet) -> Result<IdSet, Fault> {
    let mut top = Search::new(wanted, 1);
    let root = handles.with(|repo| {
        let root = tree_of(repo, commit)?;
        top.tree(repo, root, 0)?;
        Ok::<_, Fault>(root)
    })?;
    let below: Vec<Result<IdSet, Fault>> = top
        .below
        .par_chunks(PIECE)
        .map(|directories| {
            handles.with(|repo| {
                let mut search = Search::new(wanted, MAX_DEPTH);
                for directory in directories {
                    search.tree(repo, *directory, 1)?;
                }
                Ok(search.found)
            })
        })
        .collect();
    let mut found = top.found;
    found.extend(wanted.get(&root));
    for part in below {
        found.extend(part?);
    }
    Ok(found)
}

struct Search<'a> {
    wanted: &'a IdSet,
    /// How many levels of directories it goes through.
    levels: usize,
    found: IdSet,
    /// Directories that were gone through, since one may be in a thousand places.
    visited: IdSet,
    /// Those that are a level too deep.
    below: Vec<ObjectId>,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a IdSet, levels: usize) -> Self {
        Self {
            wanted,
            levels,
            found: IdSet::default(),
            visited: IdSet::default(),
            below: Vec::new(),
        }
    }

    fn tree(&mut self, repo: &Repository, id: ObjectId, depth: usize) -> Result<(), Fault> {
        if depth >= self.levels {
            self.below.push(id);
            return Ok(());
        }
        if !self.visited.insert(id) {
            return Ok(());
        }
        let tree = read(repo, id, gix::objs::Kind::Tree)?;
        for entry in TreeRefIter::from_bytes(&tree.data, id.kind()) {
            let entry = entry.map_err(|_| Fault::bad(id, "is a tree that cannot be read"))?;
            self.found.extend(self.wanted.get(entry.oid));
            if entry.mode.is_tree() {
                self.tree(repo, entry.oid.to_owned(), depth + 1)?;
            }
        }
        Ok(())
    }
}
