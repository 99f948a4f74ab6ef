//! Files that are whole and durable, or not there.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// A file that is being written, under a name that nobody looks for. It is gone
/// when this is dropped, unless it was kept.
pub(in crate::git) struct Scratch {
    path: PathBuf,
    file: File,
}

impl Scratch {
    /// A new file in `directory`. Its name begins with `.tmp`, as those of gix do,
    /// so that one sweep finds what both left behind.
    pub(in crate::git) fn new_in(directory: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!(".tmp-romt-{}-{next}", process::id()));
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(in crate::git) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Another handle of it.
    pub(in crate::git) fn shared(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes it durable as `path`, in place of whatever is there. Both are in one
    /// directory.
    pub(in crate::git) fn keep_as(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        sync_directory(path.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What was kept is not there any more under this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the names in a directory durable.
pub(in crate::git) fn sync_directory(directory: &Path) -> io::Result<()> {
    let here = directory.as_os_str().is_empty();
    let directory = if here { Path::new(".") } else { directory };
    // Only Unix can open a directory, and only there is it needed.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
