//! The objects of a tree, as text.

use std::fmt::Write as _;

use bytes::Bytes;
use romt_core::{Sha256Digest, Sha256Hasher};
use serde::{Deserialize, Serialize};

/// The format number in every root.
const FORMAT: u32 = 1;

/// The largest root and the largest shard that is read, in bytes.
pub(super) const MAX_ROOT_SIZE: u64 = 64 * 1024 * 1024;
pub(super) const MAX_SHARD_SIZE: u64 = 64 * 1024 * 1024;

/// How many records a shard has on average before the tree spreads.
const SHARD_FILL: u64 = 512;

/// The most hexadecimal digits of a name's digest that choose its shard.
const MAX_DEPTH: u32 = 3;

/// One state of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Root {
    format: u32,
    /// How many crates there are.
    pub(super) crates: u64,
    /// How many hexadecimal digits of a name's digest choose its shard.
    pub(super) depth: u32,
    /// The shards, 16 to the power of `depth`.
    pub(super) shards: Vec<Option<ShardRef>>,
    /// The segments that the records refer to.
    pub(super) segments: Vec<SegmentRef>,
}

/// A shard that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardRef {
    /// The digest of the shard, which is its name.
    pub(super) file: Sha256Digest,
    /// The digest of what the shard says, wherever the bytes lie.
    pub(super) content: Sha256Digest,
}

/// A segment, and how much of it is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentRef {
    /// The digest of the segment, which is its name.
    pub(super) file: Sha256Digest,
    /// Its length in bytes.
    pub(super) size: u64,
    /// How many bytes of present index files are in it, counting those twice that
    /// two files share.
    pub(super) live: u64,
}

impl Root {
    pub(super) fn empty() -> Self {
        Self {
            format: FORMAT,
            crates: 0,
            depth: 0,
            shards: vec![None],
            segments: Vec::new(),
        }
    }

    /// How deep a tree of this many crates is.
    pub(super) fn depth_for(crates: u64) -> u32 {
        (0..MAX_DEPTH)
            .find(|depth| crates <= SHARD_FILL << (4 * depth))
            .unwrap_or(MAX_DEPTH)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (text, sum) = split_sum(bytes).ok_or("it is cut off")?;
        if sum != Sha256Digest::of(text).to_string().as_bytes() {
            return Err("its bytes are not those that were written".into());
        }
        let invalid = |error: serde_json::Error| error.to_string();
        let Head { format } = serde_json::from_slice(text).map_err(invalid)?;
        if format != FORMAT {
            return Err(format!(
                "it has format {format}, this romt knows {FORMAT}; a newer romt wrote it"
            ));
        }
        let root: Self = serde_json::from_slice(text).map_err(invalid)?;
        if root.depth > MAX_DEPTH || root.shards.len() != 1 << (4 * root.depth) {
            return Err("its depth and its number of shards disagree".into());
        }
        Ok(root)
    }

    pub(super) fn render(&self) -> Bytes {
        let text = serde_json::to_string(self).unwrap_or_default();
        let sum = Sha256Digest::of(&text);
        format!("{text}\n{sum}\n").into()
    }

    /// How long the segment `file` is, if it is one of this state's.
    pub(super) fn segment_size(&self, file: &Sha256Digest) -> Option<u64> {
        let mut segments = self.segments.iter();
        let found = segments.find(|segment| segment.file == *file)?;
        Some(found.size)
    }

    /// Names the state: equal states have equal positions, however they came
    /// about.
    pub(super) fn position(&self) -> String {
        let mut hasher = Sha256Hasher::new();
        for shard in &self.shards {
            let content = shard.as_ref().map(|shard| *shard.content.as_bytes());
            hasher.update(&content.unwrap_or_default());
        }
        let digest = hasher.finish().to_string();
        digest.get(..16).unwrap_or_default().to_owned()
    }
}

/// What every root of any format begins with.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// The text of a root, and the digest of it that follows on a line of its own.
fn split_sum(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.strip_suffix(b"\n")?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n')?;
    let (text, sum) = bytes.split_at_checked(end)?;
    Some((text, sum.get(1..)?))
}

/// Which of the shards of a tree of this depth has the record of `name`.
pub(super) fn shard_of(name: &str, depth: u32) -> usize {
    let digest = Sha256Digest::of(name);
    let [high, low, ..] = *digest.as_bytes();
    let prefix = usize::from(high) << 8 | usize::from(low);
    prefix >> (16 - 4 * depth)
}

