//! HTTP/2 on a connection.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use hyper::{rt::Executor, server::conn::http2};

use crate::{Limits, metrics::Telemetry};

/// How much of an answer is handed over at a time, and waits for a peer who does
/// not read, in bytes.
pub(crate) const PIECE: usize = 16 * 1024;

/// How much of a request body may come before anybody asks for it, in bytes.
const BODY_WINDOW: u32 = 64 * 1024;

pub(super) fn builder(limits: &Limits, telemetry: &Arc<Telemetry>) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams(telemetry.clone()));
    let head = u32::try_from(limits.head_bytes).unwrap_or(u32::MAX);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(head)
        .max_send_buf_size(4 * PIECE)
        .max_local_error_reset_streams(128)
        .max_pending_accept_reset_streams(20)
        .header_table_size(4096)
        .initial_stream_window_size(BODY_WINDOW)
        .initial_connection_window_size(4 * BODY_WINDOW);
    builder
}

/// Runs the requests of HTTP/2 connections, each in a task of its own, so that a
/// panic ends the one that it happened in.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Telemetry>);

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let telemetry = self.0.clone();
        tokio::spawn(async move {
            if AssertUnwindSafe(stream).catch_unwind().await.is_err() {
                telemetry.note_panic();
            }
        });
    }
}
