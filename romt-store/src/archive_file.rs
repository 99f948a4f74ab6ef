//! Transfer archives as files of this machine.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek as _, Write},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::SystemTime,
};

use romt_core::transfer::ArchiveOutput;

/// How much is gathered before the disk is asked to take it, in bytes: headers and
/// small files. What comes in larger pieces is not copied.
const BUFFER: usize = 128 * 1024;

/// How much is written before the disk is asked to begin, in bytes.
const EARLY: usize = 64 << 20;

/// An archive being written: beside its name, and under it once it is whole.
///
/// The temporary file is `.NAME.tmp` in the same directory. Dropping an archive
/// that was not committed removes it.
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    staged: PathBuf,
    /// `None` once committed.
    file: Option<io::BufWriter<File>>,
    /// A flush of what is written so far, so that the one at the end has little left to
    /// wait for.
    flushing: Option<JoinHandle<io::Result<()>>>,
    /// How much was written since that began, in bytes.
    since: usize,
}

impl ArchiveFile {
    /// Begins an archive that is to be called `path`. What is called so now stays
    /// until then.
    ///
    /// Fails if another process is writing an archive of this name.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        let mut staged = std::ffi::OsString::from(".");
        staged.push(name);
        staged.push(".tmp");
        let staged = path.with_file_name(staged);
        if let Ok(found) = fs::symlink_metadata(&staged)
            && !found.is_file()
        {
            let what = format!("{} is in the way", staged.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&staged)?;
        if file.try_lock().is_err() {
            let what = format!("{} is being written by another process", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        // Whoever had it may have given it its name between our opening and locking.
        if !is_at(&file, &staged) {
            let what = format!("{} was just written by another process", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        // What another run left there when it was killed.
        file.set_len(0)?;
        Ok(Self {
            path: path.to_owned(),
            staged,
            file: Some(io::BufWriter::with_capacity(BUFFER, file)),
            flushing: None,
            since: 0,
        })
    }

    /// Has the disk begin with what was written, while more comes.
    fn flush_early(&mut self) -> io::Result<()> {
        self.end_flush()?;
        let file = self.file()?.get_ref().try_clone()?;
        let flush = thread::Builder::new().name("romt-flush".to_owned());
        // Without a thread, the flush at the end has it all.
        self.flushing = flush.spawn(move || file.sync_data()).ok();
        Ok(())
    }

    /// Waits for the flush that was begun. The system tells of a failure once for each
    /// file: who went on after one would never hear of what was lost.
    fn end_flush(&mut self) -> io::Result<()> {
        match self.flushing.take().map(JoinHandle::join) {
            Some(Ok(flushed)) => flushed,
            Some(Err(_)) => Err(io::Error::other("the flushing thread has panicked")),
            None => Ok(()),
        }
    }

    /// Makes durable what was written, under no name yet: what is full or broken shows
    /// here.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        self.flush()?;
        self.end_flush()?;
        self.file()?.get_ref().sync_all()
    }

    fn file(&mut self) -> io::Result<&mut io::BufWriter<File>> {
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("the archive was committed"))
    }
}

impl Write for ArchiveFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file()?.write(bytes)?;
        self.since += count;
        if self.since >= EARLY {
            self.since = 0;
            self.flush_early()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl ArchiveOutput for ArchiveFile {
    fn commit(mut self: Box<Self>) -> io::Result<()> {
        self.settle()?;
        fs::rename(&self.staged, &self.path)?;
        self.file = None;
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // Not every system can flush a directory, and none of those loses a name.
        #[cfg(unix)]
        File::open(directory)?.sync_all()?;
        #[cfg(not(unix))]
        let _ = directory;
        Ok(())
    }
}

impl Drop for ArchiveFile {
    fn drop(&mut self) {
        // While it is open, and so locked, the name is ours.
        if self.file.is_some() {
            let _ = fs::remove_file(&self.staged);
        }
    }
}

/// Whether the open file is the one that `path` names.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Elsewhere an open file cannot be renamed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.is_file()
}

/// An archive being read: a regular file, opened once, that must not change
/// meanwhile.
#[derive(Debug)]
pub struct ArchiveInput {
    file: File,
    size: u64,
    /// When it was last written to, where the system tells.
    written: Option<SystemTime>,
    read: u64,
}

impl ArchiveInput {
    /// Opens the archive called `path`, which may be a link to a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A pipe would have us wait for whoever writes into it.
        if !fs::metadata(path)?.is_file() {
            let what = "it is not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let file = File::open(path)?;
        let meta = file.metadata()?;
        Ok(Self {
            file,
            size: meta.len(),
            written: meta.modified().ok(),
            read: 0,
        })
    }

    /// Goes back to the begin, to read it once more.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.read = 0;
        self.file.rewind()
    }
}

impl Read for ArchiveInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        if count == 0 && !buffer.is_empty() {
            let meta = self.file.metadata()?;
            let now = meta.len();
            if now != self.size || self.read != self.size {
                let (was, read) = (self.size, self.read);
                let what = format!(
                    "the archive had {was} bytes and now has {now}, of which {read} could be read"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            if meta.modified().ok() != self.written {
                let what = "the archive was written to while it was read";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn quirk_q10_the_old_archive_stays_until_the_new_one_is_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("crates.tar.gz");
        fs::write(&path, "old").unwrap();
        let mut archive = ArchiveFile::create(&path).unwrap();
        archive.write_all(b"ne").unwrap();
        drop(archive);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(files(scratch.path()), ["crates.tar.gz"]);
        let mut archive = Box::new(ArchiveFile::create(&path).unwrap());
        archive.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        archive.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(files(scratch.path()), ["crates.tar.gz"]);
    }

    #[test]
    fn an_archive_that_is_flushed_on_its_way_is_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.tar");
        let mut archive = Box::new(ArchiveFile::create(&path).unwrap());
        let mut expected = Vec::new();
        // Headers that are gathered, and data that is not, in turn.
        for number in (0..u8::MAX).cycle() {
            let length = if number % 2 == 0 { 512 } else { 1 << 20 };
            let piece = vec![number; length];
            archive.write_all(&piece).unwrap();
            expected.extend_from_slice(&piece);
            if expected.len() > 2 * EARLY {
                break;
            }
        }
        archive.commit().unwrap();
        assert!(fs::read(&path).unwrap() == expected);
        assert_eq!(files(scratch.path()), ["a.tar"]);
    }

    #[test]
    fn hostile_x07_two_packs_of_one_name_do_not_mix() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.tar");
        let first = ArchiveFile::create(&path).unwrap();
        let error = ArchiveFile::create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert!(ArchiveFile::create(&path).is_ok());
    }

    #[test]
    fn what_a_killed_run_left_is_written_over() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.tar");
        fs::write(scratch.path().join(".a.tar.tmp"), "a lot of old bytes").unwrap();
        let mut archive = Box::new(ArchiveFile::create(&path).unwrap());
        archive.write_all(b"new").unwrap();
        archive.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn hostile_a40_an_archive_that_grows_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a.tar");
        fs::write(&path, "12345").unwrap();
        let mut archive = ArchiveInput::open(&path).unwrap();
        let mut buffer = [0; 3];
        archive.read_exact(&mut buffer).unwrap();
        let mut grown = OpenOptions::new().append(true).open(&path).unwrap();
        grown.write_all(b"67").unwrap();
        let error = archive.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("had 5 bytes and now has 7"));
    }

    #[test]
    fn hostile_a41_only_regular_files_are_archives() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(ArchiveInput::open(scratch.path()).is_err());
        #[cfg(unix)]
        {
            let link = scratch.path().join("null");
            std::os::unix::fs::symlink("/dev/null", &link).unwrap();
            let error = ArchiveInput::open(&link).unwrap_err();
            assert!(error.to_string().contains("not a regular file"));
        }
    }
}
