//! The port of an index that can tell which crates it has.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{IndexBackend, IndexError, Position};

/// The crates of one state of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Catalog {
    /// Names the state; equal states of one index have equal positions.
    pub position: Position,
    /// The names of all crates in lower case, sorted, each of them once.
    pub names: Vec<Box<str>>,
    /// When the state was made, if the index knows.
    pub made: Option<SystemTime>,
    /// Where the index is fed from, if it knows, without credentials.
    pub origin: Option<String>,
}

impl Catalog {
    /// The crates of the state at `position`, whose names are put in order.
    pub fn new(position: Position, mut names: Vec<Box<str>>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self {
            position,
            names,
            made: None,
            origin: None,
        }
    }

    /// Sets when the state was made.
    #[must_use]
    pub fn with_made(mut self, made: Option<SystemTime>) -> Self {
        self.made = made;
        self
    }

    /// Sets where the index is fed from.
    #[must_use]
    pub fn with_origin(mut self, origin: Option<String>) -> Self {
        self.origin = origin;
        self
    }
}

/// What an index says of its crates, if there is news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalogued {
    /// The state that the caller knows is still the shown one.
    Unchanged,
    /// The crates that are shown now.
    Fresh(Catalog),
    /// Nothing was ever published.
    Unpublished,
}

/// An index that can tell which crates it has: a mirror's own. An upstream's sparse
/// index can only be asked for names.
///
/// # Contract
///
/// - [`catalog`](Self::catalog) answers [`Catalogued::Unchanged`] only if the crates
///   are those of the state `known`, and what each is said to have is, too.
/// - Every name of a catalog can be [loaded](IndexBackend::load), until something
///   else is published.
#[async_trait]
pub trait IndexCatalog: IndexBackend {
    /// The crates that are shown.
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError>;

    /// How many versions there are in all in the state `at`, or `None` if that is
    /// not the shown one any more. This may have to read the whole index.
    async fn count_versions(&self, at: &Position) -> Result<Option<u64>, IndexError>;
}
