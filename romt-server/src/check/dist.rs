//! The toolchains that rustup can ask for.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    DistLayout, StoreExt as _,
    dist::{DistError, DistMirror, DistOptions, DistSession, SignaturePolicy, Wanted},
    toolchain::{ManifestName, TargetChoice},
};

use super::{CheckDepth, CheckError, Fault, Findings, chain};
use crate::ServedMirror;

/// How many components are looked for at a time.
const LOOKS: usize = 64;

pub(super) async fn check(
    mirror: &ServedMirror,
    depth: CheckDepth,
    findings: &mut Findings<'_>,
) -> Result<(), CheckError> {
    let toolchains = DistMirror::new(mirror.store.clone(), DistLayout::default());
    // Who serves has no key; signatures were judged when toolchains came in.
    let options = DistOptions::new(SignaturePolicy::Ignored);
    let session = toolchains.session(options, Arc::new(()));
    for name in manifests(mirror).await? {
        findings.report.manifests += 1;
        match one(&session, &name, depth, findings).await {
            Ok(()) => {}
            Err(DistError::Store(error)) => return Err(error.into()),
            Err(error) => {
                let what = format!("{name}: {}", chain(&error));
                findings.note(&Fault::of(error.class(), what));
            }
        }
    }
    Ok(())
}

/// The manifests that are here, by name and by date.
async fn manifests(mirror: &ServedMirror) -> Result<Vec<ManifestName>, CheckError> {
    let mut names = Vec::new();
    let mut listed = mirror.store.list(DistLayout::default().root().as_ref());
    while let Some(meta) = listed.try_next().await? {
        let path = meta.key.as_str().strip_prefix("dist/").unwrap_or_default();
        names.extend(manifest(path));
    }
    names.sort_by_cached_key(|name| DistLayout::default().manifest(name));
    Ok(names)
}

/// The name of the manifest at `path`, if that is where one is.
fn manifest(path: &str) -> Option<ManifestName> {
    let (date, file) = match path.split_once('/') {
        Some((date, file)) => (Some(date.parse().ok()?), file),
        None => (None, path),
    };
    let release = file.strip_prefix("channel-rust-")?.strip_suffix(".toml")?;
    Some(ManifestName {
        release: release.parse().ok()?,
        date,
    })
}

async fn one(
    session: &DistSession,
    name: &ManifestName,
    depth: CheckDepth,
    findings: &mut Findings<'_>,
) -> Result<(), DistError> {
    let release = session.load(name).await?;
    let targets = session.targets(&release, &TargetChoice::OnDisk).await?;
    if targets.is_empty() {
        findings.note(&Fault::missing(format_args!("all components of {name}")));
        return Ok(());
    }
    let wanted = session.to_have(&release, &targets).await?;
    findings.report.components += wanted.len() as u64;
    match depth {
        CheckDepth::Present => present(session, name, &wanted, findings).await,
        CheckDepth::Bytes => bytes(session, name, &wanted, findings).await,
    }
}

/// Notes what is not here, a line for each component: a mirror of a profile lacks the
/// same of all targets.
async fn present(
    session: &DistSession,
    name: &ManifestName,
    wanted: &[Wanted],
    findings: &mut Findings<'_>,
) -> Result<(), DistError> {
    let mirror = session.mirror();
    let mut looks = stream::iter(wanted)
        .map(|wanted| async move {
            let key = mirror.layout().component(&wanted.file.path);
            let found = mirror.store().try_head(&key).await?;
            Ok::<_, DistError>((wanted, found.is_some()))
        })
        .buffered(LOOKS);
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some((wanted, is_here)) = looks.try_next().await? {
        if !is_here {
            let target = wanted
                .target
                .as_ref()
                .map_or("all targets".into(), ToString::to_string);
            let component = wanted.component.to_string();
            missing.entry(component).or_default().push(target);
        }
    }
    for (component, targets) in missing {
        let targets = targets.join(", ");
        let what = format!("{component} of {name}, for {targets}");
        findings.note(&Fault::missing(what));
    }
    Ok(())
}

async fn bytes(
    session: &DistSession,
    name: &ManifestName,
    wanted: &[Wanted],
    findings: &mut Findings<'_>,
) -> Result<(), DistError> {
    let outcome = session.verify(wanted).await?;
    for failure in outcome.bad {
        let what = format!("{} of {name}: {}", failure.label, failure.reason);
        let class = failure.class;
        findings.note(&Fault::of(class, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_told_by_their_place() {
        for (path, is_manifest) in [
            ("channel-rust-stable.toml", true),
            ("channel-rust-1.95.0.toml", true),
            ("2026-01-02/channel-rust-nightly.toml", true),
            ("2026-01-02/channel-rust-nightly.toml.sha256", false),
            ("x/channel-rust-nightly.toml", false),
            ("channel-rust-none.toml", false),
            (
                "2026-01-02/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz",
                false,
            ),
        ] {
            assert_eq!(manifest(path).is_some(), is_manifest, "{path}");
        }
    }
}
