//! Messages: data to stdout, the rest to stderr.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

use romt_core::{ErrorClass, SyncOutcome, sync::Failure};
use romt_store::PLAIN_HTTP_REFUSED;
use serde_json::{Value, json};

use super::{crates, human_bytes};
use crate::{
    args::{LogFormat, OutputArgs},
    error::CliError,
};

/// How many items of a list are shown before the rest is only counted.
const SHOWN: usize = 20;

/// Writes messages, as loud and in the format that the user asked for.
///
/// Levels are those of romt for Python: 1 is usual, 0 says only what is wrong,
/// -1 nothing, more than 1 each item.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    level: i16,
    format: LogFormat,
}

impl Printer {
    pub(crate) fn new(args: &OutputArgs) -> Self {
        Self {
            level: 1 + i16::from(args.verbose) - i16::from(args.quiet),
            format: args.log_format,
        }
    }

    pub(crate) fn level(&self) -> i16 {
        self.level
    }

    pub(crate) fn format(&self) -> LogFormat {
        self.format
    }

    /// What the command was run for.
    pub(crate) fn data(&self, text: &str) {
        if self.level >= 0 {
            // A reader that went away is no failure of the work.
            drop(io::stdout().lock().write_all(text.as_bytes()));
        }
    }

    /// What is going on.
    pub(crate) fn say(&self, message: impl Display) {
        self.message("info", 1, message);
    }

    /// What is not as it should be, and fails nothing.
    pub(crate) fn warn(&self, message: impl Display) {
        self.message("warning", 0, message);
    }

    fn message(&self, kind: &str, level: i16, message: impl Display) {
        if self.level < level {
            return;
        }
        match (self.format, kind) {
            (LogFormat::Json, _) => {
                line(&json!({"event": kind, "message": message.to_string()}));
            }
            (LogFormat::Text, "info") => line(&message),
            (LogFormat::Text, _) => line(&format_args!("{kind}: {message}")),
        }
    }

    /// Says where the server is.
    pub(crate) fn serving(&self, url: &str, everywhere: bool) {
        if self.format == LogFormat::Json {
            if self.level >= 1 {
                line(&json!({"event": "serving", "url": url}));
            }
            return;
        }
        let besides = if everywhere {
            " and this machine's other addresses"
        } else {
            ""
        };
        self.say(format_args!("serving {url}{besides}; Ctrl-C stops"));
    }

    /// Says that a sync did not come to its end.
    pub(crate) fn interrupted(&self, outcome: &SyncOutcome) {
        if self.format == LogFormat::Json && self.level >= 0 {
            line(&summary(outcome));
        }
        self.say("interrupted; what was published before is untouched");
    }

    /// Sums a sync up.
    pub(crate) fn outcome(&self, outcome: &SyncOutcome) {
        if self.format == LogFormat::Json {
            if self.level >= 0 {
                line(&summary(outcome));
            }
            return;
        }
        let withdrawn = &outcome.withdrawn;
        if let Some(first) = withdrawn.first() {
            self.warn(format_args!(
                "upstream no longer lists {} of the mirror's crates, which it keeps: {first}{}",
                withdrawn.len(),
                if withdrawn.len() > 1 { ", …" } else { "" }
            ));
        }
        self.say(format_args!(
            "{} fetched ({}), {} already here, {:.1} s",
            crates(outcome.fetched),
            human_bytes(outcome.bytes),
            outcome.present,
            outcome.elapsed.as_secs_f64()
        ));
        self.failures(&outcome.failed);
    }

    fn failures(&self, failed: &[Failure]) {
        if failed.is_empty() || self.level < 0 {
            return;
        }
        let shown = if self.level < 2 { SHOWN } else { usize::MAX };
        for failure in failed.iter().take(shown) {
            let Failure {
                label,
                class,
                reason,
                ..
            } = failure;
            line(&format_args!("error[{class}]: {label}: {reason}"));
        }
        if failed.len() > shown {
            let more = failed.len() - shown;
            line(&format_args!("… and {more} more; -v names them all"));
        }
        line(&format_args!(
            "note: {} could not be had or refreshed; all that the mirror shows is there",
            crates(failed.len() as u64)
        ));
        line(&format_args!("help: {}", help(failed)));
    }

    /// Says why the command failed; the exit status says what kind of failure.
    pub(crate) fn fail(&self, error: &CliError) -> ExitCode {
        let code = ExitCode::from(error.class.exit_code());
        if self.level < 0 {
            return code;
        }
        if self.format == LogFormat::Json {
            line(&json!({
                "event": "error",
                "class": error.class.as_str(),
                "code": error.class.exit_code(),
                "what": error.message,
                "why": error.causes,
                "state": error.note,
                "help": error.help,
            }));
            return code;
        }
        line(&format_args!("error[{}]: {}", error.class, error.line()));
        if let Some(note) = &error.note {
            line(&format_args!("note: {note}"));
        }
        if let Some(help) = &error.help {
            line(&format_args!("help: {help}"));
        }
        code
    }
}

/// What to try where items failed.
fn help(failed: &[Failure]) -> &'static str {
    let mut reasons = failed.iter().map(|failure| &failure.reason);
    if reasons.any(|reason| reason.contains(PLAIN_HTTP_REFUSED)) {
        "--crates-url names an encrypted address; --allow-http follows those that are not"
    } else {
        "run this again; it fetches only what is missing"
    }
}

fn summary(outcome: &SyncOutcome) -> Value {
    let failed: Vec<Value> = outcome
        .failed
        .iter()
        .map(|failure| {
            json!({
                "what": &*failure.label,
                "class": failure.class.as_str(),
                "why": failure.reason,
            })
        })
        .collect();
    let unresolved: Vec<Value> = outcome
        .unresolved
        .iter()
        .map(|unresolved| {
            json!({
                "what": unresolved.package.as_str(),
                "requirement": unresolved.requirement.to_string(),
                "needed-by": &*unresolved.dependent,
                "optional": unresolved.optional,
            })
        })
        .collect();
    let withdrawn: Vec<&str> = outcome.withdrawn.iter().map(|label| &**label).collect();
    json!({
        "event": "outcome",
        "fetched": outcome.fetched,
        "present": outcome.present,
        "bytes": outcome.bytes,
        "failed": failed,
        "class": outcome.class().map(ErrorClass::as_str),
        "withdrawn": withdrawn,
        "unresolved": unresolved,
        "cancelled": outcome.cancelled,
        "seconds": outcome.elapsed.as_secs_f64(),
    })
}

/// One line to stderr, in one piece. That nobody reads it fails nothing.
pub(crate) fn line(text: &dyn Display) {
    drop(
        io::stderr()
            .lock()
            .write_all(format!("{text}\n").as_bytes()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_of_what_failed() {
        let failure = |reason: &str| Failure::new("a 1.0.0", ErrorClass::Refused, reason);
        let away = failure("could not get http://h/: the connection was reset");
        let plain = failure(&format!("could not get http://h/: {PLAIN_HTTP_REFUSED}"));
        assert!(help(std::slice::from_ref(&away)).starts_with("run this again"));
        assert!(help(&[away, plain]).contains("--allow-http"));
    }
}
