//! The ports, on a thread where blocking is allowed.

use async_trait::async_trait;
use bytes::Bytes;
use romt_core::{
    CrateName, IndexBackend,
    crates::{IndexConfig, Rows, VersionFilter},
    ports::{
        BundleBranch, BundleFacts, ByteStream, Difference, Exported, HistoryIndex, IndexError,
        Loaded, Position, Publication, Pulled, RefusedEntry, Tag,
    },
};

use super::{
    GitIndex,
    open::Opened,
    refs::{PACKED, SHOWN, UPSTREAM},
    revision::position,
    seam,
};

#[async_trait]
impl IndexBackend for GitIndex {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        self.work(Opened::shown_config).await
    }

    /// A file's tag is its name as a git blob.
    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        if let Some(loaded) = self.inner.shown.at_hand(name, known) {
            return Ok(loaded);
        }
        let (name, known) = (name.clone(), known.cloned());
        self.blocking(move |inner| inner.shown.load(|| inner.open(), &name, known.as_ref()))
            .await
    }

    async fn settle(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn distrust(&self, _: &CrateName) -> Result<(), IndexError> {
        Ok(())
    }
}

#[async_trait]
impl HistoryIndex for GitIndex {
    async fn recover(&self) -> Result<(), IndexError> {
        self.work(Opened::recover).await
    }

    async fn pull(&self) -> Result<Pulled, IndexError> {
        self.work(Opened::pull).await
    }

    async fn resolve(&self, revision: &str) -> Result<Option<Position>, IndexError> {
        let revision = revision.to_owned();
        self.work(move |opened| Ok(opened.resolve(&revision).map(position)))
            .await
    }

    async fn shown(&self) -> Result<Option<Position>, IndexError> {
        self.work(|opened| Ok(opened.tip(SHOWN)?.map(position)))
            .await
    }

    async fn upstream(&self) -> Result<Option<Position>, IndexError> {
        self.work(|opened| Ok(opened.tip(UPSTREAM)?.map(position)))
            .await
    }

    async fn contains(&self, of: &Position, ancestor: &Position) -> Result<bool, IndexError> {
        let (of, ancestor) = (of.clone(), ancestor.clone());
        self.work(move |opened| {
            opened.contains(opened.commit_at(&of)?.id, opened.commit_at(&ancestor)?.id)
        })
        .await
    }

    async fn exported(&self) -> Result<Exported, IndexError> {
        self.work(Opened::exported).await
    }

    async fn set_exported(&self) -> Result<(), IndexError> {
        self.work(Opened::set_exported).await
    }

    async fn packed(&self) -> Result<Option<Position>, IndexError> {
        self.work(|opened| Ok(opened.tip(PACKED)?.map(position)))
            .await
    }

    async fn set_packed(&self, end: &Position, lacking: &Rows) -> Result<(), IndexError> {
        let (end, lacking) = (end.clone(), lacking.clone());
        self.work(move |opened| opened.set_packed(&end, &lacking))
            .await
    }

    async fn difference(
        &self,
        start: Option<&Position>,
        end: &Position,
        filter: &VersionFilter,
    ) -> Result<Difference, IndexError> {
        let (start, end, filter) = (start.cloned(), end.clone(), filter.clone());
        self.work(move |opened| {
            let start = start.map(|start| opened.tree_at(&start)).transpose()?;
            let end = opened.tree_at(&end)?;
            seam::difference(&opened.repo, &opened.index, start, end, &filter)
        })
        .await
    }

    async fn count(&self, at: &Position) -> Result<u64, IndexError> {
        let at = at.clone();
        self.work(move |opened| seam::count(&opened.repo, &opened.index, opened.tree_at(&at)?))
            .await
    }

    async fn file_at(&self, at: &Position, name: &CrateName) -> Result<Option<Bytes>, IndexError> {
        let (at, name) = (at.clone(), name.clone());
        self.blocking(move |inner| inner.at.file(|| inner.open(), &inner.name, &at, &name))
            .await
    }

    async fn withdraw(&self, versions: &Rows) -> Result<(), IndexError> {
        let versions = versions.clone();
        let done = self.work(move |opened| opened.withdraw(&versions)).await;
        self.inner.shown.doubt();
        done
    }

    async fn publish(
        &self,
        end: &Position,
        held_back: &Rows,
        refused: &[RefusedEntry],
    ) -> Result<Publication, IndexError> {
        let (end, held_back, refused) = (end.clone(), held_back.clone(), refused.to_vec());
        let done = self
            .work(move |opened| opened.publish(&end, &held_back, &refused))
            .await;
        self.inner.shown.doubt();
        done
    }

    async fn set_config(&self, config: &[u8]) -> Result<bool, IndexError> {
        let config = config.to_vec();
        self.work(move |opened| opened.set_config(&config)).await
    }

    async fn write_bundle(
        &self,
        start: Option<&Position>,
        end: &Position,
        branch: BundleBranch,
    ) -> Result<BundleFacts, IndexError> {
        let path = self.pack_path();
        self.write_bundle_to(start, end, branch, &path).await
    }

    async fn read_bundle(&self) -> Result<(u64, ByteStream), IndexError> {
        self.open_bundle().await
    }

    async fn stage_bundle(&self, body: ByteStream) -> Result<Position, IndexError> {
        self.stage(body).await
    }

    async fn keep_bundle(&self) -> Result<(), IndexError> {
        self.keep().await
    }

    async fn discard_bundle(&self) -> Result<(), IndexError> {
        self.discard().await
    }
}
