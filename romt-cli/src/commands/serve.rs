//! `romt serve`.

use std::process::ExitCode;

use romt_core::ErrorClass;
use romt_server::{CheckArg, Fault, ServedMirror};

use super::listen::Listening;
use crate::{args::ServeArgs, error::CliError, mirror_dir, report::Printer, signals::Signals};

pub(crate) async fn run(args: ServeArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    let signals = Signals::listen();
    let mirror = mirror_dir::served(args.mirror.as_deref(), printer).await?;
    if let Some(how) = args.check {
        return check(&mirror, how, printer).await;
    }
    let listening = Listening::bind(&args.listen, printer).await?;
    listening.announce(printer);
    listening.serve(mirror, signals.stop.clone()).await?;
    printer.say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Says what clients of `mirror` would be missing.
async fn check(
    mirror: &ServedMirror,
    how: CheckArg,
    printer: &Printer,
) -> Result<ExitCode, CliError> {
    let mut tell = |fault: &Fault| printer.data(&format!("{fault}\n"));
    let report = romt_server::check(mirror, how.into(), &mut tell).await;
    let report = report.map_err(|error| CliError::from_error(error.class(), &error))?;
    printer.say(&report);
    Ok(ExitCode::from(
        report.class.map_or(0, ErrorClass::exit_code),
    ))
}
