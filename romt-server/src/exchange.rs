//! One request and its answer, as the connection and the access log see them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use romt_core::Escaped;
use tower_service::Service as _;

use crate::{connection::Progress, peer::Peer};

/// The target of the access log, one event for each request.
const ACCESS: &str = "romt_server::access";

/// `router` as the service of one connection.
pub(crate) fn service(
    router: Router,
    progress: Arc<Progress>,
    peer: Option<SocketAddr>,
) -> impl hyper::service::HttpService<Incoming, ResBody = Answer, Error = Infallible, Future: Send>
{
    service_fn(move |request: Request<Incoming>| {
        let exchange = Exchange::begin(progress.clone(), &request, peer);
        let mut router = router.clone();
        async move {
            let mut request = request.map(body_of);
            Peer::note(&mut request, peer);
            let response = router.call(request).await?;
            Ok::<_, Infallible>(exchange.answer(response))
        }
    })
}

/// The body of a request, without an allocation if there is none.
fn body_of(body: Incoming) -> Body {
    if body.is_end_stream() {
        Body::empty()
    } else {
        Body::new(body)
    }
}

/// A request being answered, until it is dropped.
struct Exchange {
    progress: Arc<Progress>,
    entry: Option<Box<Entry>>,
}

/// A line of the access log in the making.
struct Entry {
    peer: Option<SocketAddr>,
    method: Method,
    path: Escaped,
    status: StatusCode,
    bytes: u64,
    start: Instant,
}

impl Exchange {
    fn begin(
        progress: Arc<Progress>,
        request: &Request<Incoming>,
        peer: Option<SocketAddr>,
    ) -> Self {
        progress.begin();
        let logged = tracing::enabled!(target: ACCESS, tracing::Level::INFO);
        let entry = logged.then(|| {
            Box::new(Entry {
                peer,
                method: request.method().clone(),
                path: Escaped::new(request.uri().path()),
                status: StatusCode::INTERNAL_SERVER_ERROR,
                bytes: 0,
                start: Instant::now(),
            })
        });
        Self { progress, entry }
    }

    fn answer(mut self, response: Response<Body>) -> Response<Answer> {
        if let Some(entry) = &mut self.entry {
            entry.status = response.status();
        }
        response.map(|body| Answer {
            body,
            exchange: self,
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.progress.end();
        if let Some(entry) = &self.entry {
            tracing::info!(
                target: ACCESS,
                peer = entry.peer.map(tracing::field::display),
                method = %Escaped::new(entry.method.as_str()),
                path = %entry.path,
                status = entry.status.as_u16(),
                bytes = entry.bytes,
                micros = u64::try_from(entry.start.elapsed().as_micros()).unwrap_or(u64::MAX),
            );
        }
    }
}

/// The body of an answer, which ends the exchange when it has been sent or given
/// up.
pub(crate) struct Answer {
    body: Body,
    exchange: Exchange,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(entry)) = (&polled, &mut self.exchange.entry) {
            entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
