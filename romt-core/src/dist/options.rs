//! How a session works.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    ports::SignatureVerifier,
    sync::RetryPolicy,
    toolchain::{ComponentFilter, FormatChoice},
};

/// What is asked of signatures.
#[derive(Clone, Debug)]
pub enum SignaturePolicy {
    /// Every file must have a good one.
    Required(Arc<dyn SignatureVerifier>),
    /// A file without a good one is told of, and kept.
    Warn(Arc<dyn SignatureVerifier>),
    /// They are neither fetched nor looked at.
    Ignored,
}

impl SignaturePolicy {
    /// What judges signatures, if they are looked at.
    pub fn verifier(&self) -> Option<&Arc<dyn SignatureVerifier>> {
        match self {
            Self::Required(verifier) | Self::Warn(verifier) => Some(verifier),
            Self::Ignored => None,
        }
    }

    /// Whether a file without a good signature is refused.
    pub fn is_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }
}

/// How a session works.
///
/// # Defaults
///
/// [`new`](Self::new) takes what is asked of signatures, which has no default: all
/// components, compressed as upstream prefers, 4 downloads at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DistOptions {
    /// What is asked of signatures.
    pub signatures: SignaturePolicy,
    /// Which components.
    pub components: ComponentFilter,
    /// Whether of each target only `rust-std` is wanted, to build for it elsewhere.
    pub cross: bool,
    /// Which compressions; `None` is xz for what is fetched, and what is there for
    /// what is here.
    pub format: Option<FormatChoice>,
    /// Whether a component that is there counts as right without being read.
    pub assume_ok: bool,
    /// Whether a channel may go back to an older release.
    pub allow_rollback: bool,
    /// How many downloads run at once.
    pub jobs: usize,
    /// How failures for now are tried again.
    pub retry: RetryPolicy,
    /// The largest component, in bytes.
    pub component_size_limit: u64,
    /// Who is writing, for the message that another writer gets.
    pub holder: String,
    /// Stops the work when cancelled.
    pub cancel: CancellationToken,
}

impl DistOptions {
    /// The defaults, with this demand on signatures.
    pub fn new(signatures: SignaturePolicy) -> Self {
        Self {
            signatures,
            components: ComponentFilter::all(),
            cross: false,
            format: None,
            assume_ok: false,
            allow_rollback: false,
            jobs: 4,
            retry: RetryPolicy::default(),
            component_size_limit: 4 << 30,
            holder: "a program that embeds romt".into(),
            cancel: CancellationToken::new(),
        }
    }

    /// Sets which components are wanted, and whether only those to build elsewhere.
    #[must_use]
    pub fn with_components(mut self, components: ComponentFilter, cross: bool) -> Self {
        self.components = components;
        self.cross = cross;
        self
    }

    /// Sets which compressions are wanted.
    #[must_use]
    pub fn with_format(mut self, format: Option<FormatChoice>) -> Self {
        self.format = format;
        self
    }

    /// Sets whether a component that is there counts as right without being read.
    #[must_use]
    pub fn with_assume_ok(mut self, assume_ok: bool) -> Self {
        self.assume_ok = assume_ok;
        self
    }

    /// Sets whether a channel may go back to an older release.
    #[must_use]
    pub fn with_allow_rollback(mut self, allow: bool) -> Self {
        self.allow_rollback = allow;
        self
    }

    /// Sets how many downloads run at once, from 1 to 64.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, 64);
        self
    }

    /// Sets how failures for now are tried again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
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
