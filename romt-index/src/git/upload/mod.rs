//! Giving the history of what is shown to git, cargo and whoever speaks their
//! protocol, versions 0, 1 and 2.
//!
//! | part | what it does |
//! |---|---|
//! | `pktline` | the packets of all messages |
//! | `advertise` | says what there is: one branch |
//! | `tips` | remembers what was said, so that it can be had for a while |
//! | `request` | reads what is asked for |
//! | `negotiate` | finds out what the client has already |
//! | `jobs` | has each pack made once, by few threads, while somebody waits for it |
//! | `ready` | a pack that was made, to be sent any number of times |
//! | `send` | sends it |
//!
//! What is shown is all that can be asked for. Nothing is written but, where a pack
//! is too large for memory, a file for temporary ones.
//!
//! # Whole histories
//!
//! Cargo without a `git` beside it asks for all of it each time, so that is cheap:
//! the largest pack of the repository is sent as it lies there, and after it what it
//! lacks. What that is takes a walk through the history, once; from then on, only
//! through what was published since.

mod advertise;
mod error;
mod jobs;
mod negotiate;
mod pktline;
mod ready;
mod request;
mod send;
mod tips;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gix::{ObjectId, Repository};
use romt_core::ports::{ByteStream, IndexError};

pub use self::error::UploadError;

use self::{
    jobs::{Jobs, Key},
    negotiate::{Reply, Wish},
    ready::Ready,
    request::{Fetch, Request},
    tips::Tips,
};
use super::{
    GitIndex, Inner,
    open::Opened,
    pack::{Fault, Plan, Purpose, Scene, Stop},
    refs::SHOWN,
};

/// How many of a commit's ancestors are looked at to tell that another commit is one.
const NEAR: usize = 1024;
/// How many commits that a client has are made something of.
const MAX_HAS: usize = 16;

/// How often making a pack is tried.
const TRIES: usize = 3;

/// A version of git's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GitProtocol {
    /// What is spoken by who asks for nothing else.
    #[default]
    V0,
    /// The same, with its number.
    V1,
    /// Commands.
    V2,
}

impl GitProtocol {
    /// The version that the value of a `Git-Protocol` header asks for.
    ///
    /// ```
    /// use romt_index::GitProtocol;
    /// assert_eq!(GitProtocol::asked_for("version=2"), GitProtocol::V2);
    /// assert_eq!(GitProtocol::asked_for("other:version=1"), GitProtocol::V1);
    /// assert_eq!(GitProtocol::asked_for("version=7"), GitProtocol::V0);
    /// ```
    pub fn asked_for(header: &str) -> Self {
        let versions = header
            .split(':')
            .filter_map(|key| key.strip_prefix("version="));
        let known = versions.filter_map(|version| match version {
            "2" => Some(Self::V2),
            "1" => Some(Self::V1),
            _ => None,
        });
        known.max().unwrap_or_default()
    }
}

/// What is kept between the requests of clients.
#[derive(Default)]
pub(super) struct Uploads {
    tips: Tips,
    jobs: Jobs,
    whole: Mutex<Option<Whole>>,
}

/// A state, and what the pack of its whole history holds.
#[derive(Clone)]
struct Whole {
    tip: ObjectId,
    plan: Arc<Plan>,
}

impl GitIndex {
    /// What a git client is told first: that there is one branch, the one that is
    /// shown.
    pub async fn advertisement(&self, protocol: GitProtocol) -> Result<Bytes, IndexError> {
        let tip = self.tell().await?;
        Ok(advertise::advertisement(protocol, tip))
    }

    /// Answers a request of a git client for refs or for a part of the history, in
    /// the version of the protocol that it speaks.
    ///
    /// The pack comes as it is read. While it is made, the stream gives a sign every
    /// few seconds, if the client takes any; whoever drops the stream ends that.
    pub async fn upload_pack(
        &self,
        protocol: GitProtocol,
        request: &[u8],
    ) -> Result<ByteStream, UploadError> {
        match Request::parse(protocol, request)? {
            Request::Nothing => Ok(send::only(Vec::new())),
            Request::Refs(request) => {
                let tip = self.tell().await?;
                Ok(send::only(advertise::refs(&request, tip)))
            }
            Request::Fetch(fetch) => {
                let reply = self.negotiate(fetch).await?;
                Ok(self.answer(reply))
            }
        }
    }

    /// The state that is shown, which a client is told of.
    async fn tell(&self) -> Result<Option<ObjectId>, IndexError> {
        self.blocking(|inner| {
            let tip = inner.shown.tip(|| inner.open())?;
            if let Some(tip) = tip {
                inner.uploads.tips.told(tip);
            }
            Ok(tip)
        })
        .await
    }

