//! Putting a range into an archive.

use std::{
    collections::HashSet,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::{
    FullError, RangeStart, Session,
    check::{Found, Look, check_all},
    range::Range,
};
use crate::{
    CrateName, ErrorClass, Key, PrefixStyle, Sha256Digest, Sha256Hasher, StoreExt as _, Version,
    crates::{CrateRows, Rows, VersionFilter, VersionRow},
    ports::{
        BundleBranch, BundleFacts, ByteStream, Exported, Position, Store, StoreError, StreamError,
    },
    sync::Failure,
    transfer::{ArchiveFormat, ArchiveOutput, ArchiveWriteError, ArchiveWriter, Compression},
};

/// Crates up to this many bytes are read into memory, a few at a time.
const WHOLE: u64 = 8 * 1024 * 1024;

/// How many crates are read ahead of the one that is being packed.
const READ_AHEAD: usize = 8;

/// What was packed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Packed {
    /// How many crates are in the archive.
    pub crates: u64,
    /// The index that is in it.
    pub bundle: BundleFacts,
    /// The crates that were to be in it and are missing or not right.
    pub left_out: Vec<Failure>,
    /// Whether there is an archive: not if a crate was left out and that was not
    /// allowed.
    pub written: bool,
}

/// How far the packs so far go, of those that follow each other.
struct Chain {
    /// The state at the end of the last one, if there was one.
    end: Option<Position>,
    /// The part of it that was packed.
    packed: Option<Position>,
}

/// What goes to the thread that writes.
enum Parcel {
    Bundle {
        size: u64,
    },
    Crate {
        name: CrateName,
        version: Version,
        size: u64,
    },
    Data(Bytes),
    End,
}

impl Session {
    /// Packs the range: its part of the index, and the crates that it adds, each
    /// read and judged once more. `None` if there is nothing to send.
    ///
    /// A range that begins at the mark begins where the last pack ended, if there
    /// was one, so that no archive is ever missing between two; and crates that
    /// earlier archives lacked and are here now go along. Where this one ends counts
    /// only once it is marked: a run that dies before that is repeated, and what it
    /// packs then takes the place of this archive.
    ///
    /// A range that begins elsewhere has what is since then, and no more. If it
    /// begins after the end of the last pack, it leaves something out that has not
    /// been packed, and so does not count: the next one that begins at the mark has
    /// all that the one before it had not.
    pub async fn pack(
        &mut self,
        create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>> + Send + 'static,
        compression: Compression,
    ) -> Result<Option<Packed>, FullError> {
        self.begin_writing().await?;
        let range = self.range().await?;
        let chain = self.chain(&range).await?;
        let base = match self.options.start {
            RangeStart::Mark => chain.end.clone(),
            _ => range.start.clone(),
        };
        let mut unpacked = None;
        if self.follows(&chain, base.as_ref()).await? {
            unpacked = Some(self.unpacked(&range, chain.packed.as_ref()).await?);
        }
        let is_known = base == chain.packed && self.options.filter.is_all();
        let known = unpacked.as_ref().filter(|_| is_known);
        let mut rows = self.to_pack(&range, base.as_ref(), known).await?;
        let owed = unpacked.map(|it| it.union(range.held_back.clone()));
        if let (Some(owed), RangeStart::Mark) = (&owed, &self.options.start) {
            rows = self.with_earlier(rows, owed).await?;
        }
        if rows.is_empty() && base.as_ref() == Some(&range.end) {
            return Ok(None);
        }
        let index = self.mirror.index.clone();
        let branch = match self.options.end.as_str() {
            "master" => BundleBranch::Master,
            _ => BundleBranch::Bundle,
        };
        let bundle = index
            .write_bundle(base.as_ref(), &range.end, branch)
            .await?;
        let format = match self.mirror.layout.archive_style() {
            PrefixStyle::Lower => ArchiveFormat::Lower,
            PrefixStyle::Mixed => ArchiveFormat::Mixed,
        };
        let (to, from) = mpsc::channel(READ_AHEAD);
        let keep_going = self.options.keep_going;
        let writing = tokio::task::spawn_blocking(move || {
            write_archive(create, format, compression, from, keep_going)
        });
        let fed = self.feed(&rows, to).await;
        let written = writing.await.expect("writing an archive does not panic");
        // A feed that ends because the writer is gone has no failure of its own.
        let (crates, mut left_out) = fed?;
        let refused = written?;
        let crates = crates - refused.len() as u64;
        left_out.extend(refused);
        let written = left_out.is_empty() || self.options.keep_going;
        if let (true, Some(mut lacking)) = (written, owed) {
            let bad: HashSet<&str> = left_out.iter().map(|it| &*it.label).collect();
            lacking.retain(|name, row| {
                !rows.has(name, row) || bad.contains(&*super::download::label(name, row))
            });
            index.set_packed(&range.end, &lacking).await?;
        }
        Ok(Some(Packed {
            crates,
            bundle,
            left_out,
            written,
        }))
    }

