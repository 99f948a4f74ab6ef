//! The server as its clients see it, in process and on the wire.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod api;
mod check;
mod compat;
mod crates;
// What it leaves behind is counted in `/proc`.
#[cfg(target_os = "linux")]
mod crowd;
mod dist;
mod fake_index;
mod frames;
mod git;
mod http2;
mod index;
mod load;
mod manifests;
mod operations;
mod pages;
mod requests;
mod support;
mod tls;
mod tls_support;
mod tokens;
mod wire;
