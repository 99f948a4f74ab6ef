//! What the commands of `romt toolchain` do.

use std::path::Path;

use romt_core::{
    ErrorClass, Escaped,
    dist::{CarriedList, ComponentOutcome, Release, UnpackedReleases, Wanted},
    toolchain::{ManifestName, TargetName, ToolchainSpec},
    transfer::ArchiveLimits,
};

use super::{
    setup,
    toolchain::{Run, Scope},
};
use crate::error::{CliError, shown};

impl Run<'_> {
    pub(super) async fn fetch_manifest(&mut self) -> Result<(), CliError> {
        let source = self.source()?;
        for (spec, name) in self.names_upstream()? {
            self.out.say(1, format_args!("Fetch manifest: {spec}"));
            let release = self.session.fetch(&*source, &name).await?;
            self.session.keep_as_named(&release).await?;
            self.tell_ident(&release);
        }
        Ok(())
    }

    /// Fetches everything; nothing is published yet.
    pub(super) async fn download(&mut self) -> Result<Vec<ManifestName>, CliError> {
        let source = self.source()?;
        let named = self.names_upstream()?;
        let Scope::Asked {
            targets: Some(choice),
            ..
        } = &self.scope
        else {
            return Err(CliError::usage("missing required TARGET; try --target"));
        };
        let choice = choice.clone();
        let mut fetched = Vec::new();
        for (spec, name) in named {
            self.out.say(1, format_args!("Download: {spec}"));
            self.tell_components();
            let release = self.session.fetch(&*source, &name).await?;
            self.tell_ident(&release);
            let targets = self.session.targets(&release, &choice).await?;
            let wanted = self.session.to_fetch(&release, &targets);
            self.tell_numbers(&wanted, &targets);
            if wanted.is_empty() {
                return Err(nothing_selected(&release));
            }
            self.report.begin("cached file");
            let outcome = self.session.download(source.clone(), &wanted).await?;
            self.out.end();
            fail_if_bad(&outcome)?;
            self.session.keep(&release).await?;
            fetched.push(release.canonical_name());
        }
        Ok(fetched)
    }

    /// Gives releases the names that rustup asks for.
    pub(super) async fn publish(&mut self, names: Vec<ManifestName>) -> Result<(), CliError> {
        for name in names {
            self.out.say(1, format_args!("Fixup: {name}"));
            let release = self.session.publish(&name).await?;
            self.out
                .say(2, format_args!("  ident: {}", release.manifest.ident()));
        }
        Ok(())
    }

    pub(super) async fn fixup(&mut self) -> Result<(), CliError> {
        let names = self.names_here().await?;
        self.publish(names).await
    }

    pub(super) async fn verify(&mut self) -> Result<(), CliError> {
        self.report.begin("verify");
        let mut total = ComponentOutcome::default();
        for (name, release, targets, wanted) in self.here().await? {
            self.out.say(1, format_args!("Verify: {name}"));
            self.tell_components();
            self.tell_ident(&release);
            self.tell_numbers(&wanted, &targets);
            let outcome = self.session.verify(&wanted).await?;
            total.good += outcome.good;
            total.bad.extend(outcome.bad);
        }
        fail_if_bad(&total)
    }

    /// What is here of what is asked for, or what an archive brought.
    async fn here(
        &self,
    ) -> Result<Vec<(ManifestName, Release, Vec<TargetName>, Vec<Wanted>)>, CliError> {
        if let Scope::Unpacked(releases) = &self.scope {
            let releases = releases.iter().map(|(release, wanted)| {
                let targets = UnpackedReleases::targets(release, wanted);
                let name = release.canonical_name();
                (name, release.clone(), targets, wanted.clone())
            });
            return Ok(releases.collect());
        }
        let choice = self.targets();
        let mut here = Vec::new();
        for name in self.names_here().await? {
            let release = self.session.load(&name).await?;
            let targets = self.session.targets(&release, &choice).await?;
            let wanted = self.session.to_have(&release, &targets).await?;
            here.push((name, release, targets, wanted));
        }
        Ok(here)
    }

    pub(super) async fn pack(&mut self) -> Result<(), CliError> {
        // What an earlier run left half-shown is finished before it is read.
        self.session.begin_writing().await?;
        let archive = &self.args.archive;
        self.out
            .say(1, format_args!("Packing archive: {}", shown(archive)));
        self.tell_components();
        let mut releases = Vec::new();
        for (name, release, targets, wanted) in self.here().await? {
            self.out.say(1, format_args!("Pack: {name}"));
            self.tell_ident(&release);
            self.tell_numbers(&wanted, &targets);
            releases.push((release, wanted));
        }
        let since = self.since().await?;
        self.report.begin("pack");
        self.out.busy("packing");
        let create = self.args.common.seal.create(archive, "toolchain");
        let compression = setup::compression(archive, self.args.common.compress_level, 0)?;
        let packed = self.session.pack(&releases, &since, create, compression);
        let packed = packed.await?;
        self.out.end();
        if packed.left_out > 0 {
            let left_out = packed.left_out;
            self.out.say(
                1,
                format_args!("  left out: {left_out}, which the other side has"),
            );
        }
        if let Some(path) = &self.args.carry.carried {
            let text = packed.carried.render();
            setup::write_whole(path, text.as_bytes())?;
        }
        Ok(())
    }

    /// What the other side has, as the user says.
    async fn since(&self) -> Result<CarriedList, CliError> {
        let mut carried = CarriedList::default();
        for value in &self.args.carry.since {
            let path = Path::new(value);
            if path.is_file() {
                carried.extend(read_carried(path)?);
                continue;
            }
            let specs: Vec<ToolchainSpec> = ToolchainSpec::parse_all(&[value]).map_err(|_| {
                let value = Escaped::new(value);
                CliError::usage(format!(
                    "--since `{value}` is neither a file nor a SPEC that is here"
                ))
            })?;
            let names = self.session.expand(&specs).await?;
            let list = self.session.carried_by(&names, &self.targets()).await?;
            carried.extend(list);
        }
        Ok(carried)
    }

    pub(super) async fn unpack(&mut self) -> Result<(), CliError> {
        let archive = &self.args.archive;
        let name = shown(archive);
        self.out.say(1, format_args!("Unpacking archive: {name}"));
        self.report.begin("unpack");
        self.out.busy("unpacking");
        let seal = &self.args.common.seal;
        let input = seal.open(archive, "toolchain", self.out).await?;
        let unpacked = self.session.unpack(input, name.as_str()).await?;
        self.out.end();
        self.tell_unpacked(&unpacked);
        self.scope = Scope::Unpacked(unpacked.releases.clone());
        if let Err(error) = self.verify().await {
            if matches!(error.class, ErrorClass::Integrity | ErrorClass::Refused) {
                self.session.take_back(&unpacked).await?;
            }
            return Err(error);
        }
        for (release, _) in &unpacked.releases {
            self.session.keep(release).await?;
        }
        Ok(())
    }

    fn tell_unpacked(&self, unpacked: &UnpackedReleases) {
        let releases = &unpacked.releases;
        self.out
            .say(1, format_args!("Unpacked specs: {}", releases.len()));
        for (release, _) in releases {
            self.out
                .say(1, format_args!("  {}", release.canonical_name()));
        }
        let mut targets: Vec<TargetName> = releases
            .iter()
            .flat_map(|(release, wanted)| UnpackedReleases::targets(release, wanted))
            .collect();
        targets.sort();
        targets.dedup();
        self.out
            .say(1, format_args!("Unpacked targets: {}", targets.len()));
        for target in targets {
            self.out.say(1, format_args!("  {target}"));
        }
    }

    pub(super) async fn prune_if_asked(&mut self) -> Result<(), CliError> {
        match self.args.keep.keep_latest {
            Some(_) => self.prune().await,
            None => Ok(()),
        }
    }

    pub(super) async fn prune(&mut self) -> Result<(), CliError> {
        let keep = self.args.keep.keep_latest.unwrap_or(u32::MAX);
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let plan = self.session.plan_prune(keep).await?;
        self.out
            .say(1, format_args!("Prune: keep {keep} of each channel"));
        for ident in &plan.kept {
            self.out.say(1, format_args!("  keep {ident}"));
        }
        for ident in &plan.going {
            self.out.say(1, format_args!("  delete {ident}"));
        }
        let layout = self.session.mirror().layout();
        for key in &plan.files {
            self.out
                .say(2, format_args!("[delete] {}", layout.member(key)));
        }
        let (files, bytes) = (plan.files.len(), plan.bytes);
        self.out
            .say(1, format_args!("  {files} files, {bytes} bytes"));
        if !self.args.keep.dry_run {
            self.session.prune(&plan).await?;
        }
        Ok(())
    }

    pub(super) fn tell_ident(&self, release: &Release) {
        self.out
            .say(1, format_args!("  ident: {}", release.manifest.ident()));
    }

    fn tell_numbers(&self, wanted: &[Wanted], targets: &[TargetName]) {
        let (packages, number) = (wanted.len(), targets.len());
        self.out
            .say(1, format_args!("  packages: {packages}, targets: {number}"));
        for target in targets {
            self.out.say(3, format_args!("  target: {target}"));
        }
    }
}

