//! The commands, each a step of a session.

use std::{fs::File, path::Path, sync::Arc};

use romt_core::{
    ErrorClass,
    crates::Rows,
    full::{CrateOutcome, FullError, Session, client_config},
    transfer::{Compression, GzipLevel},
};

use super::{
    args::CrateArgs,
    report::{Step, StepReport},
    rows::RowFormat,
    setup,
};
use crate::{
    error::{CliError, shown},
    report::Out,
};

/// A mirror that a command has needed.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) report: Arc<StepReport>,
    pub(super) format: RowFormat,
}

impl Open {
    pub(super) async fn pull(&mut self, out: &Out) -> Result<(), CliError> {
        self.report.busy("fetching the index");
        let pulled = self.session.pull().await;
        self.report.end();
        let pulled = pulled?;
        if pulled.history_replaced {
            out.say(1, "upstream has replaced the history of its index");
        }
        Ok(())
    }

    pub(super) async fn prune(&mut self, out: &Out) -> Result<(), CliError> {
        let pruned = self.session.prune().await?;
        if out.is_heard(2) {
            for (name, row) in pruned.removed.iter() {
                out.say(2, format_args!("[prune] {name}-{}.crate", row.version));
            }
        }
        Ok(())
    }

    pub(super) async fn download(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let (template, source) = setup::crates(args)?;
        self.begin(Step::Download, args, out).await?;
        let outcome = self.session.download(source, &template).await;
        self.settle(outcome, args, out)
    }

    pub(super) async fn verify(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        self.begin(Step::Verify, args, out).await?;
        let outcome = self.session.verify().await;
        self.settle(outcome, args, out)
    }

    /// Says what the step is about, and opens the lists of good and bad crates.
    async fn begin(&mut self, step: Step, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let create = |path: Option<&Path>| match path {
            Some(path) => File::create(path)
                .map(Some)
                .map_err(|error| CliError::from_io("write", shown(path), &error)),
            None => Ok(None),
        };
        let good = create(args.rows.good_crates.as_deref())?;
        let bad = create(args.rows.bad_crates.as_deref())?;
        let wanted = self.wanted(out).await?;
        self.report.begin(step, wanted, good, bad);
        Ok(())
    }

    async fn wanted(&mut self, out: &Out) -> Result<Arc<Rows>, CliError> {
        out.say(2, "[calculating crate list]");
        let range = self.session.range().await?;
        let difference = &range.difference;
        out.say(
            2,
            format_args!(
                "[{} crates added, {} crates removed in range]",
                difference.added.len(),
                difference.removed.len()
            ),
        );
        for refused in &difference.refused {
            let line = refused
                .line
                .map_or(String::new(), |line| format!(":{line}"));
            let (path, reason) = (&refused.path, &refused.reason);
            out.say(
                0,
                format_args!("warning: held back: {path}{line}: {reason}"),
            );
        }
        Ok(Arc::new(range.wanted()))
    }

