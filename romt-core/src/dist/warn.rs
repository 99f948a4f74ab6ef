//! Telling once what is told about a file.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Event, EventSink};

/// Passes events on, but of each file that is kept without a good signature only the
/// first: a session may look at it several times.
pub(super) struct WarnOnce {
    events: Arc<dyn EventSink>,
    told: Mutex<HashSet<Arc<str>>>,
}

impl WarnOnce {
    pub(super) fn new(events: Arc<dyn EventSink>) -> Self {
        Self {
            events,
            told: Mutex::default(),
        }
    }
}

impl EventSink for WarnOnce {
    fn emit(&self, event: Event) {
        if let Event::Unverified { label, .. } = &event {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if !told.insert(label.clone()) {
                return;
            }
        }
        self.events.emit(event);
    }
}
