//! Judging index files: which lines of one may be served.
//!
//! What is valid is [`IndexFile::parse`]'s to say. Nearly every file of a registry
//! is beyond doubt, though, and to see that takes a fraction of the work (most of it
//! in `line_scan`). A file that is not beyond doubt is handed to it.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use romt_core::{
    CrateName, Sha256Digest,
    crates::{
        CrateRows, IndexFile, IndexFileError, MAX_INDEX_FILE_SIZE, MAX_LINE_SIZE, Version,
        VersionRow,
    },
};
use serde::{Deserialize, de::IgnoredAny};

use super::line_scan::Scanner;

/// Within these bounds a line crosses none of the limits of an index line.
const SHORT: usize = 64 * 1024;
const SHALLOW: usize = 32;

/// What an index file is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Its lines, in order, less the blank ones.
    Lines(Vec<JudgedLine>),
    /// Nothing, and why.
    Refused(String),
}

/// A line of an index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JudgedLine {
    /// Where in the file it is, without its line feed.
    pub(super) range: Range<usize>,
    /// Its number, from 1.
    pub(super) number: usize,
    /// What it states, if it can be served.
    pub(super) verdict: Result<Statement, HeldBack>,
}

/// What a good line states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// The crate, as the line spells it.
    pub(super) name: CrateName,
    /// The version.
    pub(super) version: Version,
    /// What its file must be.
    pub(super) checksum: Sha256Digest,
}

/// A line that is not to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    /// Why, as a fragment.
    pub(super) reason: String,
    /// The version that it is about, where that can be told.
    pub(super) about: Option<(CrateName, Version)>,
}

impl Judged {
    /// The judgement of a file that is too large to be read.
    pub(super) fn too_large() -> Self {
        Self::Refused(IndexFileError::TooLarge.to_string())
    }

    /// What the good lines state.
    pub(super) fn statements(&self) -> impl Iterator<Item = &Statement> + Clone {
        self.lines()
            .iter()
            .filter_map(|line| line.verdict.as_ref().ok())
    }

    /// The lines that are held back, with their reasons.
    pub(super) fn held_back(&self) -> impl Iterator<Item = (&JudgedLine, &HeldBack)> {
        self.lines()
            .iter()
            .filter_map(|line| Some((line, line.verdict.as_ref().err()?)))
    }

    fn lines(&self) -> &[JudgedLine] {
        match self {
            Self::Lines(lines) => lines,
            Self::Refused(_) => &[],
        }
    }
}

/// The statements for which `keep` holds, by the names that they spell.
pub(super) fn rows<'a>(
    statements: impl Iterator<Item = &'a Statement> + Clone,
    keep: impl Fn(&Statement) -> bool,
) -> Vec<CrateRows> {
    let statements = statements.filter(|statement| keep(statement));
    // Of a whole registry there are millions of rows: no more is taken for them than
    // they need, nor given back, which not every allocator does.
    let count = statements.clone().count();
    let mut crates: Vec<CrateRows> = Vec::new();
    for statement in statements {
        let at = crates.iter().position(|rows| rows.name == statement.name);
        let at = at.unwrap_or_else(|| {
            // Nearly always all of them are of one name.
            let first = crates.is_empty();
            crates.push(CrateRows {
                name: statement.name.clone(),
                versions: Vec::with_capacity(if first { count } else { 0 }),
            });
            crates.len() - 1
        });
        crates[at].versions.push(VersionRow {
            version: statement.version.clone(),
            checksum: statement.checksum,
        });
    }
    if crates.len() > 1 {
        for rows in &mut crates {
            rows.versions.shrink_to_fit();
        }
    }
    crates
}

/// Judges the index file at `path`.
pub(super) fn judge(path: &str, body: &[u8]) -> Judged {
    let name = match name_at(path) {
        Ok(name) => name,
        Err(reason) => return Judged::Refused(reason),
    };
    if body.len() as u64 > MAX_INDEX_FILE_SIZE {
        return Judged::too_large();
    }
    match beyond_doubt(&name, body) {
        Some(lines) => Judged::Lines(lines),
        None => judge_closely(&name, body),
    }
}

/// The crate whose index file is at `path`, spelt in lower case.
fn name_at(path: &str) -> Result<CrateName, String> {
    let file = path.rsplit('/').next().unwrap_or_default();
    let name: CrateName = file.parse().map_err(|error| format!("{error}"))?;
    let place = name.index_path();
    if place == path {
        Ok(name)
    } else {
        Err(format!(
            "the index file of `{name}` belongs at `{place}` and nowhere else"
        ))
    }
}

