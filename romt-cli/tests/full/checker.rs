//! The checker: what a mirror shows, seen from outside, and whether it is true.

use std::{collections::BTreeMap, fs, path::Path};

use romt_core::{PrefixStyle, Sha256Digest};
use serde_json::Value;

use crate::{
    fault_support::{
        registry::{index_path, prefix},
        tree,
    },
    origin::Mirror,
    tool::{git_with, try_git},
};

/// The digests of what clients see, by `name@version`.
pub(crate) type View = BTreeMap<String, String>;

/// Every entry that clients can see has its crate, with the digest that it states:
/// those of the shown branch, and those of what `HEAD` names, which plain git
/// servers show.
#[track_caller]
pub(crate) fn check(mirror: &Mirror<'_>) -> View {
    let view = check_revision(mirror, "refs/heads/master");
    check_revision(mirror, "HEAD");
    for name in tree::files(&mirror.path().join("crates")).into_keys() {
        let is_served =
            name.extension().is_some_and(|end| end == "crate") || name == Path::new("config.toml");
        assert!(is_served, "{} is where crates are served", name.display());
    }
    view
}

#[track_caller]
fn check_revision(mirror: &Mirror<'_>, revision: &str) -> View {
    let mut view = View::new();
    let index = mirror.index();
    let Ok(list) = try_git(&index, &["ls-tree", "-r", "-z", revision], b"") else {
        return view;
    };
    let list = String::from_utf8(list).unwrap();
    for entry in list.split_terminator('\0') {
        let (facts, path) = entry.split_once('\t').unwrap();
        let facts: Vec<&str> = facts.split(' ').collect();
        let (mode, id) = (facts[0], facts[2]);
        assert!(mode.starts_with("100"), "{path} is no file but a {mode}");
        // Clients ask for the file of a crate, and for it alone.
        if path.rsplit('/').next().map(index_path).as_deref() != Some(path) {
            continue;
        }
        let body = git_with(&index, &["cat-file", "blob", id], b"");
        let body = String::from_utf8(body).unwrap_or_else(|_| panic!("{path} is no text"));
        for line in body.lines().filter(|line| !line.is_empty()) {
            let (label, digest) = check_line(mirror, path, line);
            assert_eq!(view.insert(label, digest), None, "twice in {path}");
        }
    }
    view
}

#[track_caller]
fn check_line(mirror: &Mirror<'_>, path: &str, line: &str) -> (String, String) {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{path}: {e}: {line}"));
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (name, version, digest) = (text("name"), text("vers"), text("cksum"));
    assert_eq!(index_path(&name), path, "{name} is in the wrong file");
    let prefix = prefix(&name, PrefixStyle::Lower);
    let file = mirror.crate_file(&prefix, &name, &version);
    let held = fs::read(&file).map(|bytes| Sha256Digest::of(bytes).to_string());
    let held = held.unwrap_or_else(|error| panic!("{} is shown: {error}", file.display()));
    assert_eq!(
        held,
        digest,
        "{} is shown with another digest",
        file.display()
    );
    (format!("{name}@{version}"), digest)
}

/// A run that ended by itself leaves nothing half done.
#[track_caller]
pub(crate) fn assert_tidy(mirror: &Mirror<'_>) {
    let files = tree::files(mirror.path()).into_keys();
    let names = files.map(|path| path.to_str().unwrap().to_owned());
    let left: Vec<String> = names
        .filter(|name| {
            let file = name.rsplit('/').next().unwrap();
            let ends_with = |ends: &[&str]| ends.iter().any(|end| file.ends_with(end));
            name.starts_with(".romt/tmp")
                || file.starts_with(".tmp")
                || ends_with(&[".tmp", ".lock", ".staged"])
                || file == "romt-locks"
        })
        .collect();
    assert!(left.is_empty(), "half done: {left:?}");
}
