//! Reading what is shown, one crate at a time and often.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
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

/// For how long what is shown is believed to be shown still, in milliseconds.
const FRESH: u64 = 500;

/// How many handles wait for the next reader.
const IDLE: usize = 16;

/// Where the file of each crate is, by its name in lower case. A state has most
/// names in common with the one before it.
type Files = HashMap<Arc<str>, ObjectId>;

/// One shown state: where each crate's file is.
///
/// Looking a name up in trees costs several objects; a map costs none, and a
/// request that is answered by the tag alone none at all.
struct Shown {
    commit: ObjectId,
    tree: ObjectId,
    files: Files,
    repo: gix::ThreadSafeRepository,
    /// Handles that readers have given back.
    idle: Mutex<Vec<gix::Repository>>,
}

/// A shown commit, and the names of its crates if they are news.
pub(super) type ShownNames = (ObjectId, Option<Vec<Box<str>>>);

/// The newest shown state that was looked at.
pub(super) struct ShownCache {
    newest: Mutex<Option<Arc<Shown>>>,
    /// Held by who looks at a new state.
    looking: Mutex<()>,
    /// When it was last looked whether it is shown still, in milliseconds after the
    /// start; 0 means that it was not.
    looked: AtomicU64,
    start: Instant,
}

impl Default for ShownCache {
    fn default() -> Self {
        Self {
            newest: Mutex::default(),
            looking: Mutex::default(),
            looked: AtomicU64::new(0),
            start: Instant::now(),
        }
    }
}

