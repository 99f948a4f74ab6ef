//! Progress for programs: a JSON object a line.
//!
//! Field names are in kebab case. Objects may get new fields and there may be
//! new kinds of event; readers pass over what they do not know.

use romt_core::Event;
use serde_json::{Value, json};

use super::printer::line;

/// Writes events as JSON.
pub(crate) struct Json {
    level: i16,
}

impl Json {
    pub(crate) fn new(level: i16) -> Self {
        Self { level }
    }

    pub(crate) fn write(&self, event: &Event) {
        if let Some(value) = self.value(event) {
            line(&value);
        }
    }

    fn value(&self, event: &Event) -> Option<Value> {
        // Quiet is quiet in JSON too: only what failed.
        if self.level < 1 && !matches!(event, Event::Failed { .. } | Event::Unverified { .. }) {
            return None;
        }
        Some(match event {
            Event::Planned {
                artifacts,
                to_fetch,
                known_bytes,
                unknown_sizes,
            } => json!({
                "event": "planned", "artifacts": artifacts, "to-fetch": to_fetch,
                "known-bytes": known_bytes, "unknown-sizes": unknown_sizes,
            }),
            Event::Finished { label, size } => {
                json!({"event": "fetched", "what": &**label, "bytes": size})
            }
            Event::AlreadyPresent { label } => {
                json!({"event": "already-present", "what": &**label})
            }
            Event::Failed {
                label,
                class,
                reason,
            } => json!({
                "event": "failed", "what": &**label, "class": class.as_str(), "why": reason,
            }),
            Event::Retrying {
                label,
                reason,
                wait,
            } => json!({
                "event": "retrying", "what": &**label, "why": reason,
                "wait-seconds": wait.as_secs_f64(),
            }),
            Event::Unverified { label, reason } => {
                json!({"event": "unverified", "what": &**label, "why": reason})
            }
            Event::Wrote { path } => json!({"event": "wrote", "what": &**path}),
            Event::Note { message } => json!({"event": "note", "message": message}),
            Event::Published {
                position,
                crates,
                changed,
            } => json!({
                "event": "published", "position": position, "crates": crates, "changed": changed,
            }),
            _ => return None,
        })
    }
}
