//! Putting right what a process that died left behind.

use std::{fs, path::Path};

use romt_core::ports::IndexError;

use super::{
    objects::STAGED_PREFIX,
    open::Opened,
    refs::{Head, SHOWN, WORKING},
    worktree::Edits,
};

/// Begins the names under which packs are written, by gix and by us.
const STAGED_PACK_PREFIX: &str = ".tmp";

/// Begins the name under which a bundle is written.
const STAGED_BUNDLE_PREFIX: &str = ".tmp-romt-";

impl Opened {
    /// Removes leftovers, sees to it that `HEAD` shows nothing that is not shown,
    /// and brings the work tree in step. Safe to repeat.
    pub(super) fn recover(&self) -> Result<(), IndexError> {
        self.warn_of_ignored_settings();
        self.break_stale_locks()?;
        let git_dir = self.git_dir();
        let swept = [
            (git_dir.to_owned(), STAGED_PREFIX),
            (git_dir.join("objects"), STAGED_PREFIX),
            (git_dir.join("objects/pack"), STAGED_PREFIX),
            (git_dir.join("objects/pack"), STAGED_PACK_PREFIX),
            (self.directory.clone(), STAGED_BUNDLE_PREFIX),
        ];
        for (directory, prefix) in swept {
            self.sweep(&directory, prefix)?;
        }
        self.discard_staged_bundle()?;
        self.guard_head()?;
        if let Some(working) = self.tip(WORKING)? {
            self.follow_with_work_tree(working, Edits::Keep)?;
        }
        Ok(())
    }

    fn sweep(&self, directory: &Path, prefix: &str) -> Result<(), IndexError> {
        let Ok(entries) = fs::read_dir(directory) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let is_stale = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(prefix.as_bytes());
            if is_stale && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let path = entry.path();
                fs::remove_file(&path)
                    .map_err(|error| self.fail().at("remove a leftover", &path, error))?;
            }
        }
        Ok(())
    }

    /// Has `HEAD` name the shown branch if what it names is another commit.
    ///
    /// Where there is no working branch yet, `HEAD` is what it will be made of.
    pub(super) fn guard_head(&self) -> Result<(), IndexError> {
        let Some(working) = self.tip(WORKING)? else {
            return Ok(());
        };
        let visible = match self.head()? {
            Head::Branch(name) if name == SHOWN => return Ok(()),
            Head::Branch(name) if name == WORKING => Some(working),
            Head::Branch(name) => self.tip(&name)?,
            Head::Detached(id) => Some(id),
        };
        if visible.is_some() && visible == self.tip(SHOWN)? {
            return Ok(());
        }
        self.point_head(SHOWN)
    }

    /// Has `HEAD` name the working branch, as the Python tool wants it, if that is
    /// what is shown.
    pub(super) fn settle_head(&self) -> Result<(), IndexError> {
        let working = self.tip(WORKING)?;
        if working.is_some() && working == self.tip(SHOWN)? {
            return self.point_head(WORKING);
        }
        self.guard_head()
    }
}
