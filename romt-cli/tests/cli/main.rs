//! The command line, against small made-up registries on loopback.

mod client_config;
mod output;
mod running;
mod scene;
mod selection;
mod usage;

// Each of the tests uses another part of it.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