    async fn negotiate(&self, fetch: Fetch) -> Result<Reply, IndexError> {
        if let Some(what) = fetch.unsupported {
            return Ok(negotiate::refusal(&format!(
                "{what} are not to be had here"
            )));
        }
        self.blocking(|inner| {
            let opened = inner.open()?;
            let shown = opened.tip(SHOWN)?;
            let may_be_had = |id| shown == Some(id) || inner.uploads.tips.has(&id);
            if let Some(id) = fetch.wants.iter().find(|id| !may_be_had(**id)) {
                return Ok(negotiate::refusal(&format!("not our ref {id}")));
            }
            let is_here = |id: &&ObjectId| is_commit(&opened.repo, **id);
            let common = fetch.haves.iter().filter(is_here).copied().collect();
            Ok(negotiate::reply(fetch, common))
        })
        .await
    }

    fn answer(&self, reply: Reply) -> ByteStream {
        let Some(Wish {
            wants,
            common,
            thin,
            band,
        }) = reply.pack
        else {
            return send::only(reply.head);
        };
        let key = Key {
            // A whole history builds on nothing.
            thin: thin && !common.is_empty(),
            wants,
            has: common,
        };
        let inner = self.inner.clone();
        let jobs = &self.inner.uploads.jobs;
        let ticket = jobs.ask(key, move |key, stop| inner.make(key, stop));
        send::pack(reply.head, band, ticket)
    }
}

impl Inner {
    /// Makes a pack. The repository is opened anew, since a handle knows the packs
    /// there were; and if somebody packs it again meanwhile, once more, from nothing.
    fn make(&self, key: &Key, stop: Stop<'_>) -> Result<Ready, IndexError> {
        let mut made = self.try_make(key, stop)?;
        for _ in 1..TRIES {
            let Err(fault) = &made else { break };
            if stop() {
                break;
            }
            tracing::debug!(index = %self.name, ?fault, "a pack is made once more");
            let whole = self.uploads.whole.lock();
            *whole.unwrap_or_else(PoisonError::into_inner) = None;
            made = self.try_make(key, stop)?;
        }
        made.map_err(|fault| {
            let scene = Scene {
                index: &self.name,
                what: "the pack for a git client",
            };
            scene.broken("make a pack", fault)
        })
    }

    fn try_make(&self, key: &Key, stop: Stop<'_>) -> Result<Result<Ready, Fault>, IndexError> {
        let opened = self.open()?;
        Ok(match key.has.as_slice() {
            [] => self.make_whole(&opened, &key.wants, stop),
            has => make_difference(&opened.repo, has, key, stop),
        })
    }

    fn make_whole(
        &self,
        opened: &Opened,
        wants: &[ObjectId],
        stop: Stop<'_>,
    ) -> Result<Ready, Fault> {
        let repo = &opened.repo;
        let plan = match wants {
            [tip] => self.whole(repo, *tip, stop)?,
            wants => Arc::new(Plan::until(repo, &[], wants, stop)?),
        };
        Ready::make(&plan, repo, Purpose::Keeping, stop)
    }

    /// What the pack of the whole history of `tip` holds.
    fn whole(&self, repo: &Repository, tip: ObjectId, stop: Stop<'_>) -> Result<Arc<Plan>, Fault> {
        let lock = || {
            let whole = &self.uploads.whole;
            whole.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().clone();
        let plan = match known.filter(|it| it.plan.is_current()) {
            Some(known) if known.tip == tip => return Ok(known.plan),
            Some(known) => known.plan.extended(repo, known.tip, tip, stop)?,
            None => Plan::until(repo, &[], &[tip], stop)?,
        };
        let plan = Arc::new(plan);
        *lock() = Some(Whole {
            tip,
            plan: plan.clone(),
        });
        Ok(plan)
    }
}

fn make_difference(
    repo: &Repository,
    has: &[ObjectId],
    key: &Key,
    stop: Stop<'_>,
) -> Result<Ready, Fault> {
    let has = newest_of(repo, has)?;
    let plan = Plan::until(repo, &has, &key.wants, stop)?;
    let purpose = if key.thin {
        Purpose::Carrying
    } else {
        Purpose::HandingOver
    };
    Ready::make(&plan, repo, purpose, stop)
}

/// A few of `has`, without those that others of them build on, as far as that is
/// seen soon. Clients name one commit and then what is behind it.
fn newest_of(repo: &Repository, has: &[ObjectId]) -> Result<Vec<ObjectId>, Fault> {
    let mut left = has.to_vec();
    let mut newest = Vec::new();
    while let Some(id) = left.first().copied()
        && newest.len() < MAX_HAS
    {
        newest.push(id);
        left.remove(0);
        if left.is_empty() {
            break;
        }
        for commit in repo.rev_walk([id]).all()?.take(NEAR) {
            let behind = commit?.id;
            left.retain(|it| *it != behind);
        }
    }
    Ok(newest)
}

fn is_commit(repo: &Repository, id: ObjectId) -> bool {
    let header = repo.try_find_header(id);
    header.is_ok_and(|it| it.is_some_and(|it| it.kind() == gix::objs::Kind::Commit))
}
