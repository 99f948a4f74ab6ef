//! The source of one server.

use std::fmt;

use async_trait::async_trait;
use reqwest::{
    Method, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        LOCATION, RANGE,
    },
};
use romt_core::{
    Escaped, Location, Source,
    ports::{Fetched, OpenOptions, Opened, SourceError, SourceErrorKind},
};
use url::Url;

use super::{
    HttpClient, HttpSetupError, body,
    redirect::{self, is_private},
    reply::{self, Coding, Known},
};

/// Why an [`HttpSource`] does not follow an address, unless it is allowed to by
/// [`with_plain_downgrade`](HttpSource::with_plain_downgrade).
pub const PLAIN_HTTP_REFUSED: &str = "it is not encrypted, and what names it is";

/// What an HTTP server has.
///
/// A path is looked for below the base, each of its segments percent-encoded as
/// it must be; `+` stays as it is, as cargo leaves it. An address is asked for as
/// it is, if it is `http` or `https`.
///
/// Objects are asked for without any coding and refused with one; text may come
/// gzipped, and is inflated on the way. A validator is the `ETag`, or else the
/// `Last-Modified`, written as in cargo's own cache: `etag: "…"`.
#[derive(Clone, Debug)]
pub struct HttpSource {
    client: HttpClient,
    base: Url,
    plain_downgrade: bool,
}

impl HttpSource {
    /// The source at `base`, which is taken for a directory.
    ///
    /// [`HttpSetupError::Base`] if it is neither `http` nor `https`, or carries
    /// credentials, a query or a fragment.
    pub fn new(client: HttpClient, mut base: Url) -> Result<Self, HttpSetupError> {
        let invalid = |base: &Url, reason| {
            let mut shown = base.clone();
            // Both fail only where there can be no credentials.
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            shown.set_query(None);
            Err(HttpSetupError::Base {
                base: Escaped::new(shown.as_str()),
                reason,
            })
        };
        if !matches!(base.scheme(), "http" | "https") {
            return invalid(&base, "it is neither http nor https");
        }
        if !base.username().is_empty() || base.password().is_some() {
            return invalid(
                &base,
                "it carries credentials, which would end up in messages",
            );
        }
        if base.query().is_some() || base.fragment().is_some() {
            return invalid(
                &base,
                "it has a query or a fragment, to which no path can be added",
            );
        }
        if !base.path().ends_with('/') {
            let directory = format!("{}/", base.path());
            base.set_path(&directory);
        }
        Ok(Self {
            client,
            base,
            plain_downgrade: false,
        })
    }

    /// Sets whether an `https` source may name addresses of other machines that
    /// are only `http`. By default it may not: what is asked for, and of whom,
    /// would be open to anybody on the way.
    #[must_use]
    pub fn with_plain_downgrade(mut self, allowed: bool) -> Self {
        self.plain_downgrade = allowed;
        self
    }

    /// Where paths are looked for.
    pub fn base(&self) -> &Url {
        &self.base
    }

    fn url_of(&self, location: &Location) -> Result<Url, SourceError> {
        let refused = |reason| SourceError::new(SourceErrorKind::Refused, location, reason);
        match location {
            Location::Path(path) => {
                let mut url = self.base.clone();
                // A base that is `http` always has segments.
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend(path.split('/'));
                }
                Ok(url)
            }
            Location::Address(url) if !matches!(url.scheme(), "http" | "https") => {
                Err(refused("an HTTP server has no files of this machine"))
            }
            Location::Address(url) if self.is_downgrade(url) => Err(refused(PLAIN_HTTP_REFUSED)),
            // An index on the internet has no business with what is behind the
            // firewall of who reads it.
            Location::Address(url) if is_private(url) && !is_private(&self.base) => Err(refused(
                "a public source names an address of a private network",
            )),
            Location::Address(url) => Ok((**url).clone()),
        }
    }

    /// Whether going to `url` gives up the encryption of the base.
    fn is_downgrade(&self, url: &Url) -> bool {
        let gives_up = self.base.scheme() == "https" && url.scheme() == "http";
        gives_up && !self.plain_downgrade && !redirect::is_loopback(url)
    }

    /// Sends `ask`, following redirects.
    async fn send(&self, ask: &Ask, text: bool) -> Result<Response, SourceError> {
        let mut url = ask.url.clone();
        let mut hops = 0;
        loop {
            let answer = self
                .client
                .send(ask.method.clone(), url.clone(), ask.headers(), &ask.place)
                .await?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let refused = |reason| SourceError::new(SourceErrorKind::Refused, &ask.place, reason);
            hops += 1;
            if hops > self.client.options().max_redirects {
                return Err(refused(format!(
                    "it redirects more than {} times",
                    hops - 1
                )));
            }
            let location = answer.headers().get(LOCATION).map(HeaderValue::as_bytes);
            url = redirect::next(&url, location, &self.base, text).map_err(refused)?;
        }
    }
}

