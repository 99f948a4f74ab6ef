//! Packs: writing them, and taking in those of others.
//!
//! A pack is the unit in which git objects travel, by bundles as by fetches.
//! gix decodes and indexes packs; what is here is what it leaves to its user:
//!
//! | part | what it does |
//! |---|---|
//! | `scan` | judges every entry of a pack before anything is allocated for it |
//! | `intake` | brings a judged pack into a repository, durably or not at all |
//! | `complete` | adds to a pack what its deltas are against |
//! | `connect` | proves that all that a tip reaches is there and may be there |
//! | `history`, `compare`, `trim` | which commits are new, and what each of them changed |
//! | `plan`, `write` | a pack of what somebody lacks |
//! | `body` | a pack of the repository that a new pack may begin with |
//! | `stored`, `reach` | entries of the repository's packs that a new pack may have as they are |
//! | `entry`, `delta` | entries that are made anew |
//! | `stretch` | a part of a file, for many readers |
//! | `hashing` | the bytes of a pack |
//! | `handles` | what many threads read objects with |

mod body;
mod compare;
mod complete;
mod connect;
mod delta;
mod entry;
mod handles;
mod hashing;
mod history;
mod intake;
mod plan;
mod reach;
mod scan;
mod scratch;
mod stored;
mod stretch;
#[cfg(test)]
pub(in crate::git) mod testing;
#[cfg(test)]
mod tests;
mod trim;
mod write;

use std::error::Error;

use gix::ObjectId;
use romt_core::{ErrorClass, Escaped, ports::IndexError};

pub(super) use self::{
    history::{Fault, Stop, check, known_tips},
    intake::{Limits, take_in},
    plan::Plan,
    scratch::{Scratch, sync_directory},
    stretch::Stretch,
    write::Purpose,
};

/// What is at work where, for messages.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The index.
    pub(super) index: &'a str,
    /// What of it: the bundle, the remote.
    pub(super) what: &'a str,
}

impl Scene<'_> {
    pub(super) fn refused(&self, reason: impl Into<String>) -> IndexError {
        IndexError::refused(self.index, self.what, reason)
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        class: ErrorClass,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> IndexError {
        IndexError::Backend {
            index: self.index.to_owned(),
            action,
            class,
            source: Box::new(About {
                what: Escaped::new(self.what).to_string(),
                source: source.into(),
            }),
        }
    }

    pub(super) fn storage(
        &self,
        action: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> IndexError {
        self.failed(action, ErrorClass::Storage, source)
    }

    /// What is wrong with objects of others.
    fn judged(&self, fault: Fault) -> IndexError {
        match fault {
            Fault::Missing(id) => self.refused(format!("it lacks the object {id}")),
            Fault::Bad { id, reason } => self.refused(format!("its object {id} {reason}")),
            Fault::Odb(source) => self.storage("read objects", source),
            Fault::Io(source) => self.storage("write objects", source),
        }
    }

    /// What is wrong with objects of our own.
    pub(super) fn broken(&self, action: &'static str, fault: Fault) -> IndexError {
        self.storage(action, fault)
    }
}

/// A failure, and what it befell.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct About {
    what: String,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

/// Whether it was the system that failed.
fn is_io(error: &gix::Error) -> bool {
    let io = error.downcast_any_ref::<std::io::Error>();
    io.is_some_and(is_of_system)
}

/// Whether an error is the system's, rather than about what was read. One that a
/// path was added to has no number any more.
fn is_of_system(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    error.raw_os_error().is_some()
        || !matches!(
            error.kind(),
            ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::UnexpectedEof
                | ErrorKind::Other
        )
}

/// All that an error and its causes say, fit to be shown.
pub(super) fn whole_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !more.is_empty() && !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    Escaped::new(text).to_string()
}

/// A set or a map of objects by their ids, which are hashes already.
type IdMap<V> = std::collections::HashMap<ObjectId, V, gix::hashtable::hash::Builder>;
type IdSet = std::collections::HashSet<ObjectId, gix::hashtable::hash::Builder>;
