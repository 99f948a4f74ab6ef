//! Which components belong to what is asked for.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{DistError, DistSession, Release, Wanted};
use crate::{
    Event, StoreExt as _,
    toolchain::{
        ComponentFile, DistPath, FormatChoice, Package, TargetChoice, TargetKind, TargetName,
        classify,
    },
};

/// How many files are looked for at once.
const LOOKS: usize = 64;

impl DistSession {
    /// The targets of a release that `choice` names: for `*`, those that are here.
    ///
    /// # Errors
    ///
    /// If the manifest does not know one of them.
    pub async fn targets(
        &self,
        release: &Release,
        choice: &TargetChoice,
    ) -> Result<Vec<TargetName>, DistError> {
        let manifest = &release.manifest;
        let mut targets = match choice {
            TargetChoice::All => manifest.targets().to_vec(),
            TargetChoice::OnDisk => {
                let here = self.files_here(release).await?;
                let is_here = |path: &DistPath| here.contains(path);
                let mut targets: Vec<TargetName> = manifest.targets().to_vec();
                targets.retain(|target| classify(manifest, target, is_here).is_some());
                targets
            }
            TargetChoice::Named(names) => names.clone(),
        };
        for target in &targets {
            if !manifest.targets().contains(target) {
                let target = target.clone();
                return Err(DistError::UnknownTarget { target });
            }
        }
        targets.retain(|target| {
            let has_any = manifest.has_available(target);
            if !has_any && matches!(choice, TargetChoice::Named(_)) {
                let message = format!("{} has nothing for {target}", manifest.ident());
                self.events.emit(Event::Note { message });
            }
            has_any
        });
        Ok(targets)
    }

    /// What is to be fetched for these targets: the components that the options
    /// select, and those that are for all targets.
    pub fn to_fetch(&self, release: &Release, targets: &[TargetName]) -> Vec<Wanted> {
        let wanted: HashSet<&TargetName> = targets.iter().collect();
        let selects = self.selection(release);
        let packages = release.manifest.packages().iter().filter(|package| {
            let of_target = match &package.target {
                Some(target) => wanted.contains(target),
                None => !targets.is_empty(),
            };
            of_target && selects(package)
        });
        let format = self.options.format.unwrap_or(FormatChoice::Xz);
        distinct(packages.flat_map(|package| {
            let files = files_of(package, format);
            files.into_iter().map(move |file| (package, file))
        }))
    }

    /// What is to be here of these targets, as far as the options select it: all of a
    /// target that has a compiler, and what is here of another.
    pub async fn to_have(
        &self,
        release: &Release,
        targets: &[TargetName],
    ) -> Result<Vec<Wanted>, DistError> {
        let manifest = &release.manifest;
        let here = self.files_here(release).await?;
        let is_here = |path: &DistPath| here.contains(path);
        let mut whole = HashSet::new();
        let mut partial = HashSet::new();
        for target in targets {
            match classify(manifest, target, is_here) {
                Some(TargetKind::Cross) => partial.insert(target),
                _ => whole.insert(target),
            };
        }
        let selects = self.selection(release);
        let packages = manifest
            .packages()
            .iter()
            .filter(|package| selects(package));
        let files = packages.flat_map(|package| {
            let (all, present) = match &package.target {
                Some(target) => (whole.contains(target), partial.contains(target)),
                None => (!whole.is_empty(), false),
            };
            let files = self.files_expected(package, &here);
            let files = files
                .into_iter()
                .filter(|file| all || (present && here.contains(&file.path)));
            files.map(|file| (package, file)).collect::<Vec<_>>()
        });
        Ok(distinct(files))
    }

    /// The files of a package that are asked for; if no format is asked for, those that
    /// are here, or the one that upstream prefers.
    fn files_expected<'a>(
        &self,
        package: &'a Package,
        here: &HashSet<DistPath>,
    ) -> Vec<&'a ComponentFile> {
        if let Some(format) = self.options.format {
            return files_of(package, format);
        }
        let mut files = files_of(package, FormatChoice::All);
        files.retain(|file| here.contains(&file.path));
        if files.is_empty() {
            files = files_of(package, FormatChoice::Xz);
        }
        files
    }

    /// Which packages of a release the options select.
    fn selection(&self, release: &Release) -> impl Fn(&Package) -> bool + use<> {
        let components = self.options.components.resolve(&release.manifest);
        let cross = self.options.cross;
        move |package| {
            let is_std = package.component.as_str() == "rust-std" && package.target.is_some();
            (!cross || is_std) && components.allows(&package.component)
        }
    }

    /// The files of a release that are here.
    pub(super) async fn files_here(
        &self,
        release: &Release,
    ) -> Result<HashSet<DistPath>, DistError> {
        let paths: HashSet<DistPath> = release
            .manifest
            .packages()
            .iter()
            .flat_map(|package| files_of(package, FormatChoice::All))
            .map(|file| file.path.clone())
            .collect();
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        stream::iter(paths)
            .map(|path| async move {
                let found = store.try_head(&layout.component(&path)).await?;
                Ok::<_, DistError>(found.map(|_| path))
            })
            .buffer_unordered(LOOKS)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await
    }
}

/// The files of a package in these formats; where upstream has no xz, gz stands in.
pub(super) fn files_of(package: &Package, format: FormatChoice) -> Vec<&ComponentFile> {
    let (xz, gz) = (package.xz.as_ref(), package.gz.as_ref());
    match format {
        FormatChoice::Xz => xz.or(gz).into_iter().collect(),
        FormatChoice::Gz => gz.or(xz).into_iter().collect(),
        FormatChoice::All => xz.into_iter().chain(gz).collect(),
    }
}

/// Each file once, under the component that names it first.
fn distinct<'a>(files: impl Iterator<Item = (&'a Package, &'a ComponentFile)>) -> Vec<Wanted> {
    let mut seen = HashSet::new();
    files
        .filter(|(_, file)| seen.insert(file.path.clone()))
        .map(|(package, file)| Wanted::new(&package.component, package.target.as_ref(), file))
        .collect()
}
