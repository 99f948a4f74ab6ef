//! `/`: what this mirror has and how it is used.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::response::Response;
use http::request::Parts;
use romt_core::Store;

use super::{
    answer, grouped, shown,
    snippets::{Access, Has, Platform, platforms},
    toolchains::{self, Toolchains},
};
use crate::{answer::Refusal, crate_list::CrateList, refreshed::Refreshed};

/// How soon a toolchain that came is told of, unless looking takes long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of the name of a state of the index is shown.
const POSITION: usize = 16;

/// The first page.
#[derive(Debug)]
pub(crate) struct Pages {
    store: Arc<dyn Store>,
    toolchains: Arc<Refreshed<Toolchains>>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'t> {
    root: &'static str,
    query: &'static str,
    base: &'t str,
    needs_token: bool,
    crates: Option<Crates>,
    toolchains: &'t Toolchains,
    platforms: Vec<Platform>,
}

/// What is told of the crates.
struct Crates {
    count: String,
    versions: Option<String>,
    position: String,
    made: Option<String>,
    origin: Option<String>,
}

impl Pages {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            toolchains: Refreshed::new(PATIENCE),
        }
    }

    /// Answers a request for the first page, to a client that reaches the mirror at
    /// `base` and may need a token for that.
    pub(crate) async fn home(
        &self,
        base: &str,
        needs_token: bool,
        list: &CrateList,
        request: &Parts,
    ) -> Result<Response, Refusal> {
        let store = self.store.clone();
        let make = move |_| toolchains::look(store);
        let toolchains = self.toolchains.get(make).await?;
        let crates = crates_of(list).await?;
        let has = Has {
            crates: crates.is_some(),
            toolchains: !toolchains.releases.is_empty(),
            installers: toolchains.rustup.is_some(),
        };
        let page = Home {
            root: "",
            query: "",
            base,
            needs_token,
            crates,
            platforms: platforms(Access { base, needs_token }, has),
            toolchains: &toolchains,
        };
        answer(&page, request)
    }
}

async fn crates_of(list: &CrateList) -> Result<Option<Crates>, Refusal> {
    let Some(listing) = list.listing().await? else {
        return Ok(None);
    };
    let position = listing.names.position.as_str();
    Ok(Some(Crates {
        count: grouped(listing.names.len() as u64),
        versions: list.versions(&listing).await.map(grouped),
        position: position.chars().take(POSITION).collect(),
        made: listing.made.and_then(shown),
        origin: listing.origin.clone(),
    }))
}
