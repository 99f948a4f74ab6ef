//! Bundles: files that carry a part of a history, with the pack of its objects.
//!
//! A bundle is a few lines and a pack. The lines name the commits that its
//! receiver must have, and the references it brings. What carries the index over
//! the air gap is a bundle of one reference.

mod header;
mod take;
#[cfg(test)]
mod tests;
mod write;

pub(super) use self::{take::take_bundle, write::write_bundle};

/// The references by which a bundle names the tip of an index, the better first.
const TIPS: [&str; 2] = ["refs/heads/bundle/master", "refs/heads/master"];
