//! A release, and the manifest that says what is in it.

use std::fmt::Write as _;

use romt_core::Sha256Digest;

use super::components::{Component, Components, SECOND_TARGET};

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Stable,
    Beta,
    Nightly,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Beta => "beta",
            Self::Nightly => "nightly",
        }
    }
}

/// What components are published as.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) channel: Channel,
    /// `1.95.0`, `1.96.0-beta.2`, `1.97.0-nightly`.
    pub(crate) version: &'static str,
    /// `2026-04-16`.
    pub(crate) date: &'static str,
}

impl Release {
    pub(crate) fn new(channel: Channel, version: &'static str, date: &'static str) -> Self {
        Self {
            channel,
            version,
            date,
        }
    }

    /// The name of a component's archive, without the suffix that says how it is
    /// compressed.
    pub(super) fn archive_stem(&self, component: &Component) -> String {
        let version = match self.channel {
            Channel::Stable => self.version,
            channel => channel.name(),
        };
        match &*component.target {
            "*" => format!("{}-{version}", component.package),
            target => format!("{}-{version}-{target}", component.package),
        }
    }

    /// The manifest of the release, whose archives are below `server`.
    pub(super) fn manifest(&self, components: &Components, server: &str) -> String {
        let mut text = format!("manifest-version = \"2\"\ndate = \"{}\"\n", self.date);
        let mut packages: Vec<_> = components.all.iter().map(|c| c.package).collect();
        packages.sort_unstable();
        packages.dedup();
        for package in packages {
            self.package(&mut text, package, components, server);
        }
        // There is no miri for anybody today.
        let host = &components.host;
        let _ = write!(
            text,
            "\n[pkg.miri-preview]\nversion = \"0.1.0 ({date})\"\n\n\
             [pkg.miri-preview.target.{host}]\navailable = false\n\
             {ARTIFACTS}{RENAMES}{PROFILES}",
            date = self.date,
        );
        text
    }

    fn package(&self, text: &mut String, package: &str, components: &Components, server: &str) {
        let hash = Sha256Digest::of(self.version).to_string();
        let _ = write!(
            text,
            "\n[pkg.{package}]\nversion = \"{} ({} {})\"\ngit_commit_hash = \"{}\"\n",
            self.version,
            &hash[..9],
            self.date,
            &hash[..40],
        );
        for component in components.all.iter().filter(|c| c.package == package) {
            let target = match &*component.target {
                "*" => "\"*\"",
                target => target,
            };
            let place = format!(
                "{server}/dist/{}/{}",
                self.date,
                self.archive_stem(component)
            );
            // Mirrors have only one of the two, as its users need.
            let other = Sha256Digest::of(&place);
            let _ = write!(
                text,
                "\n[pkg.{package}.target.{target}]\navailable = true\n\
                 url = \"{place}.tar.gz\"\nhash = \"{other}\"\n\
                 xz_url = \"{place}.tar.xz\"\nxz_hash = \"{}\"\n",
                component.digest,
            );
            if package == "rust" {
                parts_of_rust(text, &components.host);
            }
        }
    }
}

/// What the toolchain for `host` is made of, and what can be added.
fn parts_of_rust(text: &mut String, host: &str) {
    let components = [
        ("rustc", host),
        ("cargo", host),
        ("rust-std", host),
        ("rust-docs", host),
        ("rustfmt-preview", host),
        ("clippy-preview", host),
    ];
    let extensions = [
        ("rust-std", SECOND_TARGET),
        ("rust-src", "*"),
        ("miri-preview", host),
    ];
    let mut list = |kind: &str, parts: &[(&str, &str)]| {
        for (package, target) in parts {
            let _ = write!(
                text,
                "\n[[pkg.rust.target.{host}.{kind}]]\npkg = \"{package}\"\ntarget = \"{target}\"\n"
            );
        }
    };
    list("components", &components);
    list("extensions", &extensions);
}

/// Installers, which rustup has no use for.
const ARTIFACTS: &str = "
[artifacts.installer-msi.target.x86_64-pc-windows-msvc]
[[artifacts.installer-msi.target.x86_64-pc-windows-msvc.artifact]]
url = \"https://example.com/rust.msi\"
hash-sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
";

/// What users say for what is not quite done.
const RENAMES: &str = "
[renames.clippy]
to = \"clippy-preview\"

[renames.miri]
to = \"miri-preview\"

[renames.rustfmt]
to = \"rustfmt-preview\"
";

/// As upstream has them, with what only some targets have.
const PROFILES: &str = "
[profiles]
minimal = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\"]
default = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\", \"rust-docs\", \"rustfmt-preview\", \"clippy-preview\"]
complete = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\", \"rust-docs\", \"rustfmt-preview\", \"clippy-preview\", \"rust-src\", \"miri-preview\"]
";
