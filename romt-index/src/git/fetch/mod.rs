//! Fetching what upstream has.
//!
//! Upstream is a git server reached over HTTP, a repository on this machine, or a
//! bundle. From each comes a pack, and all packs go one way into the repository.

mod http;
mod local;
mod remote;
mod server;
#[cfg(test)]
mod tests;

use gix::{ObjectId, Repository};
use romt_core::ports::IndexError;

pub(super) use self::{http::HttpTransport, remote::Remote};
use super::pack::Limits;

/// The one branch of upstream that is an index.
const BRANCH: &str = "refs/heads/master";

/// What was taken into a repository, for which no reference stands yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The commit.
    pub(super) tip: ObjectId,
    /// What it was called where it came from.
    pub(super) branch: String,
}

/// Takes what `remote` has and `repo` has not into `repo`. No reference moves.
///
/// Without `http`, no server is asked, and a remote that is one is refused. Must
/// not be called on a thread that runs asynchronous tasks.
pub(super) fn fetch(
    repo: &Repository,
    index: &str,
    remote: &Remote,
    http: Option<&HttpTransport>,
) -> Result<Incoming, IndexError> {
    let limits = Limits::default();
    match remote {
        Remote::Http(url) => server::fetch(repo, index, url, http, &limits),
        Remote::Path(path) if path.is_dir() => local::fetch(repo, index, path, &limits),
        Remote::Path(path) => super::bundle::take_bundle(repo, index, path),
    }
}
