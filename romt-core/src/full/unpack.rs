//! Taking a range out of an archive.

use std::{collections::HashMap, io::Read};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    FullError, Session,
    download::label,
    place::{Job, Placed, place},
};
use crate::{
    CrateName, ErrorClass, Escaped, Event, Sha256Digest, Version,
    crates::{CrateRows, IndexFile, Rows, VersionRow},
    ports::{Position, StreamError},
    sync::Failure,
    transfer::{ArchiveError, ArchiveLimits, ArchiveReader, Entry, Member},
};

/// How many pieces of a member are on their way at once.
const PIECES: usize = 16;

/// The length of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// How many crates are being stored at once.
const IN_FLIGHT: usize = 256;

/// How many bytes of crates are held in memory at once.
const HELD: u64 = 64 * 1024 * 1024;

/// What was unpacked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unpacked {
    /// How many crates were in the archive.
    pub crates: u64,
    /// How many of them were not here yet.
    pub new: u64,
    /// The state of the index that the archive brought.
    pub tip: Position,
    /// Crates that were not right, and were left out since that was allowed.
    pub left_out: Vec<Failure>,
}

/// The data of a member as it comes; its last piece is an error if the archive ends
/// within.
pub(super) type Data = mpsc::Receiver<Result<Bytes, StreamError>>;

/// What comes from the thread that reads.
enum Piece {
    Member(Entry, Data),
    /// All was read, or the reading failed.
    End(Result<(), ArchiveError>),
}

impl Session {
    /// Takes index and crates out of an archive, which messages call `name`.
    ///
    /// Everything is judged as it comes: names by the archive's rules, crates by
    /// the index that the archive brings. Nothing of it is shown, and no crate that
    /// is shown is touched, until the archive was read to its end and is right.
    /// What came before a fault is kept where nobody sees it, and need not be
    /// written again.
    pub async fn unpack(
        &mut self,
        input: Box<dyn Read + Send>,
        name: &str,
    ) -> Result<Unpacked, FullError> {
        self.begin_writing().await?;
        let (to, mut from) = mpsc::channel(1);
        let limits = ArchiveLimits::default().with_crate_size(self.options.crate_size_limit);
        let archive = name.to_owned();
        tokio::task::spawn_blocking(move || read_archive(input, &archive, limits, &to));
        let taken = match self.take_judged(&mut from, name).await {
            Ok(taken) => taken,
            Err(error) => {
                // Whoever comes next removes it otherwise.
                drop(self.mirror.index.discard_bundle().await);
                return Err(error);
            }
        };
        self.mirror.index.keep_bundle().await?;
        self.range = None;
        let right: Rows = taken.rows.into_iter().collect();
        self.durable = std::mem::take(&mut self.durable).union(right);
        Ok(Unpacked {
            crates: taken.crates,
            new: taken.new,
            tip: taken.tip_file.position,
            left_out: taken.left_out,
        })
    }

    async fn take_judged(
        &self,
        from: &mut mpsc::Receiver<Piece>,
        archive: &str,
    ) -> Result<Taken, FullError> {
        let taken = self.take_all(from, archive).await?;
        self.put_in_place(&taken).await?;
        Ok(taken)
    }

    async fn take_all(
        &self,
        from: &mut mpsc::Receiver<Piece>,
        archive: &str,
    ) -> Result<Taken, FullError> {
        let mut taken = self.take_bundle(from, archive).await?;
        let mut placing = JoinSet::new();
        let result = self.take_crates(&mut taken, from, &mut placing).await;
        if let Err(error) = &result
            && !matches!(error, FullError::Cancelled)
        {
            // What came whole is worth keeping, and nothing half written stays.
            while placing.join_next().await.is_some() {}
        }
        result.map(|()| taken)
    }

