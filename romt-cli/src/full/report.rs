//! What `romt crate` says: to stdout, in the words of romt for Python.

use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use romt_core::{
    CrateName, Event, EventSink, Version,
    crates::{Rows, VersionRow},
};

use super::rows::{RowFormat, path};
use crate::{
    args::LogFormat,
    report::{Json, Out},
};

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
        self.out.count("crates", wanted.len() as u64);
        *self.current() = Current {
            step,
            wanted,
            good,
            bad,
        };
    }

    /// Shows on a terminal that something goes on whose length is not known.
    pub(crate) fn busy(&self, what: &'static str) {
        self.out.busy(what);
    }

    /// Takes the bar off the screen and closes the files.
    pub(crate) fn end(&self) {
        self.out.end();
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
