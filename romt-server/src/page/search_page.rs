//! `/search`: crates by name.

use askama::Template;
use axum::response::Response;
use http::request::Parts;

use super::{Pager, answer, grouped};
use crate::{answer::Refusal, crate_list::CrateList, index_route::IndexRoute, query::Query};

/// How many crates a page has.
const PER_PAGE: usize = 50;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    root: &'static str,
    query: String,
    total: String,
    crates: Vec<Row>,
    pager: Pager,
}

struct Row {
    name: String,
    newest: String,
    is_yanked: bool,
    versions: String,
}

/// Answers a search.
pub(crate) async fn search(
    crates: &CrateList,
    index: &IndexRoute,
    request: &Parts,
) -> Result<Response, Refusal> {
    let query = Query::of(&request.uri);
    let skip = query.skip(PER_PAGE);
    let found = crates.search(index, &query.text, skip, PER_PAGE).await?;
    let rows = found.crates.iter().filter_map(|it| {
        let newest = it.newest()?;
        Some(Row {
            name: it.name.to_string(),
            newest: newest.version.to_string(),
            is_yanked: newest.yanked,
            versions: grouped(it.all.len() as u64),
        })
    });
    let words = form_urlencoded::byte_serialize(query.text.as_bytes());
    let link = format!("search?q={}&page=", words.collect::<String>());
    let page = SearchPage {
        root: "",
        total: grouped(found.total as u64),
        crates: rows.collect(),
        pager: Pager::new(query.page, PER_PAGE, found.total, link),
        query: query.text,
    };
    answer(&page, request)
}
