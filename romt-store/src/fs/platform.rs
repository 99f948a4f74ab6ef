//! What differs between operating systems.

use std::io;

use cap_std::fs::{Dir, Metadata, OpenOptions};
use romt_core::ports::ObjectVersion;

#[cfg(not(unix))]
pub(super) use self::other::*;
#[cfg(unix)]
pub(super) use self::unix::*;

/// What sits at a name, for messages. `None` for an object.
pub(super) fn not_an_object(meta: &Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else {
        Some(special(kind))
    }
}

/// Renames only if nothing has the new name, whoever else is trying.
///
/// Not every file system can rename so, and not every one has hard links. One
/// that has neither leaves the check to the store's own lock.
pub(super) fn rename_if_absent(from: &Dir, old: &str, to: &Dir, new: &str) -> io::Result<()> {
    match rename_no_replace(from, old, to, new) {
        Err(error) if is_unsupported(&error) => {}
        done => return done,
    }
    match from.hard_link(old, to, new) {
        Ok(()) => return from.remove_file(old),
        Err(error) if is_unsupported(&error) => {}
        Err(error) => return Err(error),
    }
    match to.symlink_metadata(new) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => from.rename(old, to, new),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
mod unix {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    use std::fs::File;

    use cap_fs_ext::FileTypeExt as _;
    use cap_std::fs::{DirBuilder, DirBuilderExt as _, FileType, MetadataExt as _, OpenOptionsExt};
    use rustix::{
        fs::{Mode, OFlags},
        io::Errno,
    };

    use super::{Dir, Metadata, ObjectVersion, OpenOptions, io};

    pub(in super::super) fn special(kind: FileType) -> &'static str {
        if kind.is_fifo() {
            "a pipe"
        } else if kind.is_socket() {
            "a socket"
        } else if kind.is_block_device() || kind.is_char_device() {
            "a device"
        } else {
            "no regular file"
        }
    }

    /// Size and modification time differ between writings, and the inode and its
    /// change time cannot be set by whoever copies a tree over ours.
    pub(in super::super) fn version(meta: &Metadata) -> ObjectVersion {
        ObjectVersion::new(format!(
            "{:x}-{:x}.{:x}-{:x}.{:x}-{:x}",
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
            meta.ino(),
        ))
    }

    pub(in super::super) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
        OpenOptionsExt::mode(options, mode)
    }

    /// Opens the directory at `path` below `dir` in one step, following no link.
    ///
    /// An error other than that it is not there says nothing: the system may not
    /// know how to.
    pub(in super::super) fn open_below(dir: &Dir, path: &str) -> io::Result<Dir> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::fs::ResolveFlags;
            let path = if path.is_empty() { "." } else { path };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened = rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve)?;
            Ok(Dir::from_std_file(File::from(opened)))
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = (dir, path);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// What is at `path` below `dir`, no link on the way, if the system can tell
    /// without waiting for a disk: if all of it lies in memory. Otherwise it has to
    /// be looked for, by somebody who may wait. So must what lies on another file
    /// system: only the one of `dir` is known to be of this machine.
    pub(in super::super) fn glance(dir: &Dir, path: &str) -> Option<Metadata> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::fs::ResolveFlags;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH
                | ResolveFlags::NO_SYMLINKS
                | ResolveFlags::NO_XDEV
                | ResolveFlags::CACHED;
            // Linux before 5.12 does not know how to look only there.
            let found = rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve).ok()?;
            let found = cap_std::fs::File::from_std(File::from(found));
            found.metadata().ok()
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = (dir, path);
            None
        }
    }

    /// Whether the file system of `dir` keeps its files itself, so that what it has
    /// in memory is what there is. Where another program (FUSE) or another machine
    /// keeps them, even that has to be asked.
    pub(in super::super) fn keeps_its_files(dir: &Dir) -> bool {
        #[cfg(target_os = "linux")]
        {
            let found = rustix::fs::fstatfs(dir).ok();
            found.is_some_and(|found| u64::try_from(found.f_type).is_ok_and(is_own_keeper))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = dir;
            false
        }
    }

    /// Creates a directory with this mode, less the umask.
    pub(in super::super) fn create_dir(parent: &Dir, name: &str, mode: u32) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(mode);
        parent.create_dir_with(name, &builder)
    }

    pub(in super::super) fn same_file(a: &Metadata, b: &Metadata) -> bool {
        a.dev() == b.dev() && a.ino() == b.ino()
    }

    pub(super) fn rename_no_replace(from: &Dir, old: &str, to: &Dir, new: &str) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        {
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            Ok(rustix::fs::renameat_with(from, old, to, new, flags)?)
        }
        #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
        {
            let _ = (from, old, to, new);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Whether the file system lacks the ability, as opposed to having failed.
    pub(super) fn is_unsupported(error: &io::Error) -> bool {
        let lacking = [
            Errno::INVAL,
            Errno::NOSYS,
            Errno::OPNOTSUPP,
            Errno::PERM,
            Errno::NOTSUP,
        ];
        error.kind() == io::ErrorKind::Unsupported
            || Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno))
    }

    /// A handle for [`sync_whole`] on the file system of `dir`, if such a flush tells
    /// of whatever could not be written since the handle was opened.
    ///
    /// Linux does since 5.8. Where files are kept by another program (FUSE) or
    /// another machine, it may not ask those, so only file systems are taken that
    /// keep their files themselves.
    pub(in super::super) fn whole_file_system(dir: &Dir) -> io::Result<Option<std::fs::File>> {
        #[cfg(target_os = "linux")]
        {
            let release = rustix::system::uname();
            if !keeps_its_files(dir) || !tells_of_failures(&release.release().to_string_lossy()) {
                return Ok(None);
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
            Ok(Some(File::from(opened)))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = dir;
            Ok(None)
        }
    }

    /// Whether a file system of this kind is ext2 to ext4, XFS, Btrfs or F2FS.
    #[cfg(target_os = "linux")]
    fn is_own_keeper(magic: u64) -> bool {
        [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010].contains(&magic)
    }

    /// Whether a Linux of this release tells of failures when it flushes all.
    #[cfg(target_os = "linux")]
    pub(in super::super) fn tells_of_failures(release: &str) -> bool {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (Some(major), Some(minor)) = (next(), next()) else {
            return false;
        };
        (major, minor) >= (5_u32, 8_u32)
    }

    /// How many bytes an ordinary user may still write.
    pub(in super::super) fn free_space(dir: &Dir) -> io::Result<Option<u64>> {
        let room = rustix::fs::fstatvfs(dir)?;
        Ok(Some(room.f_bavail.saturating_mul(room.f_frsize)))
    }

    /// Flushes a file system: all files and all names.
    pub(in super::super) fn sync_whole(handle: &std::fs::File) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            rustix::fs::syncfs(handle)?;
            // Ext4 without a journal writes its own blocks last, when it has told the
            // device to empty its cache already. This tells it once more.
            Ok(rustix::fs::fsync(handle)?)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = handle;
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Flushes the names in a directory. `false` if this file system cannot.
    pub(in super::super) fn sync_dir(dir: &Dir) -> io::Result<bool> {
        let mut flushed = rustix::fs::fsync(dir);
        if flushed == Err(Errno::BADF) {
            // The handle is one that only names the directory.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            flushed = rustix::fs::fsync(rustix::fs::openat(dir, ".", flags, Mode::empty())?);
        }
        match flushed {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::time::UNIX_EPOCH;

    use cap_std::fs::FileType;

    use super::{Dir, Metadata, ObjectVersion, OpenOptions, io};

    pub(in super::super) fn special(_kind: FileType) -> &'static str {
        "no regular file"
    }

    pub(in super::super) fn version(meta: &Metadata) -> ObjectVersion {
        let modified = meta
            .modified()
            .ok()
            .and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        ObjectVersion::new(format!("{:x}-{:x}", meta.len(), modified.as_nanos()))
    }

    pub(in super::super) fn with_mode(options: &mut OpenOptions, _mode: u32) -> &mut OpenOptions {
        options
    }

    pub(in super::super) fn open_below(_dir: &Dir, _path: &str) -> io::Result<Dir> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn glance(_dir: &Dir, _path: &str) -> Option<Metadata> {
        None
    }

    pub(in super::super) fn keeps_its_files(_dir: &Dir) -> bool {
        false
    }

    pub(in super::super) fn create_dir(parent: &Dir, name: &str, _mode: u32) -> io::Result<()> {
        parent.create_dir(name)
    }

    /// Without file ids, a lock file that was replaced goes unnoticed. Windows
    /// does not let an open file be replaced in the first place.
    pub(in super::super) fn same_file(_a: &Metadata, _b: &Metadata) -> bool {
        true
    }

    pub(super) fn rename_no_replace(
        _from: &Dir,
        _old: &str,
        _to: &Dir,
        _new: &str,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_unsupported(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::Unsupported
    }

    pub(in super::super) fn free_space(_dir: &Dir) -> io::Result<Option<u64>> {
        Ok(None)
    }

    pub(in super::super) fn whole_file_system(_dir: &Dir) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }

    pub(in super::super) fn sync_whole(_handle: &std::fs::File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Directories cannot be flushed; the file system's journal orders names.
    pub(in super::super) fn sync_dir(_dir: &Dir) -> io::Result<bool> {
        Ok(true)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::unix::tells_of_failures;

    #[test]
    fn only_a_linux_that_tells_of_failures_is_asked_to_flush_all() {
        for new in ["5.8.0", "5.10.0-9-amd64", "6.18.1+", "10.0"] {
            assert!(tells_of_failures(new), "{new}");
        }
        for old in [
            "5.7.19-generic",
            "4.19.0",
            "3.10.0-1160.el7",
            "5",
            "",
            "x.y",
        ] {
            assert!(!tells_of_failures(old), "{old}");
        }
    }
}
