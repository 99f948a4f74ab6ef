//! What the other side of the air gap has.

use std::{collections::BTreeMap, fmt::Write as _, io::Read};

use super::DistError;
use crate::{
    Sha256Digest,
    layout::DistLayout,
    toolchain::DistPath,
    transfer::{ArchiveLimits, TreeReader},
};

/// The longest list, in bytes.
pub(super) const MAX_LIST: u64 = 16 << 20;

/// The component files that the other side of an air gap has.
///
/// As text, it is what `sha256sum` writes and checks, a line for each file:
///
/// ```text
/// DIGEST *dist/YYYY-MM-DD/FILE
/// ```
///
/// Lines with a path alone, as `tar tf` prints them, are understood too; lines of
/// other things than components are passed over.
#[derive(Clone, Debug, Default)]
pub struct CarriedList {
    files: BTreeMap<DistPath, Option<Sha256Digest>>,
}

impl CarriedList {
    /// Reads a list, which messages call `name`.
    pub fn parse(text: &[u8], name: &str) -> Result<Self, DistError> {
        let wrong = |reason: String| DistError::OwnFile {
            file: name.to_owned(),
            reason,
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong("it is not UTF-8".into()))?;
        let mut list = Self::default();
        for (number, line) in text.lines().enumerate() {
            let (digest, member) = split(line)
                .ok_or_else(|| wrong(format!("line {} is no digest and path", number + 1)))?;
            list.add_member(member, digest);
        }
        Ok(list)
    }

    /// The components in an archive, by their names. Reads all of it.
    pub fn of_archive(
        input: Box<dyn Read + Send>,
        name: &str,
        limits: ArchiveLimits,
    ) -> Result<Self, DistError> {
        let mut archive = TreeReader::open(input, name, limits)?;
        let mut list = Self::default();
        while let Some(entry) = archive.next_entry()? {
            list.add_member(&entry.path, None);
        }
        Ok(list)
    }

    fn add_member(&mut self, member: &str, digest: Option<Sha256Digest>) {
        let path = DistLayout::below(member).and_then(|path| path.parse().ok());
        if let Some(path) = path {
            self.files.insert(path, digest);
        }
    }

    /// Adds a file.
    pub fn insert(&mut self, path: DistPath, digest: Sha256Digest) {
        self.files.insert(path, Some(digest));
    }

    /// Adds all that `other` has.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
    }

    /// Whether the other side has this file.
    pub fn has(&self, path: &DistPath, digest: &Sha256Digest) -> bool {
        match self.files.get(path) {
            Some(Some(known)) => known == digest,
            Some(None) => true,
            None => false,
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Those whose digests are known.
    pub(super) fn known(&self) -> impl Iterator<Item = (&DistPath, &Sha256Digest)> {
        let files = self.files.iter();
        files.filter_map(|(path, digest)| Some((path, digest.as_ref()?)))
    }

    /// The list as text. A file whose digest is not known is a path alone.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (path, digest) in &self.files {
            let path = path.as_str();
            // Writing to a string does not fail.
            let _ = match digest {
                Some(digest) => writeln!(text, "{digest} *dist/{path}"),
                None => writeln!(text, "dist/{path}"),
            };
        }
        text
    }
}

/// The digest and the path in a line.
fn split(line: &str) -> Option<(Option<Sha256Digest>, &str)> {
    let line = line.trim_end();
    match line.split_once(' ') {
        Some((digest, rest)) => {
            let path = rest.strip_prefix(' ').or(rest.strip_prefix('*'))?;
            Some((Some(digest.parse().ok()?), path))
        }
        None => Some((None, line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_a38_lists_are_read_or_refused_and_never_panic() {
        let digest = Sha256Digest::of("x");
        let text = format!("{digest} *dist/2026-03-08/a.tar.xz\ndist/2026-03-08/b.tar.gz\n");
        assert_eq!(CarriedList::parse(text.as_bytes(), "x").unwrap().len(), 2);
        let mut state = 7_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut bytes = text.clone().into_bytes();
            let at = usize::try_from(state >> 8).unwrap() % bytes.len();
            match state & 3 {
                0 => drop(bytes.split_off(at)),
                1 => bytes.insert(at, u8::try_from(state >> 3 & 0xff).unwrap()),
                _ => bytes[at] = u8::try_from(state >> 3 & 0xff).unwrap(),
            }
            let Ok(list) = CarriedList::parse(&bytes, "x") else {
                continue;
            };
            for line in list.render().lines() {
                let (_, path) = line.rsplit_once("dist/").unwrap();
                assert!(path.parse::<DistPath>().is_ok(), "{line}");
            }
        }
        for bad in ["x y", "zz *dist/2026-03-08/a.tar.xz", "\u{0} \u{0}"] {
            assert!(CarriedList::parse(bad.as_bytes(), "x").is_err(), "{bad}");
        }
        assert!(CarriedList::parse(b"\xff", "x").is_err());
        let large = text.repeat(1 << 13);
        let started = std::time::Instant::now();
        assert_eq!(CarriedList::parse(large.as_bytes(), "x").unwrap().len(), 2);
        assert!(started.elapsed().as_secs() < 1, "of {} bytes", large.len());
    }
}
