//! The `romt` command: parse arguments, build a mirror, call it, report.

mod args;
mod commands;
mod dist;
mod error;
mod full;
mod mirror_dir;
mod report;
mod sealing;
mod selection;
mod signals;
mod upstream;

use std::{io::Write as _, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};
use report::Printer;

fn main() -> ExitCode {
    // As romt for Python has it, whose scripts look for it on stdout.
    if std::env::args_os().len() < 2 {
        drop(std::io::stdout().write_all(b"error: missing OPERATION (try --help)\n"));
        return ExitCode::FAILURE;
    }
    if full::args::has_early_level(std::env::args_os().skip(1)) {
        let message = "write -v and -q after the operation";
        Cli::command()
            .error(clap::error::ErrorKind::UnknownArgument, message)
            .exit();
    }
    let cli = Cli::parse();
    let printer = Printer::new(&cli.output);
    report::install_log(&cli.output);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return printer.fail(&error::CliError::from_io("start", "the runtime", &error));
        }
    };
    let printer = Arc::new(printer);
    let result = runtime.block_on(run(cli.command, printer.clone()));
    // What still runs in the background has nothing to say any more.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => printer.fail(&error),
    }
}

async fn run(command: Command, printer: Arc<Printer>) -> Result<ExitCode, error::CliError> {
    match command {
        Command::Up(args) => commands::up::run(*args, &printer).await,
        Command::Serve(args) => commands::serve::run(args, &printer).await,
        Command::Crate(args) => task(async move { full::run(*args, &printer).await }).await,
        Command::Toolchain(args) => {
            task(async move { dist::toolchain(*args, &printer).await }).await
        }
        Command::Rustup(args) => task(async move { dist::rustup(*args, &printer).await }).await,
        Command::ClientConfig(args) => commands::client_config::run(&args, &printer),
        Command::Token(args) => commands::token::run(&args.command, &printer),
    }
}

/// Does `work` where the tasks run that it waits for: the thread that waits here would
/// have to be woken by each.
async fn task(
    work: impl Future<Output = ExitCode> + Send + 'static,
) -> Result<ExitCode, error::CliError> {
    match tokio::spawn(work).await {
        Ok(code) => Ok(code),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
