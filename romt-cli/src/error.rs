//! Errors as a user reads them.

use std::{error::Error, fmt, io, path::Path};

use romt_core::{
    ErrorClass, Escaped, SyncError,
    crates::{ClosureError, ConfigError},
    ports::IndexError,
};

/// Why a command failed, and what to try.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) class: ErrorClass,
    /// What failed, as a sentence without its full stop.
    pub(crate) message: String,
    /// The causes, outermost first.
    pub(crate) causes: Vec<String>,
    /// What is still true.
    pub(crate) note: Option<String>,
    /// What to try.
    pub(crate) help: Option<String>,
}

impl CliError {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            causes: Vec::new(),
            note: None,
            help: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, message)
    }

    pub(crate) fn from_io(action: &str, what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(ErrorClass::Storage, format!("could not {action} {what}")).caused_by(error)
    }

    /// An error with its own message and the chain of its causes.
    pub(crate) fn from_error(class: ErrorClass, error: &(dyn Error + 'static)) -> Self {
        let mut this = Self::new(class, error.to_string());
        if let Some(cause) = error.source() {
            this = this.caused_by(cause);
        }
        this
    }

    /// Adds a cause and the causes of that.
    pub(crate) fn caused_by(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            let last = self.causes.last().unwrap_or(&self.message);
            // A transparent wrapper repeats its cause word for word.
            if !last.ends_with(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Message and causes on one line.
    pub(crate) fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        line
    }
}

impl From<SyncError> for CliError {
    fn from(error: SyncError) -> Self {
        let this = Self::from_error(error.class(), &error);
        let help = match (&error, error.class()) {
            (SyncError::Closure(ClosureError::NoSuchCrate { .. }), _) => {
                "check the spelling; `-` and `_`, and upper and lower case, are told apart"
            }
            (_, ErrorClass::Busy) => "wait for the other romt to end, then run this again",
            (
                SyncError::Index(IndexError::Config {
                    source: ConfigError::AuthRequired,
                    ..
                }),
                _,
            ) => "fetch with a cargo that may, then name its home: --index-url ~/.cargo",
            (SyncError::Index(IndexError::Config { .. }), _) => {
                "--index-url must be the root of a sparse index"
            }
            (_, ErrorClass::Upstream) => {
                "check the network, --proxy and --index-url; to serve what is here, add --offline"
            }
            (_, ErrorClass::Storage) => "free or repair the disk, then run this again",
            _ => return this.with_note("the mirror shows what it showed before"),
        };
        this.with_note("the mirror shows what it showed before")
            .with_help(help)
    }
}

/// A path as it may be printed.
pub(crate) fn shown(path: &Path) -> Escaped {
    Escaped::new(path.to_string_lossy().as_bytes())
}
