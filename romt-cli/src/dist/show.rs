//! The lists that `romt toolchain` prints.

use romt_core::{
    dist::{Listing, Release},
    toolchain::TargetKind,
};
use serde_json::json;

use super::{args::FormatArg, toolchain::Run};
use crate::error::CliError;

impl Run<'_> {
    pub(super) async fn list(&mut self) -> Result<(), CliError> {
        let as_json = self.args.select.format == Some(FormatArg::Json);
        for name in self.names_here().await? {
            let release = self.session.load(&name).await?;
            if as_json {
                let listing = self.session.list(&release).await?;
                self.row(&list_object(&release, &listing).to_string())?;
                continue;
            }
            self.out.say(2, format_args!("List: {name}"));
            if !self.out.is_heard(1) {
                self.row(&release.manifest.ident())?;
                continue;
            }
            let listing = self.session.list(&release).await?;
            self.tell_listing(&release, &listing);
        }
        Ok(())
    }

    fn tell_listing(&self, release: &Release, listing: &Listing) {
        let targets = format!(
            "targets[{}/{}]",
            listing.targets.len(),
            listing.targets_upstream
        );
        let packages = format!(
            "packages[{}/{}]",
            listing.packages, listing.packages_upstream
        );
        let ident = release.manifest.ident();
        self.out
            .say(1, format_args!("{ident:28} {targets:16} {packages:18}"));
        for listed in &listing.targets {
            let level = match listed.kind {
                TargetKind::Minimal => 2,
                _ => 1,
            };
            let (target, kind) = (&listed.target, listed.kind);
            self.out.say(level, format_args!("  {target:45} {kind}"));
        }
    }

    pub(super) async fn all_targets(&mut self) -> Result<(), CliError> {
        for name in self.names_here().await? {
            self.out.say(1, format_args!("All targets: {name}"));
            let release = self.session.load(&name).await?;
            self.tell_ident(&release);
            for target in release.manifest.targets() {
                self.row(target.as_str())?;
            }
        }
        Ok(())
    }

    pub(super) async fn all_components(&mut self) -> Result<(), CliError> {
        for name in self.names_here().await? {
            self.out.say(1, format_args!("All components: {name}"));
            let release = self.session.load(&name).await?;
            self.tell_ident(&release);
            let mut components: Vec<_> = release
                .manifest
                .packages()
                .iter()
                .map(|package| &package.component)
                .collect();
            components.sort();
            components.dedup();
            for component in components {
                self.out.say(1, format_args!("    {component}"));
            }
        }
        Ok(())
    }

    fn row(&self, text: &str) -> Result<(), CliError> {
        self.out.rows(|to| writeln!(to, "{text}"))
    }
}

/// A release as programs read it.
fn list_object(release: &Release, listing: &Listing) -> serde_json::Value {
    let manifest = &release.manifest;
    let targets: Vec<_> = listing
        .targets
        .iter()
        .map(|listed| {
            json!({
                "target": listed.target.as_str(),
                "type": listed.kind.to_string(),
            })
        })
        .collect();
    json!({
        "ident": manifest.ident(),
        "channel": manifest.channel().as_str(),
        "date": manifest.date().to_string(),
        "version": manifest.version(),
        "targets": targets,
        "targets-upstream": listing.targets_upstream,
        "packages": listing.packages,
        "packages-upstream": listing.packages_upstream,
    })
}
