//! Fetching from a git server.

use std::{
    io::{self, BufRead, Write as _},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use gix::{
    ObjectId, Repository,
    bstr::ByteSlice as _,
    progress::Discard,
    protocol::{
        self, Handshake,
        fetch::{Arguments, Negotiate, Response, Shallow, Tags, negotiate},
        handshake::Ref,
        ls_refs::RefPrefixes,
    },
};
use gix_transport::{Protocol, Service, client::blocking_io::http::Transport};
use romt_core::{ErrorClass, Escaped, ports::IndexError};

use super::{
    super::pack::{Limits, Scene, Scratch, known_tips, take_in},
    BRANCH, HttpTransport, Incoming,
    http::{Account, Session},
    local::room,
};

/// How far back in our history something to share is looked for.
const MAX_BACK: usize = 4096;

type GitTransport = Transport<Session>;

/// Takes what the server at `url` has.
pub(super) fn fetch(
    repo: &Repository,
    index: &str,
    url: &str,
    http: Option<&HttpTransport>,
    limits: &Limits,
) -> Result<Incoming, IndexError> {
    let what = format!("the server {}", Escaped::address(url));
    let scene = Scene { index, what: &what };
    let http = http.ok_or_else(|| scene.refused("no server may be asked"))?;
    let account = Arc::new(Account::default());
    let address =
        gix::url::parse(url.as_bytes().as_bstr()).map_err(|e| scene.refused(e.to_string()))?;
    let session = http.session(&account);
    let transport = Transport::new_http(session, address, Protocol::V2, false);
    let mut conversation = Conversation {
        scene,
        repo,
        account,
        transport,
    };
    let (mut handshake, tip) = conversation.greet()?;
    let mut scratch = room(repo).map_err(|e| scene.storage("write a pack", e))?;
    if conversation.is_known(tip)? {
        empty_pack(&mut scratch).map_err(|e| scene.storage("write a pack", e))?;
    } else {
        conversation.receive(&mut handshake, tip, &mut scratch, limits)?;
    }
    take_in(scene, repo, scratch.file(), 0, tip, limits)?;
    Ok(Incoming {
        tip,
        branch: BRANCH.to_owned(),
    })
}

/// What a server that has nothing new would send.
fn empty_pack(scratch: &mut Scratch) -> io::Result<()> {
    let mut pack = b"PACK\0\0\0\x02\0\0\0\0".to_vec();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    let id = hasher.try_finalize().map_err(io::Error::other)?;
    pack.extend_from_slice(id.as_slice());
    scratch.file().write_all(&pack)
}

struct Conversation<'a> {
    scene: Scene<'a>,
    repo: &'a Repository,
    account: Arc<Account>,
    transport: GitTransport,
}

