//! Making the working state of what upstream has.

use std::fs;

use gix::ObjectId;
use romt_core::{
    crates::MAX_CONFIG_SIZE,
    ports::{IndexError, Pulled},
};

use super::{
    commit::CONFIG,
    objects::Writer,
    open::Opened,
    refs::{Head, Move, ORIGIN_MASTER, SHOWN, UPSTREAM, UPSTREAM_BUNDLE, WORKING},
    revision::position,
    seam::{self, HttpTransport, Incoming},
    worktree::Edits,
};

/// The branch of a bundle, as [`Incoming`] spells it.
const BUNDLE_BRANCH: &str = "bundle/master";

impl Opened {
    /// Fetches and merges.
    pub(super) fn pull(&self) -> Result<Pulled, IndexError> {
        let remote = self.remote()?;
        // On a thread for blocking work, that is the runtime of whoever asked.
        let runtime = || tokio::runtime::Handle::try_current().ok();
        let http = self.options.client.clone().and_then(|client| {
            let timeout = self.options.idle_timeout;
            Some(HttpTransport::new(client, runtime()?, timeout))
        });
        let incoming = seam::fetch(&self.repo, &self.index, &remote, http.as_ref())?;
        // What came has packs that this handle need not know.
        let fresh = Self::at(&self.directory, &self.index, &self.options)?;
        fresh.take_in(&incoming)
    }

    /// Makes what came upstream's state, and the working state of it.
    pub(super) fn take_in(&self, incoming: &Incoming) -> Result<Pulled, IndexError> {
        let upstream = incoming.tip;
        let before = self.tip(UPSTREAM)?;
        let history_replaced = match before {
            Some(before) => !self.contains(upstream, before)?,
            None => false,
        };
        let mut moves = vec![Move {
            name: UPSTREAM,
            to: upstream,
        }];
        if incoming.branch.ends_with(BUNDLE_BRANCH) {
            moves.push(Move {
                name: UPSTREAM_BUNDLE,
                to: upstream,
            });
        }
        moves.push(Move {
            name: ORIGIN_MASTER,
            to: upstream,
        });
        self.move_refs(&moves, "fetch origin")?;

        let working = self.working()?;
        let merged = self.merge(working, upstream)?;
        if working != Some(merged) {
            self.move_working(merged, "pull: Merge origin/master")?;
        }
        // Also makes up for a run that died after it had moved the branch.
        self.follow_with_work_tree(merged, Edits::Keep)?;
        Ok(Pulled::new(
            position(upstream),
            position(merged),
            history_replaced,
        ))
    }

    /// The working state. Of a repository that has none, from before the Python
    /// tool knew of it, it is what `HEAD` is.
    pub(super) fn working(&self) -> Result<Option<ObjectId>, IndexError> {
        if let Some(working) = self.tip(WORKING)? {
            return Ok(Some(working));
        }
        let head = match self.head()? {
            Head::Branch(name) => self.tip(&name)?,
            Head::Detached(id) => Some(id),
        };
        if let Some(to) = head {
            let name = WORKING;
            self.move_refs(&[Move { name, to }], "branch: Created from HEAD")?;
            self.settle_head()?;
        }
        Ok(head)
    }

    /// Moves the working state, after seeing to it that clients do not follow.
    pub(super) fn move_working(&self, to: ObjectId, why: &str) -> Result<(), IndexError> {
        if self.tip(SHOWN)? != Some(to) {
            self.point_head(SHOWN)?;
        }
        self.move_refs(&[Move { name: WORKING, to }], why)
    }

    /// What `working` becomes of `upstream`: what `git merge` makes of it in the
    /// Python tool, except that our `config.json` never is a conflict.
    fn merge(&self, working: Option<ObjectId>, upstream: ObjectId) -> Result<ObjectId, IndexError> {
        let config = self.our_config(working)?;
        let Some(working) = working else {
            return self.adjusted(upstream, config);
        };
        match self.common(working, upstream)? {
            Some(base) if base == upstream => Ok(working),
            Some(base) if base != working => self.joined(working, upstream, config),
            // Nothing of ours, or upstream began its history anew.
            _ => self.adjusted(upstream, config),
        }
    }

