//! The index that a full mirror keeps: a git repository, without git.
//!
//! # What is where
//!
//! The repository is the one that romt for Python makes and uses, so that a
//! mirror can change hands at any time: `INDEX/.git`, not bare, with these refs.
//!
//! | ref | what it is | moved by |
//! |---|---|---|
//! | `refs/remotes/origin/master` | upstream's state | `pull` |
//! | `refs/remotes/origin/bundle/master` | the same, if a bundle brought it | `pull` |
//! | `refs/heads/origin_master` | the same, to be pushed elsewhere | `pull` |
//! | `refs/heads/working` | upstream's with our `config.json` | `pull`, `set_config` |
//! | `refs/heads/mark` | where the last finished run ended | `publish` |
//! | `refs/heads/master` | what clients see | `publish`, `withdraw` |
//! | `refs/heads/bundle/master` | the tip of the last bundle | `write_bundle` |
//! | `refs/romt/packed` | where the last pack ended; ours alone | `set_packed` |
//! | `refs/romt/exported` | the same, once it was marked; ours alone | `set_exported` |
//! | `refs/romt/…-less` | the same two, less what was not packed; ours alone | both |
//!
//! What romt makes has no work tree. One that the Python tool made is kept in
//! step (`worktree`).
//!
//! # What clients may see
//!
//! Cargo fetches `HEAD`, whatever it names, so `HEAD` always resolves to what is
//! shown. The Python tool wants it to be `working`. Both are had: `HEAD` is
//! `working` while that is the same commit as `master`. Before `working` moves
//! ahead, `HEAD` is moved to `master`, which may be unborn, so that a clone is
//! empty; after a publication that held nothing back, it is moved back.
//!
//! What is shown is the end of the run itself, if nothing of it is held back. Else
//! it is a commit of our own on what was shown before, with the end's files less
//! those lines (`publish`). It says when the end was made, so that two mirrors
//! that hold back the same name it the same.
//!
//! # What holds after a power cut
//!
//! gix flushes nothing. Objects of ours are flushed before they get their names
//! (`objects`), new values of refs before they move, and the names afterwards
//! (`refs`). Locks and leftovers of a process that died are known for what they
//! are and removed by the next (`recover`).
//!
//! # What is not trusted
//!
//! The repository may be another's. It is opened by itself alone: no setting of
//! the user or the system counts, no hook, filter, helper or program runs, no
//! other repository's objects are used, and none is replaced (`open`).

mod at;
mod bundle;
mod carry;
mod catalog;
mod commit;
mod counted;
mod difference;
mod error;
mod exported;
mod fetch;
mod line;
mod line_scan;
mod objects;
mod open;
mod pack;
mod port;
mod publish;
mod pull;
mod recover;
mod refs;
mod revision;
mod seam;
mod setup;
mod shown;
mod upload;
mod walk;
mod walk_blobs;
mod worktree;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use romt_core::{ErrorClass, Escaped, ports::IndexError};

pub use self::upload::{GitProtocol, UploadError};

use self::{at::AtCache, error::Failures, open::Opened, shown::ShownCache, upload::Uploads};

/// An index in a git repository: [`HistoryIndex`](romt_core::ports::HistoryIndex)
/// without git.
///
/// A clone is another handle of the same. Every piece of work opens the repository
/// anew on a thread for blocking work; readers of what is shown share one handle
/// until something else is shown. There may be any number of readers, and one
/// writer, who holds the lock of the mirror.
///
/// # Example
///
/// ```no_run
/// # use romt_core::ports::{HistoryIndex as _, IndexError};
/// # use romt_index::{GitIndex, GitOptions};
/// # async fn run() -> Result<(), IndexError> {
/// let index = GitIndex::init(
///     "git/crates.io-index",
///     "https://example.com/index",
///     GitOptions::default(),
/// )?;
/// let pulled = index.pull().await?;
/// // … make the crates of it durable …
/// index.publish(&pulled.working, &Default::default(), &[]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GitIndex {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    /// The directory, for messages.
    name: String,
    options: GitOptions,
    shown: ShownCache,
    at: AtCache,
    uploads: Uploads,
}

