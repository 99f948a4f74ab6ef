//! Which crates are shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gix::date::Time;
use romt_core::ports::{
    Catalog, Catalogued, HistoryIndex as _, IndexCatalog, IndexError, Position,
};

use super::{GitIndex, revision::position};
use crate::origin::public_origin;

#[async_trait]
impl IndexCatalog for GitIndex {
    async fn catalog(&self, known: Option<&Position>) -> Result<Catalogued, IndexError> {
        let known = known.map(|known| known.as_str().to_owned());
        let look = self.blocking(move |inner| {
            let names = inner.shown.names(|| inner.open(), known.as_deref())?;
            let Some((commit, Some(names))) = names else {
                return Ok(names.map_or(Catalogued::Unpublished, |_| Catalogued::Unchanged));
            };
            let opened = inner.open()?;
            let origin = opened.settings("remote.origin.url").pop();
            let catalog = Catalog::new(position(commit), names)
                .with_made(system_time(opened.time_of(commit)?))
                .with_origin(origin.as_deref().and_then(public_origin));
            Ok(Catalogued::Fresh(catalog))
        });
        look.await
    }

    async fn count_versions(&self, at: &Position) -> Result<Option<u64>, IndexError> {
        if self.shown().await?.as_ref() != Some(at) {
            return Ok(None);
        }
        self.count(at).await.map(Some)
    }
}

/// The time at which a commit says it was made.
fn system_time(time: Time) -> Option<SystemTime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
