//! What is served.

use std::sync::Arc;

use romt_core::{IndexBackend, MirrorLayout, Store};

/// A mirror, by the ports that the server reads it through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServedMirror {
    /// Where the crate files are.
    pub store: Arc<dyn Store>,
    /// The published index.
    ///
    /// It is asked with names in lower case, as they are in requests, and must
    /// find a crate whatever the case of its published name.
    pub index: Arc<dyn IndexBackend>,
    /// Where in the store the crate files are.
    pub layout: MirrorLayout,
}

impl ServedMirror {
    /// The mirror whose files are in `store` and whose index is `index`.
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn IndexBackend>, layout: MirrorLayout) -> Self {
        Self {
            store,
            index,
            layout,
        }
    }
}