/// How a [`GitIndex`] works.
///
/// # Defaults
///
/// Commits are by `romt <romt@localhost>`. No server is asked; one that says
/// nothing for a minute would be given up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GitOptions {
    /// The name in commits of ours.
    pub committer_name: String,
    /// The mail address in commits of ours.
    pub committer_email: String,
    /// The client that asks git servers; without one, none is asked.
    pub client: Option<reqwest::Client>,
    /// How long a server may say nothing.
    pub idle_timeout: Duration,
    /// The file of the bundle that is packed or unpacked, if not the usual one.
    pub bundle_path: Option<PathBuf>,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            committer_name: "romt".to_owned(),
            committer_email: "romt@localhost".to_owned(),
            client: None,
            idle_timeout: Duration::from_mins(1),
            bundle_path: None,
        }
    }
}

impl GitOptions {
    /// Commits as this person.
    #[must_use]
    pub fn with_committer(mut self, name: impl Into<String>, email: impl Into<String>) -> Self {
        // What separates the parts of a commit cannot be in one.
        let clean = |text: String| text.replace(['<', '>', '\n', '\r', '\0'], "");
        self.committer_name = clean(name.into());
        self.committer_email = clean(email.into());
        self
    }

    /// Asks git servers by `client`, so that its proxies and certificates count.
    #[must_use]
    pub fn with_client(mut self, client: reqwest::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Gives up a server that says nothing for `timeout`.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets the file of the bundle that is packed or unpacked.
    #[must_use]
    pub fn with_bundle_path(mut self, path: Option<PathBuf>) -> Self {
        self.bundle_path = path;
        self
    }
}

impl GitIndex {
    /// The index in `path`, which is a repository or has one in `.git`.
    pub fn open(path: impl Into<PathBuf>, options: GitOptions) -> Result<Self, IndexError> {
        let index = Self::new(path.into(), options);
        index.inner.open()?.warn_of_ignored_settings();
        Ok(index)
    }

    /// Makes an index that is fed from `url`: an address, or the path of a
    /// repository or of a bundle. Nothing is fetched.
    pub fn init(
        path: impl Into<PathBuf>,
        url: &str,
        options: GitOptions,
    ) -> Result<Self, IndexError> {
        let index = Self::new(path.into(), options);
        setup::init(&index.inner.directory, &index.inner.name, url)?;
        Ok(index)
    }

    /// Makes an index that is fed from a bundle: the file `bundle_path`, or
    /// `origin.bundle` in `path`.
    pub fn init_import(
        path: impl Into<PathBuf>,
        bundle_path: Option<&Path>,
        options: GitOptions,
    ) -> Result<Self, IndexError> {
        let index = Self::new(path.into(), options);
        setup::init_import(&index.inner.directory, &index.inner.name, bundle_path)?;
        Ok(index)
    }

    fn new(directory: PathBuf, options: GitOptions) -> Self {
        let name = Escaped::new(directory.as_os_str().as_encoded_bytes()).to_string();
        Self {
            inner: Arc::new(Inner {
                directory,
                name,
                options,
                shown: ShownCache::default(),
                at: AtCache::default(),
                uploads: Uploads::default(),
            }),
        }
    }

    /// Does `work` on the repository where blocking is allowed.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        self.blocking(move |inner| work(&inner.open()?)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            let fail = Failures(&self.inner.name);
            Err(fail.class("finish the work", ErrorClass::Bug, error))
        })
    }
}

impl Inner {
    fn open(&self) -> Result<Opened, IndexError> {
        Opened::at(&self.directory, &self.name, &self.options)
    }
}

impl fmt::Display for GitIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.inner.name)
    }
}

impl fmt::Debug for GitIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GitIndex").field(&self.inner.name).finish()
    }
}
