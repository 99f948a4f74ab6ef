//! What an index file says of the versions of a crate, for people.

use std::borrow::Cow;

use bytes::Bytes;
use romt_core::{CrateName, Sha256Digest, Version};
use serde::Deserialize;

/// What is parsed on the spot, in bytes; more goes to another thread.
const AT_ONCE: usize = 64 * 1024;

/// The longest `rust_version` that is one.
const MAX_RUST_VERSION: usize = 32;

/// The versions of a crate, the highest first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The name as it was published.
    pub(crate) name: CrateName,
    pub(crate) all: Vec<VersionFacts>,
}

/// What is said of one version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VersionFacts {
    pub(crate) version: Version,
    pub(crate) checksum: Sha256Digest,
    pub(crate) yanked: bool,
    pub(crate) rust_version: Option<String>,
    /// The day of its publication.
    pub(crate) published: Option<String>,
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    name: Cow<'l, str>,
    #[serde(borrow)]
    vers: Cow<'l, str>,
    #[serde(borrow)]
    cksum: Cow<'l, str>,
    #[serde(default)]
    yanked: Option<bool>,
    #[serde(default, borrow)]
    rust_version: Option<Cow<'l, str>>,
    #[serde(default, borrow)]
    pubtime: Option<Cow<'l, str>>,
}

impl Versions {
    /// Reads the index file of the crate `name`, in whichever case; `None` if no line
    /// of it says anything about that crate.
    pub(crate) async fn read(name: &CrateName, body: Bytes) -> Option<Self> {
        if body.len() <= AT_ONCE {
            return Self::parse(name, &body);
        }
        let name = name.clone();
        let parsed = tokio::task::spawn_blocking(move || Self::parse(&name, &body)).await;
        // Only a panic or the end of the runtime can fail it.
        parsed.unwrap_or_default()
    }

    fn parse(wanted: &CrateName, body: &[u8]) -> Option<Self> {
        let lines = body.split(|byte| *byte == b'\n');
        let is_wanted = |name: &CrateName| name.as_str().eq_ignore_ascii_case(wanted.as_str());
        let lines = lines.filter_map(parse_line);
        let lines = lines.filter(|(name, _)| is_wanted(name));
        let (names, mut all): (Vec<_>, Vec<_>) = lines.unzip();
        all.sort_by(|a: &VersionFacts, b| b.version.cmp(&a.version));
        let name = names.into_iter().next_back()?;
        Some(Self { name, all })
    }

    /// The version that somebody would want: the highest that is neither yanked nor a
    /// pre-release, else not yanked, else any.
    pub(crate) fn newest(&self) -> Option<&VersionFacts> {
        let is_release = |it: &&VersionFacts| !it.yanked && it.version.semver().pre.is_empty();
        let mut all = self.all.iter();
        all.clone()
            .find(is_release)
            .or_else(|| all.clone().find(|it| !it.yanked))
            .or_else(|| all.next())
    }
}

fn parse_line(line: &[u8]) -> Option<(CrateName, VersionFacts)> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let facts = VersionFacts {
        version: line.vers.parse().ok()?,
        checksum: line.cksum.parse().ok()?,
        yanked: line.yanked.unwrap_or(false),
        rust_version: line
            .rust_version
            .filter(|text| text.len() <= MAX_RUST_VERSION)
            .map(Cow::into_owned),
        published: line.pubtime.as_deref().and_then(day_of),
    };
    Some((line.name.parse().ok()?, facts))
}

/// The day in `YYYY-MM-DDThh:mm:ssZ`.
fn day_of(time: &str) -> Option<String> {
    let (day, _) = time.split_once('T')?;
    let is_day = day.len() == 10 && day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    is_day.then(|| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(version: &str, more: &str) -> String {
        let cksum = Sha256Digest::of(version);
        format!(
            "{{\"name\":\"Zed\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{cksum}\"{more}}}\n"
        )
    }

    fn parse(text: &str) -> Option<Versions> {
        Versions::parse(&"zed".parse().unwrap(), text.as_bytes())
    }

    async fn read(text: String) -> Option<Versions> {
        Versions::read(&"zed".parse().unwrap(), text.into()).await
    }

    fn newest(lines: &[String]) -> String {
        let versions = parse(&lines.concat()).unwrap();
        versions.newest().unwrap().version.to_string()
    }

    #[tokio::test]
    async fn versions_are_read_and_sorted() {
        let more = ",\"rust_version\":\"1.70\",\"pubtime\":\"2026-01-02T03:04:05Z\"";
        let text = line("1.9.0", "") + &line("1.10.0", more) + "junk\n" + &line("0.1.0", "");
        let versions = read(text).await.unwrap();
        assert_eq!(versions.name.as_str(), "Zed");
        let shown: Vec<String> = versions
            .all
            .iter()
            .map(|it| it.version.to_string())
            .collect();
        assert_eq!(shown, ["1.10.0", "1.9.0", "0.1.0"]);
        let first = &versions.all[0];
        assert_eq!(first.rust_version.as_deref(), Some("1.70"));
        assert_eq!(first.published.as_deref(), Some("2026-01-02"));
        assert_eq!(first.checksum, Sha256Digest::of("1.10.0"));
        let large = line("1.0.0", "").repeat(2000);
        assert!(large.len() > AT_ONCE);
        assert_eq!(read(large).await.unwrap().all.len(), 2000);
        assert_eq!(read("junk\n".into()).await, None);
    }

    #[test]
    fn the_newest_is_what_one_wants() {
        let yanked = ",\"yanked\":true";
        let (old, pre) = (line("1.0.0", ""), line("2.0.0-rc.1", ""));
        let gone = line("3.0.0", yanked);
        assert_eq!(newest(&[old, pre.clone(), gone.clone()]), "1.0.0");
        assert_eq!(newest(&[pre, gone.clone()]), "2.0.0-rc.1");
        assert_eq!(newest(&[line("2.0.0", yanked), gone]), "3.0.0");
    }

    #[test]
    fn hostile_i08_odd_facts_are_left_out() {
        let long = format!(
            ",\"rust_version\":\"{}\",\"pubtime\":\"<b>T\"",
            "1".repeat(99)
        );
        let versions = parse(&line("1.0.0", &long)).unwrap();
        assert_eq!(versions.all[0].rust_version, None);
        assert_eq!(versions.all[0].published, None);
        for bad in [
            line("1.0", ""),
            line("1.0.0", "").replace("Zed", "../Zed"),
            line("1.0.0", "").replace("Zed", "Other"),
            line("1.0.0", "").replace("cksum\":\"", "cksum\":\"x"),
            line("1.0.0", ",\"yanked\":1"),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }
}
