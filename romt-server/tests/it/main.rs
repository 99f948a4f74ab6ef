//! The server as its clients see it, in process and on the wire.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod check;
mod crates;
// What it leaves behind is counted in `/proc`.
#[cfg(target_os = "linux")]
mod crowd;
mod dist;
mod frames;
mod http2;
mod index;
mod load;
mod manifests;
mod operations;
mod requests;
mod support;
mod tls;
mod tls_support;
mod tokens;
mod wire;