impl ShownCache {
    /// What there is to say of a crate's file without reading anything, if that is
    /// all there is to say.
    pub(super) fn at_hand(&self, name: &CrateName, known: Option<&Tag>) -> Option<Loaded> {
        let shown = self.believed()?;
        let Some(blob) = shown.file(name) else {
            return Some(Loaded::Absent);
        };
        let mut hex = [0; 40];
        let hex = &*blob.hex_to_buf(&mut hex);
        (known?.as_str() == hex).then_some(Loaded::Unchanged)
    }

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
        let Some(blob) = shown.file(name) else {
            return Ok(Loaded::Absent);
        };
        let Some(tag) = Tag::new(&blob.to_string()) else {
            return Ok(Loaded::Absent);
        };
        if known == Some(&tag) {
            return Ok(Loaded::Unchanged);
        }
        let body = match shown.read(blob) {
            Some(body) => body,
            // The packs that this handle knows may have been put together since.
            None => self.reopened(open()?, &shown).bytes_of(blob)?.into(),
        };
        Ok(Loaded::Fresh { body, tag })
    }

    /// The commit that is shown and what its crates are called; no names if it is
    /// still the one called `known`. `None` if nothing ever was shown.
    pub(super) fn names(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
        known: Option<&str>,
    ) -> Result<Option<ShownNames>, IndexError> {
        let Some(shown) = self.current(&open)? else {
            return Ok(None);
        };
        let id = shown.commit.to_string();
        let is_news = known != Some(id.as_str());
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().into();
        let names = is_news.then(|| shown.files.keys().map(|path| last(path)).collect());
        Ok(Some((shown.commit, names)))
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

    /// Has the next reader look whether something else is shown.
    pub(super) fn doubt(&self) {
        self.looked.store(0, Relaxed);
    }

    /// What is shown now, or `None` if nothing ever was.
    fn current(
        &self,
        open: impl Fn() -> Result<Opened, IndexError>,
    ) -> Result<Option<Arc<Shown>>, IndexError> {
        if let Some(shown) = self.believed() {
            return Ok(Some(shown));
        }
        let before = self.lock().clone();
        let looking = match (self.looking.try_lock(), before) {
            (Ok(looking), _) => looking,
            // Somebody looks already. What was shown until now will do meanwhile,
            // unless it is in doubt.
            (Err(_), Some(shown)) if self.looked.load(Relaxed) > 0 => return Ok(Some(shown)),
            (Err(_), _) => self.looking.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(shown) = self.believed() {
            return Ok(Some(shown));
        }
        // From before the look, lest what happens during it is missed.
        let now = self.now();
        let before = self.lock().clone();
        let shown = look(before.as_ref(), open)?;
        if let Some(shown) = &shown {
            *self.lock() = Some(shown.clone());
            self.looked.store(now, Relaxed);
        }
        drop(looking);
        Ok(shown)
    }

    /// What was shown when somebody looked last, if that is not long ago.
    fn believed(&self) -> Option<Arc<Shown>> {
        let looked = self.looked.load(Relaxed);
        let is_fresh = looked > 0 && self.now().saturating_sub(looked) < FRESH;
        if is_fresh { self.lock().clone() } else { None }
    }

    /// Never 0.
    fn now(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        now.saturating_add(1)
    }

    /// Reads `shown` through another handle from now on.
    fn reopened(&self, opened: Opened, shown: &Arc<Shown>) -> Opened {
        let again = Shown::new(shown.commit, shown.tree, shown.files.clone(), &opened);
        let mut newest = self.lock();
        if newest.as_ref().is_some_and(|it| Arc::ptr_eq(it, shown)) {
            *newest = Some(Arc::new(again));
        }
        opened
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Shown>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown now, by one look. `before` is what was shown before.
fn look(
    before: Option<&Arc<Shown>>,
    open: impl Fn() -> Result<Opened, IndexError>,
) -> Result<Option<Arc<Shown>>, IndexError> {
    if let Some(before) = before {
        let tip = tip_in(&before.repo.to_thread_local(), SHOWN);
        if tip.is_ok_and(|tip| tip == Some(before.commit)) {
            return Ok(Some(before.clone()));
        }
    }
    // Opened anew, since a handle knows the packs there were and few more.
    let opened = open()?;
    let Some(commit) = opened.tip(SHOWN)? else {
        return Ok(None);
    };
    let tree = opened.tree_of(commit)?;
    let files = match before {
        Some(before) => changed(&opened, before, tree)?,
        None => listed(&opened, tree)?,
    };
    Ok(Some(Arc::new(Shown::new(commit, tree, files, &opened))))
}

fn listed(opened: &Opened, tree: ObjectId) -> Result<Files, IndexError> {
    let files = seam::list_paths(&opened.repo, &opened.index, tree)?;
    let files = files.iter().map(|(path, blob)| (last_name(path), *blob));
    Ok(files.collect())
}

/// The files of `tree`, by what it differs in from those of `before`.
fn changed(opened: &Opened, before: &Shown, tree: ObjectId) -> Result<Files, IndexError> {
    let changes = seam::changes(&opened.repo, &opened.index, Some(before.tree), tree)?;
    // What took the place of a file and is none would have to be told apart.
    if !changes.refused.is_empty() {
        return listed(opened, tree);
    }
    let mut files = before.files.clone();
    for file in changes.files {
        let name = last_name(&file.path);
        match file.new {
            Some(new) => files.insert(name, new),
            None => files.remove(&name),
        };
    }
    Ok(files)
}

fn last_name(path: &str) -> Arc<str> {
    path.rsplit('/').next().unwrap_or_default().into()
}

impl Shown {
    fn new(commit: ObjectId, tree: ObjectId, files: Files, opened: &Opened) -> Self {
        Self {
            commit,
            tree,
            files,
            repo: opened.repo.clone().into_sync(),
            idle: Mutex::default(),
        }
    }

    fn file(&self, name: &CrateName) -> Option<ObjectId> {
        let name = name.as_str();
        let found = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            self.files.get(name.to_ascii_lowercase().as_str())
        } else {
            self.files.get(name)
        };
        found.copied()
    }

    /// The bytes of a file, if they can be read.
    fn read(&self, blob: ObjectId) -> Option<Bytes> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = idle().pop();
        let repo = spare.unwrap_or_else(|| {
            let mut repo = self.repo.to_thread_local();
            // What files are deltas of is not asked for again soon.
            repo.objects.unset_pack_cache();
            repo
        });
        // Not the buffer itself, which has room for all that the file was made of.
        let read = repo.find_blob(blob);
        let read = read.map(|blob| Bytes::copy_from_slice(&blob.data));
        let mut idle = idle();
        if idle.len() < IDLE {
            idle.push(repo);
        }
        read.ok()
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
