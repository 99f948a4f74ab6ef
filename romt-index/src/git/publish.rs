//! Moving what clients see.

use std::collections::{BTreeMap, HashMap, HashSet};

use gix::{ObjectId, objs::Kind};
use romt_core::{
    CrateName, Version,
    crates::Rows,
    ports::{IndexError, Position, Publication, RefusedEntry},
};

use super::{
    commit::TreeEdit,
    line::{Judged, judge},
    objects::Writer,
    open::Opened,
    refs::{MARK, Move, SHOWN, WORKING},
    seam,
    walk::Changes,
};

/// What of one file is not to be shown.
#[derive(Debug, Default)]
struct Less {
    /// All of it.
    all: bool,
    /// These lines, counted from 1.
    lines: HashSet<usize>,
    /// These versions, of which what was shown before stays.
    held_back: HashSet<(CrateName, Version)>,
}

/// What is shown of one file.
#[derive(Debug, PartialEq, Eq)]
enum View {
    /// All of it.
    Whole,
    /// What was shown before.
    AsBefore,
    /// Other bytes; none of them, and it is not there.
    Bytes(Vec<u8>),
}

impl Opened {
    /// Shows `end` less what is held back and refused, and moves the mark.
    pub(super) fn publish(
        &self,
        end: &Position,
        held_back: &Rows,
        refused: &[RefusedEntry],
    ) -> Result<Publication, IndexError> {
        let end = self.commit_at(end)?.id;
        let end_tree = self.tree_of(end)?;
        let before = self.tip(SHOWN)?;
        let before_tree = before.map(|commit| self.tree_of(commit)).transpose()?;

        let less = self.less(before_tree, end_tree, held_back, refused)?;
        let mut writer = Writer::new(self);
        let mut edits = Vec::new();
        for (path, less) in less.iter().filter(|it| !it.0.split('/').any(str::is_empty)) {
            edits.extend(self.edit_for(&mut writer, path, less, before_tree, end_tree)?);
        }
        let tree = if edits.is_empty() {
            end_tree
        } else {
            writer.edited(self, Some(end_tree), edits)?
        };
        let shown = match before {
            _ if tree == end_tree => end,
            Some(before) if before_tree == Some(tree) => before,
            _ => {
                let time = self.time_of(end)?;
                let message = format!("Show {end}, less what is held back");
                writer.commit(self, tree, before, &message, time)?
            }
        };
        writer.finish()?;
        if self.tip(WORKING)? != Some(shown) {
            self.point_head(SHOWN)?;
        }
        // In this order: whoever sees the mark moved may rely on what is shown.
        let moves = [
            Move {
                name: SHOWN,
                to: shown,
            },
            Move {
                name: MARK,
                to: end,
            },
        ];
        self.move_refs(&moves, "publish")?;
        self.settle_head()?;
        self.publication(before_tree, shown)
    }

    /// Shows these versions no more.
    pub(super) fn withdraw(&self, versions: &Rows) -> Result<(), IndexError> {
        let Some(before) = self.tip(SHOWN)? else {
            return Ok(());
        };
        let Some(shown) = self.without(before, versions, "Withdraw versions")? else {
            return Ok(());
        };
        // Until the mark follows, `HEAD` may be the working branch, which shows them.
        self.point_head(SHOWN)?;
        let moved = Move {
            name: SHOWN,
            to: shown,
        };
        self.move_refs(&[moved], "withdraw")
    }

    /// A state like that of `commit`, less these versions; `None` if it has none of
    /// them.
    pub(super) fn without(
        &self,
        commit: ObjectId,
        versions: &Rows,
        message: &str,
    ) -> Result<Option<ObjectId>, IndexError> {
        let tree = self.tree_of(commit)?;
        let mut by_path: BTreeMap<String, Less> = BTreeMap::new();
        for (name, row) in versions.iter() {
            let less = by_path.entry(name.index_path()).or_default();
            less.held_back.insert((name.clone(), row.version.clone()));
        }
        let mut writer = Writer::new(self);
        let mut edits = Vec::new();
        for (path, less) in &by_path {
            edits.extend(self.edit_for(&mut writer, path, less, None, tree)?);
        }
        if edits.is_empty() {
            return Ok(None);
        }
        let without = writer.edited(self, Some(tree), edits)?;
        let time = self.time_of(commit)?;
        let id = writer.commit(self, without, [commit], message, time)?;
        writer.finish()?;
        Ok(Some(id))
    }

