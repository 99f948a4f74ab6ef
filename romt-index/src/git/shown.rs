//! Reading what is shown, one crate at a time and often.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use gix::ObjectId;
use romt_core::{
    CrateName,
    crates::{ConfigError, IndexConfig},
    ports::{IndexError, Loaded, Tag},
};

use super::{
    open::Opened,
    refs::{SHOWN, tip_in},
    seam,
};

/// One shown state: where each crate's file is.
///
/// Looking a name up in trees costs several objects; a map costs none, and a
/// request that is answered by the tag alone none at all.
struct Shown {
    commit: ObjectId,
    files: HashMap<Box<str>, ObjectId>,
    repo: gix::ThreadSafeRepository,
}

/// The newest shown state that was looked at.
#[derive(Default)]
pub(super) struct ShownCache {
    newest: Mutex<Option<Arc<Shown>>>,
    /// Held by who looks at a new state: the others wait rather than do it too.
    looking: Mutex<()>,
}

impl ShownCache {
    /// The index file of a crate. `open` opens the repository anew.
    pub(super) fn load(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
        name: &CrateName,
        known: Option<&Tag>,
    ) -> Result<Loaded, IndexError> {
        let Some(shown) = self.current(&open)? else {
            return Ok(Loaded::Absent);
        };
        let Some(blob) = shown.files.get(name.index_path().as_str()) else {
            return Ok(Loaded::Absent);
        };
        let Some(tag) = Tag::new(&blob.to_string()) else {
            return Ok(Loaded::Absent);
        };
        if known == Some(&tag) {
            return Ok(Loaded::Unchanged);
        }
        let body = match shown.repo.to_thread_local().find_blob(*blob) {
            Ok(mut blob) => blob.take_data(),
            // The packs that this handle knows may have been put together since.
            Err(_) => open()?.bytes_of(*blob)?,
        };
        let body = Bytes::from(body);
        Ok(Loaded::Fresh { body, tag })
    }

    /// The commit that is shown now.
    pub(super) fn tip(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
    ) -> Result<Option<ObjectId>, IndexError> {
        match self.lock().clone() {
            Some(shown) => {
                let tip = tip_in(&shown.repo.to_thread_local(), SHOWN);
                tip.or_else(|_| open()?.tip(SHOWN))
            }
            None => open()?.tip(SHOWN),
        }
    }

    /// What is shown now, or `None` if nothing ever was.
    fn current(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
    ) -> Result<Option<Arc<Shown>>, IndexError> {
        if let Some(shown) = self.cached() {
            return Ok(Some(shown));
        }
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = self.cached() {
            return Ok(Some(shown));
        }
        // Opened anew, since a handle knows the packs there were and few more.
        let opened = open()?;
        let Some(commit) = opened.tip(SHOWN)? else {
            return Ok(None);
        };
        let tree = opened.tree_of(commit)?;
        let files = seam::list_paths(&opened.repo, &opened.index, tree)?;
        let files = files
            .into_iter()
            .map(|(path, blob)| (path.to_ascii_lowercase().into_boxed_str(), blob))
            .collect();
        let shown = Arc::new(Shown {
            commit,
            files,
            repo: opened.repo.into_sync(),
        });
        *self.lock() = Some(shown.clone());
        Ok(Some(shown))
    }

    /// What was looked at last, if it is still what is shown.
    fn cached(&self) -> Option<Arc<Shown>> {
        let shown = self.lock().clone()?;
        let tip = tip_in(&shown.repo.to_thread_local(), SHOWN).ok()?;
        (tip == Some(shown.commit)).then_some(shown)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Shown>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// The `config.json` that is shown.
    pub(super) fn shown_config(&self) -> Result<IndexConfig, IndexError> {
        let Some(shown) = self.tip(SHOWN)? else {
            return Err(IndexError::Unpublished {
                index: self.index.clone(),
            });
        };
        let config = self.config_in(self.tree_of(shown)?)?;
        let config = config.ok_or(ConfigError::Missing);
        config
            .and_then(|bytes| IndexConfig::parse(&bytes))
            .map_err(|source| IndexError::Config {
                index: self.index.clone(),
                source,
            })
    }
}
