//! Proving that all that a tip reaches is there, and is what an index may hold.

use std::cmp::Ordering;

use gix::{
    ObjectId, Repository,
    objs::tree::{EntryKind, EntryRef},
    validate::path::component,
};
use romt_core::Escaped;

use super::{
    IdSet,
    compare::in_order,
    history::{Fault, NEVER, each_change, new_commits},
    is_io, whole_text,
};

/// The most entries of one tree.
const MAX_ENTRIES: usize = 200_000;
/// The most parents of one commit, and its longest text in bytes.
const MAX_PARENTS: usize = 64;
const MAX_COMMIT: u64 = 1024 * 1024;
/// What names of entries must not be, on any system.
const NAMES: component::Options = component::Options {
    // A crate may well be called like a device; no index is ever checked out.
    protect_windows: false,
    protect_hfs: true,
    protect_ntfs: true,
};

/// Proves that all that `tip` reaches is there. Of what `had` reach, that is known.
pub(super) fn check(repo: &Repository, tip: ObjectId, had: &[ObjectId]) -> Result<(), Fault> {
    check_kind(repo, tip, gix::objs::Kind::Commit)?;
    let commits = new_commits(repo, &[tip], had, NEVER).map_err(|fault| match fault {
        Fault::Odb(error) if !is_io(&error) => {
            let why = whole_text(&error);
            Fault::bad(tip, format!("lacks a part of its history: {why}"))
        }
        fault => fault,
    })?;
    for commit in &commits {
        let header = repo.try_find_header(commit.id)?;
        let header = header.ok_or(Fault::Missing(commit.id))?;
        if header.size() > MAX_COMMIT || commit.parents.len() > MAX_PARENTS {
            let reason = "is a commit with too much text or too many parents";
            return Err(Fault::bad(commit.id, reason));
        }
    }
    each_change(
        repo,
        &commits,
        &[],
        true,
        &mut IdSet::default(),
        IdSet::contains,
        |sound, _, changes| {
            sound.extend(changes.new.iter().map(|it| it.id));
            Ok(())
        },
    )
}

/// Proves that `id` is there, as a blob.
pub(super) fn check_blob(repo: &Repository, id: ObjectId) -> Result<(), Fault> {
    check_kind(repo, id, gix::objs::Kind::Blob)
}

fn check_kind(repo: &Repository, id: ObjectId, kind: gix::objs::Kind) -> Result<(), Fault> {
    let header = repo.try_find_header(id)?.ok_or(Fault::Missing(id))?;
    if header.kind() != kind {
        return Err(Fault::bad(
            id,
            format!("is a {}, not a {kind}", header.kind()),
        ));
    }
    Ok(())
}

/// Proves that a tree holds what an index may hold, under names that are names.
pub(super) fn check_tree(id: ObjectId, entries: &[EntryRef<'_>]) -> Result<(), Fault> {
    if entries.len() > MAX_ENTRIES {
        return Err(Fault::bad(id, format!("has over {MAX_ENTRIES} entries")));
    }
    for entry in entries {
        let refused = |why: &str| {
            let name = Escaped::new(entry.filename);
            Err(Fault::bad(id, format!("has the entry `{name}`, {why}")))
        };
        match entry.mode.kind() {
            EntryKind::Tree | EntryKind::Blob | EntryKind::BlobExecutable => {}
            EntryKind::Link => return refused("a link"),
            EntryKind::Commit => return refused("a repository of its own"),
        }
        let is_name = component_is_fine(entry);
        if !is_name {
            return refused("which is no name");
        }
    }
    for pair in entries.windows(2) {
        if in_order(&pair[0], &pair[1]) != Ordering::Less {
            return Err(Fault::bad(id, "is a tree out of order"));
        }
    }
    check_names_differ(id, entries)
}

fn component_is_fine(entry: &EntryRef<'_>) -> bool {
    // Nothing of it means anything to any system, and hardly a name has more.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !entry.filename.is_empty() && entry.filename.iter().all(plain) {
        return true;
    }
    !entry.filename.contains(&b'\\')
        && gix::validate::path::component(entry.filename, None, NAMES).is_ok()
}

/// A file and a directory may have one name without being neighbours.
fn check_names_differ(id: ObjectId, entries: &[EntryRef<'_>]) -> Result<(), Fault> {
    let is_tree = |it: &&EntryRef<'_>| it.mode.is_tree();
    let trees = entries.iter().filter(is_tree).count();
    // Most trees have but the one or the other, and few of the rarer kind.
    let trees_are_rare = trees <= entries.len() - trees;
    let other = if trees_are_rare {
        EntryKind::Blob
    } else {
        EntryKind::Tree
    };
    for entry in entries.iter().filter(|it| is_tree(it) == trees_are_rare) {
        let as_other = EntryRef {
            mode: other.into(),
            ..*entry
        };
        if entries
            .binary_search_by(|it| in_order(it, &as_other))
            .is_ok()
        {
            let name = Escaped::new(entry.filename);
            return Err(Fault::bad(id, format!("has the name `{name}` twice")));
        }
    }
    Ok(())
}
