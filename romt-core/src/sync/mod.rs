//! The sync pipeline: plan → diff → fetch → verify → put → publish.
//!
//! A domain makes a plan; the [`Engine`] is the one loop that fetches, verifies
//! and stores, and every retry follows one [`RetryPolicy`].

mod body;
mod crates;
mod engine;
mod outcome;
mod retry;
mod selection;
mod text;

pub(crate) use crates::sync_crates;
pub use engine::{Engine, EngineOptions};
pub use outcome::{Failure, FetchOutcome, SyncError, SyncOutcome};
pub use retry::RetryPolicy;
pub use selection::{Selection, SyncOptions};
pub(crate) use text::fetch_small;
