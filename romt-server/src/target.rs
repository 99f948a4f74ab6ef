//! What a request path asks for.
//!
//! The grammar is an allow-list. Only what parses here as a name and a version
//! ever reaches a store, so that no path, however spelt, can name anything else.

use std::borrow::Cow;

use http::Uri;
use romt_core::CrateName;

use crate::{answer::Refusal, compat, dist_target::DistFile, git_route::GitTarget, page::Asset};

/// The longest request target, in bytes.
const MAX_TARGET: usize = 8 * 1024;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'p> {
    /// `/`
    Welcome,
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/index/config.json`
    Config,
    /// A file of the index. The path below `/index/` has the right form for its
    /// last segment, which is not yet known to be a crate name.
    Index(&'p str),
    /// A crate file, as `{name}/{name}-{version}.crate`.
    Crate(Cow<'p, str>),
    /// A file of a toolchain or of rustup.
    Dist(DistFile),
    /// `/rustup-init.sh`
    InstallerScript,
    /// `/api/v1/crates`, cargo's search.
    ApiSearch,
    /// `/search`, that of people.
    Search,
    /// `/crate/{name}`
    CratePage(CrateName),
    /// `/assets/{file}`, which pages are made with.
    Asset(&'static Asset),
    /// The index, as git asks for it.
    Git(GitTarget),
}

/// The path of `uri`, decoded once.
///
/// Refuses what no client of a mirror sends and only confuses the layers that
/// look at it: dot segments, empty segments, backslashes, encoded separators.
/// Empty segments are overlooked where rustup and git make them.
pub(crate) fn decode(uri: &Uri) -> Result<Cow<'_, str>, Refusal> {
    let path = uri.path();
    let query = uri.query().map_or(0, str::len);
    if path.len() + query > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    if !path.starts_with('/') || !path.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'\\') {
        return Err(Refusal::BadTarget);
    }
    let decoded = if path.contains('%') {
        Cow::Owned(decode_segments(path)?)
    } else {
        Cow::Borrowed(path)
    };
    let decoded = without_doubled_slashes(decoded);
    if has_odd_segment(&decoded) {
        return Err(Refusal::BadTarget);
    }
    Ok(decoded)
}

/// `path` without its empty segments, if it is one of rustup's: a slash at the end
/// of `RUSTUP_DIST_SERVER` makes it ask for `//dist/…`. Or of git's: some clients put
/// a slash between an address and what they want there, though it has one.
fn without_doubled_slashes(path: Cow<'_, str>) -> Cow<'_, str> {
    let below = path.trim_start_matches('/');
    let theirs = ["dist/", "rustup/", "git/"];
    let is_theirs = theirs.iter().any(|it| below.starts_with(it));
    if !is_theirs || !path.contains("//") {
        return path;
    }
    let mut collapsed = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        collapsed.push('/');
        collapsed.push_str(segment);
    }
    if path.ends_with('/') {
        collapsed.push('/');
    }
    Cow::Owned(collapsed)
}

/// Whether a segment is `.`, `..` or, but for the last, empty.
fn has_odd_segment(path: &str) -> bool {
    let mut rest = path.as_bytes();
    // Only what follows `/` by `/` or `.` needs a closer look.
    while let Some(at) = rest
        .windows(2)
        .position(|pair| matches!(pair, b"//" | b"/."))
    {
        rest = &rest[at + 1..];
        if let [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] = rest
        {
            return true;
        }
    }
    false
}

fn decode_segments(path: &str) -> Result<String, Refusal> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
        match (high, low) {
            (Some(high), Some(low)) => match high * 16 + low {
                b'/' | b'\\' | 0..=b' ' | 0x7f.. => return Err(Refusal::BadTarget),
                byte => decoded.push(byte),
            },
            _ => return Err(Refusal::BadTarget),
        }
    }
    String::from_utf8(decoded).map_err(|_| Refusal::BadTarget)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// What a decoded path asks for.
