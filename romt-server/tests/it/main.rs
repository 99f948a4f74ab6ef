//! The server as its clients see it, in process and on the wire.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod api;
mod compat;
mod crates;
mod dist;
mod fake_index;
mod git;
mod index;
mod manifests;
mod pages;
mod requests;
mod support;
mod wire;
