//! Archives put together as no exporter would.

use std::{fs, path::Path};

use crate::{
    release::Release,
    world::{Mirror, run},
};

pub(crate) const BLOCK: usize = 512;

/// The members of an archive, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(pub(crate) Vec<(String, Vec<u8>)>);

impl Members {
    /// What `pack` makes of a release, in its order.
    pub(crate) fn of(release: &Release) -> Self {
        let files = release.files(false);
        let mut this = Self::default();
        let dated = release.dated();
        let components = release.components().into_keys();
        for path in std::iter::once(dated).chain(components) {
            for path in [path.clone(), format!("{path}.sha256")] {
                this.push(&format!("dist/{path}"), files[&path].clone());
            }
        }
        this
    }

    pub(crate) fn push(&mut self, name: &str, data: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), data.into()));
    }

    pub(crate) fn and(mut self, name: &str, data: impl Into<Vec<u8>>) -> Self {
        self.push(name, data);
        self
    }

    /// With `member` at the place that `at` is at.
    pub(crate) fn before(mut self, at: &str, name: &str, data: impl Into<Vec<u8>>) -> Self {
        let at = self
            .0
            .iter()
            .position(|(name, _)| name.ends_with(at))
            .unwrap();
        self.0.insert(at, (name.to_owned(), data.into()));
        self
    }

    pub(crate) fn without(mut self, end: &str) -> Self {
        let before = self.0.len();
        self.0.retain(|(name, _)| !name.ends_with(end));
        assert!(self.0.len() < before, "there is no {end}");
        self
    }

    pub(crate) fn with(mut self, end: &str, data: impl Into<Vec<u8>>) -> Self {
        let found = self.0.iter_mut().find(|(name, _)| name.ends_with(end));
        found.unwrap().1 = data.into();
        self
    }

    /// As a plain tar.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = self.open_tar();
        tar.resize(tar.len() + 2 * BLOCK, 0);
        tar
    }

    /// As a plain tar without an end.
    pub(crate) fn open_tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, data) in &self.0 {
            member(&mut tar, name, data);
        }
        tar
    }

    pub(crate) fn save(&self, path: &Path) {
        fs::write(path, self.tar()).unwrap();
    }
}

/// Appends a regular file.
pub(crate) fn member(tar: &mut Vec<u8>, name: &str, data: &[u8]) {
    tar.extend(Header::file(name.as_bytes(), data.len()).block());
    tar.extend(data);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

/// A header, whose sum is made last.
#[derive(Clone, Debug)]
pub(crate) struct Header(pub(crate) [u8; BLOCK]);

impl Header {
    /// That of a regular file; a name too long for one field is split.
    pub(crate) fn file(name: &[u8], size: usize) -> Self {
        let mut this = Self([0; BLOCK]);
        let (prefix, name) = if name.len() <= 100 {
            (&b""[..], name)
        } else {
            let at = name.iter().rposition(|&byte| byte == b'/').unwrap();
            (&name[..at], &name[at + 1..])
        };
        this.set(0, name);
        this.set(100, b"0000644\0");
        this.set(108, b"0000000\0");
        this.set(116, b"0000000\0");
        this.set(124, format!("{size:011o}\0").as_bytes());
        this.set(136, b"14371573540\0");
        this.set(156, b"0");
        this.set(257, b"ustar\x0000");
        this.set(345, prefix);
        this
    }

    pub(crate) fn kind(name: &str, kind: u8, size: usize) -> Self {
        Self::file(name.as_bytes(), size).and(156, &[kind])
    }

    pub(crate) fn and(mut self, at: usize, bytes: &[u8]) -> Self {
        self.set(at, bytes);
        self
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn block(mut self) -> [u8; BLOCK] {
        self.set(148, b"        ");
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.set(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// An extension header with its data.
pub(crate) fn extension(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = Header::kind("x", kind, data.len()).block().to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

impl Mirror<'_> {
    /// `unpack` of the archive `tar` is refused, as [`refuses`](Self::refuses) has it.
    #[track_caller]
    pub(crate) fn refuses_archive(&self, tar: &[u8], code: i32, needles: &[&str]) {
        let path = self.world.path("hostile.tar");
        fs::write(&path, tar).unwrap();
        let path = path.to_str().unwrap();
        self.refuses(
            || self.toolchain(&["--archive", path, "unpack"]),
            code,
            needles,
        );
    }

    /// `unpack` of these members succeeds.
    #[track_caller]
    pub(crate) fn unpack(&self, members: &Members) {
        let path = self.world.path("good.tar");
        members.save(&path);
        let path = path.to_str().unwrap();
        run(self.toolchain(&["--archive", path, "unpack"])).assert(0, &[]);
    }
}