    /// A merge that takes upstream's files and our `config.json`.
    fn joined(
        &self,
        working: ObjectId,
        upstream: ObjectId,
        config: Option<Vec<u8>>,
    ) -> Result<ObjectId, IndexError> {
        let mut tree = self.tree_of(upstream)?;
        let mut writer = Writer::new(self);
        if let Some(config) = config {
            tree = writer.with_config(self, Some(tree), &config)?;
        }
        let time = self.time_of(upstream)?;
        let parents = [working, upstream];
        let commit = writer.commit(self, tree, parents, "Merge origin/master", time)?;
        writer.finish()?;
        Ok(commit)
    }

    /// Upstream's state, and on top of it our `config.json` if it differs.
    fn adjusted(
        &self,
        upstream: ObjectId,
        config: Option<Vec<u8>>,
    ) -> Result<ObjectId, IndexError> {
        let tree = self.tree_of(upstream)?;
        let Some(config) = config else {
            return Ok(upstream);
        };
        let mut writer = Writer::new(self);
        let ours = writer.with_config(self, Some(tree), &config)?;
        if ours == tree {
            return Ok(upstream);
        }
        let time = self.time_of(upstream)?;
        let message = "Apply config.json adjustments";
        let commit = writer.commit(self, ours, [upstream], message, time)?;
        writer.finish()?;
        Ok(commit)
    }

    /// Our `config.json`: the one in the work tree, if there is one, where it may
    /// have been edited; else that of the working state.
    fn our_config(&self, working: Option<ObjectId>) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(edited) = self.config_in_work_tree()? {
            return Ok(Some(edited));
        }
        match working {
            Some(working) => self.config_in(self.tree_of(working)?),
            None => Ok(None),
        }
    }

    fn config_in_work_tree(&self) -> Result<Option<Vec<u8>>, IndexError> {
        let path = self.directory.join(CONFIG);
        let is_ours = self.has_work_tree
            && path
                .symlink_metadata()
                .is_ok_and(|found| found.is_file() && found.len() > 0);
        if !is_ours {
            return Ok(None);
        }
        let bytes = fs::read(&path);
        let bytes = bytes.map_err(|error| self.fail().at("read config.json", &path, error))?;
        if bytes.len() as u64 > MAX_CONFIG_SIZE {
            let reason = format!("it is larger than the limit of {MAX_CONFIG_SIZE} bytes");
            return Err(self.fail().refused(CONFIG, reason));
        }
        Ok(Some(bytes))
    }

    /// Makes `config` that of the working state; says whether it was another.
    pub(super) fn set_config(&self, config: &[u8]) -> Result<bool, IndexError> {
        if config.len() as u64 > MAX_CONFIG_SIZE {
            let reason = format!("it is larger than the limit of {MAX_CONFIG_SIZE} bytes");
            return Err(self.fail().refused(CONFIG, reason));
        }
        let working = self.working()?;
        let tree = working.map(|working| self.tree_of(working)).transpose()?;
        let before = tree.map(|tree| self.config_in(tree)).transpose()?;
        if before.flatten().as_deref() == Some(config) {
            if let Some(working) = working {
                self.follow_with_work_tree(working, Edits::Drop)?;
            }
            return Ok(false);
        }
        let mut writer = Writer::new(self);
        let tree = writer.with_config(self, tree, config)?;
        let now = gix::date::Time::now_utc();
        let commit = writer.commit(self, tree, working, "Update config.json", now)?;
        writer.finish()?;
        self.move_working(commit, "commit: Update config.json")?;
        self.follow_with_work_tree(commit, Edits::Drop)?;
        Ok(true)
    }
}
