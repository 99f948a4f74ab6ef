//! Where romt's bytes live, and where they come from.
//!
//! | source | takes its bytes from |
//! |---|---|
//! | [`HttpSource`] | an HTTP server |

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod http;

pub use http::{HttpClient, HttpOptions, HttpSource};
