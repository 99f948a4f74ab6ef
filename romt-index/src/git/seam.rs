//! What the walk over trees and the transport offer to the rest of the index.

pub(super) use super::{
    bundle::{take_bundle, write_bundle},
    difference::{count, difference},
    fetch::{HttpTransport, Incoming, Remote, fetch},
    walk::{changes, list_paths},
};