    /// What the packs so far have brought to who imported them.
    async fn chain(&self, range: &Range) -> Result<Chain, FullError> {
        let (end, packed) = match self.mirror.index.exported().await? {
            Exported::UpTo { end, packed } => (Some(end), Some(packed)),
            Exported::Nothing => (None, None),
            // The Python tool packs from the mark.
            Exported::Unknown => (range.start.clone(), range.start.clone()),
        };
        Ok(Chain { end, packed })
    }

    /// Whether a pack that begins at `base` leaves nothing out between it and the
    /// packs so far.
    async fn follows(&self, chain: &Chain, base: Option<&Position>) -> Result<bool, FullError> {
        Ok(match (base, &chain.end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(base), Some(end)) => self.mirror.index.contains(end, base).await?,
        })
    }

    /// `rows`, and those of what earlier packs owe that are here.
    async fn with_earlier(&self, rows: Rows, owed: &Rows) -> Result<Rows, FullError> {
        let filter = &self.options.filter;
        let mut earlier = owed.clone();
        earlier.retain(|name, row| !rows.has(name, row) && filter.selects(name, &row.version));
        Ok(rows.union(self.here(&earlier).await?))
    }

    /// What the range adds, and what there is since `base`; that is looked for
    /// unless it is known.
    async fn to_pack(
        &self,
        range: &Range,
        base: Option<&Position>,
        known: Option<&Rows>,
    ) -> Result<Rows, FullError> {
        let rows = range.difference.added.clone();
        if base == range.start.as_ref() {
            return Ok(rows);
        }
        if let Some(known) = known {
            return Ok(rows.union(known.clone()));
        }
        let index = &self.mirror.index;
        let filter = &self.options.filter;
        let difference = index.difference(base, &range.end, filter).await?;
        Ok(rows.union(difference.added))
    }

    /// All that no archive had yet, whatever the filter: it need not be here.
    async fn unpacked(&self, range: &Range, packed: Option<&Position>) -> Result<Rows, FullError> {
        if packed == range.start.as_ref() && self.options.filter.is_all() {
            return Ok(range.difference.added.clone());
        }
        let (index, all) = (&self.mirror.index, VersionFilter::all());
        Ok(index.difference(packed, &range.end, &all).await?.added)
    }

    /// Those of `rows` that are here and right.
    async fn here(&self, rows: &Rows) -> Result<Rows, FullError> {
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        let mut here = Vec::new();
        let mut checks = std::pin::pin!(check_all(store, layout, rows, Look::Reads));
        while let Some((name, row, found)) = checks.next().await {
            match found {
                Found::Right => here.push(CrateRows::one(name, row)),
                Found::Missing | Found::Wrong(_) => {}
                Found::Unreadable(error) => return Err(error.into()),
            }
        }
        Ok(here.into_iter().collect())
    }

    /// Hands everything to the writer; says how many crates there were, and what
    /// was left out.
    async fn feed(
        &self,
        rows: &Rows,
        to: mpsc::Sender<Parcel>,
    ) -> Result<(u64, Vec<Failure>), FullError> {
        let (size, body) = self.mirror.index.read_bundle().await?;
        let mut feed = Feed { to, gone: false };
        feed.send(Parcel::Bundle { size }).await;
        feed.send_all(body, None).await?;
        let (store, layout) = (&self.mirror.store, self.mirror.layout);
        let mut loaded = stream::iter(rows.iter())
            .map(|(name, row)| {
                let key = layout.crate_file(name, &row.version);
                let task = tokio::spawn(load(store.clone(), key.clone(), row.checksum));
                async move {
                    let loaded = task.await.expect("reading a crate does not panic");
                    (name, row, key, loaded)
                }
            })
            .buffered(READ_AHEAD)
            .boxed();
        let (mut crates, mut left_out) = (0, Vec::new());
        while let Some((name, row, key, loaded)) = loaded.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(FullError::Cancelled);
            }
            let (size, whole) = match loaded {
                Ok(Loaded::Whole(bytes)) => (bytes.len() as u64, Some(bytes)),
                Ok(Loaded::Large(size)) => (size, None),
                Ok(Loaded::Bad(found)) => {
                    left_out.push(missing(name, row, &key, &found));
                    if !self.options.keep_going {
                        return Ok((crates, left_out));
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            feed.send(Parcel::Crate {
                name: name.clone(),
                version: row.version.clone(),
                size,
            })
            .await;
            if let Some(bytes) = whole {
                feed.send_data(bytes).await;
            } else {
                let body = store.get(&key).await?.body;
                feed.send_all(body, Some((&key, row.checksum))).await?;
            }
            if feed.gone {
                break;
            }
            crates += 1;
        }
        feed.send(Parcel::End).await;
        Ok((crates, left_out))
    }
}

