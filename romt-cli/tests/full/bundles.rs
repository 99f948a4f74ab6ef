//! Bundles whose trees and index files are hostile.

use std::process::Stdio;

use crate::{
    archive::{self, Members},
    origin::{Mirror, Origin, bytes_of, digest_of, line_of},
    tool::{git, git_with},
};

/// Brings an archive with all that upstream has, and these crates.
fn bring(origin: &Origin, importer: &Mirror<'_>, crates: &[(&str, &str)]) {
    let bundle = archive::bundle(&origin.repository(), None);
    let mut members = Members::with_bundle(bundle);
    for (name, version) in crates {
        members = members.and_crate(name, version, bytes_of(name, version, ""));
    }
    members.save(&importer.archive());
}

const SMALL: [(&str, &str); 4] = [
    ("a", "1.0.0"),
    ("bb", "1.0.0"),
    ("ccc", "1.0.0"),
    ("MyCrate", "1.0.0"),
];

/// A tree with all that `origin` has, and `entry`, which git would not make.
fn tree_with(origin: &Origin, entry: &[u8]) -> String {
    let repository = origin.repository();
    let tree = origin.tree();
    let mut raw = git_with(&repository, &["cat-file", "tree", &tree], b"");
    raw.extend(entry);
    let args = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
    String::from_utf8(git_with(&repository, &args, &raw))
        .unwrap()
        .trim()
        .to_owned()
}

/// A raw entry of a tree.
fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let mut raw = mode.as_bytes().to_vec();
    raw.push(b' ');
    raw.extend(name);
    raw.push(0);
    for at in (0..40).step_by(2) {
        raw.push(u8::from_str_radix(&id[at..at + 2], 16).unwrap());
    }
    raw
}

/// An importer that shows what is in `origin`.
fn importer(origin: &Origin) -> Mirror<'_> {
    let importer = origin.importer("in");
    bring(origin, &importer, &SMALL);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.labels().len(), 4);
    importer
}

#[test]
fn hostile_b09_names_that_are_no_names_are_refused() {
    let origin = Origin::small();
    let importer = importer(&origin);
    let parent = git(&origin.repository(), &["rev-parse", "master"]);
    let blob = git_with(
        &origin.repository(),
        &["hash-object", "-w", "--stdin"],
        b"x",
    );
    let blob = String::from_utf8(blob).unwrap();
    let tree = origin.tree();
    let names: [&[u8]; 5] = [b"..", b".", b".git", b".GIT", b"x/../../y"];
    for name in names {
        for (mode, id) in [("100644", blob.trim()), ("40000", &tree)] {
            let tree = tree_with(&origin, &entry(mode, name, id));
            origin.commit_tree(&tree, Some(&parent));
            bring(&origin, &importer, &SMALL);
            importer.refuses(&["import"], 4, &["bundle"]);
        }
    }
}

#[test]
fn hostile_b10_links_and_repositories_are_no_crates() {
    let origin = Origin::small();
    let importer = importer(&origin);
    let parent = git(&origin.repository(), &["rev-parse", "master"]);
    let link = git_with(
        &origin.repository(),
        &["hash-object", "-w", "--stdin"],
        b"/etc/passwd",
    );
    let link = String::from_utf8(link).unwrap();
    for (entries, what) in [
        (entry("120000", b"zz", link.trim()), "a link"),
        (entry("160000", b"zz", &parent), "a repository of its own"),
    ] {
        let tree = tree_with(&origin, &entries);
        origin.commit_tree(&tree, Some(&parent));
        bring(&origin, &importer, &SMALL);
        importer.refuses(&["import"], 4, &["bundle", "`zz`", what]);
        assert!(importer.index().join("zz").symlink_metadata().is_err());
    }
}

#[test]
fn hostile_b10_what_git_would_interpret_is_not() {
    let origin = Origin::small();
    let importer = importer(&origin);
    origin.put(
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = x\n\turl = /etc\n",
    );
    origin.put(".gitattributes", "* filter=evil\n");
    origin.publish("dddd", "1.0.0");
    origin.commit();
    let mut crates = SMALL.to_vec();
    crates.push(("dddd", "1.0.0"));
    bring(&origin, &importer, &crates);
    importer.run(&["import"]).assert(0, &[]);
    assert_eq!(importer.labels().len(), 5);
    assert!(!importer.index().join("x").exists());
}

