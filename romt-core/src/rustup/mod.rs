//! rustup itself: its versions, what names the newest, and its installers.

mod release_file;
mod spec;
mod targets;
mod version;

pub use release_file::{MAX_RELEASE_FILE_SIZE, ReleaseFile, ReleaseFileError};
pub use spec::RustupSpec;
pub use targets::{KNOWN_TARGETS, installer_name};
pub use version::RustupVersion;
