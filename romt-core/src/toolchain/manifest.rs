//! Channel manifests.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use bytes::Bytes;

use super::{
    Channel, ComponentName, DistPath, Format, FormatChoice, ManifestError, ManifestName, Profile,
    ReleaseDate, ReleaseName, ReleaseVersion, Stage, TargetName, reading::Reader,
};
use crate::Sha256Digest;

/// The largest channel manifest, in bytes.
pub const MAX_MANIFEST_SIZE: u64 = 16 * 1024 * 1024;

/// The manifest of a release: `channel-rust-{name}.toml`, of version 2.
///
/// It says which components there are for which targets, where their archives
/// are and what they hash to. The [bytes](Self::bytes) are kept as they came,
/// since a signature and a digest hold for them. What mirrors have no use for is
/// ignored: the manifest goes to rustup as it is.
#[derive(Clone)]
pub struct ChannelManifest {
    pub(super) label: String,
    pub(super) bytes: Bytes,
    pub(super) digest: Sha256Digest,
    pub(super) date: ReleaseDate,
    pub(super) release: Release,
    pub(super) targets: Vec<TargetName>,
    pub(super) packages: Vec<Package>,
    /// How many targets each file is for.
    pub(super) owners: HashMap<DistPath, usize>,
    pub(super) renames: BTreeMap<ComponentName, ComponentName>,
    pub(super) profiles: BTreeMap<Profile, Vec<ComponentName>>,
}

/// What the manifest says that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) channel: Channel,
    /// Without the stage. Nightlies have no name by version.
    pub(super) version: ReleaseVersion,
    /// As in `1.78.0-nightly`.
    pub(super) full: String,
    /// As in `1.78.0`.
    pub(super) short: String,
}

/// A component for a target, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package {
    /// The component.
    pub component: ComponentName,
    /// The target; `None` where one package is for all, which manifests write `*`.
    pub target: Option<TargetName>,
    /// The archive in `.tar.xz`, if there is one.
    pub xz: Option<ComponentFile>,
    /// The archive in `.tar.gz`, if there is one.
    pub gz: Option<ComponentFile>,
}

/// An archive of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentFile {
    /// Where it is.
    pub path: DistPath,
    /// What it hashes to.
    pub digest: Sha256Digest,
}

impl Package {
    /// The archive in this format, if there is one.
    pub fn file(&self, format: Format) -> Option<&ComponentFile> {
        match format {
            Format::Xz => self.xz.as_ref(),
            Format::Gz => self.gz.as_ref(),
        }
    }

    /// The archives that a mirror of this format has: at least one.
    ///
    /// Where the package has no archive in the format, it is the other one, which
    /// rustup takes too; manifests from before 2017 have `.tar.gz` alone.
    pub fn files(&self, choice: FormatChoice) -> impl Iterator<Item = &ComponentFile> {
        let (xz, gz) = (self.xz.as_ref(), self.gz.as_ref());
        let chosen = match choice {
            FormatChoice::Xz => [xz.or(gz), None],
            FormatChoice::Gz => [gz.or(xz), None],
            FormatChoice::All => [xz, gz],
        };
        chosen.into_iter().flatten()
    }
}

impl ChannelManifest {
    /// Parses a manifest, which messages call `label`.
    ///
    /// Everything a mirror uses is checked here, once; beyond the limits on size,
    /// on nesting and on the numbers of tables and packages nothing is read.
    pub fn parse(bytes: Bytes, label: &str) -> Result<Self, ManifestError> {
        Reader::read(bytes, label)
    }

    /// The manifest as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What the bytes hash to.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The day of the release.
    pub fn date(&self) -> ReleaseDate {
        self.date
    }

    /// The channel of the release.
    pub fn channel(&self) -> Channel {
        self.release.channel
    }

    /// The version without its stage, as in `1.78.0`.
    pub fn version(&self) -> &str {
        &self.release.short
    }

    /// The version with its stage, as in `1.78.0`, `1.78.0-beta.1` or
    /// `1.78.0-nightly`.
    pub fn full_version(&self) -> &str {
        &self.release.full
    }

    /// What lists call the release, as in `nightly-2024-02-10(1.78.0)`.
    pub fn ident(&self) -> String {
        format!("{}-{}({})", self.channel(), self.date, self.version())
    }

    /// The names by which rustup may ask for this very manifest, the channel's
    /// first: `stable`, `1.76`, `1.76.0`, or `beta`, `1.77.0-beta.1`, `1.77.0-beta`,
    /// or `nightly` alone.
    pub fn names(&self) -> Vec<ReleaseName> {
        let version = self.release.version;
        let mut names = vec![ReleaseName::Channel(self.channel())];
        match (self.channel(), version.stage) {
            (Channel::Stable, _) => {
                let ReleaseVersion { major, minor, .. } = version;
                names.push(ReleaseName::Minor { major, minor });
                names.push(ReleaseName::Version(version));
            }
            (Channel::Beta, stage) => {
                names.push(ReleaseName::Version(version));
                let newest = Stage::Beta(None);
                if stage != newest {
                    let version = ReleaseVersion {
                        stage: newest,
                        ..version
                    };
                    names.push(ReleaseName::Version(version));
                }
            }
            (Channel::Nightly, _) => {}
        }
        names
    }

