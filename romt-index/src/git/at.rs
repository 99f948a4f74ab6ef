//! Reading one state of the index, many crates one after the other.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gix::ObjectId;
use romt_core::{
    CrateName,
    ports::{IndexError, Position},
};

use super::{error::Failures, open::Opened};

/// A state that is being read, and a handle of the repository: opening one for each
/// crate of an archive would cost more than reading.
struct At {
    position: Position,
    tree: ObjectId,
    repo: gix::ThreadSafeRepository,
}

/// The two states that were read last: an import asks what it brings and what is
/// shown in turns.
#[derive(Default)]
pub(super) struct AtCache(Mutex<Vec<Arc<At>>>);

impl AtCache {
    /// The index file of a crate in the state `position`. `open` opens the
    /// repository anew.
    pub(super) fn file(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
        index: &str,
        position: &Position,
        name: &CrateName,
    ) -> Result<Option<Bytes>, IndexError> {
        let at = self.at(&open, position)?;
        let fail = |error| Failures(index).storage("read a tree", error);
        let repo = at.repo.to_thread_local();
        let tree = repo.find_tree(at.tree).map_err(fail)?;
        let path = name.index_path();
        let entry = tree.lookup_entry(path.split('/')).map_err(fail)?;
        let Some(entry) = entry.filter(|entry| entry.mode().is_blob()) else {
            return Ok(None);
        };
        let blob = repo.find_blob(entry.object_id());
        let mut blob = blob.map_err(|error| Failures(index).storage("read a file", error))?;
        Ok(Some(blob.take_data().into()))
    }

    fn at(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
        position: &Position,
    ) -> Result<Arc<At>, IndexError> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cached.iter().find(|at| at.position == *position) {
            return Ok(at.clone());
        }
        let opened = open()?;
        let at = Arc::new(At {
            position: position.clone(),
            tree: opened.tree_at(position)?,
            repo: opened.repo.into_sync(),
        });
        cached.truncate(1);
        cached.insert(0, at.clone());
        Ok(at)
    }
}
