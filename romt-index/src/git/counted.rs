//! How many crates are shown, without going through all of them each time.

use std::{fs::File, io::Read as _, path::PathBuf};

use gix::ObjectId;
use romt_core::ports::IndexError;

use super::{
    objects::replace_file,
    open::Opened,
    seam,
    walk::{ChangedFile, Changes},
};

/// Says how many crates the tree has that was shown last. Ours alone; without it
/// they are counted.
const NOTE: &str = "romt-counted";

/// What the note has at most, in bytes: a tree's id, a space, a number, an end.
const MAX_NOTE: u64 = 64;

impl Opened {
    /// How many crates the index files of `tree` are about. What it differs by from
    /// the tree `before` is in `changes`.
    pub(super) fn count_crates(
        &self,
        before: Option<ObjectId>,
        changes: &Changes,
        tree: ObjectId,
    ) -> Result<u64, IndexError> {
        let known = before.and_then(|before| self.noted(before));
        let count = match known.and_then(|known| changed(known, changes)) {
            Some(count) => count,
            None => seam::list_paths(&self.repo, &self.index, tree)?.len() as u64,
        };
        if before != Some(tree) || known != Some(count) {
            let note = format!("{tree} {count}\n");
            if let Err(error) = replace_file(&self.note(), note.as_bytes()) {
                // Then they are counted the next time.
                tracing::debug!(index = %self.index, %error, "the count is not noted");
            }
        }
        Ok(count)
    }

    /// The count that was noted, if it is that of `tree`.
    fn noted(&self, tree: ObjectId) -> Option<u64> {
        let mut note = String::new();
        let file = File::open(self.note()).ok()?;
        file.take(MAX_NOTE).read_to_string(&mut note).ok()?;
        let (id, count) = note.strip_suffix('\n')?.split_once(' ')?;
        let id = ObjectId::from_hex(id.as_bytes()).ok()?;
        count.parse().ok().filter(|_| id == tree)
    }

    fn note(&self) -> PathBuf {
        self.git_dir().join(NOTE)
    }
}

/// What a count becomes by changes, as far as they say it.
fn changed(count: u64, changes: &Changes) -> Option<u64> {
    // What replaced a file may be none.
    if !changes.refused.is_empty() {
        return None;
    }
    let number = |is: fn(&ChangedFile) -> bool| {
        let files = changes.files.iter().filter(|file| is(file));
        files.count() as u64
    };
    let added = number(|file| file.old.is_none());
    let removed = number(|file| file.new.is_none());
    count.checked_add(added)?.checked_sub(removed)
}
