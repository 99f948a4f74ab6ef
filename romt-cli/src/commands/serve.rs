//! `romt serve`.

use std::process::ExitCode;

use super::listen::Listening;
use crate::{
    args::ServeArgs, error::CliError, mirror_dir::MirrorDir, report::Printer, signals::Signals,
};

pub(crate) async fn run(args: ServeArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    let signals = Signals::listen();
    let directory = MirrorDir::find(args.mirror.as_deref())?;
    let listening = Listening::bind(&args.listen).await?;
    let mirror = directory.served().await?;
    if !directory.is_published().await? {
        printer.warn("the mirror holds no crates yet; clients see an empty index");
    }
    listening.announce(printer);
    listening.serve(mirror, signals.stop.clone()).await?;
    printer.say("stopped");
    Ok(ExitCode::SUCCESS)
}