impl Conversation<'_> {
    /// Whether a reference names this very commit, so that nothing is to be asked.
    fn is_known(&self, tip: ObjectId) -> Result<bool, IndexError> {
        let known = known_tips(self.repo);
        let known = known.map_err(|e| self.scene.broken("read the references", e))?;
        Ok(known.contains(&tip))
    }

    /// Learns where upstream's branch is.
    fn greet(&mut self) -> Result<(Handshake, ObjectId), IndexError> {
        let mut handshake = protocol::handshake(
            &mut self.transport,
            Service::UploadPack,
            |_| Ok(None),
            Vec::new(),
            &mut Discard,
        )
        .map_err(|e| self.failed(e))?;
        let refs = match handshake.refs.take() {
            Some(refs) => refs,
            None => self.list(&handshake)?,
        };
        let tip = refs.iter().find_map(|it| match it {
            Ref::Direct {
                full_ref_name,
                object,
            } if full_ref_name == BRANCH => Some(*object),
            _ => None,
        });
        let tip = tip.ok_or_else(|| self.scene.refused(format!("it has no {BRANCH}")))?;
        Ok((handshake, tip))
    }

    fn list(&mut self, handshake: &Handshake) -> Result<Vec<Ref>, IndexError> {
        let mut prefixes = RefPrefixes::new();
        prefixes.extend([BRANCH.into()]);
        let command =
            protocol::LsRefsCommand::new(Some(prefixes), &handshake.capabilities, agent());
        let refs = command.invoke_blocking(&mut self.transport, &mut Discard, false);
        refs.map_err(|e| self.failed(e))
    }

    /// Writes the pack that brings `tip` to `scratch`.
    fn receive(
        &mut self,
        handshake: &mut Handshake,
        tip: ObjectId,
        scratch: &mut Scratch,
        limits: &Limits,
    ) -> Result<(), IndexError> {
        let have = haves(self.repo);
        let have = have.map_err(|e| self.scene.broken("read the history", e))?;
        let mut trouble = Ok(());
        let account = self.account.clone();
        let fetched = protocol::fetch(
            &mut Wish { want: tip, have },
            |pack, _, _| {
                trouble = copy(pack, scratch, &account, limits);
                Ok(trouble.is_ok())
            },
            Discard,
            &AtomicBool::new(false),
            protocol::fetch::Context {
                handshake,
                transport: &mut self.transport,
                user_agent: agent(),
                trace_packetlines: false,
            },
            protocol::fetch::Options {
                shallow_file: PathBuf::from(self.repo.git_dir()).join("shallow"),
                shallow: &Shallow::NoChange,
                tags: Tags::None,
                reject_shallow_remote: true,
            },
        );
        match trouble {
            Err(Trouble::Write(error)) => return Err(self.scene.storage("write a pack", error)),
            Err(Trouble::TooLong) => return Err(self.scene.refused("its pack has no end")),
            Err(Trouble::Read(error)) => return Err(self.failed(error)),
            Ok(()) => {}
        }
        match fetched.map_err(|e| self.failed(e))? {
            Some(_) => Ok(()),
            None => Err(self.scene.refused("it sent no pack")),
        }
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> IndexError {
        if self.account.is_exceeded() {
            return self.scene.refused("it sends too much beside the pack");
        }
        self.scene.failed("fetch", ErrorClass::Upstream, error)
    }
}

fn agent() -> protocol::command::Feature {
    let agent = concat!("romt/", env!("CARGO_PKG_VERSION"));
    ("agent", Some(agent.to_owned()))
}

/// Commits of ours that a server may know: what the references name, and what lies
/// ever further behind upstream's last state.
fn haves(repo: &Repository) -> Result<Vec<ObjectId>, super::super::pack::Fault> {
    let mut have = known_tips(repo)?;
    let upstream = repo.try_find_reference("refs/remotes/origin/master")?;
    let Some(mut upstream) = upstream else {
        return Ok(have);
    };
    let tip = upstream.peel_to_id()?.detach();
    let back = repo.rev_walk([tip]).first_parent_only().all()?;
    for (steps, commit) in back.take(MAX_BACK).enumerate() {
        let id = commit?.id;
        if steps.is_power_of_two() && !have.contains(&id) {
            have.push(id);
        }
    }
    Ok(have)
}

enum Trouble {
    Read(io::Error),
    Write(io::Error),
    TooLong,
}

fn copy(
    pack: &mut dyn BufRead,
    scratch: &mut Scratch,
    account: &Account,
    limits: &Limits,
) -> Result<(), Trouble> {
    let mut total = 0;
    loop {
        let bytes = pack.fill_buf().map_err(Trouble::Read)?;
        let length = bytes.len();
        if length == 0 {
            return Ok(());
        }
        total += length as u64;
        // What is deflated is hardly longer than what it inflates to.
        if total > limits.total {
            return Err(Trouble::TooLong);
        }
        scratch.file().write_all(bytes).map_err(Trouble::Write)?;
        account.add_useful(length as u64);
        pack.consume(length);
    }
}

/// Asks for one commit, says once what we have, and takes what comes: a server that
/// knows none of it sends its whole history, which is what we then lack.
struct Wish {
    want: ObjectId,
    have: Vec<ObjectId>,
}

impl Negotiate for Wish {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        Ok(negotiate::Action::MustNegotiate {
            remote_ref_target_known: Vec::new(),
        })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(self.want);
        true
    }

    fn one_round(
        &mut self,
        _state: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        for id in &self.have {
            arguments.have(id);
        }
        let round = negotiate::Round {
            haves_sent: self.have.len(),
            in_vain: 0,
            haves_to_send: self.have.len(),
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}
