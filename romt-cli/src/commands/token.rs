//! `romt token`.

use std::process::ExitCode;

use romt_server::{TokenFileError, new_token};

use crate::{args::TokenCommand, error::CliError, report::Printer};

pub(crate) fn run(command: &TokenCommand, printer: &Printer) -> Result<ExitCode, CliError> {
    let TokenCommand::New(args) = command;
    let made = new_token(&args.file, &args.name, args.expires).map_err(|error| {
        let this = CliError::from_error(error.class(), &error);
        match error {
            TokenFileError::Taken { .. } => {
                this.with_help("remove its line first, or give this one another name")
            }
            _ => this,
        }
    })?;
    printer.data(&format!("{}\n", made.token));
    printer.say("this is the only time that it is shown");
    Ok(ExitCode::SUCCESS)
}