    async fn take_crates(
        &self,
        taken: &mut Taken,
        from: &mut mpsc::Receiver<Piece>,
        placing: &mut JoinSet<(Job, Result<Placed, FullError>)>,
    ) -> Result<(), FullError> {
        let mut held = 0;
        loop {
            let free = placing.len() < IN_FLIGHT && held < HELD;
            tokio::select! {
                biased;
                () = self.options.cancel.cancelled() => return Err(FullError::Cancelled),
                Some(placed) = placing.join_next() => {
                    let (job, result) = placed.expect("storing a crate does not panic");
                    held -= Job::memory(&job);
                    self.note(taken, job, result, from).await?;
                }
                piece = from.recv(), if free => match piece {
                    Some(Piece::Member(entry, data)) => {
                        let job = self.judge(taken, entry).await?;
                        held += Job::memory(&job);
                        let store = self.mirror.store.clone();
                        let limit = self.options.crate_size_limit;
                        // A small crate is taken off the archive's hands at once, so
                        // that the next can come while this one is stored.
                        let (job, data) = job.collect(data).await;
                        placing.spawn(place(store, job, data, limit));
                    }
                    Some(Piece::End(Ok(()))) if placing.is_empty() => return Ok(()),
                    Some(Piece::End(Ok(()))) => {
                        while let Some(placed) = placing.join_next().await {
                            let (job, result) = placed.expect("storing a crate does not panic");
                            self.note(taken, job, result, from).await?;
                        }
                        return Ok(());
                    }
                    Some(Piece::End(Err(error))) => return Err(error.into()),
                    None => return Err(FullError::Cancelled),
                },
            }
        }
    }

    /// The bundle comes first, or nothing could be judged.
    async fn take_bundle(
        &self,
        from: &mut mpsc::Receiver<Piece>,
        archive: &str,
    ) -> Result<Taken, FullError> {
        let data = match from.recv().await {
            Some(Piece::Member(entry, data)) if entry.member == Member::Bundle => data,
            Some(Piece::End(Err(error))) => return Err(error.into()),
            _ => return Err(FullError::NoBundle),
        };
        let index = &self.mirror.index;
        let staged = index.stage_bundle(super::place::stream(data)).await;
        let tip = match staged {
            Ok(tip) => tip,
            // If the archive ends within the bundle, that is what is wrong.
            Err(error) => match from.recv().await {
                Some(Piece::End(Err(broken))) => return Err(broken.into()),
                _ => return Err(error.into()),
            },
        };
        self.refuse_older(&tip, archive).await?;
        let shown = index.shown().await?;
        Ok(Taken::new(archive, tip, shown))
    }

    /// Refuses to go back to a state that upstream has gone on from: crates that
    /// were replaced since would come back in the places of those that are shown.
    async fn refuse_older(&self, tip: &Position, archive: &str) -> Result<(), FullError> {
        let index = &self.mirror.index;
        match index.upstream().await? {
            Some(has) if has != *tip && index.contains(&has, tip).await? => Err(FullError::Older {
                archive: Escaped::new(archive),
                brings: tip.clone(),
                has,
            }),
            _ => Ok(()),
        }
    }

    /// What is to be done with a crate of the archive.
    async fn judge(&self, taken: &mut Taken, entry: Entry) -> Result<Job, FullError> {
        let place = format!("{}, {}", taken.archive, entry.place);
        let Member::Crate { name, version } = entry.member else {
            return Err(FullError::NoBundle);
        };
        let Some(checksum) = taken.tip_file.checksum(self, &name, &version).await? else {
            return Err(FullError::Unlisted {
                label: format!("{name}@{version}"),
                place,
            });
        };
        let shown = match &mut taken.shown_file {
            Some(shown) => shown.checksum(self, &name, &version).await?,
            None => None,
        };
        taken.crates += 1;
        Ok(Job {
            key: self.mirror.layout.crate_file(&name, &version),
            row: VersionRow { version, checksum },
            // What is shown keeps its bytes until all of the archive is known to be
            // right.
            replaces: shown.filter(|shown| *shown != checksum),
            size: entry.size,
            name,
            place,
        })
    }

    async fn note(
        &self,
        taken: &mut Taken,
        job: Job,
        result: Result<Placed, FullError>,
        from: &mut mpsc::Receiver<Piece>,
    ) -> Result<(), FullError> {
        let label = label(&job.name, &job.row);
        match result {
            Ok(placed) => {
                taken.rows.push(CrateRows::one(&job.name, &job.row));
                match placed {
                    Placed::Already => self.events.emit(Event::AlreadyPresent { label }),
                    Placed::New | Placed::Aside => {
                        taken.new += 1;
                        let size = job.size;
                        self.events.emit(Event::Finished { label, size });
                    }
                }
                if let (Placed::Aside, Some(old)) = (placed, job.replaces) {
                    taken.replaced.push((job.name, old, job.row));
                }
                Ok(())
            }
            Err(FullError::WrongCrate { source, .. }) if self.options.keep_going => {
                let reason = source.to_string();
                let failure = Failure::new(label, ErrorClass::Integrity, reason);
                self.events.emit(super::download::failed(&failure));
                taken.left_out.push(failure);
                Ok(())
            }
            // The archive ended within the crate; the reader says how.
            Err(FullError::Body(error)) => match from.recv().await {
                Some(Piece::End(Err(broken))) => Err(broken.into()),
                _ => Err(FullError::Body(error)),
            },
            Err(error) => Err(error),
        }
    }

