//! Releases whose components are a few bytes each.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use romt_core::Sha256Digest;

/// The target of the compiler.
pub(crate) const HOST: &str = "x86_64-unknown-linux-gnu";

/// A target that has a standard library only.
pub(crate) const SECOND: &str = "wasm32-unknown-unknown";

/// Where manifests say that components are.
pub(crate) const SERVER: &str = "https://dist.example.com";

/// A release.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) channel: &'static str,
    pub(crate) version: &'static str,
    pub(crate) date: &'static str,
    /// How many components there are besides the usual ones.
    pub(crate) extra: usize,
    /// How many bytes each component has.
    pub(crate) size: usize,
}

/// A nightly release of this day.
pub(crate) fn nightly(date: &'static str) -> Release {
    Release {
        channel: "nightly",
        version: "1.96.0-nightly",
        date,
        extra: 0,
        size: 700,
    }
}

/// A stable release.
pub(crate) fn stable(version: &'static str, date: &'static str) -> Release {
    Release {
        channel: "stable",
        version,
        ..nightly(date)
    }
}

/// The path of a manifest below `dist`.
pub(crate) fn named(name: &str) -> String {
    format!("channel-rust-{name}.toml")
}

impl Release {
    pub(crate) fn with_extra(mut self, extra: usize, size: usize) -> Self {
        (self.extra, self.size) = (extra, size);
        self
    }

    /// Components and their targets, `*` for all.
    fn parts(&self) -> Vec<(String, &'static str)> {
        let usual = [
            ("cargo", HOST),
            ("rust-docs", HOST),
            ("rust-src", "*"),
            ("rust-std", HOST),
            ("rust-std", SECOND),
            ("rustc", HOST),
        ];
        let usual = usual.map(|(name, target)| (name.to_owned(), target));
        let extra = (0..self.extra).map(|number| (format!("extra{number:03}"), HOST));
        usual.into_iter().chain(extra).collect()
    }

    /// Where a component is, below `dist`.
    pub(crate) fn path(&self, component: &str, target: &str) -> String {
        let version = match self.channel {
            "stable" => self.version,
            channel => channel,
        };
        match target {
            "*" => format!("{}/{component}-{version}.tar.xz", self.date),
            target => format!("{}/{component}-{version}-{target}.tar.xz", self.date),
        }
    }

    /// The components, by their paths below `dist`.
    pub(crate) fn components(&self) -> BTreeMap<String, Vec<u8>> {
        let parts = self.parts().into_iter();
        parts
            .map(|(name, target)| {
                let path = self.path(&name, target);
                let mut bytes = format!("{path} ").into_bytes();
                let mut digest = Sha256Digest::of(&bytes);
                while bytes.len() < self.size {
                    bytes.extend(digest.as_bytes());
                    digest = Sha256Digest::of(digest.as_bytes());
                }
                (path, bytes)
            })
            .collect()
    }

    /// The path of the manifest that never changes, below `dist`.
    pub(crate) fn dated(&self) -> String {
        format!("{}/{}", self.date, named(self.channel))
    }

    /// The names without a date that rustup knows the release by.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![self.channel.to_owned()];
        if self.channel == "stable" {
            let (minor, _) = self.version.rsplit_once('.').unwrap();
            names.extend([minor.to_owned(), self.version.to_owned()]);
        }
        names
    }

    pub(crate) fn manifest(&self) -> String {
        let components = self.components();
        let mut text = format!("manifest-version = \"2\"\ndate = \"{}\"\n", self.date);
        let _ = write!(
            text,
            "\n[pkg.rust]\nversion = \"{0} (abc {1})\"\n\n[pkg.rust.target.{HOST}]\n\
             available = false\n",
            self.version, self.date
        );
        let mut last = String::new();
        for (name, target) in self.parts() {
            if name != last {
                let version = self.version;
                let _ = write!(text, "\n[pkg.{name}]\nversion = \"{version}\"\n");
                last.clone_from(&name);
            }
            let path = self.path(&name, target);
            let digest = Sha256Digest::of(&components[&path]);
            let target = if target == "*" { "\"*\"" } else { target };
            let _ = write!(
                text,
                "\n[pkg.{name}.target.{target}]\navailable = true\n\
                 xz_url = \"{SERVER}/dist/{path}\"\nxz_hash = \"{digest}\"\n"
            );
        }
        text
    }

    /// Everything that upstream has of it, below `dist`; `current` is what upstream
    /// shows without a date too.
    pub(crate) fn files(&self, current: bool) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (path, bytes) in self.components() {
            with_digest(&mut files, &path, bytes);
        }
        self.put_manifest(&mut files, &self.manifest(), current);
        files
    }

    /// Puts `text` where the release's manifest is.
    pub(crate) fn put_manifest(
        &self,
        files: &mut BTreeMap<String, Vec<u8>>,
        text: &str,
        current: bool,
    ) {
        with_digest(files, &self.dated(), text.into());
        for name in self.names().iter().filter(|_| current) {
            with_digest(files, &named(name), text.into());
        }
    }
}

/// A file, and its digest file as upstream writes it.
pub(crate) fn with_digest(files: &mut BTreeMap<String, Vec<u8>>, path: &str, bytes: Vec<u8>) {
    let digest = Sha256Digest::of(&bytes);
    let name = path.rsplit('/').next().unwrap();
    files.insert(
        format!("{path}.sha256"),
        format!("{digest}  {name}\n").into(),
    );
    files.insert(path.to_owned(), bytes);
}

/// Writes files below `root`.
pub(crate) fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Another file, and not the same with other bytes.
        drop(fs::remove_file(&path));
        fs::write(path, bytes).unwrap();
    }
}