#[test]
fn hostile_b08_trees_that_are_too_deep_or_multiply_end() {
    let origin = Origin::small();
    let importer = importer(&origin);
    let parent = git(&origin.repository(), &["rev-parse", "master"]);
    let repository = origin.repository();
    let make = |entries: &str| {
        String::from_utf8(git_with(&repository, &["mktree"], entries.as_bytes()))
            .unwrap()
            .trim()
            .to_owned()
    };
    let mut deep = origin.tree();
    for _ in 0..300 {
        deep = make(&format!("040000 tree {deep}\td\n"));
    }
    let blob = git_with(&repository, &["hash-object", "-w", "--stdin"], b"x");
    let blob = String::from_utf8(blob).unwrap();
    let mut bomb = make(&format!("100644 blob {}\tf\n", blob.trim()));
    for _ in 0..10 {
        let entries: Vec<String> = (0..10)
            .map(|at| format!("040000 tree {bomb}\td{at}\n"))
            .collect();
        bomb = make(&entries.concat());
    }
    let whole = git_with(&repository, &["ls-tree", "master"], b"");
    let whole = String::from_utf8(whole).unwrap();
    for (tree, name) in [(deep, "deep"), (bomb, "bomb")] {
        let tree = make(&format!("{whole}040000 tree {tree}\t{name}\n"));
        origin.commit_tree(&tree, Some(&parent));
        bring(&origin, &importer, &SMALL);
        let before = importer.view();
        let started = std::time::Instant::now();
        let ended = importer.run(&["import"]);
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
        assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
        assert_eq!(importer.view(), before);
    }
}

/// Lines that nobody may believe, in an index that an archive brings: the rest is
/// imported, and clients do not see them.
#[test]
fn hostile_index_content_of_a_bundle_is_held_back() {
    let origin = Origin::small();
    let importer = importer(&origin);
    for (_, line) in crate::index::bad_lines("dddd") {
        origin.put("dd/dd/dddd", good_and(&line));
        let parent = git(&origin.repository(), &["rev-parse", "master"]);
        let tree = origin.tree();
        // Each builds on the one before, so that it is no older one.
        origin.commit_tree(&tree, Some(&parent));
        let mut crates = SMALL.to_vec();
        crates.push(("dddd", "1.0.0"));
        bring(&origin, &importer, &crates);
        importer
            .run(&["import"])
            .assert(0, &["warning: held back: dd/dd/dddd:2"]);
        let labels = importer.labels();
        assert_eq!(labels.len(), 5, "{labels:?}");
        assert!(labels.contains(&"dddd@1.0.0".into()));
    }
}

fn good_and(line: &[u8]) -> Vec<u8> {
    let mut body = line_of("dddd", "1.0.0", &digest_of("dddd", "1.0.0", "")).into_bytes();
    body.extend(line);
    body
}

/// Whatever the bundle says of other refs, none is made.
#[test]
fn hostile_b03_only_the_one_branch_is_taken() {
    let origin = Origin::small();
    let importer = importer(&origin);
    let repository = origin.repository();
    origin.put("config.json", "{\"dl\":\"https://other.invalid/dl\"}\n");
    origin.commit();
    for name in [
        "refs/heads/mark",
        "refs/heads/working",
        "refs/romt/exported",
        "refs/tags/v1",
        "refs/heads/bundle/master",
    ] {
        git(&repository, &["update-ref", name, "master"]);
    }
    let file = repository.join("all.bundle");
    let mut command = std::process::Command::new("git");
    command
        .arg("-C")
        .arg(&repository)
        .args(["bundle", "create", "-q", "--version=2"]);
    command.arg(&file).arg("--all").stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    let mut members = Members::with_bundle(std::fs::read(&file).unwrap());
    for (name, version) in SMALL {
        members = members.and_crate(name, version, bytes_of(name, version, ""));
    }
    members.save(&importer.archive());
    importer.run(&["import"]).assert(0, &[]);
    let refs = importer.git(&["for-each-ref", "--format=%(refname)"]);
    for name in ["refs/tags", "refs/romt", "refs/heads/bundle"] {
        assert!(!refs.contains(name), "{refs}");
    }
}