    /// Lets new crates take the places of those that are shown, which are shown no
    /// more from then on.
    async fn put_in_place(&self, taken: &Taken) -> Result<(), FullError> {
        if taken.replaced.is_empty() {
            return Ok(());
        }
        if let Some(shown) = &taken.shown_file {
            let changed = taken.replaced.len() as u64;
            self.guard_changes(changed, &shown.position).await?;
        }
        let old = taken.replaced.iter().map(|(name, old, new)| {
            let row = VersionRow {
                version: new.version.clone(),
                checksum: *old,
            };
            CrateRows::one(name, &row)
        });
        self.mirror.index.withdraw(&old.collect()).await?;
        for (name, _, new) in &taken.replaced {
            self.take_from_aside(name, new).await?;
        }
        Ok(())
    }
}

/// What has been taken out so far.
struct Taken {
    /// The archive, safe to print.
    archive: Escaped,
    tip_file: FileAt,
    shown_file: Option<FileAt>,
    crates: u64,
    new: u64,
    rows: Vec<CrateRows>,
    /// Crates that wait aside, and the digests of what they replace.
    replaced: Vec<(CrateName, Sha256Digest, VersionRow)>,
    left_out: Vec<Failure>,
}

impl Taken {
    fn new(archive: &str, tip: Position, shown: Option<Position>) -> Self {
        Self {
            archive: Escaped::new(archive),
            tip_file: FileAt::new(tip),
            shown_file: shown.map(FileAt::new),
            crates: 0,
            new: 0,
            rows: Vec::new(),
            replaced: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

/// The index file of the crate that was asked for last. Archives are sorted, so
/// that one is enough.
struct FileAt {
    position: Position,
    name: Option<CrateName>,
    checksums: HashMap<Version, Sha256Digest>,
}

impl FileAt {
    fn new(position: Position) -> Self {
        Self {
            position,
            name: None,
            checksums: HashMap::new(),
        }
    }

    async fn checksum(
        &mut self,
        session: &Session,
        name: &CrateName,
        version: &Version,
    ) -> Result<Option<Sha256Digest>, FullError> {
        if self.name.as_ref() != Some(name) {
            let body = session.mirror.index.file_at(&self.position, name).await?;
            let parsed = body.and_then(|body| IndexFile::parse(name, &body).ok());
            let entries = parsed.map(|file| file.entries).unwrap_or_default();
            // Only lines that spell the name like this are of this crate.
            self.checksums = entries
                .into_iter()
                .filter(|entry| entry.name() == name)
                .map(|entry| (entry.version().clone(), *entry.checksum()))
                .collect();
            self.name = Some(name.clone());
        }
        Ok(self.checksums.get(version).copied())
    }
}

/// Reads an archive and sends what is in it, until nobody listens.
fn read_archive(
    input: Box<dyn Read + Send>,
    name: &str,
    limits: ArchiveLimits,
    to: &mpsc::Sender<Piece>,
) {
    let end = send_members(input, name, limits, to);
    // Nobody listens any more if this fails.
    let _ = to.blocking_send(Piece::End(end));
}

fn send_members(
    input: Box<dyn Read + Send>,
    name: &str,
    limits: ArchiveLimits,
    to: &mpsc::Sender<Piece>,
) -> Result<(), ArchiveError> {
    let mut archive = ArchiveReader::open(input, name, limits)?;
    let mut buffer = vec![0; PIECE];
    while let Some(entry) = archive.next_entry()? {
        let (data, rest) = mpsc::channel(PIECES);
        if to.blocking_send(Piece::Member(entry, rest)).is_err() {
            return Ok(());
        }
        loop {
            let count = match archive.read_data(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    let _ = data.blocking_send(Err(StreamError::Cancelled));
                    return Err(error);
                }
            };
            let piece = Bytes::copy_from_slice(&buffer[..count]);
            // Who wants no more of this member may want the next.
            if data.blocking_send(Ok(piece)).is_err() {
                break;
            }
        }
    }
    Ok(())
}