/// Ends the run if anything is bad; what is was told already.
fn fail_if_bad(outcome: &ComponentOutcome) -> Result<(), CliError> {
    let Some(class) = outcome.class() else {
        return Ok(());
    };
    let (bad, good) = (outcome.bad.len(), outcome.good);
    Err(CliError::new(
        class,
        format!("Aborting: {bad} bad components, {good} good components"),
    )
    .with_note("nothing was published; what is right stays and is not fetched again"))
}

/// Clients would be told of a release of which there is nothing.
fn nothing_selected(release: &Release) -> CliError {
    let ident = release.manifest.ident();
    CliError::usage(format!("nothing of {ident} is selected"))
        .with_note("nothing was published")
        .with_help("look at --target, --components, --profile and --cross; -t '*' is what is here of this very release")
}

/// The components in an archive, or in a list of them.
fn read_carried(path: &Path) -> Result<CarriedList, CliError> {
    let name = shown(path);
    if looks_like_archive(path) {
        let input = crate::sealing::open_own(path)?;
        let list = CarriedList::of_archive(input, name.as_str(), ArchiveLimits::default());
        return Ok(list?);
    }
    Ok(CarriedList::parse(&setup::read(path)?, name.as_str())?)
}

/// Whether a file begins as gzip, xz or tar do.
fn looks_like_archive(path: &Path) -> bool {
    use std::io::Read as _;
    let mut begin = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut begin));
    let magic = begin.get(257..262) == Some(b"ustar");
    read.is_ok() && (magic || begin.starts_with(&[0x1f, 0x8b]) || begin.starts_with(b"\xfd7zXZ\0"))
}
