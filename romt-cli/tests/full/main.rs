//! `romt crate` under attack: upstreams, archives and disks that fail or lie, and
//! runs that are killed.
//!
//! Every test drives the real binary and asks the same questions: what the outcome
//! says, whether all that clients see can be had, whether anything outside the
//! mirror was touched, and whether a rerun completes. The names are those of the
//! hostile inputs that romt's trust model lists.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]
// What is skipped, and what was killed, is said.
#![allow(clippy::print_stdout)]

#[path = "../fault_support/mod.rs"]
mod fault_support;

mod archive;
mod bundles;
mod checker;
mod crates;
mod disk;
mod guards;
mod imports;
mod index;
mod interrupt;
mod kill;
mod order;
mod origin;
mod promises;
mod tool;
