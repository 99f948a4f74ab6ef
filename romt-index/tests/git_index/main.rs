//! The git index, with git as the referee.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bundle;
mod hostile;
mod publish;
mod pull;
mod serving;
mod setup;
mod support;
mod work_tree;
