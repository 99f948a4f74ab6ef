//! `/index/config.json` and `/`, and the pages that all are.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

use crate::{
    answer::{NO_CACHE, NOSNIFF, respond},
    client::with_token,
    client_config,
    host::HostGate,
    rustup_environment, token_config,
};

/// Where crates are, below the base address, in cargo's markers. What comes of it
/// is what `target::parse` takes.
const DOWNLOAD: &str = "/crates/{lowerprefix}/{crate}/{crate}-{version}.crate";

/// The registry's configuration, which sends a client to where it is asking.
///
/// Cargo takes no 304 for it, so it has no tag.
pub(crate) fn config(gate: &HostGate, host: &str, needs_token: bool, request: &Parts) -> Response {
    let base = gate.base_for(host, request);
    let dl = format!("{base}{DOWNLOAD}");
    let mut config = serde_json::json!({ "dl": dl, "api": base });
    if needs_token {
        config["auth-required"] = true.into();
    }
    page(
        request,
        StatusCode::OK,
        "application/json",
        true,
        config.to_string(),
    )
}

/// A page of plain text that is the same for all hosts.
pub(crate) fn plain(request: &Parts, status: StatusCode, body: String) -> Response {
    typed(request, status, "text/plain; charset=utf-8", body)
}

/// A page of this type that is the same for all hosts.
pub(crate) fn typed(
    request: &Parts,
    status: StatusCode,
    content_type: &'static str,
    body: String,
) -> Response {
    page(request, status, content_type, false, body)
}

/// Tells people without a browser what this is and how to use it.
pub(crate) fn welcome(gate: &HostGate, host: &str, needs_token: bool, request: &Parts) -> Response {
    let base = gate.base_for(host, request);
    let mut lines = client_config(&base);
    let mut variables = rustup_environment(&base);
    if needs_token {
        lines = format!("{lines}\n{}", token_config());
        variables = rustup_environment(&with_token(&base));
    }
    let body = format!(
        "This is a mirror of Rust crates and toolchains, served by romt.\n\n\
         To use its crates, put this into .cargo/config.toml:\n\n{lines}\n\
         To use its toolchains, if it has any, set this for rustup:\n\n{variables}"
    );
    let plain = "text/plain; charset=utf-8";
    let mut response = page(request, StatusCode::OK, plain, true, body);
    // Who asks for HTML gets another page.
    let vary = HeaderValue::from_static("host, accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

fn page(
    request: &Parts,
    status: StatusCode,
    content_type: &'static str,
    of_host: bool,
    body: String,
) -> Response {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let nothing = HeaderValue::from_static("default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    if of_host {
        // Whoever caches it must not hand one host's answer to another.
        headers.insert(header::VARY, HeaderValue::from_static("host"));
    }
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => body.into(),
    };
    respond(status, headers, body)
}