    /// Checks that this is what was asked for as `name`: its channel or version,
    /// and its day.
    ///
    /// A genuine manifest of another channel or day, well signed, may lie under
    /// any name.
    pub fn check_name(&self, name: &ManifestName) -> Result<(), ManifestError> {
        let other = |key: &str, inside: String| {
            let reason = format!("{name} was asked for, and this is {inside}");
            Err(ManifestError::new(&self.label, reason).at_key(key))
        };
        if !self.names().contains(&name.release) {
            let inside = format!("{} {}", self.channel(), self.full_version());
            return other("pkg.rust.version", inside);
        }
        match name.date {
            Some(date) if date != self.date => other("date", format!("of {}", self.date)),
            _ => Ok(()),
        }
    }

    /// All targets that are mentioned, sorted, also those with nothing available.
    pub fn targets(&self) -> &[TargetName] {
        &self.targets
    }

    /// Whether anything is available for this target, apart from what is for all.
    pub fn has_available(&self, target: &TargetName) -> bool {
        !self.packages_of(target).is_empty()
    }

    /// What is available, sorted by target, those for all targets first, and by
    /// component.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// What is available for this target, apart from what is for all.
    pub fn packages_of(&self, target: &TargetName) -> &[Package] {
        self.packages_at(Some(target))
    }

    /// What is available for all targets.
    pub fn wildcard_packages(&self) -> &[Package] {
        self.packages_at(None)
    }

    fn packages_at(&self, target: Option<&TargetName>) -> &[Package] {
        let of = |package: &Package| package.target.as_ref().cmp(&target);
        let start = self.packages.partition_point(|it| of(it).is_lt());
        let length = self.packages[start..].partition_point(|it| of(it).is_eq());
        &self.packages[start..start + length]
    }

    /// What users call components, and what the manifest does: `clippy` is
    /// `clippy-preview`. Following it never goes in a circle.
    pub fn renames(&self) -> &BTreeMap<ComponentName, ComponentName> {
        &self.renames
    }

    /// The components of a profile, if the manifest has it. Not every target has
    /// all of them.
    pub fn profile(&self, profile: Profile) -> Option<&[ComponentName]> {
        self.profiles.get(&profile).map(Vec::as_slice)
    }

    /// How many targets the file at `path` is for.
    pub(super) fn owners(&self, path: &DistPath) -> usize {
        self.owners.get(path).copied().unwrap_or_default()
    }
}

