//! Finding out what a client has of the history.

use gix::ObjectId;

use super::{
    pktline::{DELIMITER, FLUSH, line},
    request::{Acks, Band, Fetch},
};

/// How an answer begins, and the pack that may follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) head: Vec<u8>,
    pub(super) pack: Option<Wish>,
}

/// A pack that a client waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) wants: Vec<ObjectId>,
    /// What it has and what is here too.
    pub(super) common: Vec<ObjectId>,
    pub(super) thin: bool,
    pub(super) band: Band,
}

/// Says why there is nothing else.
pub(super) fn refusal(reason: &str) -> Reply {
    let mut head = Vec::new();
    line(&mut head, format!("ERR upload-pack: {reason}"));
    Reply { head, pack: None }
}

/// What to say to `fetch`, of whose wishes all may be had. The commits of its list
/// that are here are `common`, in its order.
///
/// One commit in common is enough: the history of an index has hardly a branch, and
/// clients name their newest commits first.
pub(super) fn reply(fetch: Fetch, common: Vec<ObjectId>) -> Reply {
    let mut head = Vec::new();
    let has_pack = match fetch.acks {
        Acks::Together => sections(&mut head, &fetch, &common),
        _ => lines(&mut head, &fetch, &common),
    };
    let pack = has_pack.then_some(Wish {
        wants: fetch.wants,
        common,
        thin: fetch.thin,
        band: fetch.band,
    });
    Reply { head, pack }
}

/// The lines of versions 0 and 1, in the order in which git says them. Whether the
/// pack follows.
fn lines(head: &mut Vec<u8>, fetch: &Fetch, common: &[ObjectId]) -> bool {
    let mut known = common.iter().peekable();
    let mut last = None;
    let mut is_ready = false;
    let mut all_known = true;
    for have in &fetch.haves {
        let is_common = known.next_if(|it| *it == have).is_some();
        all_known &= is_common;
        match (fetch.acks, is_common) {
            (Acks::Detailed, true) => line(head, format!("ACK {have} common")),
            (Acks::Each, true) => line(head, format!("ACK {have} continue")),
            (_, true) if last.is_none() => line(head, format!("ACK {have}")),
            // It need not look for more.
            (Acks::Detailed, false) if last.is_some() => {
                is_ready = true;
                line(head, format!("ACK {have} ready"));
            }
            (Acks::Each, false) if last.is_some() => line(head, format!("ACK {have} continue")),
            _ => {}
        }
        if is_common {
            last = Some(have);
        }
    }
    if fetch.done {
        match last {
            Some(last) if fetch.acks != Acks::First => line(head, format!("ACK {last}")),
            Some(_) => {}
            None => line(head, "NAK"),
        }
        return true;
    }
    if let Some(last) = last
        && fetch.acks == Acks::Detailed
        && all_known
    {
        is_ready = true;
        line(head, format!("ACK {last} ready"));
    }
    if last.is_none() || fetch.acks != Acks::First {
        line(head, "NAK");
    }
    match last {
        Some(last) if fetch.no_done && is_ready => {
            line(head, format!("ACK {last}"));
            true
        }
        _ => false,
    }
}

/// The sections of version 2. Whether the pack follows.
fn sections(head: &mut Vec<u8>, fetch: &Fetch, common: &[ObjectId]) -> bool {
    if !fetch.done && !fetch.haves.is_empty() {
        line(head, "acknowledgments");
        if common.is_empty() {
            line(head, "NAK");
            head.extend_from_slice(FLUSH);
            return false;
        }
        for id in common {
            line(head, format!("ACK {id}"));
        }
        line(head, "ready");
        head.extend_from_slice(DELIMITER);
    }
    line(head, "packfile");
    true
}
