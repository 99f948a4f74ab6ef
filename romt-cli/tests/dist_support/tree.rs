//! The tree of a distribution server.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use romt_core::{Sha256Digest, defaults::DIST_SERVER};

use super::{
    components::Components,
    manifest::{Channel, Release},
};

/// Makes the text of a detached signature.
pub(crate) type Sign<'s> = &'s dyn Fn(&[u8]) -> Vec<u8>;

/// A directory with `dist` and `rustup`, as a distribution server or a mirror has it.
pub(crate) struct DistTree<'s> {
    root: PathBuf,
    sign: Option<Sign<'s>>,
}

impl fmt::Debug for DistTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DistTree")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl<'s> DistTree<'s> {
    /// A tree in the directory `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            sign: None,
        }
    }

    /// Puts an `.asc` that `sign` makes beside every manifest and component.
    #[must_use]
    pub(crate) fn signed(mut self, sign: Sign<'s>) -> Self {
        self.sign = Some(sign);
        self
    }

    /// Lays out `components` as the release of a day, which no channel shows yet.
    pub(crate) fn add(&self, release: &Release, components: &Components) {
        let day = self.root.join("dist").join(release.date);
        fs::create_dir_all(&day).expect("the tree can be written to");
        for component in &components.all {
            let archive = day.join(format!("{}.tar.xz", release.archive_stem(component)));
            if fs::hard_link(&component.archive, &archive).is_err() {
                // On another disk.
                fs::copy(&component.archive, &archive).expect("the tree can be written to");
            }
            write_digest(&archive, &component.digest);
            if self.sign.is_some() {
                let content = fs::read(&archive).expect("it was just written");
                self.write_signature(&archive, &content);
            }
        }
        let manifest = release.manifest(components, DIST_SERVER);
        let name = format!("channel-rust-{}.toml", release.channel.name());
        self.write(&day.join(name), manifest.as_bytes());
    }

    /// Makes a release that was [added](Self::add) what its channel is, and, if it
    /// is a stable one, what `X.Y` and `X.Y.Z` are.
    pub(crate) fn publish(&self, release: &Release) {
        let dist = self.root.join("dist");
        let channel = release.channel.name();
        let dated = format!("{}/channel-rust-{channel}.toml", release.date);
        let manifest = fs::read(dist.join(dated)).expect("the release was added");
        let mut names = vec![channel.to_owned()];
        if release.channel == Channel::Stable {
            let minor = release.version.rsplit_once('.');
            names.extend(minor.map(|(minor, _)| minor.to_owned()));
            names.push(release.version.to_owned());
        }
        for name in names {
            let path = dist.join(format!("channel-rust-{name}.toml"));
            self.write(&path, &manifest);
        }
    }

    /// Publishes `installer` as the current rustup for `target`.
    pub(crate) fn publish_rustup(&self, version: &str, target: &str, installer: &[u8]) {
        let rustup = self.root.join("rustup");
        for directory in [
            format!("archive/{version}/{target}"),
            format!("dist/{target}"),
        ] {
            let directory = rustup.join(directory);
            fs::create_dir_all(&directory).expect("the tree can be written to");
            let path = directory.join("rustup-init");
            replace(&path, installer);
            write_digest(&path, &Sha256Digest::of(installer));
        }
        let pointer = format!("schema-version = '1'\nversion = '{version}'\n");
        replace(&rustup.join("release-stable.toml"), pointer.as_bytes());
    }

    /// Writes a file with what belongs beside it.
    fn write(&self, path: &Path, content: &[u8]) {
        replace(path, content);
        write_digest(path, &Sha256Digest::of(content));
        self.write_signature(path, content);
    }

    fn write_signature(&self, path: &Path, content: &[u8]) {
        if let Some(sign) = self.sign {
            replace(&with_suffix(path, "asc"), &sign(content));
        }
    }
}

/// As upstream writes it.
fn write_digest(path: &Path, digest: &Sha256Digest) {
    let name = path.file_name().expect("it is a file").to_string_lossy();
    let line = format!("{digest}  {name}\n");
    replace(&with_suffix(path, "sha256"), line.as_bytes());
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

/// Readers see the old file or the new one.
fn replace(path: &Path, content: &[u8]) {
    let staged = with_suffix(path, "part");
    fs::write(&staged, content).expect("the tree can be written to");
    fs::rename(&staged, path).expect("it is in the same directory");
}
