//! Why a manifest is refused.

use crate::{ErrorClass, Escaped};

/// Why a channel manifest is refused: which one, where in it, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{label}{at}: {reason}", at = place(key.as_ref(), *line))]
pub struct ManifestError {
    label: Escaped,
    key: Option<Escaped>,
    line: Option<usize>,
    reason: String,
}

fn place(key: Option<&Escaped>, line: Option<usize>) -> String {
    let line = line.map(|line| format!(", line {line}"));
    let key = key.map(|key| format!(", `{key}`"));
    format!("{}{}", line.unwrap_or_default(), key.unwrap_or_default())
}

impl ManifestError {
    pub(super) fn new(label: &str, reason: impl Into<String>) -> Self {
        Self {
            label: Escaped::address(label),
            key: None,
            line: None,
            reason: reason.into(),
        }
    }

    pub(super) fn at_line(self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    pub(super) fn at_key(self, key: &str) -> Self {
        Self {
            key: Some(Escaped::new(key)),
            ..self
        }
    }

    /// What the manifest was called to [`parse`](super::ChannelManifest::parse).
    pub fn label(&self) -> &Escaped {
        &self.label
    }

    /// The keys that lead to what is wrong, with dots between them.
    pub fn key(&self) -> Option<&Escaped> {
        self.key.as_ref()
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The class: always [`ErrorClass::Refused`].
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}
