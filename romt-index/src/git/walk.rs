//! Which index files a tree has, and in which two trees differ.
//!
//! Only the four shapes of index paths count: `1/x`, `2/xx`, `3/x/xxx` and
//! `xx/xx/xxxx…`. Nothing else of a tree is looked at, so that it is never walked
//! deeper than that.

use gix::{ObjectId, Repository, objs::tree::EntryMode};
use romt_core::{
    ErrorClass, Escaped,
    ports::{IndexError, RefusedEntry},
};

/// The most entries of one tree.
const MAX_TREE: usize = 200_000;

/// The most entries of all trees together that are looked at. Few bytes can say
/// many entries, where a tree occurs in many places.
const MAX_ENTRIES: usize = 2_000_000;

/// The most lines and files that are held back; beyond, the index is no index.
pub(super) const MAX_REFUSED: usize = 100_000;

/// An index file that is not the same in two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChangedFile {
    /// Where it is.
    pub(super) path: String,
    /// What it was, if it was there.
    pub(super) old: Option<ObjectId>,
    /// What it is, if it is there.
    pub(super) new: Option<ObjectId>,
}

/// What two trees differ in.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The index files, sorted by path.
    pub(super) files: Vec<ChangedFile>,
    /// What the end has in the places of index files that cannot be one.
    pub(super) refused: Vec<RefusedEntry>,
}

/// The index files of `tree`, sorted by path.
pub(super) fn list_paths(
    repo: &Repository,
    index: &str,
    tree: ObjectId,
) -> Result<Vec<(String, ObjectId)>, IndexError> {
    let files = changes(repo, index, None, tree)?.files.into_iter();
    Ok(files
        .filter_map(|file| Some((file.path, file.new?)))
        .collect())
}

/// The index files in which `start` and `end` differ, sorted by path, and what
/// cannot be one. Files are compared place by place; whether one resembles another
/// does not matter.
pub(super) fn changes(
    repo: &Repository,
    index: &str,
    start: Option<ObjectId>,
    end: ObjectId,
) -> Result<Changes, IndexError> {
    let mut walk = Walk {
        repo,
        index,
        entries: 0,
        path: Vec::new(),
        found: Changes::default(),
    };
    walk.compare(Place::Root, start, Some(end))?;
    let mut found = walk.found;
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let twice = found.files.windows(2).find(|it| it[0].path == it[1].path);
    if let Some([file, _]) = twice {
        return Err(IndexError::refused(index, &file.path, "it is there twice"));
    }
    Ok(found)
}

/// The refusal of an index that has too much that is held back.
pub(super) fn too_many_refused(index: &str) -> IndexError {
    let reason = format!("over {MAX_REFUSED} lines and files of it cannot be served");
    IndexError::refused(index, "the whole tree", reason)
}

/// The failure of the repository to say what it holds.
pub(super) fn unreadable(
    index: &str,
    action: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> IndexError {
    IndexError::Backend {
        index: index.to_owned(),
        action,
        class: ErrorClass::Storage,
        source: error.into(),
    }
}

/// Where in the shapes of index paths a tree is.
#[derive(Clone, Copy)]
enum Place {
    Root,
    /// `3`
    Three,
    /// `xx`
    First,
    /// `xx/xx`
    Second,
    /// `1`, `2` and `3/x`: files whose names have so many letters.
    Short(usize),
}

/// What an entry of a tree is for an index.
enum Role {
    Directory(Place),
    File,
    Nothing,
}

impl Place {
    fn role(self, name: &[u8]) -> Role {
        match (self, name, name.len()) {
            (Self::Root, b"1", _) => Role::Directory(Self::Short(1)),
            (Self::Root, b"2", _) => Role::Directory(Self::Short(2)),
            (Self::Root, b"3", _) => Role::Directory(Self::Three),
            (Self::Root, _, 2) => Role::Directory(Self::First),
            (Self::Three, _, 1) => Role::Directory(Self::Short(3)),
            (Self::First, _, 2) => Role::Directory(Self::Second),
            (Self::Second, _, 4..) => Role::File,
            (Self::Short(letters), _, length) if letters == length => Role::File,
            _ => Role::Nothing,
        }
    }
}

/// An entry of a tree.
struct Entry {
    name: Vec<u8>,
    mode: EntryMode,
    id: ObjectId,
}

struct Walk<'a> {
    repo: &'a Repository,
    index: &'a str,
    /// How many were seen.
    entries: usize,
    /// Where it is, with a slash at the end.
    path: Vec<u8>,
    found: Changes,
}

