//! The server as its clients see it, in process and on the wire.

mod crates;
mod index;
mod requests;
mod support;
mod wire;
