//! Crates.

mod config;
mod name;
mod request;
mod version;

pub use config::{ConfigError, DownloadTemplate, IndexConfig, MAX_CONFIG_SIZE};
pub use name::{CrateName, PrefixStyle};
pub use request::CrateRequest;
pub use version::Version;
