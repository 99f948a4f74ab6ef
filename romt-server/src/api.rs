//! `/api/v1/…`: what cargo asks a registry beside its index.
//!
//! Reading is answered, which for cargo is searching. Whatever would change a
//! registry is refused, in the words that cargo shows to its user.

use std::time::Duration;

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::json;

use crate::{
    answer::{NO_CACHE, NOSNIFF, Refusal, TroubleId, respond},
    crate_list::CrateList,
    index_route::IndexRoute,
    query::Query,
    request_body::Unwanted,
};

/// Where all of it is.
pub(crate) const API: &str = "/api/";

/// How many crates are told of if the client does not say, and at most.
const PER_PAGE: usize = 10;
const MOST_PER_PAGE: usize = 100;

/// How much of a crate that nobody wants is taken off the wire, and how long that may
/// take.
pub(crate) const UNWANTED: Unwanted = Unwanted {
    bytes: 16 * 1024 * 1024,
    patience: Duration::from_secs(5),
};

/// Answers `GET /api/v1/crates?q=…`.
pub(crate) async fn search(
    crates: &CrateList,
    index: &IndexRoute,
    request: &Parts,
) -> Result<Response, Refusal> {
    let query = Query::of(&request.uri);
    let per_page = query.per_page.unwrap_or(PER_PAGE).clamp(1, MOST_PER_PAGE);
    let skip = query.skip(per_page);
    let found = crates.search(index, &query.text, skip, per_page).await?;
    let shown = found.crates.iter().filter_map(|it| {
        let newest = it.newest()?.version.to_string();
        // No index says what a crate is for.
        Some(json!({ "name": it.name, "max_version": newest, "description": null }))
    });
    let total = u32::try_from(found.total).unwrap_or(u32::MAX);
    let body = json!({ "crates": shown.collect::<Vec<_>>(), "meta": { "total": total } });
    Ok(answer(StatusCode::OK, &body, request))
}

/// `refusal` as cargo reads it.
pub(crate) fn refuse(refusal: Refusal, request: &Parts) -> Response {
    let detail = match refusal {
        Refusal::Method | Refusal::HasBody => {
            "this is a mirror, which can only be read: publish, yank and change owners at the \
             registry that it mirrors"
        }
        Refusal::NotFound => "this mirror has no such thing",
        other => other.text().trim_end(),
    };
    let (plain, _) = axum::response::IntoResponse::into_response(refusal).into_parts();
    let id = plain.extensions.get::<TroubleId>().copied();
    let detail = match id {
        Some(id) => format!("{detail} (id {id})"),
        None => detail.to_owned(),
    };
    let body = json!({ "errors": [{ "detail": detail }] });
    let mut response = answer(refusal.status(), &body, request);
    if let Some(id) = id {
        response.extensions_mut().insert(id);
    }
    for name in [
        header::ALLOW,
        header::RETRY_AFTER,
        header::CONNECTION,
        header::WWW_AUTHENTICATE,
        header::CACHE_CONTROL,
    ] {
        if let Some(value) = plain.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn answer(status: StatusCode, body: &serde_json::Value, request: &Parts) -> Response {
    let body = body.to_string();
    let mut headers = HeaderMap::with_capacity(8);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => body.into(),
    };
    respond(status, headers, body)
}
