//! Directories as values.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use romt_core::Sha256Digest;

/// What identifies a file as untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub inode: u64,
    pub changed: (i64, i64),
    pub digest: String,
}

/// Every regular file below `root`, by its path there; anything that is neither
/// that nor a directory fails the test.
pub fn files(root: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                directories.push(path);
            } else {
                assert!(kind.is_file(), "{} is no file", path.display());
                found.insert(path.strip_prefix(root).unwrap().to_owned(), path);
            }
        }
    }
    found
}

/// The digests of the files below `root` that are not romt's own.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, String> {
    let files = files(root).into_iter();
    let files = files.filter(|(name, _)| !name.starts_with(".romt"));
    files.map(|(name, path)| (name, digest(&path))).collect()
}

/// What identifies the files below `root`; nothing if there is no such directory.
pub fn seals(root: &Path) -> BTreeMap<PathBuf, Seal> {
    if !root.is_dir() {
        return BTreeMap::new();
    }
    let seal = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        Seal {
            inode: meta.ino(),
            changed: (meta.mtime(), meta.mtime_nsec()),
            digest: digest(path),
        }
    };
    let files = files(root).into_iter();
    files.map(|(name, path)| (name, seal(&path))).collect()
}

fn digest(path: &Path) -> String {
    Sha256Digest::of(fs::read(path).unwrap()).to_string()
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, path) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}
