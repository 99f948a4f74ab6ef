//! `romt toolchain` and `romt rustup`, for those who know romt for Python.

pub(crate) mod args;
mod command;
mod report;
mod rustup;
mod setup;
mod show;
mod steps;
mod toolchain;

use std::{future::Future, process::ExitCode};

use self::args::{RustupArgs, ToolchainArgs};
use crate::{
    error::CliError,
    report::{Out, Printer},
    signals::Signals,
};

/// What romt for Python says when it is interrupted.
const INTERRUPTED: &str = "Keyboard interrupt";

/// Runs the commands of `romt toolchain` in their order, until one fails.
pub(crate) async fn toolchain(args: ToolchainArgs, printer: &Printer) -> ExitCode {
    let (out, signals) = (Out::new(printer), Signals::listen());
    let work = toolchain::run(&args, &out, &signals);
    until_stopped(work, &out, &signals).await
}

/// Runs the commands of `romt rustup` in their order, until one fails.
pub(crate) async fn rustup(args: RustupArgs, printer: &Printer) -> ExitCode {
    let (out, signals) = (Out::new(printer), Signals::listen());
    let work = rustup::run(&args, &out, &signals);
    until_stopped(work, &out, &signals).await
}

async fn until_stopped(
    work: impl Future<Output = Result<(), CliError>>,
    out: &Out,
    signals: &Signals,
) -> ExitCode {
    let result = tokio::select! {
        // The steps look at the same signal, and what they say of it is not news.
        biased;
        () = signals.stop.cancelled() => None,
        result = work => Some(result),
    };
    out.end();
    match result {
        Some(Ok(())) => ExitCode::SUCCESS,
        // A step may notice before we do.
        Some(Err(error)) if !signals.stop.is_cancelled() => out.fail(&error),
        // What a step was doing when it was dropped is as if power was lost.
        _ => {
            out.say(0, INTERRUPTED);
            signals.exit_code()
        }
    }
}
