//! Making commits and the trees in them.

use gix::{
    ObjectId,
    bstr::BString,
    date::Time,
    objs::{Commit, Kind, Tree, tree::EntryKind},
};
use romt_core::{
    crates::{ConfigError, MAX_CONFIG_SIZE},
    ports::IndexError,
};

use super::{objects::Writer, open::Opened};

/// The index's settings, for cargo.
pub(super) const CONFIG: &str = "config.json";

/// A change to a tree: the file at a path becomes this blob, or goes.
pub(super) type TreeEdit = (String, Option<ObjectId>);

impl Opened {
    /// What the file at `path` of a tree is, if it is a file.
    pub(super) fn blob_at(
        &self,
        tree: ObjectId,
        path: &str,
    ) -> Result<Option<ObjectId>, IndexError> {
        let fail = |error| self.fail().storage("read a tree", error);
        let tree = self.repo.find_tree(tree).map_err(fail)?;
        let entry = tree.lookup_entry(path.split('/')).map_err(fail)?;
        Ok(entry
            .filter(|entry| entry.mode().is_blob())
            .map(|entry| entry.object_id()))
    }

    /// The bytes of a blob.
    pub(super) fn bytes_of(&self, blob: ObjectId) -> Result<Vec<u8>, IndexError> {
        let found = self.repo.find_blob(blob);
        let mut blob = found.map_err(|error| self.fail().storage("read a file", error))?;
        Ok(blob.take_data())
    }

    /// The `config.json` in a tree.
    pub(super) fn config_in(&self, tree: ObjectId) -> Result<Option<Vec<u8>>, IndexError> {
        let Some(blob) = self.blob_at(tree, CONFIG)? else {
            return Ok(None);
        };
        let header = self.repo.find_header(blob);
        let header = header.map_err(|error| self.fail().storage("read config.json", error))?;
        if header.size() > MAX_CONFIG_SIZE {
            return Err(IndexError::Config {
                index: self.index.clone(),
                source: ConfigError::TooLarge,
            });
        }
        self.bytes_of(blob).map(Some)
    }

    /// When a commit was made, by its own account.
    pub(super) fn time_of(&self, commit: ObjectId) -> Result<Time, IndexError> {
        let found = self.repo.find_commit(commit).and_then(|c| c.time());
        found.map_err(|error| self.fail().storage("read a commit", error))
    }

    /// Whether the history of `of` contains `ancestor`.
    pub(super) fn contains(&self, of: ObjectId, ancestor: ObjectId) -> Result<bool, IndexError> {
        Ok(of == ancestor || self.common(of, ancestor)? == Some(ancestor))
    }

    /// Where two histories part, if they ever were one.
    pub(super) fn common(
        &self,
        one: ObjectId,
        two: ObjectId,
    ) -> Result<Option<ObjectId>, IndexError> {
        let cache = self.repo.commit_graph_if_enabled();
        let cache = cache.map_err(|error| self.fail().storage("read the history", error))?;
        let mut graph = self.repo.revision_graph(cache.as_ref());
        let bases = self
            .repo
            .merge_bases_many_with_graph(one, &[two], &mut graph);
        let bases = bases.map_err(|error| self.fail().storage("read the history", error))?;
        Ok(bases.first().map(|id| id.detach()))
    }
}

impl Writer<'_> {
    /// The tree `base` (none: an empty one) with `edits`. Directories that are left
    /// empty go.
    pub(super) fn edited(
        &mut self,
        opened: &Opened,
        base: Option<ObjectId>,
        edits: impl IntoIterator<Item = TreeEdit>,
    ) -> Result<ObjectId, IndexError> {
        let fail = |error| opened.fail().storage("edit a tree", error);
        let root: Tree = match base {
            Some(base) => {
                let tree = opened.repo.find_tree(base).map_err(fail)?;
                let decoded = tree.decode().map_err(fail)?;
                decoded.into()
            }
            None => Tree::empty(),
        };
        let mut editor =
            gix::objs::tree::Editor::new(root, &opened.repo.objects, gix::hash::Kind::Sha1);
        for (path, blob) in edits {
            let parts = path.split('/').map(BString::from);
            match blob {
                Some(blob) => editor.upsert(parts, EntryKind::Blob, blob),
                None => editor.remove(parts),
            }
            .map_err(fail)?;
        }
        editor.write(|tree| self.write_tree(tree))
    }

    /// A tree with another `config.json`.
    pub(super) fn with_config(
        &mut self,
        opened: &Opened,
        base: Option<ObjectId>,
        config: &[u8],
    ) -> Result<ObjectId, IndexError> {
        let blob = self.write(Kind::Blob, config.to_vec())?;
        self.edited(opened, base, [(CONFIG.to_owned(), Some(blob))])
    }

    /// A commit of ours. The same arguments make the same commit.
    pub(super) fn commit(
        &mut self,
        opened: &Opened,
        tree: ObjectId,
        parents: impl IntoIterator<Item = ObjectId>,
        message: &str,
        time: Time,
    ) -> Result<ObjectId, IndexError> {
        let signature = opened.signature(time);
        self.write_commit(&Commit {
            tree,
            parents: parents.into_iter().collect(),
            author: signature.clone(),
            committer: signature,
            encoding: None,
            message: format!("{message}\n").into(),
            extra_headers: Vec::new(),
        })
    }
}