pub(crate) fn parse(path: &str) -> Result<Target<'_>, Refusal> {
    if let Some(rest) = path.strip_prefix("/crates/") {
        let file = crate_file(rest).map(Cow::Borrowed);
        let file = file.or_else(|| compat::crate_file(rest).map(Cow::Owned));
        return file.map(Target::Crate).ok_or(Refusal::NotFound);
    }
    let below_index = path.strip_prefix("/index/");
    if let Some(rest) = below_index.or_else(|| path.strip_prefix(compat::PYTHON_INDEX)) {
        if rest == "config.json" {
            return Ok(Target::Config);
        }
        return if is_index_file(rest) {
            Ok(Target::Index(rest))
        } else {
            Err(Refusal::NotFound)
        };
    }
    if matches!(path, "/rustup-init.sh" | "/rustup/rustup-init.sh") {
        return Ok(Target::InstallerScript);
    }
    if path.starts_with("/dist/") || path.starts_with("/rustup/") {
        let file = DistFile::parse(&path[1..]);
        return file.map(Target::Dist).ok_or(Refusal::NotFound);
    }
    if path.starts_with("/git/") {
        let target = GitTarget::parse(path);
        return target.map(Target::Git).ok_or(Refusal::NotFound);
    }
    match path {
        "/" => Ok(Target::Welcome),
        "/healthz" => Ok(Target::Health),
        "/readyz" => Ok(Target::Ready),
        "/metrics" => Ok(Target::Metrics),
        "/search" => Ok(Target::Search),
        "/api/v1/crates" => Ok(Target::ApiSearch),
        _ => of_people(path).ok_or(Refusal::NotFound),
    }
}

/// What is below `/crate/`, `/assets/` and `/api/`.
fn of_people(path: &str) -> Option<Target<'_>> {
    if let Some(name) = path.strip_prefix("/crate/") {
        return name.parse().ok().map(Target::CratePage);
    }
    if let Some(file) = path.strip_prefix("/assets/") {
        return Asset::called(file).map(Target::Asset);
    }
    let download = path.strip_prefix("/api/v1/crates/")?;
    let file = compat::download(download)?;
    Some(Target::Crate(Cow::Owned(file)))
}

/// Whether `path` is where an index keeps the file of its last segment.
fn is_index_file(path: &str) -> bool {
    let Some((prefix, name)) = path.rsplit_once('/') else {
        return false;
    };
    !name.bytes().any(|b| b.is_ascii_uppercase()) && is_prefix(prefix, name, |a, b| a == b)
}

/// The last two segments of `path`, if those before them are the directories
/// of the crate, in either style, or missing.
fn crate_file(path: &str) -> Option<&str> {
    let (directory, file) = path.rsplit_once('/')?;
    let (prefix, name) = match directory.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, directory),
    };
    // How a store on disk spells crates that are called like a device.
    let name = name.strip_prefix('=').unwrap_or(name);
    if let Some(prefix) = prefix {
        let fits = is_prefix(prefix, name, |a, b| a == b)
            || is_prefix(prefix, name, |a, b| a == b.to_ascii_lowercase());
        if !fits {
            return None;
        }
    }
    let length = name.len() + 1 + file.len();
    file.starts_with(name).then(|| &path[path.len() - length..])
}

