//! What every adapter must do, as checks that anybody can run over their own, an
//! upstream that misbehaves to order, and keys to sign its files with.
//!
//! Behind the feature `conformance`. A check that fails panics, saying what the
//! port's contract wants.

pub mod catalog;
pub mod scripted;
pub mod signing;
pub mod source;
pub mod store;

pub use crate::faulty::{Fault, FaultyStore};
