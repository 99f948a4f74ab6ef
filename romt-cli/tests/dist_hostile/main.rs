//! `romt toolchain` and `romt rustup` under attack: upstreams, archives and disks that
//! fail or lie, and runs that are killed.
//!
//! Every test drives the real binary and asks the same questions: what the outcome
//! says, whether what clients see is whole, whether anything outside the mirror was
//! touched, and whether a rerun completes. The names are those of the hostile inputs
//! that romt's trust model lists.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]
// What is skipped, and what was killed, is said.
#![allow(clippy::print_stdout)]

#[path = "../fault_support/mod.rs"]
mod fault_support;

mod archive;
mod archives;
mod brought;
mod disk;
mod kill;
mod moving;
mod release;
mod rustup;
mod upstream;
mod world;
