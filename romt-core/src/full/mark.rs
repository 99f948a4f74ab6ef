//! Making things visible, and taking them away.

use futures::{StreamExt as _, stream};

use super::{
    FullError, Session,
    check::{Found, Look, check_all},
};
use crate::{
    Event,
    crates::{CrateRows, Rows, VersionFilter},
    ports::{Position, Publication, RefusedEntry, StoreError},
};

/// So many versions may vanish or change at once, whatever part of the whole they
/// are.
const ALWAYS_ACCEPTED: u64 = 1_000;

/// How many files are flushed at once.
const FLUSHES: usize = 64;

/// What was made visible.
#[derive(Debug)]
#[non_exhaustive]
pub struct Marked {
    /// The state that is shown now.
    pub publication: Publication,
    /// What the mark has and is not shown, since it is not here.
    pub held_back: Rows,
    /// What of the index is not shown, since it cannot be right.
    pub refused: Vec<RefusedEntry>,
}

/// What was deleted.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The versions whose files are gone, or were not there.
    pub removed: Rows,
}

impl Session {
    /// Deletes the crates that the range removes, after showing them no more. For a
    /// while, a server has them for who read the index before.
    pub async fn prune(&mut self) -> Result<Pruned, FullError> {
        self.begin_writing().await?;
        let range = self.range().await?;
        let removed = &range.difference.removed;
        if removed.is_empty() {
            return Ok(Pruned::default());
        }
        let removals = removed.len() as u64;
        if let Some(start) = &range.start {
            self.guard(removals, start).await?;
        }
        self.mirror.index.withdraw(removed).await?;
        for (name, row) in removed.iter() {
            let key = self.mirror.layout.crate_file(name, &row.version);
            self.let_go(name, &row.version).await;
            self.mirror.store.delete(&key).await?;
            let top = self.mirror.layout.crates_root();
            self.mirror.store.tidy(&key, top.as_ref()).await?;
        }
        self.forget(removed);
        Ok(Pruned {
            removed: removed.clone(),
        })
    }

    /// Moves the mark to the end of the range, and shows what of it is here.
    ///
    /// What this session has not looked at is read and judged now. All that is not
    /// here, or not right, is held back.
    pub async fn mark(&mut self) -> Result<Marked, FullError> {
        self.begin_writing().await?;
        let index = self.mirror.index.clone();
        let end = self.require(&self.options.end).await?;
        let shown = index.shown().await?;
        let all = VersionFilter::all();
        let difference = index.difference(shown.as_ref(), &end, &all).await?;
        if let Some(shown) = &shown {
            self.guard(difference.removed.len() as u64, shown).await?;
        }
        let bad = self.bad_and_shown(&difference.added);
        let replacing = self.replacing(&end, &difference.added).await?;
        let held_back = self.missing(difference.added, &replacing).await?;
        if !bad.is_empty() {
            index.withdraw(&bad).await?;
        }
        let held_back = held_back.union(bad);
        let refused = difference.refused;
        let publication = index.publish(&end, &held_back, &refused).await?;
        if index.packed().await?.as_ref() == Some(&end) {
            index.set_exported().await?;
        }
        self.events.emit(Event::Published {
            position: publication.position.clone(),
            crates: publication.crates,
            changed: publication.changed,
        });
        self.sweep_aside().await?;
        self.sweep_leaving().await?;
        self.bad.clear();
        self.range = None;
        Ok(Marked {
            publication,
            held_back,
            refused,
        })
    }

    /// Makes this the `config.json` that clients get, and shows it.
    pub async fn config(&mut self, config: &[u8]) -> Result<Marked, FullError> {
        self.begin_writing().await?;
        self.mirror.index.set_config(config).await?;
        self.range = None;
        self.mark().await
    }

    /// Removes what waits aside and has no use any more: all of it, once everything
    /// that is here is shown.
    async fn sweep_aside(&self) -> Result<(), FullError> {
        let store = &self.mirror.store;
        let aside = super::download::aside_root();
        let mut left = store.list(Some(&aside));
        let mut keys = Vec::new();
        while let Some(object) = left.next().await {
            keys.push(object?.key);
        }
        for key in keys {
            store.delete(&key).await?;
        }
        Ok(())
    }

    /// What this session found bad, and is shown all the same: what is shown already
    /// is not among what is new.
    fn bad_and_shown(&self, new: &Rows) -> Rows {
        let bad = self.bad.iter().cloned().fold(Rows::default(), Rows::union);
        let mut shown = bad;
        shown.retain(|name, row| {
            !new.has(name, row) && !self.durable.has(name, row) && !self.verified.has(name, row)
        });
        shown
    }

