//! `romt rustup`: its commands in their order.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use romt_core::{
    ErrorClass, RustupLayout, Source,
    installers::{FetchedInstallers, InstallerError, InstallerMirror, InstallerSession},
    rustup::{KNOWN_TARGETS, RustupSpec, RustupVersion},
    toolchain::{TargetChoice, TargetName},
};
use serde_json::json;

use super::{
    args::{ListFormat, RustupArgs},
    command::{self, Command},
    report::DistReport,
    setup,
};
use crate::{
    error::{CliError, shown},
    report::Out,
    signals::Signals,
    upstream::source_at,
};

/// One invocation.
struct Run<'a> {
    args: &'a RustupArgs,
    out: &'a Out,
    report: Arc<DistReport>,
    session: InstallerSession,
    specs: Vec<RustupSpec>,
    targets: Option<TargetChoice>,
    /// What an archive brought.
    unpacked: Option<Vec<(RustupVersion, Vec<TargetName>)>>,
}

/// Runs the commands until one fails.
pub(super) async fn run(args: &RustupArgs, out: &Out, signals: &Signals) -> Result<(), CliError> {
    let commands = command::parse_all(&args.commands, command::RUSTUP)?;
    let specs =
        RustupSpec::parse_all(&args.common.specs).map_err(|error| setup::invalid_spec(&error))?;
    let targets = setup::targets(&args.common)?;
    if args.format == ListFormat::Json && !commands.contains(&Command::List) {
        return Err(CliError::usage("--format json is for list"));
    }
    if commands.is_empty() {
        out.say(1, "nothing to do; try a COMMAND");
        return Ok(());
    }
    let makes = [Command::Download, Command::Unpack];
    let makes = commands.iter().any(|command| makes.contains(command));
    let (store, at) = setup::store(&args.dest, "rustup", makes)?;
    let report = Arc::new(DistReport::new(out));
    let options = setup::installer_options(args, signals)?;
    let mirror = InstallerMirror::new(store, RustupLayout::new(at));
    let mut run = Run {
        args,
        out,
        session: mirror.session(options, report.clone()),
        report,
        specs,
        targets,
        unpacked: None,
    };
    for command in commands {
        run.one(command).await?;
        out.end();
    }
    Ok(())
}

