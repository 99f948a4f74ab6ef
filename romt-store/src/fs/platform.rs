//! What differs between operating systems.

use std::io;

use cap_std::fs::{Dir, Metadata, OpenOptions};
use romt_core::ports::ObjectVersion;

#[cfg(target_os = "linux")]
pub(super) use self::linux::*;
#[cfg(not(target_os = "linux"))]
pub(super) use self::not_linux::*;
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

#[cfg(target_os = "linux")]
mod linux {
    use super::{Dir, io};

    /// Whether flushing a file system reports that bytes could not be written.
    pub(in super::super) fn sync_all_tells_errors() -> bool {
        // Since Linux 5.8.
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        let release = release.unwrap_or_default();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
        matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (5, 8))
    }

    /// Flushes the file system that `dir` is in. `false` if it is of a kind that
    /// may not do it right; those over a network or in a process may not.
    pub(in super::super) fn sync_file_system(dir: &Dir) -> io::Result<bool> {
        const EXT: i128 = 0xef53;
        const XFS: i128 = 0x5846_5342;
        const BTRFS: i128 = 0x9123_683e;
        let file = super::unix::open_dir(dir)?;
        // Its type is not the same everywhere.
        let kind = i128::from(rustix::fs::fstatfs(&file)?.f_type) & 0xffff_ffff;
        if ![EXT, XFS, BTRFS].contains(&kind) {
            return Ok(false);
        }
        rustix::fs::syncfs(&file)?;
        // Without a journal, the disk's own cache is flushed before the names
        // are written. This flushes it again.
        file.sync_all()?;
        Ok(true)
    }
}

#[cfg(not(target_os = "linux"))]
mod not_linux {
    use super::{Dir, io};

    pub(in super::super) fn sync_all_tells_errors() -> bool {
        false
    }

    pub(in super::super) fn sync_file_system(_dir: &Dir) -> io::Result<bool> {
        Ok(false)
    }
}

#[cfg(unix)]
mod unix {
    use std::{fs::File, os::unix::fs::PermissionsExt as _};

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

    /// Creates a directory with this mode, less the umask.
    pub(in super::super) fn create_dir(parent: &Dir, name: &str, mode: u32) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(mode);
        parent.create_dir_with(name, &builder)
    }

    pub(in super::super) fn mode_of(file: &File) -> io::Result<u32> {
        Ok(file.metadata()?.permissions().mode() & 0o777)
    }

    pub(in super::super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(std::fs::Permissions::from_mode(mode))
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

    /// The directory, as a file that can be flushed: `dir` may be a handle that
    /// only names it.
    pub(super) fn open_dir(dir: &Dir) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
        Ok(File::from(file))
    }

    /// Flushes the names in a directory. `false` if this file system cannot.
    pub(in super::super) fn sync_dir(dir: &Dir) -> io::Result<bool> {
        match open_dir(dir)?.sync_all() {
            Ok(()) => Ok(true),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
                _ => Err(error),
            },
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::{fs::File, time::UNIX_EPOCH};

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

    pub(in super::super) fn create_dir(parent: &Dir, name: &str, _mode: u32) -> io::Result<()> {
        parent.create_dir(name)
    }

    pub(in super::super) fn mode_of(_file: &File) -> io::Result<u32> {
        Ok(0)
    }

    pub(in super::super) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
        Ok(())
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

    /// Directories cannot be flushed; the file system's journal orders names.
    pub(in super::super) fn sync_dir(_dir: &Dir) -> io::Result<bool> {
        Ok(true)
    }
}