    /// What is not to be shown, by file: what the caller says, and what of the
    /// files that would change is no index entry.
    ///
    /// The caller speaks of its range only. A line that was refused before, in a
    /// file that has not changed since, is refused still.
    fn less(
        &self,
        before: Option<ObjectId>,
        end: ObjectId,
        held_back: &Rows,
        refused: &[RefusedEntry],
    ) -> Result<BTreeMap<String, Less>, IndexError> {
        let mut by_path: BTreeMap<String, Less> = BTreeMap::new();
        for (name, row) in held_back.iter() {
            let less = by_path.entry(name.index_path()).or_default();
            less.held_back.insert((name.clone(), row.version.clone()));
        }
        for entry in refused {
            let less = by_path.entry(entry.path.clone()).or_default();
            match entry.line {
                Some(line) => {
                    less.lines.insert(line);
                }
                None => less.all = true,
            }
        }
        if before.is_some() {
            let changes = seam::changes(&self.repo, &self.index, before, end)?;
            for file in changes.files.into_iter().filter(|file| file.new.is_some()) {
                by_path.entry(file.path).or_default();
            }
            for entry in changes.refused {
                by_path.entry(entry.path).or_default().all = true;
            }
        }
        Ok(by_path)
    }

    /// What has to change at `path` in the tree at `end`, if anything, so that it
    /// shows less.
    fn edit_for(
        &self,
        writer: &mut Writer<'_>,
        path: &str,
        less: &Less,
        before: Option<ObjectId>,
        end: ObjectId,
    ) -> Result<Option<TreeEdit>, IndexError> {
        let old = before.map(|tree| self.blob_at(tree, path)).transpose()?;
        let old = old.flatten();
        let new = self.blob_at(end, path)?;
        let view = match new {
            Some(new) if !less.all => self.view_of(path, less, old, new)?,
            // Whatever else is there, a directory or a link, is refused.
            Some(_) => View::AsBefore,
            None if less.all => View::AsBefore,
            None => View::Whole,
        };
        let shown = match view {
            View::Whole => return Ok(None),
            View::AsBefore => old,
            View::Bytes(bytes) if bytes.is_empty() => None,
            View::Bytes(bytes) => Some(writer.write(Kind::Blob, bytes)?),
        };
        Ok(Some((path.to_owned(), shown)).filter(|_| shown != new || less.all))
    }

    fn view_of(
        &self,
        path: &str,
        less: &Less,
        old: Option<ObjectId>,
        new: ObjectId,
    ) -> Result<View, IndexError> {
        let body = self.bytes_of(new)?;
        let before = match old {
            Some(old) if !less.held_back.is_empty() => self.bytes_of(old)?,
            _ => Vec::new(),
        };
        Ok(view(path, less, &body, &before))
    }

    fn publication(
        &self,
        before: Option<ObjectId>,
        shown: ObjectId,
    ) -> Result<Publication, IndexError> {
        let tree = self.tree_of(shown)?;
        let changes = match before {
            Some(_) => seam::changes(&self.repo, &self.index, before, tree)?,
            None => Changes::default(),
        };
        let crates = self.count_crates(before, &changes, tree)?;
        let touched = match before {
            Some(_) => changes.files.len() as u64,
            None => crates,
        };
        Ok(Publication::new(shown.to_string(), touched, crates))
    }
}

/// What is shown of `body`, of which `before` was shown before. Lines keep their
/// bytes and their order.
fn view(path: &str, less: &Less, body: &[u8], before: &[u8]) -> View {
    let Judged::Lines(lines) = judge(path, body) else {
        return View::AsBefore;
    };
    let judged_before = judge(path, before);
    let shown_before = by_version(&judged_before, before);
    let mut kept = Vec::with_capacity(body.len());
    let mut replaced = HashSet::new();
    let mut is_whole = true;
    for line in lines {
        let text = &body[line.range];
        let Some(of) = line
            .verdict
            .ok()
            .filter(|_| !less.lines.contains(&line.number))
        else {
            is_whole = false;
            continue;
        };
        let of = (of.name, of.version);
        if !less.held_back.contains(&of) {
            push_line(&mut kept, text);
            continue;
        }
        match shown_before.get(&of).copied() {
            Some(old) if replaced.insert(of) => {
                is_whole &= old == text;
                push_line(&mut kept, old);
            }
            _ => is_whole = false,
        }
    }
    if is_whole {
        View::Whole
    } else {
        View::Bytes(kept)
    }
}

/// The good lines of a file.
fn by_version<'a>(judged: &Judged, body: &'a [u8]) -> HashMap<(CrateName, Version), &'a [u8]> {
    let Judged::Lines(lines) = judged else {
        return HashMap::new();
    };
    lines
        .iter()
        .filter_map(|line| {
            let of = line.verdict.as_ref().ok()?;
            let of = (of.name.clone(), of.version.clone());
            Some((of, &body[line.range.clone()]))
        })
        .collect()
}

fn push_line(body: &mut Vec<u8>, line: &[u8]) {
    body.extend_from_slice(line);
    body.push(b'\n');
}
