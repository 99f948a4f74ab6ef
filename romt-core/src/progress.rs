//! What pipelines tell of their work while they do it.
//!
//! Libraries print nothing. They emit [`Event`]s to an [`EventSink`], and front
//! ends draw them: as bars, as lines, as JSON.

use std::{sync::Arc, time::Duration};

use crate::ErrorClass;

/// Something that happened in a pipeline.
///
/// For each artifact: at most one `Started`, any number of `Advanced` and
/// `Retrying`, then one of `Finished`, `AlreadyPresent` and `Failed`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The index entries of this many crates are about to be asked for. More
    /// may follow while a closure grows.
    Resolving {
        /// How many crates.
        crates: u64,
    },
    /// The index entry of one crate has been looked up.
    Resolved {
        /// The crate.
        name: Arc<str>,
    },
    /// It is known what is to be done; fetching begins after this.
    Planned {
        /// How many artifacts belong in the mirror.
        artifacts: u64,
        /// How many of them are not there yet.
        to_fetch: u64,
        /// The sum of the sizes that upstream claims for those, in bytes.
        known_bytes: u64,
        /// How many of those upstream claims no size for, or was not asked.
        unknown_sizes: u64,
    },
    /// An artifact is being fetched.
    Started {
        /// The artifact's label.
        label: Arc<str>,
        /// Its size in bytes, as claimed by upstream.
        size: Option<u64>,
    },
    /// Bytes of an artifact came in.
    Advanced {
        /// How many bytes.
        bytes: u64,
    },
    /// An attempt failed and another will be made.
    Retrying {
        /// What is being fetched.
        label: Arc<str>,
        /// Why the attempt failed.
        reason: String,
        /// How long the next attempt waits.
        wait: Duration,
    },
    /// An artifact was fetched, verified and stored.
    Finished {
        /// The artifact's label.
        label: Arc<str>,
        /// Its size in bytes.
        size: u64,
    },
    /// An artifact was there already, and right.
    AlreadyPresent {
        /// The artifact's label.
        label: Arc<str>,
    },
    /// An artifact could not be had. The work goes on without it.
    Failed {
        /// The artifact's label.
        label: Arc<str>,
        /// What kind of failure it is.
        class: ErrorClass,
        /// Why, with its causes.
        reason: String,
    },
    /// Something was kept without a good signature, since that was allowed.
    Unverified {
        /// What it is.
        label: Arc<str>,
        /// What is wrong with its signature.
        reason: String,
    },
    /// Something small was put where clients find it.
    Wrote {
        /// Its path in the mirror.
        path: Arc<str>,
    },
    /// Something that the user should know and that fails nothing.
    Note {
        /// A sentence.
        message: String,
    },
    /// The new state has been made visible.
    Published {
        /// Names the state.
        position: String,
        /// How many crates the index shows.
        crates: u64,
        /// How many of them changed.
        changed: u64,
    },
}

/// Takes events in, from many tasks at once and without blocking.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Takes no notice.
impl EventSink for () {
    fn emit(&self, _event: Event) {}
}

impl<T: EventSink + ?Sized> EventSink for Arc<T> {
    fn emit(&self, event: Event) {
        (**self).emit(event);
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // A transparent wrapper repeats its cause word for word.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
