//! `romt crate`: the full mirror, for those who know romt for Python.

pub(crate) mod args;
mod command;
mod report;
mod rows;
mod setup;
mod steps;

use std::{process::ExitCode, sync::Arc};

use romt_core::{ErrorClass, Escaped, crates::VersionFilter};
use romt_index::GitIndex;

use self::{args::CrateArgs, command::Command, report::StepReport, rows::RowFormat, steps::Open};
use crate::{
    error::{CliError, shown},
    report::{Out, Printer},
    signals::Signals,
};

/// What romt for Python says when it is interrupted.
const INTERRUPTED: &str = "Keyboard interrupt";

/// Runs the commands in their order, until one fails.
pub(crate) async fn run(args: CrateArgs, printer: &Printer) -> ExitCode {
    let out = Out::new(printer);
    let signals = Signals::listen();
    let work = async {
        let filter = setup::filter(&args.range)?;
        tell_filter(&filter, &out);
        let commands = Command::parse_all(&args.commands)?;
        if commands.is_empty() {
            out.say(1, "Nothing to do (try --help)");
        }
        Run::new(&args, &out, filter, &signals).all(commands).await
    };
    let result = tokio::select! {
        // The steps look at the same signal, and what they say of it is not news.
        biased;
        () = signals.stop.cancelled() => {
            // What a step was doing when it was dropped is as if power was lost.
            out.say(0, INTERRUPTED);
            return signals.exit_code();
        }
        result = work => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A step may notice before we do.
        Err(_) if signals.stop.is_cancelled() => {
            out.say(0, INTERRUPTED);
            signals.exit_code()
        }
        Err(error) => out.fail(&error),
    }
}

fn tell_filter(filter: &VersionFilter, out: &Out) {
    if filter.is_all() || !out.is_heard(2) {
        return;
    }
    let patterns: Vec<_> = filter.patterns().collect();
    out.say(2, format_args!("Using {} filters:", patterns.len()));
    for pattern in patterns {
        out.say(2, format_args!("  {pattern}"));
    }
}

/// One invocation.
struct Run<'a> {
    args: &'a CrateArgs,
    out: &'a Out,
    filter: VersionFilter,
    signals: &'a Signals,
    open: Option<Open>,
}

impl<'a> Run<'a> {
    fn new(args: &'a CrateArgs, out: &'a Out, filter: VersionFilter, signals: &'a Signals) -> Self {
        Self {
            args,
            out,
            filter,
            signals,
            open: None,
        }
    }

    async fn all(&mut self, commands: Vec<Command>) -> Result<(), CliError> {
        for command in commands {
            // The rows of a list are all that is to be on stdout.
            if command != Command::List {
                self.out.say(1, format_args!("{}...", command.name()));
            }
            for part in command.parts() {
                self.out.say(1, format_args!("{}...", part.name()));
                self.one(*part).await?;
            }
            if command.parts().is_empty() {
                self.one(command).await?;
            }
        }
        Ok(())
    }

    async fn one(&mut self, command: Command) -> Result<(), CliError> {
        match command {
            Command::Init | Command::InitImport => return self.init(command).await,
            _ => {}
        }
        let (args, out) = (self.args, self.out);
        let open = self.open().await?;
        match command {
            Command::Pull => open.pull(out).await,
            Command::Prune => open.prune(out).await,
            Command::Download => open.download(args, out).await,
            Command::Verify => open.verify(args, out).await,
            Command::Pack => open.pack(args, out).await,
            Command::Unpack => open.unpack(args, out).await,
            Command::Mark => open.mark(args, out).await,
            Command::List => open.list(args, out).await,
            Command::Config => open.config(args, out).await,
            // These have parts, and were handled above.
            Command::Init
            | Command::InitImport
            | Command::Update
            | Command::Export
            | Command::Import => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<&mut Open, CliError> {
        if self.open.is_none() {
            let mirror = setup::open(self.args).await?;
            let style = mirror.layout().prefix_style();
            let format = RowFormat::new(&self.args.rows, style);
            let report = Arc::new(StepReport::new(self.out, format, style));
            let options = setup::options(self.args, self.filter.clone(), self.signals);
            self.open = Some(Open {
                session: mirror.session(options, report.clone()),
                report,
                format,
            });
        }
        self.open
            .as_mut()
            .ok_or_else(|| CliError::new(ErrorClass::Bug, "the mirror is not open"))
    }

    /// Makes a mirror where there is none.
    async fn init(&mut self, command: Command) -> Result<(), CliError> {
        let (args, out) = (self.args, self.out);
        if std::fs::symlink_metadata(&args.index).is_ok() {
            let path = shown(&args.index);
            return Err(CliError::usage(format!(
                "index directory '{path}' already exists"
            )));
        }
        let crates = shown(&args.crates);
        out.say(1, format_args!("create crates directory at '{crates}':"));
        setup::create_crates(&args.crates, args.work.prefix.into()).await?;
        let index = shown(&args.index);
        out.say(1, format_args!("create index repository at '{index}':"));
        let options = setup::git_options(args);
        let made = if command == Command::Init {
            GitIndex::init(&args.index, &args.upstream.index_url, options)
        } else {
            GitIndex::init_import(&args.index, args.work.bundle_path.as_deref(), options)
        };
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                // So that it can be run again.
                setup::remove_new_crates(&args.crates);
                return Err(error.into());
            }
        };
        let origin = made.origin().await?;
        let origin = origin.unwrap_or_default();
        let origin = Escaped::address(&origin);
        out.say(1, format_args!("  remote add origin {origin}"));
        Ok(())
    }
}
