//! The server as its clients see it, in process and on the wire.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod crates;
mod dist;
mod git;
mod index;
mod manifests;
mod requests;
mod support;
mod wire;
