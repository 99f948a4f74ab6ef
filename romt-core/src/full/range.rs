//! What a session works on.

use std::sync::Arc;

use super::{FullError, RangeStart, Session};
use crate::{
    Escaped,
    crates::{Rows, VersionFilter},
    ports::{Difference, Position},
};

/// What a session works on: what distinguishes two states of the index, and what
/// was held back earlier.
#[derive(Debug)]
#[non_exhaustive]
pub struct Range {
    /// Where it begins; before everything if `None`.
    pub start: Option<Position>,
    /// Where it ends.
    pub end: Position,
    /// What the filter selects of the difference.
    pub difference: Difference,
    /// What the mark has, the filter selects and is not shown: an earlier session
    /// could not have it, or did not want it. Empty unless the range begins at the
    /// mark.
    pub held_back: Rows,
}

impl Range {
    /// All versions that the mirror should get: those added, and those held back.
    pub fn wanted(&self) -> Rows {
        let added = self.difference.added.clone();
        if self.held_back.is_empty() {
            return added;
        }
        added.union(self.held_back.clone())
    }
}

impl Session {
    /// What the session works on, found once and anew after what changes it.
    pub async fn range(&mut self) -> Result<Arc<Range>, FullError> {
        if let Some(range) = &self.range {
            return Ok(range.clone());
        }
        let range = Arc::new(self.find_range().await?);
        self.range = Some(range.clone());
        Ok(range)
    }

    async fn find_range(&self) -> Result<Range, FullError> {
        let index = &self.mirror.index;
        let end = self.require(&self.options.end).await?;
        let start = match &self.options.start {
            RangeStart::Nothing => None,
            RangeStart::Mark => index.resolve("mark").await?,
            RangeStart::Revision(revision) if self.options.allow_missing_start => {
                index.resolve(revision).await?
            }
            RangeStart::Revision(revision) => Some(self.require(revision).await?),
        };
        let filter = &self.options.filter;
        let difference = index.difference(start.as_ref(), &end, filter).await?;
        let mut held_back = Rows::default();
        if let (RangeStart::Mark, Some(mark)) = (&self.options.start, &start) {
            held_back = self.held_back(mark, filter).await?;
            // What became of them since then is the range's to say.
            held_back.retain(|name, row| {
                difference.added.version(name, &row.version).is_none()
                    && difference.removed.version(name, &row.version).is_none()
            });
        }
        Ok(Range {
            start,
            end,
            difference,
            held_back,
        })
    }

    /// The state that a revision names.
    pub(super) async fn require(&self, revision: &str) -> Result<Position, FullError> {
        let found = self.mirror.index.resolve(revision).await?;
        found.ok_or_else(|| FullError::NoRevision {
            revision: Escaped::new(revision.as_bytes()),
        })
    }

    /// What the mark has and is not shown.
    async fn held_back(&self, mark: &Position, filter: &VersionFilter) -> Result<Rows, FullError> {
        let index = &self.mirror.index;
        match index.shown().await? {
            Some(shown) if shown != *mark => {
                let hidden = index.difference(Some(&shown), mark, filter).await?;
                Ok(hidden.added)
            }
            _ => Ok(Rows::default()),
        }
    }
}
