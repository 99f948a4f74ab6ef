//! What people see in a browser.
//!
//! Pages are made of templates that escape what they are given, and of three files.
//! No page needs a script but for its copy buttons, and none has anything from
//! elsewhere: the policy that it is sent with would not allow it.

mod assets;
mod crate_page;
mod home;
mod search_page;
mod snippets;
mod toolchains;
#[cfg(test)]
mod toolchains_tests;

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use romt_core::Sha256Digest;

pub(crate) use self::{
    assets::Asset, crate_page::crate_page, home::Pages, search_page::search, snippets::sh,
};
use crate::{
    answer::{NO_CACHE, NOSNIFF, Refusal, not_modified, respond},
    conditional,
    index_route::quoted,
};

/// What a page may be made of: the files of [`Asset`], and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether `request` comes from a browser, or from who can read what one reads.
pub(crate) fn is_for(request: &Parts) -> bool {
    let accepted = request.headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|item| item.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// `page` as the answer to `request`. Its tag is the digest of what is on it, so that
/// it changes when anything does.
fn answer(page: &impl Template, request: &Parts) -> Result<Response, Refusal> {
    answer_as(StatusCode::OK, page, request)
}

/// The same with another status. What is not there has no tag.
fn answer_as(
    status: StatusCode,
    page: &impl Template,
    request: &Parts,
) -> Result<Response, Refusal> {
    let body = page.render().map_err(|error| {
        tracing::error!(%error, "a page could not be made; this is a bug in romt");
        Refusal::Unavailable
    })?;
    let mut headers = HeaderMap::with_capacity(12);
    let mut hit = false;
    if status == StatusCode::OK {
        let etag = quoted(&Sha256Digest::of(&body).to_string());
        hit = conditional::none_match_hits(&request.headers, etag.as_bytes());
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    headers.insert(header::VARY, HeaderValue::from_static("host, accept"));
    let policy = HeaderValue::from_static(POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if hit {
        return Ok(not_modified(headers));
    }
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let silent = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, silent);
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => body.into(),
    };
    Ok(respond(status, headers, body))
}

/// Where one page of several is, for the links to the others.
#[derive(Debug)]
struct Pager {
    /// This page, from 1.
    page: usize,
    /// How many there are.
    pages: usize,
    /// What a link to another begins with, up to its number.
    link: String,
}

impl Pager {
    /// The pager of `total` things, `per_page` to a page.
    fn new(page: usize, per_page: usize, total: usize, link: String) -> Self {
        let pages = total.div_ceil(per_page).max(1);
        Self { page, pages, link }
    }

    fn before(&self) -> Option<usize> {
        let before = self.page.min(self.pages + 1) - 1;
        (before > 0).then_some(before)
    }

    fn after(&self) -> Option<usize> {
        (self.page < self.pages).then(|| self.page + 1)
    }
}

/// `number` with blanks between its thousands that do not break.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `time` as `2026-01-31 12:34 UTC`, if it can be one.
fn shown(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(i64::try_from(days).ok()?);
    let (hour, minute) = (seconds / 3600, seconds % 3600 / 60);
    (year <= 9999).then(|| format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC"))
}

/// Year, month and day, so many days after 1970 began.
fn civil(days: i64) -> (i64, i64, i64) {
    // From the first of March of the year 0 on, so that a leap day comes last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_shown_as_days_and_minutes() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_827_696, "2000-02-29 12:34 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_772_323_200, "2026-03-01 00:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(shown(time).as_deref(), Some(text));
        }
        assert_eq!(shown(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(shown(UNIX_EPOCH + Duration::from_secs(1 << 50)), None);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (7, "7"),
            (1234, "1\u{202f}234"),
            (1_000_000, "1\u{202f}000\u{202f}000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn pagers_end_where_the_pages_do() {
        let pager = |page, total| Pager::new(page, 10, total, String::new());
        let ends = |pager: Pager| (pager.before(), pager.after());
        assert_eq!(ends(pager(1, 0)), (None, None));
        assert_eq!(ends(pager(1, 11)), (None, Some(2)));
        assert_eq!(ends(pager(2, 11)), (Some(1), None));
        assert_eq!(ends(pager(usize::MAX, 11)), (Some(2), None));
    }

    #[test]
    fn browsers_ask_for_html() {
        let asks = |accept: &'static str| {
            let request = http::Request::builder().header("accept", accept);
            is_for(&request.body(()).unwrap().into_parts().0)
        };
        assert!(asks("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"));
        assert!(asks("application/xml, TEXT/HTML;q=0.1"));
        assert!(!asks("*/*"));
        assert!(!asks("text/plain"));
    }
}
