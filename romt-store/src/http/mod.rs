//! Bytes from an HTTP server.
//!
//! [`HttpSource`] is the [`Source`](romt_core::Source) of one server and
//! [`HttpClient`] the connections, which any number of sources share.
//!
//! One call is one attempt: nothing here waits and tries again, with one
//! exception, which is a resumption that the server does not honour and that is
//! therefore asked for once more from the first byte.
//!
//! # What is never done
//!
//! - Credentials are neither sent nor shown, except a proxy's own.
//! - An object is never decoded: its digest is of the bytes as they travel.
//! - A redirect never leads from `https` to `http`, and never from a public
//!   server to an address of a private network.
//! - An `https` source asks no other machine by `http`, unless it is allowed to.

mod body;
mod client;
mod failure;
mod options;
mod redirect;
mod reply;
mod source;
mod tls;

pub use client::HttpClient;
pub use options::{HttpOptions, HttpSetupError, ProxyChoice};
pub use source::{HttpSource, PLAIN_HTTP_REFUSED};
