//! Writing objects so that they are there after a power cut.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use flate2::{Compression, write::ZlibEncoder};
use gix::{
    ObjectId,
    objs::{Kind, Tree, WriteTo as _},
};
use rayon::prelude::*;
use romt_core::ports::IndexError;

use super::open::Opened;

/// Begins the name of a file in `objects` that is being written.
pub(super) const STAGED_PREFIX: &str = ".romt-";

/// How many bytes may wait to be written.
const MAX_PENDING: usize = 32 * 1024 * 1024;

const ACTION: &str = "write objects";

/// Collects objects and writes them, as loose ones.
///
/// gix flushes nothing, and passes over an object that is there though it may be
/// torn. Here an object gets its name once its bytes are flushed.
pub(super) struct Writer<'a> {
    opened: &'a Opened,
    pending: Vec<(ObjectId, Kind, Vec<u8>)>,
    pending_bytes: usize,
    queued: HashSet<ObjectId>,
    directories: BTreeSet<PathBuf>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(opened: &'a Opened) -> Self {
        Self {
            opened,
            pending: Vec::new(),
            pending_bytes: 0,
            queued: HashSet::new(),
            directories: BTreeSet::new(),
        }
    }

    /// Has an object written; it is readable once [`finish`](Self::finish) returned.
    pub(super) fn write(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<ObjectId, IndexError> {
        let fail = self.opened.fail();
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &bytes)
            .map_err(|error| fail.storage(ACTION, error))?;
        if !self.queued.insert(id) {
            return Ok(id);
        }
        let path = path_of(&self.objects(), id);
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        if path.is_file() {
            // Its writer may have died before the name was durable.
            self.directories.insert(directory);
        } else if !self.opened.repo.has_object(id) {
            self.directories.insert(directory);
            self.pending_bytes += bytes.len();
            self.pending.push((id, kind, bytes));
            if self.pending_bytes > MAX_PENDING {
                self.flush()?;
            }
        }
        Ok(id)
    }

    pub(super) fn write_tree(&mut self, tree: &Tree) -> Result<ObjectId, IndexError> {
        let mut bytes = Vec::new();
        tree.write_to(&mut bytes)
            .map_err(|error| self.opened.fail().storage(ACTION, error))?;
        self.write(Kind::Tree, bytes)
    }

    pub(super) fn write_commit(
        &mut self,
        commit: &gix::objs::Commit,
    ) -> Result<ObjectId, IndexError> {
        let mut bytes = Vec::new();
        commit
            .write_to(&mut bytes)
            .map_err(|error| self.opened.fail().storage(ACTION, error))?;
        self.write(Kind::Commit, bytes)
    }

    /// Makes everything durable that was asked for.
    pub(super) fn finish(mut self) -> Result<(), IndexError> {
        self.flush()?;
        let fail = self.opened.fail();
        if !self.directories.is_empty() {
            self.directories.insert(self.objects());
        }
        self.directories
            .par_iter()
            .try_for_each(|path| sync_directory(path).map_err(|e| fail.at(ACTION, path, e)))
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        let (objects, fail) = (self.objects(), self.opened.fail());
        self.pending_bytes = 0;
        let pending = std::mem::take(&mut self.pending);
        pending.par_iter().try_for_each(|(id, kind, bytes)| {
            let path = path_of(&objects, *id);
            write_loose(&objects, &path, *kind, bytes).map_err(|e| fail.at(ACTION, &path, e))
        })
    }

    fn objects(&self) -> PathBuf {
        self.opened.git_dir().join("objects")
    }
}

fn path_of(objects: &Path, id: ObjectId) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

fn write_loose(objects: &Path, path: &Path, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let staged = staged_name(objects);
    let written = stage(&staged, kind, bytes).and_then(|()| fs::rename(&staged, path));
    if written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written
}

fn stage(staged: &Path, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(staged)?;
    let mut encoder = ZlibEncoder::new(file, Compression::default());
    encoder.write_all(&gix::objs::encode::loose_header(kind, bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    let file = encoder.finish()?;
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)?;
    file.sync_all()
}

/// A name in `directory` that nobody uses.
pub(super) fn staged_name(directory: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{STAGED_PREFIX}{}-{number}.tmp", std::process::id());
    directory.join(name)
}

/// Replaces the file at `path`, in one step and durably.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let staged = staged_name(directory);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&staged, path)?;
        sync_directory(directory)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written
}

/// Makes the names in a directory durable, where the system can.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path)?.sync_all()
}