/// What a tree knows of one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The crate's name in lower case.
    pub(crate) name: Box<str>,
    /// Where the bytes of its index file are.
    pub(super) segment: Sha256Digest,
    pub(super) offset: u64,
    pub(crate) length: u64,
    /// The digest of the index file.
    pub(crate) digest: Sha256Digest,
    /// What the tree's owner notes about the file; printable ASCII or empty.
    pub(crate) tag: Box<str>,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let record = Self {
            name: fields.next()?.into(),
            segment: fields.next()?.parse().ok()?,
            offset: fields.next()?.parse().ok()?,
            length: fields.next()?.parse().ok()?,
            digest: fields.next()?.parse().ok()?,
            tag: fields.next()?.into(),
        };
        Some(record)
    }

    fn render(&self, out: &mut String) {
        let Self {
            name,
            segment,
            offset,
            length,
            digest,
            tag,
        } = self;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name} {segment} {offset} {length} {digest} {tag}");
    }
}

/// Records, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) records: Vec<Record>,
}

impl Shard {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let records: Option<Vec<Record>> = text.lines().map(Record::parse).collect();
        let mut records = records.ok_or("a line is not a record")?;
        records.shrink_to_fit();
        if !records.is_sorted_by(|a, b| a.name < b.name) {
            return Err("its records are not sorted".into());
        }
        Ok(Self { records })
    }

    pub(super) fn render(&self) -> Bytes {
        let mut text = String::new();
        for record in &self.records {
            record.render(&mut text);
        }
        text.into()
    }

    /// The digest of what the shard shows: names and files. Neither where the
    /// bytes lie nor what is noted about them is part of it.
    pub(super) fn content(&self) -> Sha256Digest {
        let mut hasher = Sha256Hasher::new();
        for record in &self.records {
            hasher.update(record.name.as_bytes());
            hasher.update(record.digest.as_bytes());
        }
        hasher.finish()
    }

    /// Where among its records the one of `name` is.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.records.binary_search_by(|r| (*r.name).cmp(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, tag: &str) -> Record {
        Record {
            name: name.into(),
            segment: Sha256Digest::of("segment"),
            offset: 7,
            length: 9,
            digest: Sha256Digest::of(name),
            tag: tag.into(),
        }
    }

    #[test]
    fn shards_round_trip() {
        let shard = Shard {
            records: vec![record("a", ""), record("b", "etag: \"x y\"")],
        };
        assert_eq!(Shard::parse(&shard.render()), Ok(shard.clone()));
        assert_eq!(shard.place("b"), Some(shard.records.len() - 1));
        assert_eq!(shard.place("c"), None);
    }

    #[test]
    fn roots_round_trip_and_damage_is_noticed() {
        let root = Root::empty();
        assert_eq!(Root::parse(&root.render()), Ok(root));
        for bad in [
            "",
            "{}",
            r#"{"format":2,"crates":0,"depth":0,"shards":[null],"segments":[]}"#,
            r#"{"format":1,"crates":0,"depth":1,"shards":[null],"segments":[]}"#,
            r#"{"format":1,"crates":0,"depth":9,"shards":[null],"segments":[]}"#,
        ] {
            assert!(Root::parse(bad.as_bytes()).is_err(), "{bad}");
            let summed = format!("{bad}\n{}\n", Sha256Digest::of(bad));
            assert!(Root::parse(summed.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["x", "a b c d e f", "\u{ff}"] {
            assert!(Shard::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let twice = Shard {
            records: vec![record("b", ""), record("a", "")],
        };
        assert!(Shard::parse(&twice.render()).is_err());
    }

    #[test]
    fn a_tree_spreads_as_it_grows() {
        assert_eq!(Root::depth_for(0), 0);
        assert_eq!(Root::depth_for(512), 0);
        assert_eq!(Root::depth_for(513), 1);
        assert_eq!(Root::depth_for(8192), 1);
        assert_eq!(Root::depth_for(250_000), 3);
        assert_eq!(Root::depth_for(u64::MAX), 3);
        for depth in 0..=3 {
            assert!(shard_of("serde", depth) < 1 << (4 * depth));
        }
    }
}
