//! What a client asks for.

use gix::ObjectId;

use super::{
    GitProtocol,
    error::{Malformed, UploadError},
    pktline::{Packet, Packets},
};

/// How many states one request may want. There is one to be had, and what it was a
/// moment ago.
const MAX_WANTS: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing is wanted.
    Nothing,
    /// Which refs there are.
    Refs(RefsRequest),
    /// A part of the history.
    Fetch(Fetch),
}

/// What is to be said of refs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RefsRequest {
    pub(super) symrefs: bool,
    pub(super) unborn: bool,
    /// What the names begin with that are asked for; none means all.
    pub(super) prefixes: Vec<String>,
}

impl RefsRequest {
    /// Whether the ref `name` is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|it| name.starts_with(it))
    }
}

/// What is wanted of the history, and what is there already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) wants: Vec<ObjectId>,
    /// The commits that the client says it has, the newest first.
    pub(super) haves: Vec<ObjectId>,
    /// Whether the client has said all it has to say.
    pub(super) done: bool,
    /// Whether deltas may be against what the client has.
    pub(super) thin: bool,
    pub(super) acks: Acks,
    /// Whether the pack may come before the client has said that it is done.
    pub(super) no_done: bool,
    pub(super) band: Band,
    /// What is asked for that is not done here.
    pub(super) unsupported: Option<&'static str>,
}

/// How a client wants to be told which of its commits are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Acks {
    /// The first one.
    #[default]
    First,
    /// Each.
    Each,
    /// Each, and whether it is enough.
    Detailed,
    /// Those of each request together, as version 2 has it.
    Together,
}

/// In packets of which size the pack is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Band {
    /// In none at all.
    #[default]
    Bare,
    /// Of 1000 bytes.
    Small,
    /// Of 65520 bytes.
    Large,
}

impl Request {
    /// Reads a request.
    pub(super) fn parse(protocol: GitProtocol, text: &[u8]) -> Result<Self, UploadError> {
        let packets = Packets(text);
        match protocol {
            GitProtocol::V2 => command(packets),
            GitProtocol::V0 | GitProtocol::V1 => wants(packets),
        }
    }
}

impl Fetch {
    fn new(acks: Acks, band: Band) -> Self {
        Self {
            wants: Vec::new(),
            haves: Vec::new(),
            done: false,
            thin: false,
            acks,
            no_done: false,
            band,
            unsupported: None,
        }
    }

    fn want(&mut self, id: &[u8]) -> Result<(), UploadError> {
        let id = object(id)?;
        if !self.wants.contains(&id) {
            self.wants.push(id);
        }
        if self.wants.len() > MAX_WANTS {
            return Err(Malformed("it wants too much at once").into());
        }
        Ok(())
    }

