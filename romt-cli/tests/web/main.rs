//! What a mirror is to people and their programs beside the index: a page in a real
//! browser, cargo's search, an installer script, and the addresses of older servers.

#![cfg(unix)]
// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

// Each of the tests uses another part of them.
#[allow(dead_code)]
#[path = "../dist_support/mod.rs"]
mod dist_support;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod browser;
mod installer;
mod page;
mod scene;
mod search;
