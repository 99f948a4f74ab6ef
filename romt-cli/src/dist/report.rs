//! What `romt toolchain` and `romt rustup` say while they work.

use std::sync::{Mutex, PoisonError};

use romt_core::{Event, EventSink};

use crate::{
    args::LogFormat,
    report::{Json, Out},
};

/// Turns a session's events into the lines of romt for Python.
pub(crate) struct DistReport {
    out: Out,
    json: Option<Json>,
    /// What reading a file that is right is called in the step that runs.
    reading: Mutex<&'static str>,
}

impl DistReport {
    pub(crate) fn new(out: &Out) -> Self {
        let json = out.printer.format() == LogFormat::Json;
        Self {
            json: json.then(|| Json::new(out.printer.level())),
            out: out.clone(),
            reading: Mutex::new("cached file"),
        }
    }

    /// Says what a file that is right, or was made, is called from now on.
    pub(crate) fn begin(&self, reading: &'static str) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    fn file(&self, what: &str, path: &str) {
        self.out.say(2, format_args!("[{what}] {path}"));
    }
}

impl EventSink for DistReport {
    fn emit(&self, event: Event) {
        if let Some(json) = &self.json {
            json.write(&event);
            return;
        }
        let reading = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { known_bytes, .. } if known_bytes > 0 => {
                self.out.count_bytes(known_bytes);
            }
            Event::Started { label, .. } => self.file("downloading", &label),
            Event::Advanced { bytes } => self.out.bar.inc(bytes),
            Event::Finished { label, .. } if reading != "cached file" => {
                self.file(reading, &label);
            }
            Event::AlreadyPresent { label } => self.file(reading, &label),
            Event::Wrote { path } => self.out.say(1, format_args!("[publish] {path}")),
            Event::Unverified { label, reason } => {
                self.out
                    .say(0, format_args!("Warning: Signature failure for {label}"));
                self.out.say(2, format_args!("  {reason}"));
            }
            Event::Retrying { label, reason, .. } => {
                self.out
                    .say(0, format_args!("retrying {label} after error: {reason}"));
            }
            Event::Failed { label, reason, .. } if reading == "cached file" => {
                self.out.say(
                    0,
                    format_args!("error: failed to download {label}: {reason}"),
                );
            }
            Event::Failed { reason, .. } => self.out.say(0, format_args!("error: {reason}")),
            Event::Note { message } => self.out.say(1, format_args!("  {message}")),
            _ => {}
        }
    }
}
