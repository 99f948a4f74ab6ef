//! `/crate/{name}`: a crate and its versions.

use askama::Template;
use axum::response::Response;
use http::{StatusCode, request::Parts};
use romt_core::CrateName;

use super::{Pager, answer, answer_as, grouped, is_for};
use crate::{
    answer::Refusal, crate_list::CrateList, index_route::IndexRoute, query::Query,
    versions::VersionFacts,
};

/// How many versions a page has.
const PER_PAGE: usize = 100;

#[derive(Template)]
#[template(path = "crate.html")]
struct CratePage<'v> {
    root: &'static str,
    query: &'static str,
    name: &'v CrateName,
    newest: &'v VersionFacts,
    total: String,
    yanked: String,
    versions: Vec<&'v VersionFacts>,
    pager: Pager,
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing<'v> {
    root: &'static str,
    query: &'static str,
    name: &'v CrateName,
}

impl CratePage<'_> {
    /// What adds the crate to a project. In a requirement build metadata means
    /// nothing, and cargo warns of it.
    fn add(&self) -> String {
        let version = self.newest.version.to_string();
        let required = version.split('+').next().unwrap_or_default();
        format!("cargo add {}@{required}", self.name)
    }

    /// Where the file of a version is.
    fn file(&self, facts: &VersionFacts) -> String {
        let (name, version) = (self.name, &facts.version);
        let prefix = name.prefix(romt_core::PrefixStyle::Lower);
        format!("crates/{prefix}/{name}/{name}-{version}.crate")
    }
}

/// Answers a request for the page of the crate `name`, in whichever case.
pub(crate) async fn crate_page(
    name: &CrateName,
    crates: &CrateList,
    index: &IndexRoute,
    request: &Parts,
) -> Result<Response, Refusal> {
    let found = crates.versions_of(index, name).await?;
    let Some((found, newest)) = found.as_ref().and_then(|it| Some((it, it.newest()?))) else {
        return missing(name, request);
    };
    let query = Query::of(&request.uri);
    let versions = found.all.iter().skip(query.skip(PER_PAGE)).take(PER_PAGE);
    let link = format!("crate/{}?page=", found.name);
    let yanked = found.all.iter().filter(|it| it.yanked).count();
    let page = CratePage {
        root: "../",
        query: "",
        name: &found.name,
        newest,
        total: grouped(found.all.len() as u64),
        yanked: grouped(yanked as u64),
        versions: versions.collect(),
        pager: Pager::new(query.page, PER_PAGE, found.all.len(), link),
    };
    answer(&page, request)
}

/// Says that there is no such crate, to people in a way that leads on.
fn missing(name: &CrateName, request: &Parts) -> Result<Response, Refusal> {
    if !is_for(request) {
        return Err(Refusal::NotFound);
    }
    let page = Missing {
        root: "../",
        query: "",
        name,
    };
    answer_as(StatusCode::NOT_FOUND, &page, request)
}
