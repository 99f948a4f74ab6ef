//! What the tests of the command have in common.

// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub(crate) mod cargo;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod tripwire;
pub(crate) mod upstream;
pub(crate) mod workspace;
