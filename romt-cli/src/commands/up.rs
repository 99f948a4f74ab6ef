//! `romt up`: the main job.

use std::{process::ExitCode, sync::Arc};

use romt_core::{EventSink, SyncOptions, SyncOutcome};
use tokio::task::JoinHandle;

use super::{listen::Listening, serve};
use crate::{
    args::{ServeArgs, UpArgs},
    error::{CliError, shown},
    mirror_dir::MirrorDir,
    report::{Printer, Reporter},
    selection::{self, Chosen},
    signals::Signals,
    upstream::{self, Origin},
};

pub(crate) async fn run(args: UpArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    if args.offline {
        let args = ServeArgs {
            mirror: Some(args.mirror),
            check: None,
            listen: args.listen,
        };
        return serve::run(args, printer).await;
    }
    let signals = Signals::listen();
    let chosen = selection::choose(&args)?;
    let origin = Origin::open(&args.upstream)?;
    let directory = MirrorDir::create(&args.mirror)?;
    let mut server = Server::prepare(&args, &directory, printer).await?;
    // What was published before is served at once, and while it is refreshed.
    if directory.is_published().await? {
        server.start(&directory, &signals, printer).await?;
    }
    let reporter = Arc::new(Reporter::new(printer));
    announce(&chosen, &directory, printer);
    let synced = sync(&args, &chosen, &origin, &directory, &signals, &reporter).await;
    reporter.finish();
    let failed = match synced {
        Ok(outcome) if outcome.cancelled => {
            server.finish().await?;
            printer.interrupted(&outcome);
            return Ok(signals.exit_code());
        }
        Ok(outcome) => {
            printer.outcome(&outcome);
            outcome.class()
        }
        // With nothing to serve there is nothing to stay for.
        Err(error) if !server.is_running() => return Err(error),
        Err(error) => {
            printer.fail(&error);
            Some(error.class)
        }
    };
    let code = failed.map_or(ExitCode::SUCCESS, |class| ExitCode::from(class.exit_code()));
    // Where all is done, an empty mirror is what was asked for.
    if failed.is_none() || directory.is_published().await? {
        server.start(&directory, &signals, printer).await?;
    } else if !args.no_serve {
        printer.warn("the mirror holds no crates yet, so it is not served");
    }
    server.finish().await?;
    Ok(code)
}

/// Says what is about to be mirrored, and what is not.
fn announce(chosen: &Chosen, directory: &MirrorDir, printer: &Printer) {
    for lockfile in &chosen.lockfiles {
        printer.say(format_args!(
            "mirroring what {} needs into {}",
            shown(lockfile),
            shown(&directory.path)
        ));
    }
    let (local, missed) = selection::left_out(&chosen.selection);
    if !local.is_empty() {
        printer.say(format_args!(
            "left out, being on this machine already: {}",
            local.join(", ")
        ));
    }
    for left_out in missed {
        printer.warn(format_args!(
            "left out: {} comes from {}",
            left_out.package, left_out.origin
        ));
    }
}

async fn sync(
    args: &UpArgs,
    chosen: &Chosen,
    origin: &Origin,
    directory: &MirrorDir,
    signals: &Signals,
    reporter: &Arc<Reporter>,
) -> Result<SyncOutcome, CliError> {
    let events: Arc<dyn EventSink> = reporter.clone();
    let upstream = origin.upstream(&args.upstream, &directory.store, &events);
    let options = SyncOptions::default()
        .with_jobs(args.upstream.num_jobs.into())
        .with_retry(upstream::retry(&args.upstream))
        // A closure's size is anybody's guess, so it is told before it is fetched.
        .with_measure(!args.crates.is_empty())
        .with_holder("romt up")
        .with_cancel(signals.stop.clone());
    let mirror = directory.mirror();
    let selection = chosen.selection.clone();
    // As a task of its own it runs where its questions are answered; the thread that
    // waits here would have to be woken for each.
    let work = async move { mirror.sync(&upstream, &selection, &options, events).await };
    match tokio::spawn(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => Err(CliError::from_error(romt_core::ErrorClass::Bug, &error)),
    }
}

/// The server of `up`: none, one that is to come, or one that runs.
enum Server {
    None,
    Waiting(Box<Listening>),
    Running(JoinHandle<Result<(), CliError>>),
}

impl Server {
    async fn prepare(
        args: &UpArgs,
        directory: &MirrorDir,
        printer: &Printer,
    ) -> Result<Self, CliError> {
        if args.no_serve {
            return Ok(Self::None);
        }
        let listening = Listening::bind(&args.listen, printer).await?;
        if !directory.is_published().await? {
            printer.say(format_args!(
                "{} answers once the mirror is complete",
                listening.url()
            ));
        }
        Ok(Self::Waiting(Box::new(listening)))
    }

    fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    async fn start(
        &mut self,
        directory: &MirrorDir,
        signals: &Signals,
        printer: &Printer,
    ) -> Result<(), CliError> {
        match std::mem::replace(self, Self::None) {
            Self::Waiting(listening) => {
                let mirror = directory.served(printer).await?;
                listening.announce(printer);
                let stop = signals.stop.clone();
                *self = Self::Running(tokio::spawn(listening.serve(mirror, stop)));
            }
            other => *self = other,
        }
        Ok(())
    }

    /// Waits until the server is told to stop and has finished.
    async fn finish(self) -> Result<(), CliError> {
        match self {
            Self::Running(server) => match server.await {
                Ok(result) => result,
                Err(error) => Err(CliError::from_error(romt_core::ErrorClass::Bug, &error)),
            },
            Self::None | Self::Waiting(_) => Ok(()),
        }
    }
}
