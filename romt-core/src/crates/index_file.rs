//! The index file of one crate: a line for each version.

use std::collections::HashMap;

use bytes::Bytes;

use super::{CrateName, EntryError, IndexEntry, Version};
use crate::Sha256Digest;

/// The largest index file, in bytes.
pub const MAX_INDEX_FILE_SIZE: u64 = 64 * 1024 * 1024;

/// The most lines of an index file that may be held back before it is refused as
/// a whole.
const MAX_REJECTED: usize = 10_000;

/// The versions of one crate, in upstream's order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct IndexFile {
    /// The lines that are index entries of this crate.
    pub entries: Vec<IndexEntry>,
    /// The lines that are held back.
    pub rejected: Vec<RejectedLine>,
}

/// A line that is held back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedLine {
    /// The line's number, from 1.
    pub number: usize,
    /// Why it is held back, as a fragment.
    pub reason: String,
}

/// Why an index file is refused as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFileError {
    /// It is over 64 MiB.
    #[error("it is larger than the limit of {MAX_INDEX_FILE_SIZE} bytes")]
    TooLarge,
    /// It has lines, and none of them is an entry of the crate, or over 10,000 of
    /// them are none.
    #[error("{lines} of its lines are no index entries of `{name}`; the first: {reason}")]
    NotAnIndexFile {
        /// The crate.
        name: CrateName,
        /// How many lines are none.
        lines: usize,
        /// Why the first of them is refused.
        reason: String,
    },
}

impl IndexFile {
    /// Parses the index file of `name`.
    ///
    /// Lines end in a line feed only, and blank ones are passed over. The case
    /// of the name may differ from line to line, as upstream's does where the
    /// name was asked for in another case.
    pub fn parse(name: &CrateName, body: &Bytes) -> Result<Self, IndexFileError> {
        if body.len() as u64 > MAX_INDEX_FILE_SIZE {
            return Err(IndexFileError::TooLarge);
        }
        let mut file = Self::default();
        let mut parsed = Vec::new();
        for (number, line) in lines(body) {
            match parse_line(name, line) {
                Ok(entry) => parsed.push((number, entry)),
                Err(reason) => file.reject(number, reason),
            }
            if file.rejected.len() > MAX_REJECTED {
                return Err(IndexFileError::NotAnIndexFile {
                    name: name.clone(),
                    lines: file.rejected.len(),
                    reason: file.rejected.swap_remove(0).reason,
                });
            }
        }
        file.admit_unambiguous(parsed);
        if let (true, Some(first)) = (file.entries.is_empty(), file.rejected.first()) {
            return Err(IndexFileError::NotAnIndexFile {
                name: name.clone(),
                lines: file.rejected.len(),
                reason: first.reason.clone(),
            });
        }
        Ok(file)
    }

    /// Takes in the first entry of each version, and none of a version that
    /// occurs with different digests: which is right cannot be told.
    fn admit_unambiguous(&mut self, parsed: Vec<(usize, IndexEntry)>) {
        if parsed.len() < 2 {
            self.entries = parsed.into_iter().map(|(_, entry)| entry).collect();
            return;
        }
        let mut digests: HashMap<Version, Option<Sha256Digest>> = HashMap::new();
        for (_, entry) in &parsed {
            digests
                .entry(entry.version().clone())
                .and_modify(|digest| *digest = digest.filter(|d| d == entry.checksum()))
                .or_insert(Some(*entry.checksum()));
        }
        for (number, entry) in parsed {
            let version = entry.version();
            match digests.get_mut(version) {
                Some(Some(_)) => {
                    // The next one of this version, if any, is a repetition.
                    digests.remove(version);
                    self.entries.push(entry);
                }
                Some(None) => {
                    let reason = format!("version {version} occurs with different digests");
                    self.reject(number, reason);
                }
                None => self.reject(number, format!("version {version} occurs twice")),
            }
        }
        self.rejected.sort_by_key(|line| line.number);
    }

    fn reject(&mut self, number: usize, reason: String) {
        self.rejected.push(RejectedLine { number, reason });
    }

    /// The entry of this version.
    pub fn version(&self, version: &Version) -> Option<&IndexEntry> {
        self.entries.iter().find(|entry| entry.version() == version)
    }

    /// The bytes of an index file that has these entries.
    pub fn render<'a>(entries: impl IntoIterator<Item = &'a IndexEntry>) -> Bytes {
        let mut body = Vec::new();
        for entry in entries {
            body.extend_from_slice(entry.line());
            body.push(b'\n');
        }
        body.into()
    }
}

