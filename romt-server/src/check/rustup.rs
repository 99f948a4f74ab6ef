//! The rustup that is said to be the current one.

use std::sync::Arc;

use romt_core::{
    RustupLayout, StoreExt as _,
    installers::{InstallerError, InstallerMirror, InstallerOptions},
};

use super::{CheckDepth, CheckError, Fault, Findings, chain};
use crate::ServedMirror;

pub(super) async fn check(
    mirror: &ServedMirror,
    depth: CheckDepth,
    findings: &mut Findings<'_>,
) -> Result<(), CheckError> {
    let layout = RustupLayout::default();
    let installers = InstallerMirror::new(mirror.store.clone(), layout);
    let session = installers.session(InstallerOptions::default(), Arc::new(()));
    let versions = session.versions().await?;
    let version = match session.current().await {
        Ok(version) => version,
        Err(InstallerError::Missing { .. }) if versions.is_empty() => return Ok(()),
        Err(error) => {
            findings.note(&Fault::of(error.class(), chain(&error)));
            return Ok(());
        }
    };
    let targets: Vec<_> = versions
        .get(&version)
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    findings.report.installers = targets.len() as u64;
    if targets.is_empty() {
        findings.note(&Fault::missing(format_args!(
            "all installers of rustup {version}"
        )));
    }
    for target in &targets {
        // The installer script takes those without a version.
        let key = layout.current_installer(target);
        if mirror.store.try_head(&key).await?.is_none() {
            findings.note(&Fault::missing(&key));
        }
    }
    if depth == CheckDepth::Bytes {
        let outcome = session.verify(version, &targets).await?;
        for failure in outcome.bad {
            let what = format!("{}: {}", failure.label, failure.reason);
            findings.note(&Fault::of(failure.class, what));
        }
    }
    Ok(())
}
