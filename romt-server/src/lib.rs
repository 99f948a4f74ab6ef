//! Serves a mirror to unmodified cargo, over HTTP.
//!
//! [`router`] makes an [`axum::Router`] from the ports of a mirror, to be tested
//! in process or nested into something larger. [`serve`] runs it on a listener
//! with the limits that an open port needs: time limits from the first byte on,
//! connection counts, a floor under the speed of readers, an orderly end.
//!
//! # What is served
//!
//! | path | is |
//! |---|---|
//! | `/index/config.json` | where the crates are, seen from the asking client |
//! | `/index/{prefix}/{name}` | the index file of a crate |
//! | `/crates/{prefix}/{name}/{name}-{version}.crate` | a crate |
//! | `/crates/{name}/{name}-{version}.crate` | the same, as romt for Python spells it |
//! | `/healthz`, `/` | for monitors and for people |
//!
//! A path is parsed into names and versions, and only those name anything in the
//! store. There is no way to ask for a file as such, so nothing else that lies in
//! the store can be had.
//!
//! ```
//! # use std::sync::Arc;
//! # use romt_core::{IndexBackend, MirrorLayout, Store};
//! # use romt_server::{HostPolicy, Limits, ServedMirror, ServerOptions};
//! # async fn example(store: Arc<dyn Store>, index: Arc<dyn IndexBackend>) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! let options = ServerOptions::default()
//!     .with_allowed_hosts(HostPolicy::for_address(&listener.local_addr()?));
//! let mirror = ServedMirror::new(store, index, MirrorLayout::default());
//! let router = romt_server::router(mirror, &options);
//! let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! romt_server::serve(listener, router, Limits::default(), ctrl_c).await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod cache;
mod checksum;
mod conditional;
mod config_route;
mod connection;
mod crate_route;
mod encoding;
mod exchange;
mod host;
mod index_route;
mod mirror;
mod options;
mod range;
mod router;
mod serve;
mod target;

pub use host::{BaseUrl, BaseUrlError, HostPolicy};
pub use mirror::ServedMirror;
pub use options::{Limits, ServerOptions};
pub use router::router;
pub use serve::{ServeError, ServeOutcome, serve};
