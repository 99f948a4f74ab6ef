//! What `romt crate` says: to stdout, in the words of romt for Python.

use std::{
    fmt::Display,
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use romt_core::{
    CrateName, ErrorClass, Event, EventSink, Version,
    crates::{Rows, VersionRow},
};
use serde_json::json;

use super::rows::{RowFormat, path};
use crate::{
    args::LogFormat,
    error::CliError,
    report::{Json, Printer, json_line},
};

/// Writes messages as loud as the user asked for: 0 for what is wrong and for
/// rows, 1 for progress, 2 for each file, 3 for each address.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    printer: Printer,
    bar: ProgressBar,
}

impl Out {
    pub(crate) fn new(printer: &Printer) -> Self {
        Self {
            printer: printer.clone(),
            bar: ProgressBar::hidden(),
        }
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

/// What the crates of a step are to be told of as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Download,
    Verify,
    Other,
}

/// Turns a step's events into messages, rows of good and bad crates, and a bar.
pub(crate) struct StepReport {
    out: Out,
    step: Mutex<Current>,
    format: RowFormat,
    layout_style: romt_core::PrefixStyle,
    json: Option<Json>,
}

struct Current {
    step: Step,
    wanted: Arc<Rows>,
    good: Option<File>,
    bad: Option<File>,
}

impl StepReport {
    pub(crate) fn new(out: &Out, format: RowFormat, style: romt_core::PrefixStyle) -> Self {
        let json = out.printer.format() == LogFormat::Json;
        Self {
            json: json.then(|| Json::new(out.printer.level())),
            out: out.clone(),
            format,
            layout_style: style,
            step: Mutex::new(Current {
                step: Step::Other,
                wanted: Arc::default(),
                good: None,
                bad: None,
            }),
        }
    }

    /// Begins to tell of a step over `wanted`.
    pub(crate) fn begin(
        &self,
        step: Step,
        wanted: Arc<Rows>,
        good: Option<File>,
        bad: Option<File>,
    ) {
        if self.draws() {
            self.out.bar.reset();
            self.out.bar.set_length(wanted.len() as u64);
            self.out.bar.set_style(bar_style());
            let draw = indicatif::ProgressDrawTarget::stderr();
            self.out.bar.set_draw_target(draw);
        }
        *self.current() = Current {
            step,
            wanted,
            good,
            bad,
        };
    }

    /// Shows on a terminal that something goes on whose length is not known.
    pub(crate) fn busy(&self, what: &'static str) {
        if self.draws() {
            self.out.bar.reset();
            self.out.bar.set_style(busy_style());
            self.out.bar.set_message(what);
            self.out.bar.enable_steady_tick(Duration::from_millis(200));
            let draw = indicatif::ProgressDrawTarget::stderr();
            self.out.bar.set_draw_target(draw);
        }
    }

    fn draws(&self) -> bool {
        self.json.is_none() && self.out.printer.level() == 1 && io::stderr().is_terminal()
    }

    /// Takes the bar off the screen and closes the files.
    pub(crate) fn end(&self) {
        self.out.bar.disable_steady_tick();
        self.out.bar.finish_and_clear();
        let hidden = indicatif::ProgressDrawTarget::hidden();
        self.out.bar.set_draw_target(hidden);
        let mut current = self.current();
        current.step = Step::Other;
        (current.good, current.bad) = (None, None);
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a crate's row into the file of the good or the bad ones.
    fn settle(&self, label: &str, is_good: bool) {
        self.out.bar.inc(1);
        let mut current = self.current();
        let Some((name, row)) = find(&current.wanted, label) else {
            return;
        };
        let text = format!("{}\n", self.format.row(&name, &row));
        let file = if is_good {
            &mut current.good
        } else {
            &mut current.bad
        };
        if let Some(file) = file
            && let Err(error) = file.write_all(text.as_bytes())
        {
            drop(current);
            self.out
                .say(0, format_args!("warning: a list of crates: {error}"));
        }
    }

    fn path(&self, label: &str) -> String {
        let found = find(&self.current().wanted, label);
        found.map_or_else(
            || label.to_owned(),
            |(name, row)| path(&name, &row, self.layout_style),
        )
    }
}

impl EventSink for StepReport {
    fn emit(&self, event: Event) {
        if let Some(json) = &self.json {
            json.write(&event);
        }
        let text = self.json.is_none();
        let each = text && self.out.is_heard(2);
        let step = self.current().step;
        match event {
            Event::Started { label, .. } if each => {
                let path = self.path(&label);
                self.out.say(2, format_args!("[downloading] {path}"));
            }
            Event::AlreadyPresent { label } => {
                if each {
                    let what = match step {
                        Step::Verify => "verify",
                        _ => "cached file",
                    };
                    let path = self.path(&label);
                    self.out.say(2, format_args!("[{what}] {path}"));
                }
                self.settle(&label, true);
            }
            Event::Finished { label, .. } => self.settle(&label, true),
            Event::Retrying { label, reason, .. } if text => {
                let message = format_args!("retrying {label} after error: {reason}");
                self.out.say(0, message);
            }
            Event::Failed { label, reason, .. } => {
                if text {
                    let failed = match step {
                        Step::Download => format!("error: failed to download {label}: {reason}"),
                        _ => format!("error: {reason}"),
                    };
                    self.out.say(0, failed);
                }
                self.settle(&label, false);
            }
            Event::Note { message } if text => self.out.say(1, message),
            _ => {}
        }
    }
}

/// The crate that is called `label`, `name@version`, among `rows`.
fn find(rows: &Rows, label: &str) -> Option<(CrateName, VersionRow)> {
    let (name, version) = label.split_once('@')?;
    let (name, version): (CrateName, Version) = (name.parse().ok()?, version.parse().ok()?);
    let row = rows.version(&name, &version)?.clone();
    Some((name, row))
}

fn busy_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("crates {bar:30} {pos}/{len} {per_sec} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