    /// Sums a step up. One that failed ends the run, unless it is to keep going.
    fn settle(
        &mut self,
        outcome: Result<CrateOutcome, FullError>,
        args: &CrateArgs,
        out: &Out,
    ) -> Result<(), CliError> {
        self.report.end();
        let outcome = outcome?;
        let (bad, good) = (outcome.bad.len(), outcome.good);
        out.say(1, format_args!("{bad} bad_crates, {good} good_crates"));
        let still = outcome.still_held_back.len();
        if still > 0 {
            out.say(
                1,
                format_args!("{still} crates of earlier runs are still held back"),
            );
        }
        match outcome.class() {
            Some(class) if !args.work.keep_going || class == ErrorClass::Storage => {
                Err(CliError::new(class, "Aborting"))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn mark(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        for branch in ["mark", "master"] {
            let end = &args.range.end;
            out.say(
                1,
                format_args!("Move branch '{branch}' to point to '{end}'"),
            );
        }
        self.report.busy("publishing the index");
        let marked = self.session.mark().await;
        self.report.end();
        let marked = marked?;
        tell_held_back(&marked.held_back, marked.refused.len(), out);
        Ok(())
    }

    pub(super) async fn config(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let config = client_config(&args.work.server_url);
        let marked = self.session.config(config.as_bytes()).await?;
        tell_held_back(&marked.held_back, marked.refused.len(), out);
        Ok(())
    }

    pub(super) async fn list(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let format = self.format;
        let range = self.session.range().await?;
        if args.rows.held_back {
            return out.rows(|mut to| format.write_all(&range.held_back, "", &mut to));
        }
        let difference = &range.difference;
        out.rows(|mut to| {
            format.write_all(&difference.added, "", &mut to)?;
            format.write_all(&difference.removed, "-", &mut to)
        })
    }

    pub(super) async fn pack(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let create = args.seal.create(&args.archive, "crates");
        self.report.busy("packing");
        let packed = self.session.pack(create, compression(args)?).await;
        self.report.end();
        let Some(packed) = packed? else {
            out.say(1, "No crates to pack");
            if args.archive.exists() {
                let path = shown(&args.archive);
                out.say(1, format_args!("{path} is of an earlier export"));
            }
            return Ok(());
        };
        for missing in &packed.left_out {
            out.say(0, format_args!("Error: {}", missing.reason));
        }
        let bad = packed.left_out.len();
        if !packed.written {
            let classes = packed.left_out.iter().map(|failure| failure.class);
            let class = classes
                .reduce(ErrorClass::max)
                .unwrap_or(ErrorClass::Partial);
            return Err(CliError::new(class, "Aborting"));
        }
        out.say(
            1,
            format_args!("{bad} bad crates, {} good crates", packed.crates),
        );
        Ok(())
    }

    pub(super) async fn unpack(&mut self, args: &CrateArgs, out: &Out) -> Result<(), CliError> {
        let name = shown(&args.archive);
        self.report.busy("unpacking");
        let unpacked = match args.seal.open(&args.archive, "crates", out).await {
            Ok(archive) => self.session.unpack(archive, name.as_str()).await,
            Err(error) => {
                self.report.end();
                return Err(error);
            }
        };
        self.report.end();
        let unpacked = unpacked?;
        let left_out = unpacked.left_out.len() as u64;
        if left_out > 0 {
            out.say(0, format_args!("{left_out} bad crates were left out"));
        }
        let extracted = unpacked.crates - left_out;
        out.say(1, format_args!("{extracted} extracted crates"));
        Ok(())
    }
}

/// Like romt for Python, a name that does not end in `.gz` is that of a plain tar.
fn compression(args: &CrateArgs) -> Result<Compression, CliError> {
    if args.archive.extension().is_none_or(|end| end != "gz") {
        return Ok(Compression::None);
    }
    GzipLevel::new(args.work.compress_level)
        .map(Compression::Gzip)
        .map_err(|error| CliError::from_error(ErrorClass::Usage, &error))
}

/// Says what clients do not see, though the index has it.
fn tell_held_back(rows: &Rows, refused: usize, out: &Out) {
    if !rows.is_empty() {
        let number = rows.len();
        out.say(
            1,
            format_args!("{number} crates are held back until they can be had (list --held-back)"),
        );
    }
    if refused > 0 {
        out.say(
            1,
            format_args!("{refused} entries of the index are held back as invalid"),
        );
    }
}

impl From<FullError> for CliError {
    fn from(error: FullError) -> Self {
        let this = Self::from_error(error.class(), &error);
        match &error {
            FullError::TooManyRemovals { removed, .. } => this.with_help(format!(
                "if upstream did remove them, say --accept-removals {removed}"
            )),
            FullError::TooManyChanges { changed, .. } => this.with_help(format!(
                "if upstream did change them, say --accept-changes {changed}"
            )),
            _ if error.class() == ErrorClass::Busy => {
                this.with_help("wait for the other romt to end, then run this again")
            }
            _ => this,
        }
    }
}
