//! The ports: what a mirror needs of the world, as small object-safe traits.
//!
//! | port | answers |
//! |---|---|
//! | [`Source`] | where do bytes come from? |
//! | [`Store`] | where do bytes live? |
//! | [`IndexBackend`] | which crate versions exist? ([`IndexPublisher`]: and which do we show? [`HistoryIndex`]: and what changed? [`IndexCatalog`]: and of which crates?) |
//! | [`Verifier`] | may these bytes be trusted? ([`SignatureVerifier`]: and who says so?) |
//!
//! Somebody who writes an adapter needs this crate and nothing else. The suites
//! that an adapter must pass are in `romt-store`, behind its `conformance`
//! feature.

mod catalog;
mod history;
mod index;
mod signature;
mod source;
mod store;
mod stream;
mod verifier;

pub use catalog::{Catalog, Catalogued, IndexCatalog};
pub use history::{
    BundleBranch, BundleFacts, Difference, Exported, HistoryIndex, Position, Pulled, RefusedEntry,
};
pub use index::{
    IndexBackend, IndexChange, IndexError, IndexPublisher, Loaded, Publication, PublishedNote, Tag,
};
pub use signature::{SignatureCheck, SignatureError, SignatureFault, SignatureVerifier, Signed};
pub use source::{
    Fetched, Location, OpenOptions, Opened, ResumeFrom, Source, SourceError, SourceErrorKind,
    Validator,
};
pub use store::{
    Body, ByteRange, GetOptions, Object, ObjectMeta, ObjectVersion, PutMode, PutOptions, Store,
    StoreError, StoreExt, StoreLock,
};
pub use stream::{ByteStream, StreamError, checked, collect_bounded, once};
pub use verifier::{AllOf, Check, Evidence, Sha256Verifier, Verified, Verifier, VerifyError};