/// One question to a server.
struct Ask {
    method: Method,
    url: Url,
    /// What errors name.
    place: Location,
    coding: HeaderValue,
    condition: Option<(reqwest::header::HeaderName, HeaderValue)>,
    rest: Option<Rest>,
}

/// A question for the end of something.
struct Rest {
    offset: u64,
    validator: romt_core::ports::Validator,
    range: HeaderValue,
    if_range: HeaderValue,
}

impl Ask {
    fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            place: Location::Address(Box::new(url.clone())),
            url,
            coding: HeaderValue::from_static("identity"),
            condition: None,
            rest: None,
        }
    }

    fn for_opening(url: Url, options: &OpenOptions) -> Self {
        let mut ask = Self::new(Method::GET, url);
        ask.condition = options.if_changed.as_ref().and_then(|known| {
            Some(match Known::from(known)? {
                Known::Etag(value) => (IF_NONE_MATCH, HeaderValue::from_str(value).ok()?),
                Known::Date(value) => (IF_MODIFIED_SINCE, HeaderValue::from_str(value).ok()?),
            })
        });
        ask.rest = options.resume.as_ref().and_then(|resume| {
            let if_range = Known::from(&resume.validator)?.for_range()?;
            Some(Rest {
                offset: resume.offset,
                validator: resume.validator.clone(),
                range: HeaderValue::from_str(&format!("bytes={}-", resume.offset)).ok()?,
                if_range,
            })
        });
        ask.rest = ask.rest.filter(|rest| rest.offset > 0);
        // The middle of a compressed text is of no use.
        if options.text && ask.rest.is_none() {
            ask.coding = HeaderValue::from_static("gzip");
        }
        ask
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(ACCEPT_ENCODING, self.coding.clone());
        if let Some((name, value)) = &self.condition {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(rest) = &self.rest {
            headers.insert(RANGE, rest.range.clone());
            headers.insert(IF_RANGE, rest.if_range.clone());
        }
        headers
    }

    fn error(&self, kind: SourceErrorKind, reason: impl Into<String>) -> SourceError {
        SourceError::new(kind, &self.place, reason)
    }
}

/// What to make of an answer.
enum Verdict {
    Done(Opened),
    /// The resumption did not work out; ask for the whole.
    FromTheStart,
}

impl HttpSource {
    fn judge(&self, ask: &Ask, answer: Response, text: bool) -> Result<Verdict, SourceError> {
        let status = answer.status();
        match status {
            StatusCode::OK => self.whole(ask, answer, text),
            StatusCode::PARTIAL_CONTENT => self.part(ask, answer),
            StatusCode::NOT_MODIFIED if ask.condition.is_some() => {
                Ok(Verdict::Done(Opened::Unchanged))
            }
            StatusCode::NOT_MODIFIED => {
                let reason = "the server answered 304 Not Modified to an unconditional request";
                Err(ask.error(SourceErrorKind::Transient, reason))
            }
            StatusCode::RANGE_NOT_SATISFIABLE if ask.rest.is_some() => Ok(Verdict::FromTheStart),
            _ => Err(reply::status_error(status, answer.headers(), &ask.place)),
        }
    }

