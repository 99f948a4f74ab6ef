//! `romt crate`, with the Python tool of the same name as judge.
//!
//! Every scenario runs with a tool, ours or the Python one, against an upstream
//! that a test scripts: a git repository for an index, and crates in a directory
//! and on loopback. What the two tools promise alike is tested with both, so that
//! an expectation which the Python tool does not meet is found out. The numbers
//! of the statements are those of the list of compatibility tests.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
#![cfg(unix)]

// Each of the tests uses another part of it.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod world;

/// For each function that takes a tool, one test with ours and one with the
/// Python tool.
macro_rules! with_each_tool {
    ($($name:ident),* $(,)?) => {
        mod ours {
            $(#[test]
            fn $name() {
                super::$name(crate::world::Tool::Ours);
            })*
        }
        mod python {
            $(#[test]
            #[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
            fn $name() {
                super::$name(crate::world::Tool::Python);
            })*
        }
    };
}

mod archives;
mod command_line;
mod download;
mod exchange;
mod git_clients;
mod kill;
mod quirks;
mod quirks_of_archives;
mod range;
mod real_cargo;
mod sealed;
mod setup;
mod takeover;
