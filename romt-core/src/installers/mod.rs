//! rustup: its installers, fetched, kept, carried and shown.
//!
//! An installer has no signature; upstream vouches for it by nothing but the connection
//! that it comes through. Whoever knows better what it should be can pin its digest.
//!
//! # The order
//!
//! Installers under their version first, durably; then those of the current version under
//! the name that the installer script asks for; then the file that says which version is
//! current.

mod error;
mod fetch;
mod fixup;
mod held;
mod pack;
mod pins;
mod unpack;

use std::sync::Arc;

pub use error::InstallerError;
pub use fetch::{FetchedInstallers, Installer};
pub use pack::PackedInstallers;
pub use pins::Pins;
pub use unpack::UnpackedInstallers;

use tokio_util::sync::CancellationToken;

use crate::{EventSink, Store, layout::RustupLayout, ports::StoreLock, sync::RetryPolicy};

/// How a session works.
///
/// # Defaults
///
/// No pins, four attempts at each file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstallerOptions {
    /// What is known of installers.
    pub pins: Pins,
    /// Whether an installer that is there counts as right without being read.
    pub assume_ok: bool,
    /// How many downloads run at once.
    pub jobs: usize,
    /// How failures for now are tried again.
    pub retry: RetryPolicy,
    /// The largest installer, in bytes.
    pub size_limit: u64,
    /// Who is writing, for the message that another writer gets.
    pub holder: String,
    /// Stops the work when cancelled.
    pub cancel: CancellationToken,
}

impl Default for InstallerOptions {
    fn default() -> Self {
        Self {
            pins: Pins::default(),
            assume_ok: false,
            jobs: 4,
            retry: RetryPolicy::default(),
            size_limit: 512 << 20,
            holder: "a program that embeds romt".into(),
            cancel: CancellationToken::new(),
        }
    }
}

impl InstallerOptions {
    /// Sets what is known of installers.
    #[must_use]
    pub fn with_pins(mut self, pins: Pins) -> Self {
        self.pins = pins;
        self
    }

    /// Sets whether an installer that is there counts as right without being read.
    #[must_use]
    pub fn with_assume_ok(mut self, assume_ok: bool) -> Self {
        self.assume_ok = assume_ok;
        self
    }

    /// Sets how many downloads run at once, from 1 to 64.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, 64);
        self
    }

    /// Sets who is writing, for messages.
    #[must_use]
    pub fn with_holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// Sets what stops the work.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }
}

/// The installers of a mirror.
///
/// Cheap to clone; clones are the same mirror.
#[derive(Clone, Debug)]
pub struct InstallerMirror {
    store: Arc<dyn Store>,
    layout: RustupLayout,
}

impl InstallerMirror {
    /// The installers in `store`. Touches nothing yet.
    pub fn new(store: Arc<dyn Store>, layout: RustupLayout) -> Self {
        Self { store, layout }
    }

    /// Where things are in the store.
    pub fn layout(&self) -> RustupLayout {
        self.layout
    }

    /// Begins a run of steps.
    pub fn session(
        &self,
        options: InstallerOptions,
        events: Arc<dyn EventSink>,
    ) -> InstallerSession {
        InstallerSession {
            mirror: self.clone(),
            options,
            events,
            lock: None,
        }
    }
}

/// A run of steps over the installers of a mirror.
///
/// The first step that writes takes the store's lock, and the session keeps it.
pub struct InstallerSession {
    mirror: InstallerMirror,
    options: InstallerOptions,
    events: Arc<dyn EventSink>,
    lock: Option<StoreLock>,
}

impl InstallerSession {
    /// Takes the right to write, once.
    async fn begin_writing(&mut self) -> Result<(), InstallerError> {
        if self.lock.is_none() {
            self.lock = Some(self.mirror.store.lock(&self.options.holder).await?);
        }
        Ok(())
    }
}

impl std::fmt::Debug for InstallerSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstallerSession")
            .field("mirror", &self.mirror)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
