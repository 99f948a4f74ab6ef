//! `/index/config.json`, `/healthz` and `/`.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

use crate::{
    answer::{NO_CACHE, NOSNIFF, respond},
    client_config,
    host::HostGate,
    rustup_environment,
};

/// Where crates are, below the base address, in cargo's markers. What comes of it
/// is what `target::parse` takes.
const DOWNLOAD: &str = "/crates/{lowerprefix}/{crate}/{crate}-{version}.crate";

/// The registry's configuration, which sends a client to where it is asking.
///
/// Cargo takes no 304 for it, so it has no tag.
pub(crate) fn config(gate: &HostGate, host: &str, request: &Parts) -> Response {
    let base = gate.base(host);
    let dl = format!("{base}{DOWNLOAD}");
    let body = serde_json::json!({ "dl": dl, "api": base }).to_string();
    page(request, "application/json", true, body)
}

/// Says that the server answers.
pub(crate) fn health(request: &Parts) -> Response {
    page(request, "text/plain; charset=utf-8", false, "ok\n".into())
}

/// Tells people without a browser what this is and how to use it.
pub(crate) fn welcome(gate: &HostGate, host: &str, request: &Parts) -> Response {
    let base = gate.base(host);
    let lines = client_config(&base);
    let variables = rustup_environment(&base);
    let body = format!(
        "This is a mirror of Rust crates and toolchains, served by romt.\n\n\
         To use its crates, put this into .cargo/config.toml:\n\n{lines}\n\
         To use its toolchains, if it has any, set this for rustup:\n\n{variables}"
    );
    let mut response = page(request, "text/plain; charset=utf-8", true, body);
    // Who asks for HTML gets another page.
    let vary = HeaderValue::from_static("host, accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

fn page(request: &Parts, content_type: &'static str, of_host: bool, body: String) -> Response {
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
    respond(StatusCode::OK, headers, body)
}
