//! Archives taken apart, and put together as no exporter would.

use std::{fs, io::Read as _, path::Path};

use romt_core::PrefixStyle;

use crate::{fault_support::registry::prefix, tool::git};

const BLOCK: usize = 512;

pub(crate) const BUNDLE: &str = "git/crates.io-index/origin.bundle";

/// The members of an archive, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(pub(crate) Vec<(String, Vec<u8>)>);

impl Members {
    /// Those of an archive of ours.
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let mut tar = Vec::new();
        let file = fs::File::open(path).unwrap();
        let mut gzip = flate2::read::MultiGzDecoder::new(file);
        gzip.read_to_end(&mut tar).unwrap();
        let mut members = Vec::new();
        let mut rest = tar.as_slice();
        while rest[0] != 0 {
            let (header, data) = rest.split_at(BLOCK);
            let text = |range: std::ops::Range<usize>| {
                let field = header[range].split(|&byte| byte == 0).next().unwrap();
                String::from_utf8(field.to_vec()).unwrap()
            };
            let size = usize::from_str_radix(text(124..136).trim(), 8).unwrap();
            members.push((text(0..100), data[..size].to_vec()));
            rest = &data[size.next_multiple_of(BLOCK)..];
        }
        Self(members)
    }

    /// What begins an archive, and a bundle.
    pub(crate) fn with_bundle(bundle: Vec<u8>) -> Self {
        Self(vec![
            ("ARCHIVE_FORMAT".into(), b"2\n".to_vec()),
            (BUNDLE.into(), bundle),
        ])
    }

    pub(crate) fn and(mut self, name: &str, data: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.to_owned(), data.into()));
        self
    }

    pub(crate) fn and_crate(self, name: &str, version: &str, data: Vec<u8>) -> Self {
        let prefix = prefix(name, PrefixStyle::Lower);
        self.and(
            &format!("crates/{prefix}/{name}/{name}-{version}.crate"),
            data,
        )
    }

    pub(crate) fn without(mut self, part: &str) -> Self {
        let before = self.0.len();
        self.0.retain(|(name, _)| !name.contains(part));
        assert!(self.0.len() < before, "there is no {part}");
        self
    }

    pub(crate) fn with(mut self, part: &str, data: impl Into<Vec<u8>>) -> Self {
        self.member(part).1 = data.into();
        self
    }

    #[track_caller]
    pub(crate) fn member(&mut self, part: &str) -> &mut (String, Vec<u8>) {
        let found = self.0.iter_mut().find(|(name, _)| name.contains(part));
        found.unwrap_or_else(|| panic!("there is no {part}"))
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        self.clone().member(BUNDLE).1.clone()
    }

    /// As a plain tar.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, data) in &self.0 {
            tar.extend(header(name, data.len()));
            tar.extend(data);
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        }
        tar.resize(tar.len() + 2 * BLOCK, 0);
        tar
    }

    pub(crate) fn save(&self, path: &Path) {
        fs::write(path, self.tar()).unwrap();
    }
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut set = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    set(0, name.as_bytes());
    set(100, b"0000644\0");
    set(108, b"0000000\0");
    set(116, b"0000000\0");
    set(124, format!("{size:011o}\0").as_bytes());
    set(136, b"14371573540\0");
    set(148, b"        ");
    set(156, b"0");
    set(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A bundle of what `repository` has at `master`, less what `base` has.
pub(crate) fn bundle(repository: &Path, base: Option<&str>) -> Vec<u8> {
    let file = repository.join("test.bundle");
    let name = file.to_str().unwrap();
    git(
        repository,
        &["update-ref", "refs/heads/bundle/master", "master"],
    );
    let mut args = vec![
        "bundle",
        "create",
        "-q",
        "--version=2",
        name,
        "bundle/master",
    ];
    let without = base.map(|base| format!("^{base}"));
    args.extend(without.as_deref());
    git(repository, &args);
    fs::read(file).unwrap()
}
