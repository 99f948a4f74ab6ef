//! What a mirror has of a toolchain.

use std::fmt;

use super::{ChannelManifest, DistPath, Format, FormatChoice, Package, TargetName};

/// How much of a target a mirror has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// There is a compiler that runs there.
    Native,
    /// There is what is needed to compile for it.
    Cross,
    /// There is something else of it.
    Minimal,
}

impl TargetKind {
    /// The kind as lists spell it, as in `native-target`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native-target",
            Self::Cross => "cross-target",
            Self::Minimal => "minimal",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a mirror has of `target`, where it has the files of which `is_present`
/// is true, in whichever format; `None` if the target is not in the mirror.
///
/// It is if all its packages are present, or one whose file is for no other
/// target: documentation is shared by many. Packages for all targets do not count.
pub fn classify(
    manifest: &ChannelManifest,
    target: &TargetName,
    is_present: impl Fn(&DistPath) -> bool,
) -> Option<TargetKind> {
    classify_files(manifest, target, FormatChoice::All, &is_present)
}

/// The same, where only files of a mirror of this format count.
pub fn classify_in(
    manifest: &ChannelManifest,
    target: &TargetName,
    format: Format,
    is_present: impl Fn(&DistPath) -> bool,
) -> Option<TargetKind> {
    let choice = match format {
        Format::Xz => FormatChoice::Xz,
        Format::Gz => FormatChoice::Gz,
    };
    classify_files(manifest, target, choice, &is_present)
}

fn classify_files(
    manifest: &ChannelManifest,
    target: &TargetName,
    choice: FormatChoice,
    is_present: &impl Fn(&DistPath) -> bool,
) -> Option<TargetKind> {
    let packages = manifest.packages_of(target);
    let (mut all, mut own) = (!packages.is_empty(), false);
    let (mut has_compiler, mut has_std) = (false, false);
    for package in packages {
        let mut here = false;
        for path in present(package, choice, is_present) {
            here = true;
            own |= manifest.owners(path) == 1;
        }
        all &= here;
        has_compiler |= here && package.component.as_str() == "rustc";
        has_std |= here && package.component.as_str() == "rust-std";
    }
    if !all && !own {
        return None;
    }
    Some(match (has_compiler, has_std) {
        (true, _) => TargetKind::Native,
        (false, true) => TargetKind::Cross,
        (false, false) => TargetKind::Minimal,
    })
}

fn present<'p>(
    package: &'p Package,
    choice: FormatChoice,
    is_present: &impl Fn(&DistPath) -> bool,
) -> impl Iterator<Item = &'p DistPath> {
    let paths = package.files(choice).map(|file| &file.path);
    paths.filter(|path| is_present(path))
}

/// What lists say of a toolchain in a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetCounts {
    /// The targets that the mirror has, sorted, and how much of them.
    pub listed: Vec<(TargetName, TargetKind)>,
    /// How many targets have anything available.
    pub available_targets: usize,
    /// How many pairs of a component and a target are present, `*` being one.
    pub present: usize,
    /// How many such pairs are available.
    pub available: usize,
}

impl TargetCounts {
    /// Counts what is present, in whichever format.
    pub fn of(manifest: &ChannelManifest, is_present: impl Fn(&DistPath) -> bool) -> Self {
        let mut counts = Self {
            available: manifest.packages().len(),
            ..Self::default()
        };
        for target in manifest.targets() {
            counts.available_targets += usize::from(manifest.has_available(target));
            if let Some(kind) = classify(manifest, target, &is_present) {
                counts.listed.push((target.clone(), kind));
            }
        }
        let is_here = |package: &&Package| {
            let mut paths = present(package, FormatChoice::All, &is_present);
            paths.next().is_some()
        };
        counts.present = manifest.packages().iter().filter(is_here).count();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::samples;

    const LINUX: &str = "x86_64-unknown-linux-gnu";
    const MUSL: &str = "x86_64-unknown-linux-musl";
    const MIPS: &str = "mips-unknown-linux-gnu";

    /// The kind of a target where the files in this format with one of these
    /// stems are present.
    fn kind(target: &str, extension: &str, stems: &[&str]) -> Option<TargetKind> {
        let target = target.parse().unwrap();
        classify(&samples::manifest(), &target, |path| {
            let stem = path.file_name().strip_suffix(extension);
            stem.is_some_and(|stem| stems.contains(&stem))
        })
    }

    #[test]
    fn statement_47_targets_are_what_is_present_of_them() {
        let std = "rust-std-1.76.0-x86_64-unknown-linux-musl";
        let docs = "rust-docs-shared";
        let all = ["rustc", "rust-std", "clippy-preview", docs];
        for (target, stems, expected) in [
            (LINUX, &all[..], Some(TargetKind::Native)),
            (LINUX, &["rustc"], Some(TargetKind::Native)),
            (LINUX, &["rust-std"], Some(TargetKind::Cross)),
            (LINUX, &["rust-std", docs], Some(TargetKind::Cross)),
            (LINUX, &["clippy-preview"], Some(TargetKind::Minimal)),
            // Shared by two targets, and all there is of one of them.
            (LINUX, &[docs], None),
            (MIPS, &[docs], Some(TargetKind::Minimal)),
            (MIPS, &all[..3], None),
            (MUSL, &[std], Some(TargetKind::Cross)),
            (MUSL, &all, None),
            // Nothing is available, so nothing can be missing.
            ("wasm32-wasip1", &all, None),
            ("bogus", &all, None),
        ] {
            assert_eq!(
                kind(target, ".tar.xz", stems),
                expected,
                "{target} {stems:?}"
            );
            assert_eq!(
                kind(target, ".tar.gz", stems),
                expected,
                "{target} {stems:?}"
            );
        }
        assert_eq!(TargetKind::Native.to_string(), "native-target");
        assert_eq!(TargetKind::Cross.to_string(), "cross-target");
        assert_eq!(TargetKind::Minimal.to_string(), "minimal");
    }

    #[test]
    fn a_format_counts_files_of_its_own() {
        let manifest = samples::manifest();
        let target = MUSL.parse().unwrap();
        let is_gz = |path: &DistPath| path.format() == Format::Gz;
        let kind = |format| classify_in(&manifest, &target, format, is_gz);
        assert_eq!(kind(Format::Xz), None);
        assert_eq!(kind(Format::Gz), Some(TargetKind::Cross));
    }

    #[test]
    fn statement_47_lists_count_targets_and_packages() {
        let manifest = samples::manifest();
        let counts = TargetCounts::of(&manifest, |path| {
            let stem = path.file_name().trim_end_matches(".tar.xz");
            ["rustc", "rust-docs-shared", "rust-src"].contains(&stem)
        });
        let listed: Vec<(&str, TargetKind)> = counts
            .listed
            .iter()
            .map(|it| (it.0.as_str(), it.1))
            .collect();
        assert_eq!(
            listed,
            [(MIPS, TargetKind::Minimal), (LINUX, TargetKind::Native)]
        );
        assert_eq!(counts.available_targets, 3);
        assert_eq!((counts.present, counts.available), (4, 7));
        let nothing = TargetCounts::of(&manifest, |_| false);
        assert_eq!((nothing.listed.len(), nothing.present), (0, 0));
    }
}