impl Walk<'_> {
    fn compare(
        &mut self,
        place: Place,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<(), IndexError> {
        if old == new {
            return Ok(());
        }
        let mut old = self.entries(old)?.into_iter().peekable();
        let mut new = self.entries(new)?.into_iter().peekable();
        loop {
            let (left, right) = match (old.peek(), new.peek()) {
                (Some(left), Some(right)) if left.name == right.name => (old.next(), new.next()),
                (Some(left), Some(right)) if left.name < right.name => (old.next(), None),
                (_, Some(_)) => (None, new.next()),
                (Some(_), None) => (old.next(), None),
                (None, None) => return Ok(()),
            };
            self.entry(place, left.as_ref(), right.as_ref())?;
        }
    }

    /// The entries of a tree by their names, which is not quite git's order.
    fn entries(&mut self, id: Option<ObjectId>) -> Result<Vec<Entry>, IndexError> {
        let Some(id) = id else {
            return Ok(Vec::new());
        };
        let failed = |error| unreadable(self.index, "read a directory", error);
        let tree = self.repo.find_tree(id).map_err(failed)?;
        let mut entries = Vec::new();
        for entry in tree.iter() {
            let entry = entry.map_err(failed)?;
            if entries.len() == MAX_TREE {
                return Err(self.too_many(MAX_TREE));
            }
            entries.push(Entry {
                name: entry.inner.filename.to_vec(),
                mode: entry.inner.mode,
                id: entry.inner.oid.to_owned(),
            });
        }
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(self.too_many(MAX_ENTRIES));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn too_many(&self, limit: usize) -> IndexError {
        let place = format!("the directory /{}", String::from_utf8_lossy(&self.path));
        let reason = format!("the limit of {limit} entries is crossed");
        IndexError::refused(self.index, &place, reason)
    }

    fn entry(
        &mut self,
        place: Place,
        old: Option<&Entry>,
        new: Option<&Entry>,
    ) -> Result<(), IndexError> {
        let Some(Entry { name, .. }) = new.or(old) else {
            return Ok(());
        };
        let length = self.path.len();
        match place.role(name) {
            Role::Nothing => {}
            Role::Directory(below) => {
                let tree = |entry: Option<&Entry>| entry.filter(|e| e.mode.is_tree()).map(|e| e.id);
                self.path.extend_from_slice(name);
                self.path.push(b'/');
                self.compare(below, tree(old), tree(new))?;
            }
            Role::File => {
                self.path.extend_from_slice(name);
                self.file(old, new)?;
            }
        }
        self.path.truncate(length);
        Ok(())
    }

    fn file(&mut self, old: Option<&Entry>, new: Option<&Entry>) -> Result<(), IndexError> {
        let old = old.filter(|entry| entry.mode.is_blob()).map(|it| it.id);
        let new = new.filter(|entry| !entry.mode.is_tree());
        let path = match std::str::from_utf8(&self.path) {
            Ok(path) if is_index_path(path) => path.to_owned(),
            _ if new.is_none_or(|entry| Some(entry.id) == old) => return Ok(()),
            _ => return self.refuse("it is not where the index file of any crate belongs"),
        };
        // A file that became something else has not said that its versions are gone.
        if new.is_some_and(|entry| !entry.mode.is_blob()) {
            return self.refuse("it is a link or another repository, not a file");
        }
        let new = new.map(|entry| entry.id);
        if old != new {
            self.found.files.push(ChangedFile { path, old, new });
        }
        Ok(())
    }

    fn refuse(&mut self, reason: &str) -> Result<(), IndexError> {
        if self.found.refused.len() == MAX_REFUSED {
            return Err(too_many_refused(self.index));
        }
        self.found.refused.push(RefusedEntry {
            path: Escaped::new(&self.path).to_string(),
            line: None,
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

/// Whether a path of one of the four shapes is the one at which an index has the
/// crate that its last part names.
fn is_index_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return false;
    }
    if !name.bytes().all(fits) {
        return false;
    }
    let directories = &path[..path.len() - name.len()];
    match name.len() {
        1 | 2 => true,
        3 => directories.as_bytes().get(2) == name.as_bytes().first(),
        _ => directories[..2] == name[..2] && directories[3..5] == name[2..4],
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
pub(super) mod tests;
