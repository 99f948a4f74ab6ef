//! The public addresses that romt goes to unless told otherwise.
//!
//! Nothing else in romt names a host. Each of these can be overridden on the
//! command line or through the library's options, and no check depends on one.

/// The sparse index of crates.io, as cargo knows it.
pub const SPARSE_INDEX: &str = "https://index.crates.io/";

/// The name that lock files give to crates.io, whichever way it was reached.
pub const LOCKED_CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The git index of crates.io.
pub const GIT_INDEX: &str = "https://github.com/rust-lang/crates.io-index";

/// Where the files of crates.io's crates are, as a template.
pub const CRATE_FILES: &str = "https://static.crates.io/crates/{crate}/{crate}-{version}.crate";

/// Where toolchains are, as rustup knows it: what its `RUSTUP_DIST_SERVER` replaces,
/// and what the URLs in channel manifests begin with.
pub const DIST_SERVER: &str = "https://static.rust-lang.org";

/// Where rustup's own releases are: what its `RUSTUP_UPDATE_ROOT` replaces.
pub const RUSTUP_UPDATE_ROOT: &str = "https://static.rust-lang.org/rustup";
