//! One request and its answer, as the connection, the counters and the access log
//! see them.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, body::Body, response::IntoResponse as _};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use romt_core::Escaped;
use tower_service::Service as _;

use crate::{
    FrontOptions,
    access::Record,
    answer::{Refusal, TroubleId},
    connection::{Flow, PIECE, Progress},
    metrics::Route,
    peer::Peer,
    request_body::Paced,
    tokens::CameWith,
};

/// Which version of HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// `router` as the service of one connection.
pub(crate) fn service(
    router: Router,
    front: Arc<FrontOptions>,
    progress: Arc<Progress>,
    peer: Option<SocketAddr>,
    wire: Wire,
) -> impl hyper::service::HttpService<
    Incoming,
    ResBody = Answer,
    Error = Infallible,
    Future: Send + 'static,
> {
    service_fn(move |mut request: Request<Incoming>| {
        let is_proxied = peer.is_some_and(|peer| front.proxies.trusts(peer.ip()));
        let address = if is_proxied {
            front.proxies.take_in(&mut request, peer)
        } else {
            peer.map(|peer| peer.ip().to_canonical())
        };
        let (exchange, busy) =
            Exchange::begin(&front, &progress, &request, address, is_proxied, wire);
        let mut router = router.clone();
        let front = front.clone();
        async move {
            if let Some(refusal) = busy {
                return Ok(exchange.answer(refusal.into_response()));
            }
            let mut request = request.map(|body| body_of(body, &front));
            if wire == Wire::Http2 {
                name_host(&mut request);
            }
            Peer::note(&mut request, address);
            let response = router.call(request).await?;
            Ok::<_, Infallible>(exchange.answer(response))
        }
    })
}

/// The body of a request, without an allocation if there is none.
fn body_of(body: Incoming, front: &FrontOptions) -> Body {
    if body.is_end_stream() {
        Body::empty()
    } else {
        Body::new(Paced::new(body, &front.limits))
    }
}

/// Says in the header of HTTP/1.1 for which host a request over HTTP/2 is.
fn name_host(request: &mut Request<Body>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let authority = request.uri().authority();
    let host = authority.and_then(|it| HeaderValue::from_str(it.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// A request being answered, until it is dropped.
struct Exchange {
    front: Arc<FrontOptions>,
    progress: Arc<Progress>,
    /// The answer among others, over HTTP/2.
    flow: Option<Arc<Flow>>,
    route: Route,
    status: StatusCode,
    bytes: u64,
    start: Instant,
    record: Option<Box<Record>>,
}

impl Exchange {
    /// Begins an exchange; says if there is no room for it.
    fn begin(
        front: &Arc<FrontOptions>,
        progress: &Arc<Progress>,
        request: &Request<Incoming>,
        address: Option<IpAddr>,
        is_proxied: bool,
        wire: Wire,
    ) -> (Self, Option<Refusal>) {
        let of_address = progress.begin();
        let is_http2 = wire == Wire::Http2;
        let answering = front.telemetry.begin(is_http2);
        let busy = if is_http2 && request.headers().len() > front.limits.headers {
            Some(Refusal::HeadTooLarge)
        } else if answering > front.limits.requests as u64
            || (of_address > front.limits.requests_per_address as u64 && !is_proxied)
        {
            front.telemetry.note_too_busy();
            Some(Refusal::Busy)
        } else {
            None
        };
        let record = front.access_log.is_some().then(|| {
            Box::new(Record {
                address,
                method: request.method().clone(),
                path: Escaped::new(request.uri().path()),
                version: version_of(request),
                status: StatusCode::INTERNAL_SERVER_ERROR,
                bytes: 0,
                time: std::time::Duration::ZERO,
                token: None,
                id: None,
            })
        });
        let exchange = Self {
            front: front.clone(),
            progress: progress.clone(),
            flow: is_http2.then(|| progress.new_flow()),
            route: Route::of(request.uri()),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            bytes: 0,
            start: Instant::now(),
            record,
        };
        (exchange, busy)
    }

    fn answer(mut self, mut response: Response<Body>) -> Response<Answer> {
        self.status = response.status();
        if let Some(record) = &mut self.record {
            let extensions = response.extensions_mut();
            record.token = extensions.remove::<CameWith>().map(|name| name.0);
            record.id = extensions.remove::<TroubleId>().map(|id| id.0);
        }
        if self.flow.is_some() {
            // There is no such thing in HTTP/2.
            response.headers_mut().remove(header::CONNECTION);
        }
        response.map(|body| Answer {
            body,
            rest: Bytes::new(),
            exchange: self,
        })
    }
}

fn version_of(request: &Request<Incoming>) -> &'static str {
    match request.version() {
        http::Version::HTTP_2 => "h2",
        http::Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.progress.end();
        let time = self.start.elapsed();
        let telemetry = &self.front.telemetry;
        telemetry.end(self.route, self.status, self.bytes, time);
        if let (Some(record), Some(log)) = (&mut self.record, &self.front.access_log) {
            record.status = self.status;
            record.bytes = self.bytes;
            record.time = time;
            log.write(record);
            if log.dropped() > 0 {
                telemetry.note_dropped_lines(log.dropped());
            }
        }
    }
}

/// The body of an answer, which ends the exchange when it has been sent or given
/// up.
pub(crate) struct Answer {
    body: Body,
    /// What is left of a piece that is too large for one go.
    rest: Bytes,
    exchange: Exchange,
}

impl Answer {
    /// Hands `data` over, over HTTP/2 no more of it than is to wait for a peer at
    /// a time.
    fn hand(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if let Some(flow) = &self.exchange.flow {
            self.rest = data.split_off(data.len().min(PIECE));
            flow.hand(data.len());
        }
        self.exchange.bytes += data.len() as u64;
        Frame::data(data)
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(flow) = &self.exchange.flow {
            flow.ask();
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.hand(rest))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| match frame.into_data() {
            Ok(data) => self.hand(data),
            Err(other) => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