    /// Takes what is said alike in all versions; whether that was it.
    fn take(&mut self, line: &[u8]) -> Result<bool, UploadError> {
        let (word, rest) = parted(line);
        match word {
            b"want" => self.want(rest)?,
            b"have" => self.haves.push(object(rest)?),
            b"done" if rest.is_empty() => self.done = true,
            b"shallow" | b"deepen" | b"deepen-since" | b"deepen-not" | b"deepen-relative" => {
                self.unsupported = Some("histories that are cut off");
            }
            b"filter" => self.unsupported = Some("histories without a part of their files"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes a capability. One that is not known was not offered.
    fn capability(&mut self, name: &[u8]) {
        match name {
            b"thin-pack" => self.thin = true,
            b"no-done" => self.no_done = true,
            b"multi_ack" => self.acks = self.acks.max(Acks::Each),
            b"multi_ack_detailed" => self.acks = self.acks.max(Acks::Detailed),
            b"side-band" => self.band = self.band.max(Band::Small),
            b"side-band-64k" => self.band = self.band.max(Band::Large),
            _ => {}
        }
    }
}

/// A request of versions 0 and 1: wants, of which the first says what the client can
/// do; then what it has.
fn wants(mut packets: Packets<'_>) -> Result<Request, UploadError> {
    let mut fetch = Fetch::new(Acks::First, Band::Bare);
    let mut is_first = true;
    loop {
        let line = match packets.next()? {
            Some(Packet::Line(line)) => line,
            Some(Packet::Flush) | None if is_first => return Ok(Request::Nothing),
            Some(Packet::Flush) => break,
            _ => return Err(Malformed("the list of what it wants has no end").into()),
        };
        let line = if is_first {
            let (line, capabilities) = with_capabilities(line);
            capabilities.for_each(|name| fetch.capability(name));
            line
        } else {
            line
        };
        is_first = false;
        let is_early = matches!(parted(line).0, b"have" | b"done");
        if is_early || !fetch.take(line)? {
            return Err(Malformed("a line that wants nothing").into());
        }
    }
    if fetch.wants.is_empty() {
        return Err(Malformed("a list that wants nothing").into());
    }
    while let Some(packet) = packets.next()? {
        match packet {
            // Who sends another list waits for an answer to this one.
            Packet::Flush => break,
            Packet::Line(line) if matches!(parted(line).0, b"have" | b"done") => {
                if !fetch.take(line)? {
                    return Err(Malformed("a line that says nothing").into());
                }
                if fetch.done {
                    break;
                }
            }
            _ => return Err(Malformed("a line that says not what it has").into()),
        }
    }
    Ok(Request::Fetch(fetch))
}

/// A request of version 2: a command, what the client can do, and arguments.
fn command(mut packets: Packets<'_>) -> Result<Request, UploadError> {
    let name = match packets.next()? {
        None | Some(Packet::Flush) => return Ok(Request::Nothing),
        Some(Packet::Line(line)) => line.strip_prefix(b"command="),
        Some(Packet::Delimiter) => None,
    };
    let is_fetch = match name {
        Some(b"ls-refs") => false,
        Some(b"fetch") => true,
        _ => return Err(Malformed("a command that is not offered").into()),
    };
    let mut fetch = Fetch::new(Acks::Together, Band::Large);
    let mut refs = RefsRequest::default();
    let mut in_arguments = false;
    loop {
        let line = match packets.next()? {
            Some(Packet::Line(line)) => line,
            Some(Packet::Delimiter) if !in_arguments => {
                in_arguments = true;
                continue;
            }
            Some(Packet::Flush) => break,
            _ => return Err(Malformed("a command without an end").into()),
        };
        if !in_arguments {
            if line.starts_with(b"object-format=") && line != b"object-format=sha1" {
                return Err(Malformed("objects are named by SHA-1 here").into());
            }
        } else if is_fetch {
            argument_of_fetch(&mut fetch, line)?;
        } else {
            argument_of_refs(&mut refs, line)?;
        }
    }
    Ok(match is_fetch {
        true if fetch.wants.is_empty() => Request::Nothing,
        true => Request::Fetch(fetch),
        false => Request::Refs(refs),
    })
}

fn argument_of_fetch(fetch: &mut Fetch, line: &[u8]) -> Result<(), UploadError> {
    if fetch.take(line)? {
        return Ok(());
    }
    match line {
        b"thin-pack" => fetch.thin = true,
        // What is offered is sent so in any case, or never.
        b"no-progress" | b"include-tag" | b"ofs-delta" => {}
        _ => return Err(Malformed("an argument that is not offered").into()),
    }
    Ok(())
}

fn argument_of_refs(refs: &mut RefsRequest, line: &[u8]) -> Result<(), UploadError> {
    /// git sends a few.
    const MAX_PREFIXES: usize = 1000;
    match parted(line) {
        (b"symrefs", _) => refs.symrefs = true,
        (b"unborn", _) => refs.unborn = true,
        // There are no tags, of which alone that says something.
        (b"peel", _) => {}
        (b"ref-prefix", prefix) if refs.prefixes.len() < MAX_PREFIXES => {
            refs.prefixes.push(String::from_utf8_lossy(prefix).into());
        }
        _ => return Err(Malformed("an argument that is not offered").into()),
    }
    Ok(())
}

/// The first word, and the rest of the line.
fn parted(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

/// A want, and the capabilities after it.
fn with_capabilities(line: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let spaces = line.iter().enumerate().filter(|it| *it.1 == b' ');
    let end = spaces.map(|it| it.0).nth(1).unwrap_or(line.len());
    let (line, capabilities) = line.split_at(end);
    (line, capabilities.split(|byte| *byte == b' '))
}

fn object(id: &[u8]) -> Result<ObjectId, UploadError> {
    ObjectId::from_hex(id).map_err(|_| Malformed("a name of no object").into())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