/// Whether `prefix` is the directories above a crate called `name`, when its
/// letters are compared by `same`.
pub(crate) fn is_prefix(prefix: &str, name: &str, same: impl Fn(u8, u8) -> bool) -> bool {
    let (prefix, name) = (prefix.as_bytes(), name.as_bytes());
    match (prefix, name) {
        ([b'1'], [_]) | ([b'2'], [_, _]) => true,
        ([b'3', b'/', a], [first, _, _]) => same(*a, *first),
        ([a, b, b'/', c, d], [n0, n1, n2, n3, ..]) => {
            same(*a, *n0) && same(*b, *n1) && same(*c, *n2) && same(*d, *n3)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Result<String, Refusal> {
        let uri: Uri = path.parse().map_err(|_| Refusal::BadTarget)?;
        let path = decode(&uri)?;
        parse(&path).map(|target| format!("{target:?}"))
    }

    #[test]
    fn both_spellings_of_a_crate_are_one() {
        for path in [
            "/crates/My/Cr/MyCrate/MyCrate-1.0.0+b1.crate",
            "/crates/my/cr/MyCrate/MyCrate-1.0.0%2Bb1.crate",
            "/crates/MyCrate/MyCrate-1.0.0%2bb1.crate",
        ] {
            let expected = "Crate(\"MyCrate/MyCrate-1.0.0+b1.crate\")";
            assert_eq!(target(path).unwrap(), expected, "{path}");
        }
        for (path, file) in [
            ("/crates/1/x/x-1.0.0.crate", "x/x-1.0.0.crate"),
            ("/crates/2/xy/xy-1.0.0.crate", "xy/xy-1.0.0.crate"),
            ("/crates/3/x/xyz/xyz-1.0.0.crate", "xyz/xyz-1.0.0.crate"),
            ("/crates/3/a/=aux/aux-1.0.0.crate", "aux/aux-1.0.0.crate"),
            ("/crates/3/a/aux/aux-1.0.0.crate", "aux/aux-1.0.0.crate"),
        ] {
            assert_eq!(target(path).unwrap(), format!("Crate({file:?})"), "{path}");
        }
    }

    #[test]
    fn index_files_have_one_spelling() {
        assert_eq!(
            target("/index/se/rd/serde").unwrap(),
            "Index(\"se/rd/serde\")"
        );
        assert_eq!(target("/index/3/a/abc").unwrap(), "Index(\"3/a/abc\")");
        for path in [
            "/index/se/rd/Serde",
            "/index/SE/RD/serde",
            "/index/serde",
            "/index/se/rx/serde",
        ] {
            assert_eq!(target(path), Err(Refusal::NotFound), "{path}");
        }
    }

    #[test]
    fn hostile_h01_paths_do_not_climb() {
        for path in [
            "/../../etc/passwd",
            "/crates/../..",
            "//etc",
            "/./x",
            "/crates/..",
            "/x/.",
            "/crates//x",
            "/index/..",
            "/a\\b",
            "/crates/./x/x-1.0.0.crate",
        ] {
            assert_eq!(target(path), Err(Refusal::BadTarget), "{path}");
        }
        for path in ["/.romt/lock", "/.hidden", "/...", "/index/", "/crates/"] {
            assert_eq!(target(path), Err(Refusal::NotFound), "{path}");
        }
    }

    #[test]
    fn rustups_doubled_slashes_are_overlooked() {
        for path in [
            "//dist/channel-rust-stable.toml",
            "///dist//channel-rust-stable.toml",
            "/%64ist//channel-rust-stable.toml",
        ] {
            let file = target(path).unwrap();
            assert!(file.contains("\"dist/channel-rust-stable.toml\""), "{file}");
        }
        let pointer = target("/rustup//release-stable.toml").unwrap();
        assert!(pointer.contains("\"rustup/release-stable.toml\""));
        for path in ["//dist/../x", "//dist/./x", "//index/3/a/abc", "//rustup"] {
            assert_eq!(target(path), Err(Refusal::BadTarget), "{path}");
        }
        for path in ["/dist/", "//dist//", "/dist/2026-01-01/", "/rustup/dist/"] {
            assert_eq!(target(path), Err(Refusal::NotFound), "{path}");
        }
    }

    #[test]
    fn gits_doubled_slashes_are_overlooked() {
        for path in [
            "/git/crates.io-index/info/refs?service=git-upload-pack",
            "/git/crates.io-index//info/refs?service=git-upload-pack",
            "//git//crates.io-index/info/refs",
        ] {
            assert_eq!(target(path).unwrap(), "Git(Refs)", "{path}");
        }
        assert_eq!(target("/git/x"), Err(Refusal::NotFound));
        assert_eq!(target("/git//../x"), Err(Refusal::BadTarget));
    }

    #[test]
    fn hostile_h02_encodings_are_undone_once() {
        for path in [
            "/%2e%2e%2fx",
            "/%2e%2e/x",
            "/crates/%2e/x",
            "/a%2fb",
            "/a%5cb",
            "/a%c0%ae",
            "/a%00",
            "/a%0a",
            "/a%2",
            "/a%zz",
            "/a%",
            "/%2E%2E",
        ] {
            assert_eq!(target(path), Err(Refusal::BadTarget), "{path}");
        }
        for path in ["/%252e%252e/x", "/crates/a;x"] {
            assert_eq!(target(path), Err(Refusal::NotFound), "{path}");
        }
    }

    #[test]
    fn hostile_h04_long_targets_are_refused_at_once() {
        let long = format!("/{}", "a/".repeat(5000));
        assert_eq!(target(&long), Err(Refusal::TargetTooLong));
        assert_eq!(
            target(&format!("/?{}", "q".repeat(9000))),
            Err(Refusal::TargetTooLong)
        );
    }
}
