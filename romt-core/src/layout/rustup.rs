//! Where rustup is.

use super::{PartAt, rest_of};
use crate::{
    Key,
    rustup::{RustupVersion, installer_name},
    toolchain::TargetName,
};

/// The directory of rustup, in a mirror and in an archive.
const RUSTUP: &str = "rustup";

/// Where rustup is in a store.
///
/// ```text
/// rustup/release-stable.toml                               which version is current
/// rustup/archive/X.Y.Z/{target}/rustup-init[.exe]          and its .sha256
/// rustup/dist/{target}/rustup-init[.exe]                   the same of that version
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RustupLayout {
    at: PartAt,
}

impl RustupLayout {
    /// The layout of a store that has rustup `at` this place.
    pub fn new(at: PartAt) -> Self {
        Self { at }
    }

    /// The directory of rustup; `None` if it is the store's own.
    pub fn root(&self) -> Option<Key> {
        self.at.root(RUSTUP)
    }

    /// Where it says which version is current.
    pub fn release_file(&self) -> Key {
        self.at.key(RUSTUP, "release-stable.toml")
    }

    /// Where all versions are.
    pub fn archive(&self) -> Key {
        self.at.key(RUSTUP, "archive")
    }

    /// Where the installers of the current version are.
    pub fn dist(&self) -> Key {
        self.at.key(RUSTUP, "dist")
    }

    /// Where the installer of this version is.
    pub fn installer(&self, version: &RustupVersion, target: &TargetName) -> Key {
        let path = format!("archive/{version}/{target}/{}", installer_name(target));
        self.at.key(RUSTUP, &path)
    }

    /// Where the installer of the current version is.
    pub fn current_installer(&self, target: &TargetName) -> Key {
        let path = format!("dist/{target}/{}", installer_name(target));
        self.at.key(RUSTUP, &path)
    }

    /// What `key` is called in an archive, and in messages.
    pub fn member(&self, key: &Key) -> String {
        match rest_of(self.at, RUSTUP, key) {
            Some(rest) => format!("{RUSTUP}/{rest}"),
            None => key.to_string(),
        }
    }

    /// The part of a member's name below rustup, if it is there.
    pub(crate) fn below(member: &str) -> Option<&str> {
        member.strip_prefix(RUSTUP)?.strip_prefix('/')
    }
}
