//! Listing.

use std::{collections::VecDeque, sync::Arc};

use cap_std::fs::{Dir, DirEntry, ReadDir};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use romt_core::{
    Escaped, Key,
    ports::{ObjectMeta, StoreError},
};

use super::{
    blocking,
    error::FsError,
    tree::{self, OWN, Tree, is_own},
};

/// How many entries are looked at per trip to a blocking thread.
const AT_ONCE: usize = 256;

type Listed = Result<ObjectMeta, StoreError>;

pub(super) fn list(tree: Arc<Tree>, prefix: Option<&Key>) -> BoxStream<'static, Listed> {
    let walk = Walk {
        tree,
        start: prefix.cloned(),
        begun: false,
        levels: Vec::new(),
    };
    let found = VecDeque::new();
    stream::try_unfold((walk, found), |(mut walk, mut found)| async move {
        while found.is_empty() && !walk.ended() {
            (walk, found) = step(walk).await?;
        }
        found
            .pop_front()
            .transpose()
            .map(|next| next.map(|meta| (meta, (walk, found))))
    })
    .boxed()
}

async fn step(mut walk: Walk) -> Result<(Walk, VecDeque<Listed>), StoreError> {
    let tree = Arc::clone(&walk.tree);
    let key = walk.start.clone();
    let stepped = blocking(move || {
        let found = walk.advance();
        Ok((walk, found))
    });
    stepped
        .await
        .map_err(|error: FsError| error.at(&*tree, &key.unwrap_or_else(beside_all)))
}

/// A key in the root, for messages about the root, which has no key.
fn beside_all() -> Key {
    OWN.parse().expect("the store's own directory is a key")
}

/// A walk in progress. It holds one open directory per level, and no list of
/// what it has seen or is to see.
struct Walk {
    tree: Arc<Tree>,
    start: Option<Key>,
    begun: bool,
    levels: Vec<Level>,
}

struct Level {
    /// `None` for the root.
    key: Option<Key>,
    dir: Dir,
    entries: ReadDir,
}

impl Walk {
    fn ended(&self) -> bool {
        self.begun && self.levels.is_empty()
    }

    /// Looks at the next entries.
    fn advance(&mut self) -> VecDeque<Listed> {
        let mut found = VecDeque::new();
        if !self.begun {
            self.begun = true;
            let start = self.start.clone();
            let path = start.as_ref().map_or("", Key::as_str);
            let opened = self.tree.directory(path);
            found.extend(self.descend(start, opened));
        }
        for _ in 0..AT_ONCE {
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            match level.entries.next() {
                Some(Ok(entry)) => found.extend(self.visit(&entry)),
                Some(Err(source)) => {
                    found.push_back(Err(unlistable(source).at(&*self.tree, &self.here())));
                    // Reading on might fail for ever.
                    self.levels.pop();
                }
                None => drop(self.levels.pop()),
            }
        }
        found
    }

    fn here(&self) -> Key {
        let level = self.levels.last();
        level
            .and_then(|level| level.key.clone())
            .unwrap_or_else(beside_all)
    }

    fn visit(&mut self, entry: &DirEntry) -> Option<Listed> {
        let level = self.levels.last()?;
        let name = entry.file_name();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(source) => return Some(Err(unlistable(source).at(&*self.tree, &self.here()))),
        };
        let path = match (&level.key, name.to_str()) {
            (None, Some("lost+found")) => return None,
            (None, Some(name)) => name.to_owned(),
            (Some(above), Some(name)) => format!("{above}/{name}"),
            (_, None) => return skip(&self.tree, name.as_encoded_bytes(), "it is no key"),
        };
        if is_own(&path) {
            return None;
        }
        let Ok(key) = path.parse::<Key>() else {
            return skip(&self.tree, path.as_bytes(), "it is no key");
        };
        if kind.is_dir() {
            let opened = tree::enter(&level.dir, key.file_name());
            self.descend(Some(key), opened)
        } else if kind.is_file() {
            self.describe(&level.dir, &key)
        } else {
            skip(&self.tree, path.as_bytes(), "it is no regular file")
        }
    }

    fn describe(&self, dir: &Dir, key: &Key) -> Option<Listed> {
        match tree::look_for_object(dir, key.file_name()) {
            Ok(meta) => meta.map(|meta| Ok(tree::describe(key, &meta))),
            // It was something else a moment ago.
            Err(FsError::Refused(_)) => None,
            Err(error) => Some(Err(error.at(&*self.tree, key))),
        }
    }

    /// Goes on in a directory, if it is one and is there.
    fn descend(&mut self, key: Option<Key>, opened: Result<Dir, FsError>) -> Option<Listed> {
        let named = || key.clone().unwrap_or_else(beside_all);
        let dir = match opened {
            Ok(dir) => dir,
            Err(FsError::NotFound | FsError::BelowFile) => return None,
            Err(FsError::Refused(why)) => {
                return skip(&self.tree, named().as_str().as_bytes(), why);
            }
            Err(error) => return Some(Err(error.at(&*self.tree, &named()))),
        };
        match dir.entries() {
            Ok(entries) => {
                self.levels.push(Level { key, dir, entries });
                None
            }
            Err(source) => Some(Err(unlistable(source).at(&*self.tree, &named()))),
        }
    }
}

fn unlistable(source: std::io::Error) -> FsError {
    FsError::io("list the directory of")(source)
}

fn skip(tree: &Tree, path: &[u8], why: &str) -> Option<Listed> {
    tracing::warn!(store = %tree, path = %Escaped::new(path), why, "not listed");
    None
}
