//! Which crates there are, and what people and cargo ask about that.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{StreamExt as _, stream};
use romt_core::{
    CrateName,
    ports::{Catalog, Catalogued, IndexCatalog, IndexError, Position},
};
use tokio::sync::Semaphore;

use crate::{
    answer::Refusal,
    index_route::IndexRoute,
    names::{Found, Names},
    refreshed::Refreshed,
    versions::Versions,
};

/// How long it may take until a publication is noticed. Where looking for one takes
/// long, it takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many searches and long lists of versions are worked at, at a time.
const AT_A_TIME: usize = 4;

/// How many index files are read at once for one answer.
const READS: usize = 8;

/// The list of crates, made when somebody first asks and again when something was
/// published since.
#[derive(Debug)]
pub(crate) struct CrateList {
    catalog: Option<Arc<dyn IndexCatalog>>,
    listing: Arc<Refreshed<Listing>>,
    counted: Arc<Refreshed<Counted>>,
    work: Arc<Semaphore>,
}

/// The crates of one state of the index.
#[derive(Debug)]
pub(crate) struct Listing {
    is_published: bool,
    pub(crate) names: Names,
    /// When that state was made, if that is known.
    pub(crate) made: Option<SystemTime>,
    /// Where the index is fed from, if that is known.
    pub(crate) origin: Option<String>,
}

/// How many versions there are in a state of the index.
#[derive(Debug)]
struct Counted {
    position: Position,
    versions: u64,
}

/// A page of what was found.
#[derive(Debug, Default)]
pub(crate) struct SearchPage {
    pub(crate) total: usize,
    pub(crate) crates: Vec<Versions>,
}

impl CrateList {
    pub(crate) fn new(catalog: Option<Arc<dyn IndexCatalog>>) -> Self {
        Self {
            catalog,
            listing: Refreshed::new(PATIENCE),
            counted: Refreshed::new(PATIENCE),
            work: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// The crates that are shown; `None` if nothing ever was, or the index cannot
    /// tell.
    pub(crate) async fn listing(&self) -> Result<Option<Arc<Listing>>, Refusal> {
        let Some(catalog) = self.catalog.clone() else {
            return Ok(None);
        };
        let make = move |before| listing_of(catalog, before);
        let listing = self.listing.get(make).await?;
        Ok(listing.is_published.then_some(listing))
    }

    /// How many versions there are in the state of `listing`, once that is counted:
    /// it may take a while, and nobody waits for it.
    pub(crate) async fn versions(&self, listing: &Listing) -> Option<u64> {
        let catalog = self.catalog.clone()?;
        let position = listing.names.position.clone();
        let wanted = position.clone();
        let make = move |before| count(catalog, wanted, before);
        let counted = self.counted.glance(make).await?;
        (counted.position == position).then_some(counted.versions)
    }

    /// `count` of the crates that `query` finds, after the first `skip`.
    pub(crate) async fn search(
        &self,
        index: &IndexRoute,
        query: &str,
        skip: usize,
        count: usize,
    ) -> Result<SearchPage, Refusal> {
        let Some(listing) = self.listing().await? else {
            return Ok(SearchPage::default());
        };
        let _turn = self.work.acquire().await;
        let query = query.to_owned();
        let search = move || listing.names.search(&query, skip, count);
        let found = tokio::task::spawn_blocking(search).await;
        // Only a panic or the end of the runtime can fail it.
        let Found { total, names } = found.map_err(|_| Refusal::Unavailable)?;
        let crates = stream::iter(names.into_iter().filter_map(|name| name.parse().ok()))
            .map(|name: CrateName| async move { read(index, &name).await })
            .buffered(READS)
            .filter_map(|versions| async move { versions.transpose() })
            .collect::<Vec<_>>()
            .await;
        let crates = crates.into_iter().collect::<Result<_, _>>()?;
        Ok(SearchPage { total, crates })
    }

    /// The versions of one crate.
    pub(crate) async fn versions_of(
        &self,
        index: &IndexRoute,
        name: &CrateName,
    ) -> Result<Option<Versions>, Refusal> {
        let _turn = self.work.acquire().await;
        read(index, name).await
    }
}

async fn read(index: &IndexRoute, name: &CrateName) -> Result<Option<Versions>, Refusal> {
    match index.read(name).await? {
        Some(body) => Ok(Versions::read(name, body).await),
        None => Ok(None),
    }
}

async fn listing_of(
    catalog: Arc<dyn IndexCatalog>,
    before: Option<Arc<Listing>>,
) -> Result<Arc<Listing>, Refusal> {
    let before = before.filter(|before| before.is_published);
    let known = before.as_ref().map(|before| &before.names.position);
    let (catalog, is_published) = match catalog.catalog(known).await {
        Ok(Catalogued::Unchanged) => return before.ok_or(Refusal::Unavailable),
        Ok(Catalogued::Fresh(catalog)) => (catalog, true),
        Ok(Catalogued::Unpublished) => (Catalog::new(Position::new(""), Vec::new()), false),
        Err(error) => return Err(failed(&error)),
    };
    let (made, origin) = (catalog.made, catalog.origin.clone());
    let names = tokio::task::spawn_blocking(move || Names::new(&catalog)).await;
    Ok(Arc::new(Listing {
        is_published,
        names: names.map_err(|_| Refusal::Unavailable)?,
        made,
        origin,
    }))
}

async fn count(
    catalog: Arc<dyn IndexCatalog>,
    position: Position,
    before: Option<Arc<Counted>>,
) -> Result<Arc<Counted>, Refusal> {
    if let Some(before) = before.filter(|before| before.position == position) {
        return Ok(before);
    }
    match catalog.count_versions(&position).await {
        Ok(Some(versions)) => Ok(Arc::new(Counted { position, versions })),
        // Something else was published meanwhile, and will be counted.
        Ok(None) => Err(Refusal::Unavailable),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &IndexError) -> Refusal {
    let error: &dyn std::error::Error = error;
    tracing::error!(error, "the names of the crates could not be read");
    Refusal::Unavailable
}
