//! Moving about below the root without following a link.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use romt_core::{
    Key,
    ports::{ObjectMeta, StoreError},
};

use super::{error::FsError, platform};

/// The store's own directory.
pub(super) const OWN: &str = ".romt";
/// Where files are until they are whole, below [`OWN`].
pub(super) const TMP: &str = "tmp";
/// The file that a writer locks, below [`OWN`].
pub(super) const LOCK: &str = "lock";

/// A root directory, held open, so that nothing that happens to its path leads
/// elsewhere.
///
/// Directories are opened in one step where the system can be told to follow no
/// link on the way, and else one by one, each relative to the one before.
pub(super) struct Tree {
    path: PathBuf,
    dir: Dir,
    /// Whether a look at what lies in memory tells what there is.
    may_glance: bool,
}

impl Tree {
    pub(super) fn new(path: PathBuf, dir: Dir) -> Self {
        Self {
            may_glance: platform::keeps_its_files(&dir),
            path,
            dir,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The port's error for what happened at `key`.
    pub(super) fn error(&self, key: &Key) -> impl Fn(FsError) -> StoreError {
        move |error| error.at(self, key)
    }

    /// The object at `key`, if it can be told without waiting for the disk that there
    /// is one. Nothing is said of what is missing, or is no object.
    pub(super) fn glance(&self, key: &Key) -> Option<ObjectMeta> {
        if !self.may_glance || check_not_own(key).is_err() {
            return None;
        }
        let meta = self.glance_at(key.as_str())?;
        let is_object = platform::not_an_object(&meta).is_none();
        is_object.then(|| describe(key, &meta))
    }

    /// What is at `path`, if that can be told without waiting for the disk.
    pub(super) fn glance_at(&self, path: &str) -> Option<Metadata> {
        platform::glance(&self.dir, path)
    }

    /// The directory at `path`, given as segments joined by `/`; "" is the root.
    pub(super) fn directory(&self, path: &str) -> Result<Dir, FsError> {
        match platform::open_below(&self.dir, path) {
            Ok(dir) => return Ok(dir),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(FsError::NotFound),
            // The steps one by one show what is wrong, if anything is.
            Err(_) => {}
        }
        let mut dir = self.dir.try_clone().map_err(FsError::io("open"))?;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            dir = enter(&dir, segment)?;
        }
        Ok(dir)
    }

    /// As [`directory`](Self::directory), creating what is missing, except the
    /// root: if that is gone, something is wrong that must be heard of.
    pub(super) fn make_directory(&self, path: &str) -> Result<Dir, FsError> {
        match self.directory(path) {
            Err(FsError::NotFound) if !path.is_empty() => {}
            found => return found,
        }
        let above = self.make_directory(parent_of(path))?;
        make_missing(&above, name_of(path), 0o755)
    }
}

/// Goes from directory to directory, and makes those that are missing. What is on
/// the way to the last one stays open, for its neighbours.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    open: Vec<(String, Dir)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            open: Vec::new(),
        }
    }

    /// Goes back to the root: what was found on the way may be gone.
    pub(super) fn start_anew(&mut self) {
        self.open.clear();
    }

    /// The directory at `path`, as [`Tree::make_directory`] gives it.
    pub(super) fn make(&mut self, path: &str) -> Result<&Dir, FsError> {
        let is_above = |above: &str| {
            let rest = path.strip_prefix(above);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.open.truncate(
            self.open
                .iter()
                .take_while(|(above, _)| is_above(above))
                .count(),
        );
        let mut at = self.open.last().map_or(0, |(above, _)| above.len());
        // What is below a directory that is new is missing too.
        let mut missing = false;
        while at < path.len() {
            let begin = if at == 0 { 0 } else { at + 1 };
            let end = path[begin..].find('/').map_or(path.len(), |n| begin + n);
            let name = &path[begin..end];
            let above = self.open.last().map_or(&self.tree.dir, |(_, dir)| dir);
            let found = if missing {
                Err(FsError::NotFound)
            } else {
                enter_quickly(above, name)
            };
            let dir = match found {
                Err(FsError::NotFound) => {
                    missing = true;
                    make_missing(above, name, 0o755)?
                }
                found => found?,
            };
            self.open.push((path[..end].to_owned(), dir));
            at = end;
        }
        Ok(self.open.last().map_or(&self.tree.dir, |(_, dir)| dir))
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// The path of the directory that `path` is in; "" is the root.
pub(super) fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last segment of `path`.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Refuses keys that would name the store's own files.
pub(super) fn check_not_own(key: &Key) -> Result<(), FsError> {
    if is_own(key.as_str()) {
        return Err(FsError::Refused("the store's own"));
    }
    Ok(())
}

/// Whether `path` is kept for the store. In any case of letters, because there
/// are file systems on which that is the same file.
pub(super) fn is_own(path: &str) -> bool {
    let mut segments = path.split('/');
    let first = segments.next().unwrap_or_default();
    let second = segments.next().unwrap_or_default();
    first.eq_ignore_ascii_case(OWN)
        && (second.eq_ignore_ascii_case(TMP) || second.eq_ignore_ascii_case(LOCK))
}

/// Opens the directory called `name`.
pub(super) fn enter(dir: &Dir, name: &str) -> Result<Dir, FsError> {
    let source = match dir.open_dir_nofollow(name) {
        Ok(dir) => return Ok(dir),
        // Not to be looked at again: it may be created at this moment.
        Err(error) if is_absence(&error) => return Err(FsError::NotFound),
        Err(error) => error,
    };
    match look(dir, name)? {
        Some(meta) if meta.is_symlink() => Err(FsError::Refused("behind a symbolic link")),
        Some(meta) if !meta.is_dir() => Err(FsError::BelowFile),
        Some(_) => Err(FsError::Io {
            action: "open the directory of",
            source,
        }),
        None => Err(FsError::NotFound),
    }
}

/// As [`enter`], in one step where the system can.
fn enter_quickly(dir: &Dir, name: &str) -> Result<Dir, FsError> {
    match platform::open_below(dir, name) {
        Ok(dir) => Ok(dir),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(FsError::NotFound),
        // What is wrong, if anything is, shows there.
        Err(_) => enter(dir, name),
    }
}

/// Opens the directory called `name`, creating it if it is missing.
pub(super) fn make(dir: &Dir, name: &str, mode: u32) -> Result<Dir, FsError> {
    match enter(dir, name) {
        Err(FsError::NotFound) => make_missing(dir, name, mode),
        found => found,
    }
}

/// Creates the directory called `name`, which was not there, and opens it.
fn make_missing(dir: &Dir, name: &str, mode: u32) -> Result<Dir, FsError> {
    match platform::create_dir(dir, name, mode) {
        // Somebody else may have been quicker.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(FsError::Io {
            action: "create the directory of",
            source: error,
        }),
        _ => platform::open_below(dir, name)
            .or_else(|_| enter(dir, name))
            .map_err(|error| match error {
                FsError::NotFound => FsError::Io {
                    action: "create the directory of",
                    source: ErrorKind::NotFound.into(),
                },
                other => other,
            }),
    }
}