impl fmt::Debug for ChannelManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelManifest")
            .field("ident", &self.ident())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorClass, toolchain::samples};

    fn with_version(version: &str) -> ChannelManifest {
        let text = samples::text().replace("1.76.0 (07dca489a 2024-02-04)", version);
        ChannelManifest::parse(text.into(), "sample").unwrap()
    }

    #[test]
    fn a_manifest_says_what_it_is() {
        let manifest = samples::manifest();
        assert_eq!(manifest.ident(), "stable-2024-02-08(1.76.0)");
        assert_eq!(manifest.bytes(), samples::text().as_bytes());
        assert_eq!(manifest.digest(), Sha256Digest::of(samples::text()));
        for (version, ident, full, names) in [
            (
                "1.76.0 (07dca489a 2024-02-04)",
                "stable-2024-02-08(1.76.0)",
                "1.76.0",
                &["stable", "1.76", "1.76.0"][..],
            ),
            (
                "1.77.0-beta.1 (339fb6965 2024-02-06)",
                "beta-2024-02-08(1.77.0)",
                "1.77.0-beta.1",
                &["beta", "1.77.0-beta.1", "1.77.0-beta"],
            ),
            (
                "1.77.0-beta",
                "beta-2024-02-08(1.77.0)",
                "1.77.0-beta",
                &["beta", "1.77.0-beta"],
            ),
            (
                "1.78.0-nightly (98aa3624b 2024-02-08)",
                "nightly-2024-02-08(1.78.0)",
                "1.78.0-nightly",
                &["nightly"],
            ),
        ] {
            let manifest = with_version(version);
            assert_eq!(manifest.ident(), ident);
            assert_eq!(manifest.full_version(), full);
            assert!(full.starts_with(manifest.version()));
            let shown: Vec<String> = manifest.names().iter().map(ToString::to_string).collect();
            assert_eq!(shown, names);
        }
    }

    #[test]
    fn a_manifest_without_rust_src_says_what_it_is() {
        let mut text = samples::text();
        let start = text.find("[pkg.rust-src]").unwrap();
        let end = start + text[start..].find("\n\n").unwrap();
        text.replace_range(start..end, "");
        let manifest = ChannelManifest::parse(text.clone().into(), "sample").unwrap();
        assert_eq!(manifest.ident(), "stable-2024-02-08(1.76.0)");
        let empty = text + "\n[pkg.rust-src]\nversion = \"\"\n";
        let manifest = ChannelManifest::parse(empty.into(), "sample").unwrap();
        assert_eq!(manifest.ident(), "stable-2024-02-08(1.76.0)");
    }

    #[test]
    fn statement_50_packages_are_sorted_and_found_by_target() {
        let manifest = samples::manifest();
        let shown: Vec<String> = manifest
            .packages()
            .iter()
            .map(|it| {
                let target = it.target.as_ref().map_or("*", TargetName::as_str);
                format!("{target} {}", it.component)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "* rust-src",
                "mips-unknown-linux-gnu rust-docs",
                "x86_64-unknown-linux-gnu clippy-preview",
                "x86_64-unknown-linux-gnu rust-docs",
                "x86_64-unknown-linux-gnu rust-std",
                "x86_64-unknown-linux-gnu rustc",
                "x86_64-unknown-linux-musl rust-std",
            ]
        );
        let packages = manifest.packages();
        assert_eq!(manifest.wildcard_packages(), &packages[..1]);
        let linux = "x86_64-unknown-linux-gnu".parse().unwrap();
        assert_eq!(manifest.packages_of(&linux), &packages[2..6]);
        let names: Vec<&str> = manifest.targets().iter().map(TargetName::as_str).collect();
        let linux = ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"];
        let others = ["mips-unknown-linux-gnu", "wasm32-wasip1"];
        assert_eq!(names, [others, linux].concat());
    }

    #[test]
    fn quirk_q1_targets_may_have_nothing_available() {
        let manifest = samples::manifest();
        let nothing = "wasm32-wasip1".parse().unwrap();
        assert!(manifest.targets().contains(&nothing));
        assert!(!manifest.has_available(&nothing));
        assert_eq!(manifest.packages_of(&nothing), []);
        let unknown = "bogus".parse().unwrap();
        assert!(!manifest.targets().contains(&unknown) && !manifest.has_available(&unknown));
    }

    #[test]
    fn files_are_those_of_the_format_or_else_those_there_are() {
        let path = |file: Option<&ComponentFile>| file.unwrap().path.format();
        let mut package = samples::manifest().packages()[0].clone();
        assert_eq!(path(package.files(FormatChoice::Xz).next()), Format::Xz);
        assert_eq!(path(package.files(FormatChoice::Gz).next()), Format::Gz);
        assert_eq!(package.files(FormatChoice::All).count(), 2);
        let (xz, gz) = (package.file(Format::Xz), package.file(Format::Gz));
        let digests = [xz.unwrap().digest, gz.unwrap().digest];
        let names = ["rust-src.tar.xz", "rust-src.tar.gz"];
        assert_eq!(digests, names.map(Sha256Digest::of));
        package.xz = None;
        assert_eq!(path(package.files(FormatChoice::Xz).next()), Format::Gz);
        assert_eq!(package.files(FormatChoice::All).count(), 1);
    }

    #[test]
    fn hostile_m08_m14_another_release_under_this_name_is_refused() {
        let name = |text: &str| {
            let spec: crate::toolchain::ToolchainSpec = text.parse().unwrap();
            spec.as_name().unwrap()
        };
        let stable = samples::manifest();
        let beta = with_version("1.77.0-beta.1 (x)");
        let nightly = with_version("1.78.0-nightly (x)");
        for (manifest, good, bad) in [
            (
                &stable,
                &[
                    "stable",
                    "1.76",
                    "1.76.0",
                    "stable-2024-02-08",
                    "1.76.0-2024-02-08",
                ][..],
                &[
                    "beta",
                    "1.7",
                    "1.76.1",
                    "1.77",
                    "1.76.0-beta",
                    "stable-2024-02-09",
                ][..],
            ),
            (
                &beta,
                &["beta", "1.77.0-beta.1", "1.77.0-beta", "beta-2024-02-08"],
                &[
                    "stable",
                    "nightly",
                    "1.77",
                    "1.77.0",
                    "1.77.0-beta.2",
                    "beta-2023-02-08",
                ],
            ),
            (
                &nightly,
                &["nightly", "nightly-2024-02-08"],
                &[
                    "stable",
                    "1.78",
                    "1.78.0",
                    "1.78.0-beta",
                    "nightly-2024-02-07",
                ],
            ),
        ] {
            for good in good {
                assert_eq!(manifest.check_name(&name(good)), Ok(()), "{good}");
            }
            for bad in bad {
                let error = manifest.check_name(&name(bad)).unwrap_err();
                assert_eq!(error.class(), ErrorClass::Refused);
                let expected = format!("{bad} was asked for");
                assert!(error.to_string().contains(&expected), "{error}");
                assert!(error.key().is_some() && error.label().as_str() == "sample");
            }
        }
    }
}