fn missing(name: &CrateName, row: &VersionRow, key: &Key, found: &Found) -> Failure {
    let label = super::download::label(name, row);
    match found.fault(key, &row.checksum) {
        Some((class, reason)) if !matches!(found, Found::Missing) => {
            Failure::new(label, class, reason)
        }
        _ => {
            let file = format!("Missing {name}-{}.crate", row.version);
            Failure::new(label, ErrorClass::Partial, file)
        }
    }
}

/// The sending end, which goes on quietly once nobody receives.
struct Feed {
    to: mpsc::Sender<Parcel>,
    gone: bool,
}

impl Feed {
    async fn send(&mut self, parcel: Parcel) {
        self.gone = self.gone || self.to.send(parcel).await.is_err();
    }

    /// An empty piece would be one too many for a member without data.
    async fn send_data(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.send(Parcel::Data(bytes)).await;
        }
    }

    /// Sends a body, and judges it on the way if there is a digest to judge by.
    async fn send_all(
        &mut self,
        mut body: ByteStream,
        expected: Option<(&Key, Sha256Digest)>,
    ) -> Result<(), FullError> {
        let mut hasher = Sha256Hasher::new();
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(FullError::body)?;
            if expected.is_some() {
                hasher.update(&bytes);
            }
            self.send_data(bytes).await;
            if self.gone {
                return Ok(());
            }
        }
        match expected {
            Some((key, digest)) if hasher.finish() != digest => {
                Err(FullError::Changed { key: key.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// A crate that is about to be packed.
enum Loaded {
    Whole(Bytes),
    /// Right, but too large to be held; so many bytes.
    Large(u64),
    Bad(Found),
}

async fn load(
    store: Arc<dyn Store>,
    key: Key,
    checksum: Sha256Digest,
) -> Result<Loaded, StoreError> {
    let mut object = match store.get(&key).await {
        Ok(object) => object,
        Err(StoreError::NotFound { .. }) => return Ok(Loaded::Bad(Found::Missing)),
        Err(error) => return Err(error),
    };
    let size = object.meta.size;
    let mut whole = Vec::new();
    let mut hasher = Sha256Hasher::new();
    while let Some(bytes) = object.body.next().await {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(StreamError::Store(error)) => return Err(*error),
            Err(error) => {
                return Err(StoreError::Body {
                    key,
                    source: Box::new(error),
                });
            }
        };
        hasher.update(&bytes);
        if size <= WHOLE {
            whole.extend_from_slice(&bytes);
        }
    }
    let digest = hasher.finish();
    if digest != checksum {
        return Ok(Loaded::Bad(Found::Wrong(digest)));
    }
    Ok(if size <= WHOLE {
        Loaded::Whole(whole.into())
    } else {
        Loaded::Large(size)
    })
}

/// Writes what comes, and commits it if it ends as it should. Returns the crates
/// that cannot be in an archive.
fn write_archive(
    create: impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>>,
    format: ArchiveFormat,
    compression: Compression,
    mut from: mpsc::Receiver<Parcel>,
    keep_going: bool,
) -> Result<Vec<Failure>, FullError> {
    let output = create().map_err(ArchiveWriteError::Output)?;
    let mut archive = ArchiveWriter::new(output, format, compression)?;
    let mut refused = Vec::new();
    while let Some(parcel) = from.blocking_recv() {
        match parcel {
            Parcel::Bundle { size } => archive.bundle(size, Arriving::new(&mut from, size))?,
            Parcel::Crate {
                name,
                version,
                size,
            } => match archive.crate_file(&name, &version, size, Arriving::new(&mut from, size)) {
                // Two versions whose names differ in case only cannot both go.
                Err(error @ ArchiveWriteError::Refused { .. }) => {
                    let rest = &mut Arriving::new(&mut from, size);
                    io::copy(rest, &mut io::sink()).map_err(ArchiveWriteError::Output)?;
                    let label = format!("{name}@{version}");
                    refused.push(Failure::new(label, error.class(), error.to_string()));
                }
                written => written?,
            },
            Parcel::End if !refused.is_empty() && !keep_going => return Ok(refused),
            Parcel::End => {
                let output = archive.finish()?;
                output.commit().map_err(ArchiveWriteError::Output)?;
                return Ok(refused);
            }
            Parcel::Data(_) => return Err(ArchiveWriteError::Misused("stray data").into()),
        }
    }
    // Who feeds us has given up, and says why.
    Ok(refused)
}

/// The data of one member, as it arrives.
struct Arriving<'a> {
    from: &'a mut mpsc::Receiver<Parcel>,
    at: Bytes,
    left: u64,
}

impl<'a> Arriving<'a> {
    fn new(from: &'a mut mpsc::Receiver<Parcel>, size: u64) -> Self {
        Self {
            from,
            at: Bytes::new(),
            left: size,
        }
    }
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at.is_empty() && self.left > 0 {
            match self.from.blocking_recv() {
                Some(Parcel::Data(bytes)) => self.at = bytes,
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = self.at.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.at.split_to(count));
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