/// What is called `name`, be it a link.
pub(super) fn look(dir: &Dir, name: &str) -> Result<Option<Metadata>, FsError> {
    match dir.symlink_metadata(name) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(FsError::Io {
            action: "look at",
            source,
        }),
    }
}

/// The object called `name`, refusing all else.
pub(super) fn look_for_object(dir: &Dir, name: &str) -> Result<Option<Metadata>, FsError> {
    let found = look(dir, name)?;
    match found.as_ref().and_then(platform::not_an_object) {
        Some(refused) => Err(FsError::Refused(refused)),
        None => Ok(found),
    }
}

/// Opens the object called `name` for reading.
pub(super) fn open_object(dir: &Dir, name: &str) -> Result<(File, Metadata), FsError> {
    let mut options = OpenOptions::new();
    // Opening a pipe would wait for its writer.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let opened = dir.open_with(name, &options);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Err(FsError::NotFound),
        Err(source) => {
            // What is no object may be the reason, and is the better message.
            look_for_object(dir, name)?;
            let action = "open";
            return Err(FsError::Io { action, source });
        }
    };
    let meta = file.metadata().map_err(FsError::io("look at"))?;
    match platform::not_an_object(&meta) {
        Some(refused) => Err(FsError::Refused(refused)),
        None => Ok((file.into_std(), meta)),
    }
}

/// Whether nothing is there, or nothing can be: a name that is too long for the
/// file system names no object either.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::InvalidFilename
    )
}

/// Describes the object at `key`.
pub(super) fn describe(key: &Key, meta: &Metadata) -> ObjectMeta {
    let modified = meta
        .modified()
        .ok()
        .map(cap_std::time::SystemTime::into_std);
    ObjectMeta::new(key.clone(), meta.len(), platform::version(meta)).with_modified(modified)
}
