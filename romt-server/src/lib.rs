//! Serves a mirror to unmodified cargo and rustup, over HTTP.
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
//! | `/dist/channel-rust-{channel}.toml`, and `.sha256`, `.asc` | the manifest of a channel or release |
//! | `/dist/{date}/…` | the manifest of a day, and the components of toolchains |
//! | `/rustup/release-stable.toml` | which rustup is the current one |
//! | `/rustup/dist/{target}/…`, `/rustup/archive/{version}/{target}/…` | `rustup-init` |
//! | `/crates-index/…`, `/crates/{name}/{version}/download`, … | the same at the addresses of the servers that were there before |
//! | `/api/v1/crates?q=…` | what `cargo search` asks |
//! | `/rustup-init.sh` | installs rustup from here |
//! | `/`, `/search`, `/crate/{name}` | for people |
//! | `/git/crates.io-index` | the index as a git repository, to be fetched from |
//! | `/healthz`, `/readyz`, `/metrics` | for monitors |
//!
//! A path is parsed into names and versions, and only those name anything in the
//! store. There is no way to ask for a file as such, so nothing else that lies in
//! the store can be had.
//!
//! Whoever asks for the digest of a manifest is told that of the manifest which
//! the server has, and is then given that very manifest for half a minute, even
//! if another takes its place meanwhile. Who asks is told by [`Peer`].
//!
//! ```
//! # use std::path::Path;
//! use romt_server::{Limits, Listening, ServedMirror, ServerOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mirror = ServedMirror::open(Path::new("mirror")).await?;
//! let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! Listening::bind("127.0.0.1", 8000)
//!     .await?
//!     .serve(mirror, ServerOptions::default(), Limits::default(), ctrl_c)
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod answer;
mod api;
mod cache;
mod check;
mod checksum;
mod client;
mod compat;
mod conditional;
mod config_route;
mod connection;
mod crate_list;
mod crate_route;
mod dist_route;
mod dist_target;
mod encoding;
mod entrance;
mod exchange;
mod front;
mod front_args;
mod git_route;
mod health;
mod host;
mod index_route;
mod installer_script;
mod late_index;
mod listening;
mod manifests;
mod metrics;
mod mirror;
mod names;
mod options;
mod page;
mod peer;
mod proxies;
mod query;
mod range;
mod refreshed;
mod request_body;
mod router;
mod sending;
mod serve;
mod target;
mod tls;
mod tokens;
mod turns;
mod versions;

pub use access::{AccessFormat, AccessLog, LogQueue};
pub use check::{CheckDepth, CheckError, CheckReport, Fault, check};
pub use client::{CLIENT_REGISTRY, client_config, client_index, rustup_environment, token_config};
pub use front::FrontOptions;
pub use front_args::{AccessLogArg, CheckArg, FrontArgs, FrontArgsError};
pub use host::{BaseUrl, BaseUrlError, HostPolicy};
pub use listening::Listening;
pub use metrics::Telemetry;
pub use mirror::{MirrorError, ServedMirror, is_mirror};
pub use options::{Limits, ServerOptions};
pub use peer::Peer;
pub use proxies::{Network, NetworkError, TrustedProxies};
pub use router::router;
pub use serve::{ServeError, ServeOutcome, serve};
pub use tls::{Tls, TlsError};
pub use tokens::{NewToken, TokenFileError, TokenName, Tokens, new_token};
