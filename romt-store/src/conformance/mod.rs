//! What every adapter must do, as checks that anybody can run over their own.

pub mod store;

pub use crate::faulty::{Fault, FaultyStore};
