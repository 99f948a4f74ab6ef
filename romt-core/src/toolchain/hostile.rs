//! Manifests that do not mean well.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    ChannelManifest, MAX_MANIFEST_SIZE, ManifestError,
    reading::{MAX_NAMES, MAX_PACKAGES},
    samples,
};
use crate::{ErrorClass, Sha256Digest};

fn refused(text: impl Into<Bytes>) -> ManifestError {
    let error = ChannelManifest::parse(text.into(), "upstream/x.toml").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    let shown = error.to_string();
    assert!(shown.starts_with("upstream/x.toml"), "{shown}");
    assert!(shown.is_ascii() && !shown.contains('\n'), "{shown}");
    error
}

/// The refusal of the sample with `old` replaced, which must be in it.
fn refused_with(old: &str, new: &str) -> ManifestError {
    let text = samples::text();
    assert!(text.contains(old), "{old}");
    refused(text.replacen(old, new, 1))
}

#[test]
fn hostile_m01_bombs_meet_limits_before_the_parser() {
    let size = usize::try_from(MAX_MANIFEST_SIZE).unwrap();
    let start = Instant::now();
    for (text, reason) in [
        ("#".repeat(size + 1), "limit of 16777216 bytes"),
        (format!("a = {}", "[".repeat(10_000)), "deeper than 16"),
        (format!("{}a = 1", "a.".repeat(10_000)), "deeper than 16"),
        (format!("[{}a]", "a.".repeat(1_000_000)), "deeper than 16"),
        ("a.b = 1\n".repeat(1_000_000), "longer than 131072"),
        (
            format!("a = '{}'", "x".repeat(size - 6)),
            "longer than 131072",
        ),
        (
            format!("a = [{}]", "0,".repeat(size / 2 - 4)),
            "longer than 131072",
        ),
        ("[[a]]\n".repeat(1_000_000), "more than 200000 tables"),
    ] {
        let error = refused(text);
        assert!(error.reason().contains(reason), "{error}");
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn hostile_m11_the_number_of_packages_is_limited() {
    let package = |number| format!("[pkg.a.target.t{number}]\navailable = false\n");
    let packages: String = (0..=MAX_PACKAGES).map(package).collect();
    let error = refused(samples::text() + &packages);
    assert!(error.reason().contains("more than 20000"), "{error}");
}

#[test]
fn hostile_m02_only_plain_utf8_is_read() {
    let text = samples::text();
    let marked = refused(format!("\u{feff}{text}"));
    assert!(marked.reason().contains("byte order mark"));
    let nul = refused(text.replace("[profiles]", "# \0\n[profiles]"));
    assert!(nul.reason().contains("NUL") && nul.line().unwrap() > 10);
    let mut bytes = text.into_bytes();
    bytes.extend(b"\n\n# \xff\n");
    let error = refused(bytes);
    assert!(error.reason().contains("UTF-8") && error.line().unwrap() > 10);
    for text in [
        "<html>",
        "a = ",
        "a = 1\na = 2\n",
        "[a\n",
        "a = \"\n\"",
        "a = 1\rb = 2",
    ] {
        let error = refused(text);
        assert!(error.reason().starts_with("it is not TOML: "), "{error}");
        assert!(error.line().is_some());
    }
}

#[test]
fn hostile_m03_dates_and_formats_are_checked() {
    let date = "date = \"2024-02-08\"";
    for (new, at_line) in [
        ("", false),
        ("date = \"2024-13-45\"", true),
        ("date = \"../../x\"", true),
        ("date = 2024-02-08", true),
        ("date = [\"2024-02-08\"]", true),
        ("[date]", true),
    ] {
        let error = refused_with(date, new);
        assert_eq!(error.key().unwrap().as_str(), "date", "{error}");
        assert_eq!(error.line(), at_line.then_some(2), "{error}");
    }
    for new in ["", "manifest-version = 2", "manifest-version = \"1\""] {
        let error = refused_with("manifest-version = \"2\"", new);
        assert_eq!(error.key().unwrap().as_str(), "manifest-version");
    }
    let error = refused(format!("{}\n[x]\n", samples::text()) + "[pkg.rust]\nversion = '1.0.0'");
    assert_eq!(error.reason(), "it is stated twice");
}

#[test]
fn hostile_m04_m07_what_is_available_has_good_urls() {
    let url = "xz_url = \"https://dist.example.com/dist/2024-02-08/rustc.tar.xz\"";
    let key = "pkg.rustc.target.x86_64-unknown-linux-gnu.xz_url";
    for new in [
        "",
        "xz_url = \"\"",
        "xz_url = 1",
        "xz_url = \"file:///dist/2024-02-08/rustc.tar.xz\"",
        "xz_url = \"https://u:secret@h/dist/2024-02-08/rustc.tar.xz\"",
        "xz_url = \"https://h/dist/2024-02-08/../rustc.tar.xz\"",
        "xz_url = \"https://h/dist/2024-02-08/%2e%2e/rustc.tar.xz\"",
        "xz_url = \"https://h/dist/2024-02-08%2frustc.tar.xz\"",
        "xz_url = \"https://h/2024-02-08/rustc.tar.xz\"",
        "xz_url = \"https://h/dist/dist/2024-02-08/rustc.tar.xz\"",
        "xz_url = \"https://h/dist/2024-02-08/rustc.tar.xz?a\"",
        "xz_url = \"https://h/dist/2024-02-08/rustc.tar.xz#a\"",
        "xz_url = \"https://h/dist/2024-02-08/rustc.tar.gz\"",
    ] {
        let error = refused_with(url, new);
        assert_eq!(error.key().unwrap().as_str(), key, "{error}");
        assert!(error.line().is_some() && !error.to_string().contains("secret"));
    }
    let plain = "[pkg.rustc.target.y]\navailable = true\n";
    let error = refused(samples::text() + plain);
    assert!(error.reason().contains("neither url nor xz_url"), "{error}");
    for (old, new) in [
        ("available = true", "available = 1"),
        ("available = true", "available = \"true\""),
        ("available = false", ""),
    ] {
        let error = refused_with(old, new);
        assert!(
            error.key().unwrap().as_str().ends_with(".available"),
            "{error}"
        );
    }
    for text in ["pkg = 1", "[pkg]\nrustc = 1", "[pkg.rustc]\ntarget = []"] {
        assert!(refused(text).reason().contains("must be a table"));
    }
}

#[test]
fn hostile_m05_hashes_are_64_lower_case_digits() {
    let digest = Sha256Digest::of("rustc.tar.xz").to_string();
    let hash = format!("xz_hash = \"{digest}\"");
    for new in [
        String::new(),
        "xz_hash = \"\"".to_owned(),
        "xz_hash = 7".to_owned(),
        format!("xz_hash = \"{}\"", &digest[1..]),
        format!("xz_hash = \"{}\"", digest.to_uppercase()),
        format!("xz_hash = \"g{}\"", &digest[1..]),
        format!("{hash}\n{hash}"),
    ] {
        let error = refused_with(&hash, &new);
        assert!(error.line().is_some(), "{error}");
    }
}

#[test]
fn hostile_m06_a_path_has_one_digest() {
    let (one, other) = ["rust-docs-shared.tar.xz", "x"]
        .map(Sha256Digest::of)
        .into();
    let error = refused_with(&one.to_string(), &other.to_string());
    let shown = error.to_string();
    assert!(shown.contains(&one.to_string()) && shown.contains(&other.to_string()));
    assert!(shown.contains("2024-02-08/rust-docs-shared.tar.xz"));
}

#[test]
fn hostile_m08_versions_names_and_renames_are_checked() {
    let version = "1.76.0 (07dca489a 2024-02-04)";
    let text = samples::text();
    for bad in [
        "1.0/../x",
        "1.76",
        "1.76.0-alpha",
        "1.76.0-dev",
        "x",
        " 1.76.0",
        "1.76.0-beta.x",
        "1.76.0\\u0000",
        "1.76.0-nightly-2",
    ] {
        let error = refused(text.replace(version, bad));
        assert_eq!(
            error.key().unwrap().as_str(),
            "pkg.rust-src.version",
            "{bad}"
        );
    }
    for (old, new) in [
        (
            "[pkg.rustc.target.wasm32-wasip1]",
            "[pkg.rustc.target.\"../x\"]",
        ),
        (
            "[pkg.rustc.target.wasm32-wasip1]",
            "[pkg.rustc.target.\"a/b\"]",
        ),
        ("[pkg.rustc.target.wasm32-wasip1]", "[pkg.\"..\".target.a]"),
        ("[pkg.rustc.target.wasm32-wasip1]", "[pkg.\"\".target.a]"),
        ("[renames.clippy]", "[renames.\"a/b\"]"),
        ("to = \"clippy-preview\"", "to = \"../x\""),
        ("to = \"clippy-preview\"", "to = 1"),
        ("\"clippy\"]", "\"a/b\"]"),
        ("\"clippy\"]", "[]]"),
    ] {
        assert!(refused_with(old, new).line().is_some(), "{new}");
    }
    for circle in [
        "[renames.a]\nto = 'a'\n",
        "[renames.a]\nto = 'b'\n[renames.b]\nto = 'c'\n[renames.c]\nto = 'b'\n",
    ] {
        let error = refused(format!("{text}\n{circle}"));
        assert!(error.reason().contains("circle"), "{error}");
    }
    let chain = format!("{text}\n[renames.a]\nto = 'clippy'\n[renames.b]\nto = 'a'\n");
    assert!(ChannelManifest::parse(chain.into(), "chain").is_ok());
}

#[test]
fn hostile_m11_the_number_of_names_is_limited() {
    let text = samples::text();
    let rename = |number| format!("[renames.a{number}]\nto = 'b'\n");
    let renames: String = (0..=MAX_NAMES).map(rename).collect();
    let error = refused(format!("{text}\n{renames}"));
    assert!(error.reason().contains("more than 1000"), "{error}");
    let names = "\"a\",".repeat(MAX_NAMES + 1);
    let error = refused(format!("{text}\ncomplete = [{names}]\n"));
    assert!(error.reason().contains("more than 1000"), "{error}");
}

/// Whatever is broken in a manifest, it is read as a parser of the whole reads
/// it, or refused.
#[test]
fn hostile_m08_broken_manifests_are_refused_or_read_as_toml_is() {
    let text = samples::text();
    let wild = b"[]{}\"'#=.,\\\n\r \tx0_-\xc3\0";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit as u64).unwrap()
    };
    let mut accepted = 0;
    for _ in 0..3_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=next(3) {
            let (at, byte) = (next(bytes.len()), wild[next(wild.len())]);
            match next(4) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..bytes.len().min(at + 1 + next(80)))),
                _ => {
                    let end = bytes.len().min(at + next(300));
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        let Ok(manifest) = ChannelManifest::parse(bytes.clone().into(), "broken") else {
            continue;
        };
        accepted += 1;
        let whole: toml::Table = match toml::from_str(std::str::from_utf8(&bytes).unwrap()) {
            Ok(whole) => whole,
            // Two tables that we have no use for may have one name.
            Err(error) if error.message().contains("duplicate key") => continue,
            Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&bytes)),
        };
        assert_eq!(whole["date"].as_str(), Some(&*manifest.date().to_string()));
        let targets = whole["pkg"].as_table().unwrap().values();
        let targets = targets.filter_map(|it| it.get("target")?.as_table());
        let details = targets.flat_map(toml::Table::values);
        let available = details.filter(|it| it["available"].as_bool() == Some(true));
        assert_eq!(available.count(), manifest.packages().len());
    }
    assert!(accepted > 100, "{accepted}");
}
