//! `romt serve`.

use std::process::ExitCode;

use super::listen::Listening;
use crate::{args::ServeArgs, error::CliError, mirror_dir, report::Printer, signals::Signals};

pub(crate) async fn run(args: ServeArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    let signals = Signals::listen();
    let mirror = mirror_dir::served(args.mirror.as_deref(), printer).await?;
    let listening = Listening::bind(&args.listen).await?;
    listening.announce(printer);
    listening.serve(mirror, signals.stop.clone()).await?;
    printer.say("stopped");
    Ok(ExitCode::SUCCESS)
}