    /// Those of `rows` that may not be shown. `replacing` is what is shown now under
    /// the same versions.
    async fn missing(&self, mut rows: Rows, replacing: &Rows) -> Result<Rows, FullError> {
        rows.retain(|name, row| !self.durable.has(name, row));
        let mut missing = self.persist_verified(&rows).await?;
        rows.retain(|name, row| !self.verified.has(name, row));
        // What a filter leaves out stays out, and is not looked for: it may be nearly
        // all of the registry, each time.
        let filter = &self.options.filter;
        if !filter.is_all() {
            let unwanted = rows
                .iter()
                .filter(|(name, row)| !filter.selects(name, &row.version));
            missing.extend(unwanted.map(|(name, row)| CrateRows::one(name, row)));
            rows.retain(|name, row| filter.selects(name, &row.version));
        }
        let mut replaced = rows.clone();
        replaced.retain(|name, row| replacing.version(name, &row.version).is_some());
        rows.retain(|name, row| replacing.version(name, &row.version).is_none());
        let look = Look::before_showing(self.options.assume_ok);
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        // That something is there says nothing where something else was.
        let replaced = check_all(store, layout, &replaced, Look::Keeps);
        let checks = check_all(store, layout, &rows, look).chain(replaced);
        let mut checks = std::pin::pin!(checks);
        while let Some((name, row, found)) = checks.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(FullError::Cancelled);
            }
            match found {
                Found::Right => {}
                Found::Unreadable(error) => return Err(error.into()),
                Found::Missing | Found::Wrong(_) => missing.push(CrateRows::one(name, row)),
            }
        }
        Ok(missing.into_iter().collect())
    }

    /// What this session has read, another tool may have written: it is right, and
    /// yet to survive a loss of power. Returns those that have vanished since.
    async fn persist_verified(&self, rows: &Rows) -> Result<Vec<CrateRows>, FullError> {
        let mut missing = Vec::new();
        let read = rows
            .iter()
            .filter(|(name, row)| self.verified.has(name, row));
        let mut kept = stream::iter(read)
            .map(async |(name, row)| {
                let key = self.mirror.layout.crate_file(name, &row.version);
                (name, row, self.mirror.store.persist(&key).await)
            })
            .buffered(FLUSHES)
            .boxed();
        while let Some((name, row, kept)) = kept.next().await {
            match kept {
                Ok(()) => {}
                Err(StoreError::NotFound { .. }) => missing.push(CrateRows::one(name, row)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
    }

    /// Refuses to let more vanish than a registry loses in the normal course.
    async fn guard(&self, removed: u64, from: &Position) -> Result<(), FullError> {
        match self
            .too_many(removed, self.options.accept_removals, from)
            .await?
        {
            Some(of) => Err(FullError::TooManyRemovals { removed, of }),
            None => Ok(()),
        }
    }

    /// Refuses to give more of what is shown other bytes than a registry does in
    /// the normal course, which is next to none.
    pub(super) async fn guard_changes(
        &self,
        changed: u64,
        from: &Position,
    ) -> Result<(), FullError> {
        match self
            .too_many(changed, self.options.accept_changes, from)
            .await?
        {
            Some(of) => Err(FullError::TooManyChanges { changed, of }),
            None => Ok(()),
        }
    }

    /// How many versions there are, if `count` is too many of them.
    async fn too_many(
        &self,
        count: u64,
        accepted: u64,
        from: &Position,
    ) -> Result<Option<u64>, FullError> {
        if count <= accepted.max(ALWAYS_ACCEPTED) {
            return Ok(None);
        }
        let of = self.mirror.index.count(from).await?;
        Ok(Some(of).filter(|of| count > of / 100))
    }
}

/// The `config.json` that points clients at a server, as romt for Python writes it.
///
/// `server` is the server's address, with or without a slash at its end.
pub fn client_config(server: &str) -> String {
    let server = server.strip_suffix('/').unwrap_or(server);
    let text = |path: &str| serde_json::Value::from(format!("{server}/{path}"));
    format!(
        "{{\n    \"dl\": {},\n    \"api\": {}\n}}\n",
        text("crates/{crate}/{crate}-{version}.crate"),
        text("")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_11_config_json_is_the_python_tools() {
        let expected = "{\n    \"dl\": \"http://h:1/crates/{crate}/{crate}-{version}.crate\",\n    \"api\": \"http://h:1/\"\n}\n";
        assert_eq!(client_config("http://h:1"), expected);
        assert_eq!(client_config("http://h:1/"), expected);
    }
}
