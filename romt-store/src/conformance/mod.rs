//! Suites that adapters must pass, and an upstream that misbehaves to order.
//!
//! Behind the feature `conformance`, for the tests of adapters, ours and others'.
//! A check that fails panics, saying what the port's contract wants.

pub mod scripted;
pub mod source;