    fn whole(&self, ask: &Ask, answer: Response, text: bool) -> Result<Verdict, SourceError> {
        let coding = reply::coding(answer.headers(), text)
            .map_err(|reason| ask.error(SourceErrorKind::Refused, reason))?;
        let validator = reply::validator(answer.headers());
        let length = reply::content_length(answer.headers());
        let raw = body::raw(answer, length, self.client.options(), &ask.place);
        let (body, size) = match coding {
            Coding::None => (raw, length),
            Coding::Gzip => (body::gunzip(raw, &ask.place), None),
        };
        Ok(Verdict::Done(Opened::Body(Fetched {
            body,
            offset: 0,
            size,
            validator,
        })))
    }

    fn part(&self, ask: &Ask, answer: Response) -> Result<Verdict, SourceError> {
        let Some(rest) = &ask.rest else {
            let reason = "the server answered 206 Partial Content unasked";
            return Err(ask.error(SourceErrorKind::Refused, reason));
        };
        let coded = reply::coding(answer.headers(), false).is_err();
        let Some(total) = reply::rest_from(answer.headers(), rest.offset).filter(|_| !coded) else {
            return Ok(Verdict::FromTheStart);
        };
        let validator = reply::validator(answer.headers());
        if validator.as_ref().is_some_and(|new| *new != rest.validator) {
            return Ok(Verdict::FromTheStart);
        }
        let length = Some(total - rest.offset);
        Ok(Verdict::Done(Opened::Body(Fetched {
            body: body::raw(answer, length, self.client.options(), &ask.place),
            offset: rest.offset,
            size: Some(total),
            validator: Some(rest.validator.clone()),
        })))
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        let mut ask = Ask::for_opening(self.url_of(location)?, &options);
        let answer = self.send(&ask, options.text).await?;
        if let Verdict::Done(opened) = self.judge(&ask, answer, options.text)? {
            return Ok(opened);
        }
        ask.rest = None;
        let answer = self.send(&ask, options.text).await?;
        match self.judge(&ask, answer, options.text)? {
            Verdict::Done(opened) => Ok(opened),
            // Only a resumption can be asked for again, and this was none.
            Verdict::FromTheStart => {
                let reason = "the server does not deliver from the start";
                Err(ask.error(SourceErrorKind::Refused, reason))
            }
        }
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        let ask = Ask::new(Method::HEAD, self.url_of(location)?);
        let answer = self.send(&ask, false).await?;
        let coded = || reply::coding(answer.headers(), false).is_err();
        match answer.status().as_u16() {
            200 if coded() => Ok(None),
            200 => Ok(reply::content_length(answer.headers())),
            // A server that knows no HEAD has not said that it is not there.
            405 | 501 => Ok(None),
            _ => Err(reply::status_error(
                answer.status(),
                answer.headers(),
                &ask.place,
            )),
        }
    }
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.base.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HttpOptions;

    #[test]
    fn hostile_c01_a_public_index_names_no_private_address() {
        let source = |base: &str| {
            let client = HttpClient::new(HttpOptions::default()).unwrap();
            HttpSource::new(client, base.parse().unwrap()).unwrap()
        };
        let public = source("http://index.example.com/");
        for private in [
            "http://127.0.0.1/x",
            "http://169.254.169.254/x",
            "http://10.0.0.1/x",
        ] {
            let location: Location = private.parse().unwrap();
            let error = public.url_of(&location).unwrap_err();
            assert_eq!(error.kind(), SourceErrorKind::Refused, "{private}");
            assert!(source("http://127.0.0.1:1/").url_of(&location).is_ok());
        }
        // Without encryption it may name what is without, but not with it.
        let plain: Location = "http://cdn.example.net/x".parse().unwrap();
        assert!(public.url_of(&plain).is_ok());
        let secure = source("https://index.example.com/");
        let error = secure.url_of(&plain).unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Refused);
        assert!(error.to_string().contains(PLAIN_HTTP_REFUSED), "{error}");
        assert!(secure.with_plain_downgrade(true).url_of(&plain).is_ok());
        let here: Location = "http://localhost:1/x".parse().unwrap();
        assert!(source("https://127.0.0.1:1/").url_of(&here).is_ok());
        assert!(
            public
                .url_of(&"https://cdn.example.net/x".parse().unwrap())
                .is_ok()
        );
    }
}
