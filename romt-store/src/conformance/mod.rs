//! What every adapter must do, as checks that anybody can run over their own, and
//! an upstream that misbehaves to order.
//!
//! Behind the feature `conformance`. A check that fails panics, saying what the
//! port's contract wants.

pub mod scripted;
pub mod source;
pub mod store;
