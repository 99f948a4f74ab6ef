//! What is said to stdout, in the words of romt for Python.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use romt_core::ErrorClass;
use serde_json::json;

use super::{Printer, json_line};
use crate::{args::LogFormat, error::CliError};

/// Writes messages as loud as the user asked for: 0 for what is wrong and for
/// rows, 1 for progress, 2 for each file, 3 for each address.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) printer: Printer,
    pub(crate) bar: ProgressBar,
}

impl Out {
    pub(crate) fn new(printer: &Printer) -> Self {
        Self {
            printer: printer.clone(),
            bar: ProgressBar::hidden(),
        }
    }

    /// Shows on a terminal that something goes on whose length is not known.
    pub(crate) fn busy(&self, what: &'static str) {
        if self.draws() {
            self.bar.set_message(what);
            self.bar.enable_steady_tick(Duration::from_millis(200));
            self.show("{spinner} {msg} {elapsed}");
        }
    }

    /// Shows on a terminal how many of `length` things are done.
    pub(crate) fn count(&self, what: &'static str, length: u64) {
        if self.draws() {
            self.bar.set_message(what);
            self.show("{msg} {bar:30} {pos}/{len} {per_sec} {eta} left");
            self.bar.set_length(length);
        }
    }

    /// Shows on a terminal how many of `length` bytes are here.
    pub(crate) fn count_bytes(&self, length: u64) {
        if self.draws() {
            self.show("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left");
            self.bar.set_length(length);
        }
    }

    fn show(&self, template: &str) {
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.reset();
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
    }

    fn draws(&self) -> bool {
        self.printer.format() == LogFormat::Text
            && self.printer.level() == 1
            && io::stderr().is_terminal()
    }

    /// Takes what is drawn off the screen.
    pub(crate) fn end(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    pub(crate) fn is_heard(&self, level: i16) -> bool {
        self.printer.level() >= level
    }

    /// What is going on.
    pub(crate) fn say(&self, level: i16, message: impl Display) {
        if !self.is_heard(level) {
            return;
        }
        match self.printer.format() {
            LogFormat::Json => {
                json_line(&json!({"event": "info", "message": message.to_string()}));
            }
            LogFormat::Text => self.line(&message),
        }
    }

    /// What the command was run for.
    pub(crate) fn rows(
        &self,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        if !self.is_heard(0) {
            return Ok(());
        }
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
        match write(&mut out).and_then(|()| out.flush()) {
            // A reader that went away is no failure of the work.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::from_io("write", "the list", &error))
            }
            _ => Ok(()),
        }
    }

    /// Says why a command failed, and returns the exit status.
    pub(crate) fn fail(&self, error: &CliError) -> ExitCode {
        // What is wrong with an argument is found late by some commands; a status
        // of 2 says that the command line itself cannot be read.
        let code = match error.class {
            ErrorClass::Usage => 1,
            class => class.exit_code(),
        };
        if self.printer.format() == LogFormat::Json {
            self.printer.fail(error);
        } else if self.is_heard(0) {
            self.line(&format_args!("error: {}", error.line()));
            for (kind, text) in [("note", &error.note), ("help", &error.help)] {
                if let Some(text) = text {
                    self.line(&format_args!("{kind}: {text}"));
                }
            }
        }
        ExitCode::from(code)
    }

    fn line(&self, text: &dyn Display) {
        // In one piece, whoever else writes.
        let text = format!("{text}\n");
        self.bar
            .suspend(|| drop(io::stdout().lock().write_all(text.as_bytes())));
    }
}
