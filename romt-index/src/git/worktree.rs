//! Keeping the work tree in step that another tool made in INDEX.
//!
//! What is there is known from `.git/index`, which is written last, so that a
//! process that died is made up for by doing it again.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice as _},
    index::entry::Mode,
    objs::Kind,
};
use romt_core::{Escaped, ports::IndexError};

use super::{
    commit::CONFIG,
    objects::{staged_name, sync_directory},
    open::Opened,
};

const ACTION: &str = "bring the work tree in step";

/// How the components of a path may be spelt. Nothing that any system takes for
/// `.git` passes.
const NAMES: gix::validate::path::component::Options = gix::validate::path::component::Options {
    protect_windows: cfg!(windows),
    protect_hfs: true,
    protect_ntfs: true,
};

/// What becomes of a `config.json` that was edited and not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edits {
    /// It stays.
    Keep,
    /// It is replaced.
    Drop,
}

impl Opened {
    /// Makes the work tree, if there is one, that of `commit`.
    pub(super) fn follow_with_work_tree(
        &self,
        commit: ObjectId,
        edits: Edits,
    ) -> Result<(), IndexError> {
        if !self.has_work_tree {
            return self.leave_config(commit);
        }
        let failed = |error: gix::Error| self.fail().storage(ACTION, error);
        let tree = self.tree_of(commit)?;
        let wanted = gix::index::State::from_tree(&tree, &self.repo.objects, NAMES);
        let wanted = wanted.map_err(failed)?;
        let there = self.repo.open_index().map_err(failed)?;

        let mut stale: HashMap<BString, (ObjectId, Mode)> = HashMap::new();
        let mut in_step = there.entries().len() == wanted.entries().len();
        for entry in there.entries() {
            in_step &= entry.stage_raw() == 0;
            stale.insert(entry.path(&there).to_owned(), (entry.id, entry.mode));
        }
        let mut writes = Vec::new();
        for entry in wanted.entries() {
            let path = entry.path(&wanted);
            if !matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE) {
                let reason = "links and sub-repositories have no place in an index";
                return Err(self.fail().refused(&path.to_str_lossy(), reason));
            }
            let before = stale.remove(path);
            if before != Some((entry.id, entry.mode)) {
                in_step = false;
                writes.push((path.to_owned(), entry.id, before.map(|it| it.0)));
            } else if path == CONFIG && edits == Edits::Drop {
                writes.push((path.to_owned(), entry.id, None));
            }
        }
        // A file may have to make room for a directory of its name.
        for path in stale.keys() {
            self.remove_from_work_tree(path)?;
        }
        for (path, blob, before) in &writes {
            self.write_to_work_tree(path, *blob, *before, edits)?;
        }
        if in_step {
            return Ok(());
        }
        self.write_index(wanted)
    }

    /// Puts `config.json` where its work tree would be. The Python tool takes it from
    /// there, and would lose it with its first merge if it were not.
    fn leave_config(&self, commit: ObjectId) -> Result<(), IndexError> {
        let Some(bytes) = self.config_in(self.tree_of(commit)?)? else {
            return Ok(());
        };
        let target = self.directory.join(CONFIG);
        let is_bare = !self.directory.join(".git").is_dir();
        if is_bare || fs::read(&target).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let staged = staged_name(self.git_dir());
        let written = (|| {
            fs::write(&staged, &bytes)?;
            File::open(&staged)?.sync_all()?;
            fs::rename(&staged, &target)
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&staged);
            self.fail().at(ACTION, &target, error)
        })
    }

    fn write_index(&self, state: gix::index::State) -> Result<(), IndexError> {
        let path = self.git_dir().join("index");
        self.note_locks(&["index".to_owned()])?;
        let mut file = gix::index::File::from_state(state, &path);
        let written = file.write(gix::index::write::Options::default());
        let written = written.map_err(|error| self.fail().storage(ACTION, error));
        self.forget_locks()?;
        written?;
        let flushed = File::open(&path).and_then(|file| file.sync_all());
        flushed
            .and_then(|()| sync_directory(self.git_dir()))
            .map_err(|error| self.fail().at(ACTION, &path, error))
    }

    fn write_to_work_tree(
        &self,
        path: &BString,
        blob: ObjectId,
        before: Option<ObjectId>,
        edits: Edits,
    ) -> Result<(), IndexError> {
        let is_config = path == CONFIG;
        let target = self.place(path)?;
        if is_config {
            let there = id_of_file(&target);
            let is_edit = there.is_some() && there != before;
            if there == Some(blob) || (is_edit && edits == Edits::Keep) {
                return Ok(());
            }
        }
        let bytes = self.bytes_of(blob)?;
        let staged = staged_name(self.git_dir());
        let written = (|| {
            self.make_parents(path)?;
            fs::write(&staged, &bytes)?;
            if is_config {
                // What is read back as ours may not be torn.
                File::open(&staged)?.sync_all()?;
            }
            fs::rename(&staged, &target)
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&staged);
            self.fail().at(ACTION, &target, error)
        })
    }

    /// Removes a file, and the directories that are empty without it.
    fn remove_from_work_tree(&self, path: &BString) -> Result<(), IndexError> {
        let target = self.place(path)?;
        if !self.parents_are_directories(path) {
            return Ok(());
        }
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.fail().at(ACTION, &target, error));
            }
            _ => {}
        }
        let mut directory = target.parent();
        while let Some(here) = directory {
            if here == self.directory || fs::remove_dir(here).is_err() {
                break;
            }
            directory = here.parent();
        }
        Ok(())
    }

    /// Where a path of the tree is on the disk.
    fn place(&self, path: &BString) -> Result<PathBuf, IndexError> {
        let mut place = self.directory.clone();
        for part in path.split_str("/") {
            let valid = gix::validate::path::component(part.as_bstr(), None, NAMES);
            let name = valid.ok().and_then(|part| part.to_str().ok());
            let Some(name) = name else {
                let reason = "it is no path of a work tree";
                return Err(self.fail().refused(&path.to_str_lossy(), reason));
            };
            place.push(name);
        }
        Ok(place)
    }

    /// The directories above a path, the outermost first.
    fn parents(&self, path: &BString) -> Vec<PathBuf> {
        let path = Path::new(path.to_str().unwrap_or_default());
        let mut parents: Vec<PathBuf> = path
            .ancestors()
            .skip(1)
            .filter(|parent| !parent.as_os_str().is_empty())
            .map(|parent| self.directory.join(parent))
            .collect();
        parents.reverse();
        parents
    }

    fn parents_are_directories(&self, path: &BString) -> bool {
        let is_directory = |path: &PathBuf| path.symlink_metadata().is_ok_and(|m| m.is_dir());
        self.parents(path).iter().all(is_directory)
    }

    /// Creates the directories above a path. What else is in the way is left
    /// alone: a link leads elsewhere.
    fn make_parents(&self, path: &BString) -> io::Result<()> {
        for parent in self.parents(path) {
            match parent.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    let shown = Escaped::new(parent.as_os_str().as_encoded_bytes());
                    let text = format!("{shown} is no directory, and is left alone");
                    return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
                }
                Err(_) => fs::create_dir(&parent)?,
            }
        }
        Ok(())
    }
}

/// The id that a regular file would have as a blob.
fn id_of_file(path: &Path) -> Option<ObjectId> {
    let found = path.symlink_metadata().ok()?;
    let bytes = found.is_file().then(|| fs::read(path).ok())??;
    gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, &bytes).ok()
}
