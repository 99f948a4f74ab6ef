//! What is here of a release.

use super::{DistError, DistSession, Release, select::files_of};
use crate::toolchain::{DistPath, FormatChoice, TargetKind, TargetName, classify};

/// What is here of a release.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing {
    /// The targets that are here.
    pub targets: Vec<ListedTarget>,
    /// How many targets upstream has anything for.
    pub targets_upstream: usize,
    /// How many pairs of a component and a target are here.
    pub packages: usize,
    /// How many of them upstream has.
    pub packages_upstream: usize,
}

/// A target that is here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedTarget {
    /// The target.
    pub target: TargetName,
    /// What can be done with what is here of it.
    pub kind: TargetKind,
}

impl DistSession {
    /// What is here of a release, told by the names of files.
    pub async fn list(&self, release: &Release) -> Result<Listing, DistError> {
        let manifest = &release.manifest;
        let here = self.files_here(release).await?;
        let is_here = |path: &DistPath| here.contains(path);
        let targets = manifest.targets().iter().filter_map(|target| {
            classify(manifest, target, is_here).map(|kind| ListedTarget {
                target: target.clone(),
                kind,
            })
        });
        let (mut packages, mut packages_upstream) = (0, 0);
        for package in manifest.packages() {
            packages_upstream += 1;
            let files = files_of(package, FormatChoice::All);
            packages += usize::from(files.iter().any(|file| is_here(&file.path)));
        }
        let all = manifest.targets().iter();
        Ok(Listing {
            targets: targets.collect(),
            targets_upstream: all.filter(|target| manifest.has_available(target)).count(),
            packages,
            packages_upstream,
        })
    }
}
