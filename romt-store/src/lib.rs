//! Where romt's bytes live, and where they come from.
//!
//! | store | holds its objects |
//! |---|---|
//! | [`MemoryStore`] | in this process, for tests and for embedding |

mod memory;
mod range;

pub use memory::MemoryStore;
