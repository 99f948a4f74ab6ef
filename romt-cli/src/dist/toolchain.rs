//! `romt toolchain`: its commands in their order.

use std::sync::Arc;

use romt_core::{
    DistLayout, ErrorClass, Source,
    dist::{DistError, DistMirror, DistSession, Release, Wanted},
    toolchain::{ComponentName, ManifestName, TargetChoice, ToolchainSpec},
};

use super::{
    args::{FormatArg, ToolchainArgs},
    command::{self, Command},
    report::DistReport,
    setup,
};
use crate::{error::CliError, report::Out, signals::Signals};

/// One invocation.
pub(super) struct Run<'a> {
    pub(super) args: &'a ToolchainArgs,
    pub(super) out: &'a Out,
    pub(super) report: Arc<DistReport>,
    pub(super) session: DistSession,
    pub(super) scope: Scope,
    source: Option<Arc<dyn Source>>,
}

/// What the commands are about.
pub(super) enum Scope {
    /// What the user asked for.
    Asked {
        specs: Vec<ToolchainSpec>,
        targets: Option<TargetChoice>,
    },
    /// What an archive brought, with what it brought of each.
    Unpacked(Vec<(Release, Vec<Wanted>)>),
}

/// Runs the commands until one fails.
pub(super) async fn run(
    args: &ToolchainArgs,
    out: &Out,
    signals: &Signals,
) -> Result<(), CliError> {
    let commands = command::parse_all(&args.commands, command::TOOLCHAIN)?;
    let scope = Scope::Asked {
        specs: ToolchainSpec::parse_all(&args.common.specs)
            .map_err(|error| setup::invalid_spec(&error))?,
        targets: setup::targets(&args.common)?,
    };
    check_options(args, &commands)?;
    if commands.is_empty() {
        out.say(1, "nothing to do; try a COMMAND");
        return Ok(());
    }
    let makes = [Command::Download, Command::FetchManifest, Command::Unpack];
    let makes = commands.iter().any(|command| makes.contains(command));
    let (store, at) = setup::store(&args.dest, "dist", makes)?;
    let report = Arc::new(DistReport::new(out));
    let options = setup::dist_options(args, signals)?;
    let mirror = DistMirror::new(store, DistLayout::new(at));
    let mut run = Run {
        args,
        out,
        session: mirror.session(options, report.clone()),
        report,
        scope,
        source: None,
    };
    for command in commands {
        run.one(command).await?;
        out.end();
    }
    Ok(())
}

/// Refuses options that no command would heed.
fn check_options(args: &ToolchainArgs, commands: &[Command]) -> Result<(), CliError> {
    let has = |wanted: &[Command]| commands.iter().any(|command| wanted.contains(command));
    let prunes = [Command::Prune, Command::Download, Command::Unpack];
    let complain = |message: &str| Err(CliError::usage(message));
    if args.keep.keep_latest.is_none() && has(&[Command::Prune]) {
        return complain("prune needs --keep-latest N: how many releases of each channel stay");
    }
    if args.keep.keep_latest.is_some() && !commands.is_empty() && !has(&prunes) {
        return complain("--keep-latest is for prune, download and unpack");
    }
    let carries = !args.carry.since.is_empty() || args.carry.carried.is_some();
    if carries && !commands.is_empty() && !has(&[Command::Pack]) {
        return complain("--since and --carried are for pack");
    }
    if args.select.format == Some(FormatArg::Json) && !has(&[Command::List]) {
        return complain("--format json is for list");
    }
    Ok(())
}

impl Run<'_> {
    async fn one(&mut self, command: Command) -> Result<(), CliError> {
        match command {
            Command::FetchManifest => self.fetch_manifest().await,
            Command::Download => {
                let fetched = self.download().await?;
                self.publish(fetched).await?;
                self.prune_if_asked().await
            }
            Command::Verify => self.verify().await,
            Command::List => self.list().await,
            Command::AllTargets => self.all_targets().await,
            Command::AllComponents => self.all_components().await,
            Command::Pack => self.pack().await,
            Command::Unpack => {
                self.unpack().await?;
                self.fixup().await?;
                self.prune_if_asked().await
            }
            Command::Fixup => self.fixup().await,
            Command::Prune => self.prune().await,
        }
    }

    pub(super) fn source(&mut self) -> Result<Arc<dyn Source>, CliError> {
        if let Some(source) = &self.source {
            return Ok(source.clone());
        }
        let source = setup::dist_source(self.args)?;
        self.source = Some(source.clone());
        Ok(source)
    }

    /// The manifests that are asked for, none of which may be a wildcard.
    pub(super) fn names_upstream(&self) -> Result<Vec<(ToolchainSpec, ManifestName)>, CliError> {
        let Scope::Asked { specs, .. } = &self.scope else {
            return Err(CliError::usage("there is no download after unpack"));
        };
        let named = setup::required(specs)?.iter().map(|spec| {
            let name = spec.as_name();
            let name = name.ok_or_else(|| DistError::Wild { spec: *spec })?;
            Ok((*spec, name))
        });
        named.collect()
    }

    /// The manifests that are here and asked for.
    pub(super) async fn names_here(&self) -> Result<Vec<ManifestName>, CliError> {
        match &self.scope {
            Scope::Asked { specs, .. } => Ok(self.session.expand(setup::required(specs)?).await?),
            Scope::Unpacked(releases) => Ok(releases
                .iter()
                .map(|(release, _)| release.canonical_name())
                .collect()),
        }
    }

    /// The targets that are asked for, those that are here unless any are.
    pub(super) fn targets(&self) -> TargetChoice {
        match &self.scope {
            Scope::Asked {
                targets: Some(targets),
                ..
            } => targets.clone(),
            _ => TargetChoice::OnDisk,
        }
    }

    /// Prints which components are left out.
    pub(super) fn tell_components(&self) {
        let filter = &self.session.options().components;
        if let Some(profile) = filter.profile() {
            self.out
                .say(1, format_args!("  profile: {}", profile.as_str()));
        }
        let includes = sorted(filter.includes());
        if !includes.is_empty() {
            self.out.say(1, "  components limited to:");
        }
        for name in includes {
            self.out.say(1, format_args!("    {name}"));
        }
        let excludes = sorted(filter.excludes());
        if !excludes.is_empty() {
            self.out.say(1, "  components excluded:");
        }
        for name in excludes {
            self.out.say(1, format_args!("    {name}"));
        }
    }
}

fn sorted(names: &[ComponentName]) -> Vec<&ComponentName> {
    let mut names: Vec<_> = names.iter().collect();
    names.sort();
    names
}

impl From<DistError> for CliError {
    fn from(error: DistError) -> Self {
        let this = Self::from_error(error.class(), &error);
        match &error {
            DistError::Rollback { .. } => this.with_help(
                "upstream may be frozen, or somebody in between; if not, say --allow-rollback",
            ),
            DistError::LacksBase { .. } => this.with_help(
                "import the earlier archive first, or have this one packed without --since",
            ),
            DistError::NoRoom { .. } => this.with_help("free the disk, or ask for less"),
            _ if error.class() == ErrorClass::Busy => {
                this.with_help("wait for the other romt to end, then run this again")
            }
            _ => this,
        }
    }
}
