//! Versions of crates, many of them, in the order of a listing.

use std::cmp::Ordering;

use super::{CrateName, Version};
use crate::Sha256Digest;

/// One version of a crate and the digest of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The version.
    pub version: Version,
    /// What its file must be.
    pub checksum: Sha256Digest,
}

/// Some versions of one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateRows {
    /// The crate, in the case in which its entries name it.
    pub name: CrateName,
    /// Its versions, by their text: `1.10.0` comes before `1.9.0`.
    pub versions: Vec<VersionRow>,
}

impl CrateRows {
    /// One version of one crate.
    pub fn one(name: &CrateName, row: &VersionRow) -> Self {
        Self {
            name: name.clone(),
            versions: vec![row.clone()],
        }
    }
}

/// Versions of many crates, sorted by name and version as plain text, so that
/// upper-case names come first.
///
/// A row costs 72 bytes, so that a whole registry fits into memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Vec<CrateRows>);

impl Rows {
    /// Sorts `crates` and what is in them, and joins those of one name.
    pub fn new(mut crates: Vec<CrateRows>) -> Self {
        // Stable, and quick where there is little to do.
        crates.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        crates.dedup_by(|next, kept| {
            let same = next.name == kept.name;
            if same {
                kept.versions.append(&mut next.versions);
            }
            same
        });
        crates.retain(|rows| !rows.versions.is_empty());
        for rows in &mut crates {
            rows.versions
                .sort_by(|a, b| by_text(&a.version, &b.version));
        }
        Self(crates)
    }

    /// The crates, each with its versions.
    pub fn crates(&self) -> &[CrateRows] {
        &self.0
    }

    /// Each version of each crate.
    pub fn iter(&self) -> impl Iterator<Item = (&CrateName, &VersionRow)> {
        self.0
            .iter()
            .flat_map(|rows| rows.versions.iter().map(move |row| (&rows.name, row)))
    }

    /// How many versions there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|rows| rows.versions.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The versions of the crate of this very name.
    pub fn of(&self, name: &CrateName) -> &[VersionRow] {
        self.0
            .binary_search_by(|rows| rows.name.as_str().cmp(name.as_str()))
            .map_or(&[], |at| &self.0[at].versions)
    }

    /// Whether this very version, with this digest, is among them.
    pub fn has(&self, name: &CrateName, row: &VersionRow) -> bool {
        self.version(name, &row.version)
            .is_some_and(|known| known.checksum == row.checksum)
    }

    /// What is said of this version, if it is among them.
    pub fn version(&self, name: &CrateName, version: &Version) -> Option<&VersionRow> {
        self.of(name).iter().find(|row| row.version == *version)
    }

    /// Keeps the versions for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&CrateName, &VersionRow) -> bool) {
        for rows in &mut self.0 {
            let name = &rows.name;
            rows.versions.retain(|row| keep(name, row));
        }
        self.0.retain(|rows| !rows.versions.is_empty());
    }

    /// These and those, each version once. Where digests differ, `newer` is right.
    #[must_use]
    pub fn union(mut self, newer: Self) -> Self {
        if self.is_empty() {
            return newer;
        }
        if newer.is_empty() {
            return self;
        }
        self.retain(|name, row| newer.version(name, &row.version).is_none());
        let mut crates = self.0;
        crates.extend(newer.0);
        Self::new(crates)
    }
}

/// Compares versions as their texts would compare, without writing them.
///
/// What may follow a part (`.`, `-`, `+` or the end) comes before all that the
/// part itself may have in that place, so that parts compare one by one.
fn by_text(a: &Version, b: &Version) -> Ordering {
    let (a, b) = (a.semver(), b.semver());
    by_digits(a.major, b.major)
        .then_with(|| by_digits(a.minor, b.minor))
        .then_with(|| by_digits(a.patch, b.patch))
        .then_with(|| a.pre.as_str().cmp(b.pre.as_str()))
        .then_with(|| a.build.as_str().cmp(b.build.as_str()))
}

/// Compares numbers by their digits: 1, 10, 2.
fn by_digits(a: u64, b: u64) -> Ordering {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0);
    let (of_a, of_b) = (digits(a), digits(b));
    let shared = of_a.min(of_b);
    let leading = |number: u64, digits: u32| number / 10_u64.pow(digits - shared);
    let order = leading(a, of_a).cmp(&leading(b, of_b));
    order.then(of_a.cmp(&of_b))
}

impl FromIterator<CrateRows> for Rows {
    fn from_iter<T: IntoIterator<Item = CrateRows>>(crates: T) -> Self {
        Self::new(crates.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, versions: &[&str]) -> CrateRows {
        let checksum = Sha256Digest::of(name);
        let row = |text: &&str| VersionRow {
            version: text.parse().unwrap(),
            checksum,
        };
        CrateRows {
            name: name.parse().unwrap(),
            versions: versions.iter().map(row).collect(),
        }
    }

    fn text(rows: &Rows) -> Vec<String> {
        let text = |(name, row): (&CrateName, &VersionRow)| format!("{name}@{}", row.version);
        rows.iter().map(text).collect()
    }

    #[test]
    fn statement_16_rows_are_sorted_as_text() {
        let rows: Rows = [
            rows("a", &["1.9.0", "1.10.0", "1.0.0-rc.1", "1.0.0+build.7"]),
            rows("MyCrate", &["0.1.0"]),
        ]
        .into_iter()
        .collect();
        let sorted = [
            "MyCrate@0.1.0",
            "a@1.0.0+build.7",
            "a@1.0.0-rc.1",
            "a@1.10.0",
            "a@1.9.0",
        ];
        assert_eq!(text(&rows), sorted);
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn versions_compare_as_their_texts() {
        let numbers = [
            "0",
            "1",
            "2",
            "9",
            "10",
            "11",
            "19",
            "99",
            "100",
            "18446744073709551615",
        ];
        let numbers = numbers.iter();
        let mut texts: Vec<String> = numbers.clone().map(|it| format!("{it}.0.0")).collect();
        texts.extend(numbers.clone().map(|it| format!("1.{it}.0")));
        for ends in [
            "", "-0", "-a", "-a-b", "-a.b", "-a.b+c", "-a+b.c", "-ab", "+0", "+a", "+a-b", "-A",
        ] {
            texts.extend(numbers.clone().map(|it| format!("1.0.{it}{ends}")));
        }
        let versions: Vec<Version> = texts.iter().map(|it| it.parse().unwrap()).collect();
        for (a, text_a) in versions.iter().zip(&texts) {
            for (b, text_b) in versions.iter().zip(&texts) {
                assert_eq!(by_text(a, b), text_a.cmp(text_b), "{text_a} {text_b}");
            }
        }
    }

    #[test]
    fn a_union_has_each_version_once() {
        let left: Rows = [rows("a", &["1.0.0", "2.0.0"])].into_iter().collect();
        let right: Rows = [rows("a", &["2.0.0"]), rows("b", &["1.0.0"])]
            .into_iter()
            .collect();
        assert_eq!(text(&left.union(right)), ["a@1.0.0", "a@2.0.0", "b@1.0.0"]);
    }

    #[test]
    fn a_crate_without_versions_is_not_there() {
        let mut rows: Rows = [rows("a", &["1.0.0"]), rows("b", &["1.0.0"])]
            .into_iter()
            .collect();
        rows.retain(|name, _| name.as_str() == "b");
        assert!(rows.of(&"a".parse().unwrap()).is_empty());
        assert_eq!(rows.crates().len(), 1);
    }
}
