//! What the tests have in common: an upstream, mirrors of it, and archives.

mod archive;
mod manifest;
mod mirror;
mod tool;
mod upstream;

pub(crate) use archive::{members, pack};
pub(crate) use manifest::{LINUX, Release, Shape, WINDOWS};
pub(crate) use mirror::{Mirror, failed, files};
pub(crate) use tool::Tool;
pub(crate) use upstream::{NEW, NIGHTLY, NIGHTLY_BEFORE, OLD, Upstream};
