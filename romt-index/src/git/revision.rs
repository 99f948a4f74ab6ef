//! What people call a state.

use std::borrow::Cow;

use gix::ObjectId;
use romt_core::ports::{IndexError, Position};

use super::{
    open::Opened,
    refs::{MARK, WORKING},
};

/// The longest text that can name a state, in bytes.
const MAX_REVISION: usize = 4096;

impl Opened {
    /// The commit that `revision` names, or `None`.
    pub(super) fn resolve(&self, revision: &str) -> Option<ObjectId> {
        if revision.is_empty() || revision.len() > MAX_REVISION {
            return None;
        }
        let revision = in_full(revision);
        let found = self.repo.rev_parse_single(revision.as_ref());
        let commit = found.and_then(|id| id.object()).and_then(|object| {
            let commit = object.peel_to_commit()?;
            Ok(commit.id)
        });
        commit
            .inspect_err(|error| tracing::debug!(index = %self.index, %error, "no such revision"))
            .ok()
    }

    /// The commit at a position that the index once gave out.
    pub(super) fn commit_at(&self, at: &Position) -> Result<gix::Commit<'_>, IndexError> {
        let unknown = || {
            self.fail()
                .refused(at.as_str(), "it names no state of this index")
        };
        let id = ObjectId::from_hex(at.as_str().as_bytes()).map_err(|_| unknown())?;
        self.repo.find_commit(id).map_err(|_| unknown())
    }

    /// The tree at a position.
    pub(super) fn tree_at(&self, at: &Position) -> Result<ObjectId, IndexError> {
        let commit = self.commit_at(at)?;
        self.tree_of(commit.id)
    }

    /// The tree of a commit.
    pub(super) fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, IndexError> {
        let tree = self.repo.find_commit(commit).and_then(|commit| {
            let tree = commit.tree_id()?;
            Ok(tree.detach())
        });
        tree.map_err(|error| self.fail().storage("read a commit", error))
    }
}

/// The position that is a commit.
pub(super) fn position(commit: ObjectId) -> Position {
    Position::new(commit.to_string())
}

/// `HEAD` as people mean it is the working state, though the repository's own
/// may name what is shown; and the mark is the mark, whatever tag is called so.
fn in_full(revision: &str) -> Cow<'_, str> {
    let ends = |rest: &str| {
        let next = rest.bytes().next();
        next.is_none_or(|b| matches!(b, b'~' | b'^' | b'@' | b':'))
    };
    for (short, full) in [("HEAD", WORKING), ("mark", MARK), ("@", WORKING)] {
        match revision.strip_prefix(short) {
            // `@{…}` is about the branch that is checked out.
            Some(rest) if ends(rest) => return Cow::Owned(format!("{full}{rest}")),
            Some(rest) if short == "@" && rest.starts_with('{') => {
                return Cow::Owned(format!("{full}@{rest}"));
            }
            _ => {}
        }
    }
    Cow::Borrowed(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_the_working_state() {
        for (revision, full) in [
            ("HEAD", "refs/heads/working"),
            ("HEAD~1", "refs/heads/working~1"),
            ("HEAD^{tree}", "refs/heads/working^{tree}"),
            ("@", "refs/heads/working"),
            ("@^", "refs/heads/working^"),
            ("@{1}", "refs/heads/working@{1}"),
            ("mark~2", "refs/heads/mark~2"),
            ("market", "market"),
            ("HEADER", "HEADER"),
            ("origin/HEAD", "origin/HEAD"),
            ("abc123", "abc123"),
        ] {
            assert_eq!(in_full(revision), full);
        }
    }
}
