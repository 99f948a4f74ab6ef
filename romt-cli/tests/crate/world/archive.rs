//! Archives, taken apart and put together by the real `tar`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use crate::support::process::run;

/// The member by which an archive says what it is.
pub(crate) const FORMAT: &str = "ARCHIVE_FORMAT";

/// The member with the index.
pub(crate) const BUNDLE: &str = "git/crates.io-index/origin.bundle";

#[track_caller]
fn tar(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("tar");
    run(command.args(args).current_dir(dir)).expect(0).stdout
}

/// The names of the members, in their order.
#[track_caller]
pub(crate) fn members(archive: &Path) -> Vec<String> {
    let listing = tar(Path::new("."), &["-tzf", archive.to_str().unwrap()]);
    listing.lines().map(str::to_owned).collect()
}

/// An archive in pieces: names in an order, and a directory with their contents.
#[derive(Debug)]
pub(crate) struct Pieces {
    directory: TempDir,
    pub(crate) names: Vec<String>,
}

impl Pieces {
    /// Takes an archive apart.
    #[track_caller]
    pub(crate) fn of(archive: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        tar(directory.path(), &["-xzf", archive.to_str().unwrap()]);
        Self {
            directory,
            names: members(archive),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes what a member contains; it stays at its place.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Adds a member at `place`; a directory if its name ends in `/`.
    pub(crate) fn insert(&mut self, place: usize, name: &str, bytes: &str) {
        if name.ends_with('/') {
            fs::create_dir_all(self.path(name)).unwrap();
        } else {
            self.write(name, bytes);
        }
        self.names.insert(place, name.to_owned());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.names.retain(|it| it != name);
    }

    /// Gives a member another name.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let bytes = fs::read(self.path(from)).unwrap();
        self.write(to, bytes);
        for name in &mut self.names {
            if name == from {
                to.clone_into(name);
            }
        }
    }

    /// The names of the crates.
    pub(crate) fn crates(&self) -> Vec<String> {
        let crates = self.names.iter().filter(|name| name.starts_with("crates/"));
        crates.cloned().collect()
    }

    /// The archive without compression, in a format that `tar` knows.
    #[track_caller]
    pub(crate) fn tar(&self, format: &str) -> Vec<u8> {
        self.tar_with(&[&format!("--format={format}")])
    }

    /// The archive without compression, as `tar` makes it with these options.
    #[track_caller]
    pub(crate) fn tar_with(&self, options: &[&str]) -> Vec<u8> {
        let out = self.directory.path().join(".out");
        let mut args = options.to_vec();
        args.extend(["--no-recursion", "-cf", ".out", "--"]);
        args.extend(self.names.iter().map(String::as_str));
        tar(self.directory.path(), &args);
        fs::read(out).unwrap()
    }

    /// The usual form, written to a file.
    #[track_caller]
    pub(crate) fn pack(&self, archive: &Path) {
        fs::write(archive, gzip(&self.tar("pax"), 1)).unwrap();
    }
}

/// A gzip file of so many members.
pub(crate) fn gzip(bytes: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in bytes.chunks(bytes.len().div_ceil(count)) {
        let mut encoder = GzEncoder::new(&mut out, Compression::fast());
        encoder.write_all(piece).unwrap();
        encoder.finish().unwrap();
    }
    out
}

/// The same as an xz file, made by the real `xz`.
#[track_caller]
pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    fs::write(&file, bytes).unwrap();
    run(Command::new("xz").arg(&file)).expect(0);
    fs::read(directory.path().join("x.xz")).unwrap()
}

/// What the head of a bundle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BundleHead {
    /// The commits that who takes it in must have.
    pub(crate) prerequisites: Vec<String>,
    /// The branches in it, with their commits.
    pub(crate) branches: Vec<(String, String)>,
}

impl BundleHead {
    #[track_caller]
    pub(crate) fn parse(bundle: &[u8]) -> Self {
        let end = bundle.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let head = String::from_utf8_lossy(&bundle[..end]).into_owned();
        let mut head = head.lines();
        assert_eq!(head.next(), Some("# v2 git bundle"));
        let (mut prerequisites, mut branches) = (Vec::new(), Vec::new());
        for line in head {
            let (id, rest) = line.split_once(' ').unwrap_or((line, ""));
            match id.strip_prefix('-') {
                Some(id) => prerequisites.push(id.to_owned()),
                None => branches.push((rest.to_owned(), id.to_owned())),
            }
        }
        Self {
            prerequisites,
            branches,
        }
    }

    /// The head of the bundle in an archive.
    #[track_caller]
    pub(crate) fn in_archive(archive: &Path) -> Self {
        let pieces = Pieces::of(archive);
        Self::parse(&fs::read(pieces.path(BUNDLE)).unwrap())
    }
}
