//! What the user sees: decided here once, from the arguments and the terminal.

mod bars;
mod json;
mod lines;
mod out;
mod printer;

use std::io::{self, IsTerminal as _};

use romt_core::{Event, EventSink};
use tracing_subscriber::EnvFilter;

pub(crate) use json::Json;
pub(crate) use out::Out;
pub(crate) use printer::{Printer, line as json_line};

use crate::args::{LogFormat, OutputArgs};

/// Draws a pipeline's events: as bars, as lines, as JSON, or not at all.
pub(crate) enum Reporter {
    Bars(bars::Bars),
    Lines(lines::Lines),
    Json(json::Json),
    Silent,
}

impl Reporter {
    pub(crate) fn new(printer: &Printer) -> Self {
        match (printer.format(), printer.level()) {
            (LogFormat::Json, level) if level >= 0 => Self::Json(json::Json::new(level)),
            (LogFormat::Text, 1) if io::stderr().is_terminal() => Self::Bars(bars::Bars::new()),
            (LogFormat::Text, level) if level >= 1 => Self::Lines(lines::Lines::new(level)),
            _ => Self::Silent,
        }
    }

    /// Takes the bars off the screen.
    pub(crate) fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.finish();
        }
    }
}

impl EventSink for Reporter {
    fn emit(&self, event: Event) {
        match self {
            Self::Bars(bars) => bars.draw(&event),
            Self::Lines(lines) => lines.write(&event),
            Self::Json(json) => json.write(&event),
            Self::Silent => {}
        }
    }
}

/// Writes the library's own log to stderr, at the level that was asked for.
pub(crate) fn install_log(args: &OutputArgs) {
    let level = match i16::from(args.verbose) - i16::from(args.quiet) {
        ..=-1 => "off",
        0 => "warn",
        1 => "warn,romt_server::access=info",
        2 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("ROMT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match args.log_format {
        LogFormat::Text => log.with_target(false).without_time().init(),
        LogFormat::Json => log.json().init(),
    }
}

/// A number of crates as people say it.
pub(crate) fn crates(number: u64) -> String {
    match number {
        1 => "1 crate".to_owned(),
        _ => format!("{number} crates"),
    }
}

/// A number of bytes as people read it.
pub(crate) fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