/// The lines that are not blank, numbered from 1, sharing the body's memory.
fn lines(body: &Bytes) -> impl Iterator<Item = (usize, Bytes)> {
    body.split(|&byte| byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(index, line)| (index + 1, body.slice_ref(line)))
}

fn parse_line(name: &CrateName, line: Bytes) -> Result<IndexEntry, String> {
    let entry = IndexEntry::parse(line).map_err(|error: EntryError| error.to_string())?;
    if entry.name().as_str().eq_ignore_ascii_case(name.as_str()) {
        Ok(entry)
    } else {
        Err(format!(
            "it is an entry of `{}`, not of `{name}`",
            entry.name()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, version: &str, content: &str) -> String {
        let digest = Sha256Digest::of(content);
        format!(r#"{{"name":"{name}","vers":"{version}","deps":[],"cksum":"{digest}"}}"#)
    }

    fn parse(name: &str, text: &str) -> Result<IndexFile, IndexFileError> {
        IndexFile::parse(&name.parse().unwrap(), &Bytes::from(text.to_owned()))
    }

    fn versions(file: &IndexFile) -> Vec<String> {
        file.entries
            .iter()
            .map(|e| e.version().to_string())
            .collect()
    }

    #[test]
    fn order_and_bytes_are_upstreams() {
        let text = format!("{}\n{}\n", line("x", "2.0.0", "a"), line("x", "1.0.0", "b"));
        let file = parse("x", &text).unwrap();
        assert_eq!(versions(&file), ["2.0.0", "1.0.0"]);
        assert_eq!(IndexFile::render(&file.entries), text);
        assert!(file.version(&"1.0.0".parse().unwrap()).is_some());
    }

    #[test]
    fn hostile_i03_lines_of_other_crates_are_held_back() {
        let text = format!("{}\n{}", line("x", "1.0.0", "a"), line("y", "1.0.0", "b"));
        let file = parse("X", &text).unwrap();
        assert_eq!(versions(&file), ["1.0.0"]);
        assert_eq!(file.rejected[0].number, 2);
    }

    #[test]
    fn hostile_i06_one_version_with_two_digests_is_held_back_twice() {
        let text = [
            line("x", "1.0.0", "a"),
            line("x", "1.1.0", "a"),
            line("x", "1.0.0", "b"),
            line("x", "1.1.0", "a"),
            line("x", "1.2.0", "c"),
            line("x", "1.2.0+b1", "d"),
        ]
        .join("\n");
        let file = parse("x", &text).unwrap();
        assert_eq!(versions(&file), ["1.1.0", "1.2.0", "1.2.0+b1"]);
        let numbers: Vec<_> = file.rejected.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 3, 4]);
    }

    #[test]
    fn hostile_i08_blank_lines_crlf_and_a_missing_newline_are_tolerated() {
        let text = format!(
            "\n{}\r\n  \n{}",
            line("x", "1.0.0", "a"),
            line("x", "1.1.0", "b")
        );
        assert_eq!(versions(&parse("x", &text).unwrap()), ["1.0.0", "1.1.0"]);
        assert!(parse("x", "").unwrap().entries.is_empty());
    }

    #[test]
    fn hostile_i08_a_line_separator_in_a_string_is_no_line_break() {
        let one =
            line("x", "1.0.0", "a").replace("\"deps\"", "\"note\":\"a\u{2028}b\u{85}c\",\"deps\"");
        let file = parse("x", &one).unwrap();
        assert_eq!(file.entries[0].line(), one.as_bytes());
    }

    #[test]
    fn hostile_i17_a_page_in_place_of_an_index_file_is_refused() {
        let error = parse("x", "<html>\n<body>sign in</body>\n</html>").unwrap_err();
        assert!(matches!(
            error,
            IndexFileError::NotAnIndexFile { lines: 3, .. }
        ));
        assert!(parse("x", &line("y", "1.0.0", "a")).is_err());
    }

    #[test]
    fn hostile_i07_over_ten_thousand_garbage_lines_are_one_refusal() {
        let good = line("x", "1.0.0", "a");
        let text = format!("{good}\n{}", "{\n".repeat(1_000_000));
        let error = parse("x", &text).unwrap_err();
        assert!(matches!(
            error,
            IndexFileError::NotAnIndexFile { lines: 10_001, .. }
        ));
        let text = format!("{good}\n{}", "{\n".repeat(9_999));
        assert_eq!(parse("x", &text).unwrap().rejected.len(), 9_999);
    }
}