/// The lines that are not blank, with their numbers from 1.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    ends.enumerate().filter_map(move |(index, end)| {
        let range = start..end;
        start = end + 1;
        let blank = body[range.clone()].trim_ascii().is_empty();
        (!blank).then_some((index + 1, range))
    })
}

/// The lines of a file of which each is good and states another version, or
/// `None` if that takes a closer look.
fn beyond_doubt(name: &CrateName, body: &[u8]) -> Option<Vec<JudgedLine>> {
    let mut judged: Vec<JudgedLine> = Vec::new();
    let mut spelt = name.clone();
    let mut scanner = Scanner::default();
    for (number, range) in lines(body) {
        let wire = Wire::parse(&body[range.clone()], &mut scanner)?;
        if *wire.name != *spelt.as_str() {
            if !wire.name.eq_ignore_ascii_case(name.as_str()) {
                return None;
            }
            spelt = wire.name.parse().ok()?;
        }
        judged.push(JudgedLine {
            range,
            number,
            verdict: Ok(Statement {
                name: spelt.clone(),
                version: wire.vers.parse().ok()?,
                checksum: wire.cksum.parse().ok()?,
            }),
        });
    }
    are_distinct(&judged).then_some(judged)
}

/// Whether each line states another version.
fn are_distinct(judged: &[JudgedLine]) -> bool {
    let versions = judged.iter().flat_map(|line| &line.verdict);
    let mut versions: Vec<&Version> = versions.map(|statement| &statement.version).collect();
    if versions.is_sorted_by(|a, b| a < b) {
        return true;
    }
    versions.sort_unstable();
    versions.is_sorted_by(|a, b| a < b)
}

/// The fields of an index line that decide, as [`IndexEntry`] reads them.
///
/// [`IndexEntry`]: romt_core::IndexEntry
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    vers: Cow<'a, str>,
    #[serde(borrow)]
    cksum: Cow<'a, str>,
    #[serde(rename = "deps")]
    _deps: Vec<IgnoredAny>,
    #[serde(default, rename = "yanked")]
    _yanked: Option<bool>,
}

impl<'a> Wire<'a> {
    fn parse(line: &'a [u8], scanner: &mut Scanner<'a>) -> Option<Self> {
        if line.len() > SHORT {
            return None;
        }
        if let Some(fields) = scanner.read(line) {
            return Some(Self {
                name: fields.name.into(),
                vers: fields.version.into(),
                cksum: fields.checksum.into(),
                _deps: Vec::new(),
                _yanked: None,
            });
        }
        is_shallow(line).then(|| serde_json::from_slice(line).ok())?
    }
}

/// Whether nothing in the line can nest deeply.
fn is_shallow(line: &[u8]) -> bool {
    let opens = |byte: &u8| matches!(byte, b'{' | b'[');
    // The compiler makes quick work of counting, and mostly that is all.
    if line.iter().filter(|byte| opens(byte)).count() <= SHALLOW {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > SHALLOW {
            return false;
        }
    }
    true
}

fn judge_closely(name: &CrateName, body: &[u8]) -> Judged {
    let body = Bytes::copy_from_slice(body);
    let file = match IndexFile::parse(name, &body) {
        Ok(file) => file,
        Err(error) => return Judged::Refused(error.to_string()),
    };
    // Both are in the order of the file, and a line is in one or the other.
    let mut entries = file.entries.into_iter();
    let mut rejected = file.rejected.into_iter().peekable();
    let judged = lines(&body).filter_map(|(number, range)| {
        let verdict = if let Some(line) = rejected.next_if(|line| line.number == number) {
            Err(HeldBack {
                reason: line.reason,
                about: about(name, &body[range.clone()]),
            })
        } else {
            let entry = entries.next()?;
            Ok(Statement {
                name: entry.name().clone(),
                version: entry.version().clone(),
                checksum: *entry.checksum(),
            })
        };
        Some(JudgedLine {
            range,
            number,
            verdict,
        })
    });
    Judged::Lines(judged.collect())
}

/// The version that a line is about which is held back.
fn about(name: &CrateName, line: &[u8]) -> Option<(CrateName, Version)> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        vers: Cow<'a, str>,
    }
    if line.len() > MAX_LINE_SIZE {
        return None;
    }
    let wire: Wire<'_> = serde_json::from_slice(line).ok()?;
    if !wire.name.eq_ignore_ascii_case(name.as_str()) {
        return None;
    }
    Some((wire.name.parse().ok()?, wire.vers.parse().ok()?))
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