impl Run<'_> {
    async fn one(&mut self, command: Command) -> Result<(), CliError> {
        match command {
            Command::Download => {
                let versions = self.download().await?;
                self.fixup(&versions).await
            }
            Command::Verify => self.verify().await,
            Command::List => self.list().await,
            Command::AllTargets => self.all_targets(),
            Command::Pack => self.pack().await,
            Command::Unpack => {
                self.unpack().await?;
                self.verify().await?;
                let versions = self.versions().await?;
                self.fixup(&versions).await
            }
            _ => {
                let versions = self.versions().await?;
                self.fixup(&versions).await
            }
        }
    }

    async fn download(&mut self) -> Result<Vec<RustupVersion>, CliError> {
        let url = setup::rustup_url(self.args);
        let source: Arc<dyn Source> = source_at(&url, self.args.common.timeout)?;
        let specs = setup::required(&self.specs)?.to_vec();
        let Some(choice) = self.targets.clone() else {
            return Err(CliError::usage("missing required TARGET; try --target"));
        };
        self.report.begin("cached file");
        let mut versions = Vec::new();
        for spec in specs {
            self.out.say(1, format_args!("Download: {spec}"));
            let version = match spec {
                RustupSpec::Version(version) => version,
                RustupSpec::Stable => self.session.current_upstream(&*source).await?,
                RustupSpec::Latest | RustupSpec::Any => {
                    return Err(InstallerError::Wild { spec }.into());
                }
            };
            let (targets, skips) = self.targets_upstream(&choice, &url, version).await?;
            self.tell(version, &targets);
            let outcome = self
                .session
                .download(source.clone(), version, &targets, skips)
                .await?;
            fail_if_bad(&outcome)?;
            versions.push(version);
        }
        self.out.say(
            1,
            "  rustup is unsigned upstream: it is as good as the connection, or as --pin",
        );
        Ok(versions)
    }

    /// The targets to fetch, and whether one that upstream lacks is passed over.
    async fn targets_upstream(
        &self,
        choice: &TargetChoice,
        url: &str,
        version: RustupVersion,
    ) -> Result<(Vec<TargetName>, bool), CliError> {
        match choice {
            TargetChoice::All => Ok((self.all(url, version)?, true)),
            TargetChoice::OnDisk => {
                let mut here = self.session.versions().await?;
                let targets = here.remove(&version).unwrap_or_default();
                Ok((targets.into_iter().collect(), false))
            }
            TargetChoice::Named(names) => {
                for name in names {
                    if !KNOWN_TARGETS.contains(&name.as_str()) {
                        self.out
                            .say(0, format_args!("warning: unknown target '{name}'"));
                    }
                }
                Ok((names.clone(), false))
            }
        }
    }

    /// All targets: those of a list, those in an upstream that is a directory, or those
    /// that are known.
    fn all(&self, url: &str, version: RustupVersion) -> Result<Vec<TargetName>, CliError> {
        let parse = |name: &str| {
            name.parse::<TargetName>()
                .map_err(|error| CliError::from_error(ErrorClass::Usage, &error))
        };
        if let Some(path) = &self.args.target_list {
            let text = setup::text(path)?;
            let lines = text.lines().map(str::trim);
            let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            return names.map(parse).collect();
        }
        let path = url.strip_prefix("file://").unwrap_or(url);
        let listed = std::fs::read_dir(Path::new(path).join(format!("archive/{version}")));
        if let (false, Ok(entries)) = (path.contains("://"), listed) {
            let names = entries.flatten().map(|entry| entry.file_name());
            let targets: BTreeSet<TargetName> = names
                .filter_map(|name| name.to_str()?.parse().ok())
                .collect();
            return Ok(targets.into_iter().collect());
        }
        KNOWN_TARGETS.iter().map(|name| parse(name)).collect()
    }

    /// The versions that are here and asked for.
    async fn versions(&self) -> Result<Vec<RustupVersion>, CliError> {
        match &self.unpacked {
            Some(unpacked) => Ok(unpacked.iter().map(|(version, _)| *version).collect()),
            None => Ok(self.session.expand(setup::required(&self.specs)?).await?),
        }
    }

    /// What is here of what is asked for, or what an archive brought.
    async fn here(&self) -> Result<Vec<(RustupVersion, Vec<TargetName>)>, CliError> {
        if let Some(unpacked) = &self.unpacked {
            return Ok(unpacked.clone());
        }
        let on_disk = self.session.versions().await?;
        let mut here = Vec::new();
        for version in self.versions().await? {
            let targets = if let Some(TargetChoice::Named(names)) = &self.targets {
                names.clone()
            } else {
                let targets = on_disk.get(&version).cloned();
                targets.unwrap_or_default().into_iter().collect()
            };
            here.push((version, targets));
        }
        Ok(here)
    }

    /// The same, where a version of which there is nothing is an error.
    async fn present(&self) -> Result<Vec<(RustupVersion, Vec<TargetName>)>, CliError> {
        let here = self.here().await?;
        match here.iter().find(|(_, targets)| targets.is_empty()) {
            Some((version, _)) => Err(InstallerError::NoVersion { version: *version }.into()),
            None => Ok(here),
        }
    }

    async fn verify(&mut self) -> Result<(), CliError> {
        self.report.begin("verify");
        let mut total = FetchedInstallers::default();
        for (version, targets) in self.present().await? {
            self.out.say(1, format_args!("Verify: {version}"));
            self.tell(version, &targets);
            let outcome = self.session.verify(version, &targets).await?;
            total.good += outcome.good;
            total.bad.extend(outcome.bad);
        }
        fail_if_bad(&total)
    }

    async fn list(&mut self) -> Result<(), CliError> {
        for (version, targets) in self.here().await? {
            if self.args.format == ListFormat::Json {
                let targets: Vec<_> = targets.iter().map(TargetName::as_str).collect();
                let object = json!({"version": version.to_string(), "targets": targets});
                self.row(&object.to_string())?;
                continue;
            }
            if !self.out.is_heard(1) {
                self.row(&version.to_string())?;
                continue;
            }
            self.out.say(1, format_args!("List: {version}"));
            let number = targets.len();
            self.out
                .say(1, format_args!("{version:8} targets[{number}]"));
            for target in targets {
                self.out.say(1, format_args!("  {target}"));
            }
        }
        Ok(())
    }

    fn all_targets(&self) -> Result<(), CliError> {
        self.out.say(1, "All known targets:");
        KNOWN_TARGETS.iter().try_for_each(|target| self.row(target))
    }

    async fn pack(&mut self) -> Result<(), CliError> {
        let archive = &self.args.archive;
        self.out
            .say(1, format_args!("Packing archive: {}", shown(archive)));
        let here = self.present().await?;
        for (version, targets) in &here {
            self.out.say(1, format_args!("Pack: {version}"));
            self.tell(*version, targets);
        }
        self.report.begin("pack");
        self.out.busy("packing");
        let create = self.args.common.seal.create(archive, "rustup");
        let compression = setup::compression(archive, self.args.common.compress_level, 6)?;
        self.session.pack(&here, create, compression).await?;
        Ok(())
    }

    async fn unpack(&mut self) -> Result<(), CliError> {
        let archive = &self.args.archive;
        let name = shown(archive);
        self.out.say(1, format_args!("Unpacking archive: {name}"));
        self.report.begin("unpack");
        self.out.busy("unpacking");
        let seal = &self.args.common.seal;
        let input = seal.open(archive, "rustup", self.out).await?;
        let unpacked = self.session.unpack(input, name.as_str()).await?;
        self.out.end();
        let versions = unpacked.versions;
        self.out
            .say(1, format_args!("Unpacked specs: {}", versions.len()));
        for version in versions.keys() {
            self.out.say(1, format_args!("  {version}"));
        }
        let targets: BTreeSet<&TargetName> = versions.values().flatten().collect();
        self.out
            .say(1, format_args!("Unpacked targets: {}", targets.len()));
        for target in targets {
            self.out.say(1, format_args!("  {target}"));
        }
        let brought = versions
            .into_iter()
            .map(|(version, targets)| (version, targets.into_iter().collect()));
        self.unpacked = Some(brought.collect());
        Ok(())
    }

    async fn fixup(&mut self, versions: &[RustupVersion]) -> Result<(), CliError> {
        for version in versions {
            self.out.say(1, format_args!("Fixup: {version}"));
        }
        let (current, is_new) = self.session.fixup(versions).await?;
        let file = "rustup/release-stable.toml";
        if is_new {
            self.out
                .say(1, format_args!("[write] {file} (version={current})"));
        }
        self.out.say(
            1,
            format_args!("[copytree] rustup/archive/{current} -> rustup/dist"),
        );
        Ok(())
    }

    fn tell(&self, version: RustupVersion, targets: &[TargetName]) {
        self.out.say(1, format_args!("  version: {version}"));
        self.out
            .say(1, format_args!("  targets: {}", targets.len()));
        for target in targets {
            self.out.say(3, format_args!("  target: {target}"));
        }
    }

    fn row(&self, text: &str) -> Result<(), CliError> {
        self.out.rows(|to| writeln!(to, "{text}"))
    }
}

fn fail_if_bad(outcome: &FetchedInstallers) -> Result<(), CliError> {
    let Some(class) = outcome.class() else {
        return Ok(());
    };
    let (bad, good) = (outcome.bad.len(), outcome.good);
    let message = format!("Aborting: {bad} bad installers, {good} good installers");
    Err(CliError::new(class, message)
        .with_note("nothing was published; what is right stays and is not fetched again"))
}

impl From<InstallerError> for CliError {
    fn from(error: InstallerError) -> Self {
        let this = Self::from_error(error.class(), &error);
        match error.class() {
            ErrorClass::Busy => {
                this.with_help("wait for the other romt to end, then run this again")
            }
            _ => this,
        }
    }
}
