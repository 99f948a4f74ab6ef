//! From a request to its answer.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, header, request::Parts};

use crate::{
    ServedMirror, ServerOptions,
    answer::Refusal,
    api, config_route,
    crate_list::CrateList,
    crate_route::CrateRoute,
    dist_route::DistRoute,
    entrance::Entrance,
    git_route::{GitRoute, GitTarget},
    health::Health,
    host::HostGate,
    index_route::IndexRoute,
    installer_script,
    page::{self, Pages},
    request_body::Unwanted,
    target::{self, Target},
};

/// The routes of `mirror`.
///
/// There is one handler, and it tells the routes apart itself: what is a path of
/// a mirror depends on more than patterns of segments, and has to be judged
/// before anything decodes it.
pub fn router(mirror: ServedMirror, options: &ServerOptions) -> Router {
    let app = Arc::new(App::new(mirror, options));
    Router::new().fallback(move |request: Request| {
        let app = app.clone();
        async move { app.answer(request).await }
    })
}

#[derive(Debug)]
struct App {
    gate: HostGate,
    index: IndexRoute,
    crates: CrateRoute,
    dist: DistRoute,
    list: CrateList,
    pages: Pages,
    git: GitRoute,
    health: Health,
    entrance: Entrance,
}

impl App {
    fn new(mirror: ServedMirror, options: &ServerOptions) -> Self {
        let half = options.cache_bytes / 2;
        let telemetry = options.telemetry.clone();
        let late = mirror.late();
        Self {
            health: Health::new(mirror.clone(), telemetry.clone()),
            entrance: Entrance::new(options.tokens.clone(), telemetry),
            gate: HostGate {
                base_url: options.base_url.clone(),
                policy: options.allowed_hosts,
                scheme: options.scheme(),
            },
            index: IndexRoute::new(mirror.index, half),
            dist: DistRoute::new(mirror.store.clone()),
            list: CrateList::new(mirror.catalog),
            pages: Pages::new(mirror.store.clone()),
            git: GitRoute::new(mirror.git, late.clone()),
            crates: CrateRoute::new(mirror.store, mirror.layout, half).with_late(late),
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let (request, body) = request.into_parts();
        match self.entrance.admit(&request).await {
            Ok(token) => {
                let mut response = self.admitted(&request, body).await;
                token.mark(&mut response);
                response
            }
            Err(refusal) => refused(refusal, &request, body).await,
        }
    }

    /// Answers who may ask.
    async fn admitted(&self, request: &Parts, body: Body) -> Response {
        if request.method == Method::POST {
            return self.post(request, body).await;
        }
        let has_body = has_body(request, &body);
        match self.try_answer(request, has_body).await {
            Ok(response) if has_body => closing(response),
            Ok(response) => response,
            Err(refusal) => refused(refusal, request, body).await,
        }
    }

    /// What git clients post is read; of all else, the connection is closed with it.
    async fn post(&self, request: &Parts, body: Body) -> Response {
        match self.posted_to(request) {
            Ok(target) => {
                let answer = self.git.post(target, request, body).await;
                answer.unwrap_or_else(|refusal| closing(refusal.into_response()))
            }
            Err(refusal) => refused(refusal, request, body).await,
        }
    }

    /// What of git's a request that is posted is for.
    fn posted_to(&self, request: &Parts) -> Result<GitTarget, Refusal> {
        let path = target::decode(&request.uri)?;
        self.gate.admit(&request.uri, &request.headers)?;
        match target::parse(&path) {
            Ok(Target::Git(target)) => Ok(target),
            _ => Err(Refusal::Method),
        }
    }

    async fn try_answer(&self, request: &Parts, has_body: bool) -> Result<Response, Refusal> {
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::Method);
        }
        if has_body {
            return Err(Refusal::HasBody);
        }
        let path = target::decode(&request.uri)?;
        let host = self.gate.admit(&request.uri, &request.headers)?;
        match target::parse(&path)? {
            Target::Index(path) => self.index.answer(path, request).await,
            Target::Crate(file) => self.crates.answer(&file, &self.index, request).await,
            Target::Dist(file) => self.dist.answer(&file, request).await,
            Target::Git(target) => self.git.answer(target, request).await,
            Target::Config => {
                let needs_token = self.entrance.needs_token();
                Ok(config_route::config(&self.gate, host, needs_token, request))
            }
            Target::Health => Ok(self.health.health(request).await),
            Target::Ready => Ok(self.health.readiness(request).await),
            Target::Metrics => Ok(self.metrics(request).await),
            Target::Welcome if page::is_for(request) => {
                let base = self.gate.base_for(host, request);
                let needs_token = self.entrance.needs_token();
                let list = &self.list;
                self.pages.home(&base, needs_token, list, request).await
            }
            Target::Welcome => {
                let needs_token = self.entrance.needs_token();
                Ok(config_route::welcome(
                    &self.gate,
                    host,
                    needs_token,
                    request,
                ))
            }
            Target::InstallerScript => Ok(installer_script::answer(
                &self.gate.base_for(host, request),
                request,
            )),
            Target::ApiSearch => api::search(&self.list, &self.index, request).await,
            Target::Search => page::search(&self.list, &self.index, request).await,
            Target::CratePage(name) => {
                page::crate_page(&name, &self.list, &self.index, request).await
            }
            Target::Asset(asset) => Ok(asset.answer(request)),
        }
    }
}

impl App {
    async fn metrics(&self, request: &Parts) -> Response {
        let (hits, misses) = self.index.lookups();
        let mut caches = vec![("index", hits, misses)];
        let (hits, misses) = self.crates.lookups();
        caches.push(("crates", hits, misses));
        self.health.metrics(request, caches).await
    }
}

/// Says no, to cargo where it asks for more than files in the way that it reads.
async fn refused(refusal: Refusal, request: &Parts, body: Body) -> Response {
    let has_body = has_body(request, &body);
    let response = if request.uri.path().starts_with(api::API) {
        api::UNWANTED.take(body, request).await;
        api::refuse(refusal, request)
    } else {
        Unwanted::LITTLE.take(body, request).await;
        refusal.into_response()
    };
    if has_body {
        closing(response)
    } else {
        response
    }
}

/// `response`, the last one of its connection: nobody reads the body that follows the
/// request, so where the next request begins is not known.
fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Whether a body follows the head, or something that might be taken for one.
fn has_body(request: &Parts, body: &Body) -> bool {
    !body.is_end_stream() || request.headers.contains_key(header::TRANSFER_ENCODING)
}
