//! Where toolchains are.

use super::{PartAt, known_key, rest_of};
use crate::{
    Key, Sha256Digest,
    toolchain::{DistPath, ManifestName},
};

/// The directory of the toolchains, in a mirror and in an archive.
const DIST: &str = "dist";

/// Where manifests wait that are about to be shown.
const ASIDE: &str = ".romt/dist-aside";

/// Where toolchains are in a store.
///
/// ```text
/// dist/channel-rust-{release}.toml                    what rustup asks for by name
/// dist/YYYY-MM-DD/channel-rust-{release}.toml         and by date
/// dist/YYYY-MM-DD/{component}-….tar.xz
/// ```
///
/// and beside each its `.sha256` and `.asc`, as the public distribution server has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DistLayout {
    at: PartAt,
}

impl DistLayout {
    /// The layout of a store that has its toolchains `at` this place.
    pub fn new(at: PartAt) -> Self {
        Self { at }
    }

    /// The directory of the toolchains; `None` if it is the store's own.
    pub fn root(&self) -> Option<Key> {
        self.at.root(DIST)
    }

    /// Where the manifest of this name is.
    pub fn manifest(&self, name: &ManifestName) -> Key {
        self.at.key(DIST, &manifest_path(name))
    }

    /// Where the file of a component is.
    pub fn component(&self, path: &DistPath) -> Key {
        self.at.key(DIST, path.as_str())
    }

    /// What `key` is called in an archive, and in messages.
    pub fn member(&self, key: &Key) -> String {
        match rest_of(self.at, DIST, key) {
            Some(rest) => format!("{DIST}/{rest}"),
            None => key.to_string(),
        }
    }

    /// The part of a member's name below the toolchains, if it is there.
    pub(crate) fn below(member: &str) -> Option<&str> {
        member.strip_prefix(DIST)?.strip_prefix('/')
    }

    /// The part of `key` below the toolchains, if it is there.
    pub(crate) fn rest(self, key: &Key) -> Option<String> {
        rest_of(self.at, DIST, key)
    }

    /// Where pointers that are being moved are written down.
    pub(crate) fn journal() -> Key {
        known_key(".romt/dist-journal")
    }

    /// Where a manifest waits that is to be shown without a date only.
    pub(crate) fn aside(digest: &Sha256Digest) -> Key {
        known_key(&format!("{ASIDE}/{digest}.toml"))
    }

    /// Whether `key` is such a place.
    pub(crate) fn is_aside(key: &Key) -> bool {
        let digest = key
            .as_str()
            .strip_prefix(ASIDE)
            .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".toml"));
        digest.is_some_and(|digest| digest.parse::<Sha256Digest>().is_ok())
    }
}

/// The path of a manifest below the toolchains.
pub(crate) fn manifest_path(name: &ManifestName) -> String {
    let file = name.file_name();
    match &name.date {
        Some(date) => format!("{date}/{file}"),
        None => file,
    }
}
