use std::{collections::HashSet, fs, path::Path};

use gix::{ObjectId, objs::Kind};
use romt_core::{ErrorClass, ports::IndexError};

use super::{
    super::pack::{
        Limits, Plan,
        testing::{Dice, Git, History, PackMaker, commit, is_ancestor},
    },
    TIPS, take_bundle, write_bundle,
};

fn copied(from: &Git, to: &Path) -> Git {
    let parent = Git {
        dir: from.dir.parent().unwrap().to_owned(),
    };
    parent.run(&[
        "clone",
        "-q",
        "--mirror",
        from.dir.to_str().unwrap(),
        to.to_str().unwrap(),
    ]);
    Git { dir: to.to_owned() }
}

/// What the bundle's receiver ends up with must be `tip`, by git's word.
fn taken(git: &Git, bundle: &Path, tip: ObjectId) {
    let before = git.files();
    let incoming = take_bundle(&git.open(), "index", bundle).unwrap();
    assert_eq!(incoming.tip, tip);
    git.set("refs/heads/in", tip);
    git.check();
    let odd = |it: &std::path::PathBuf| {
        let kind = it.extension().and_then(|it| it.to_str());
        !before.contains(it) && !matches!(kind, Some("pack" | "idx"))
    };
    assert!(!git.files().iter().any(odd), "something is left over");
}

fn check_plan(history: &History, start: ObjectId, tip: ObjectId) {
    let plan = Plan::new(&history.git.open(), &[start], &[tip]).unwrap();
    let ids = plan.ids();
    let unique: HashSet<ObjectId> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "an object is there twice");
    let listed = history
        .git
        .run(&["ls-tree", "-r", "-t", &start.to_string()]);
    for line in listed.lines() {
        let id: ObjectId = line.split([' ', '\t']).nth(2).unwrap().parse().unwrap();
        assert!(!unique.contains(&id), "the receiver has {id}");
    }
}

fn check_range(history: &History, start: ObjectId, tip: ObjectId, dir: &Path) {
    let ours = dir.join("ours.bundle");
    let repo = history.git.open();
    let facts = write_bundle(&repo, "index", Some(start), tip, TIPS[0], &ours).unwrap();
    let grows = is_ancestor(&repo, start, tip).unwrap();
    assert_eq!(facts.base.is_some(), grows);
    assert_eq!(facts.size, fs::metadata(&ours).unwrap().len());
    check_plan(history, start, tip);

    let at_start = history.git.clone_at(start, dir.join("start"));
    let by_us = copied(&at_start, &dir.join("by-us"));
    let of_git = copied(&at_start, &dir.join("of-git"));
    at_start.run(&["bundle", "verify", "-q", ours.to_str().unwrap()]);
    let spec = format!("{}:refs/heads/in", TIPS[0]);
    at_start.run(&["fetch", "-q", ours.to_str().unwrap(), &spec]);
    at_start.check();
    assert_eq!(at_start.id("refs/heads/in"), tip);
    taken(&by_us, &ours, tip);

    history.git.set(TIPS[0], tip);
    let theirs = dir.join("theirs.bundle");
    let range = format!("^{start}");
    let create = [
        "bundle",
        "create",
        "-q",
        theirs.to_str().unwrap(),
        &range,
        "bundle/master",
    ];
    // git writes none that brings nothing, and lies about unrelated histories.
    if grows && start != tip && history.git.attempt(&create).status.success() {
        taken(&of_git, &theirs, tip);
    }
}

#[test]
fn what_is_in_a_bundle_arrives_whoever_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..4 {
        let history = History::random(&dir.path().join(format!("{seed}")), seed, 60);
        // What lies in packs is copied, whatever git made deltas of.
        match seed {
            1 => drop(history.git.run(&["repack", "-q", "-a", "-d", "-f"])),
            2 => drop(
                history
                    .git
                    .run(&["repack", "-q", "-a", "-d", "-f", "--depth=1"]),
            ),
            3 => history.git.repack_in_parts(&history.commits),
            _ => {}
        }
        let mut dice = Dice::new(seed + 100);
        for range in 0..4 {
            let start = history.commits[dice.below(30)];
            let tip = history.commits[30 + dice.below(30)];
            let dir = dir.path().join(format!("{seed}-{range}"));
            fs::create_dir(&dir).unwrap();
            check_range(&history, start, tip, &dir);
        }
    }
}

#[test]
fn a_complete_bundle_begins_with_the_largest_pack() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 77, 80);
    let tip = history.commits[79];
    let builds = |it: &&ObjectId| is_ancestor(&history.git.open(), **it, tip).unwrap();
    let early = *history.commits[50..].iter().find(builds).unwrap();
    let git = history.git.clone_at(early, dir.path().join("grown"));
    git.run(&["repack", "-q", "-a", "-d"]);
    let update = dir.path().join("update.bundle");
    history.git.set(TIPS[0], tip);
    let repo = history.git.open();
    write_bundle(&repo, "index", Some(early), tip, TIPS[0], &update).unwrap();
    taken(&git, &update, tip);
    let repo = git.open();
    let plan = Plan::new(&repo, &[], &[tip]).unwrap();
    assert!(plan.has_body(), "a pack was there to copy");

    let whole = dir.path().join("whole.bundle");
    let facts = write_bundle(&repo, "index", None, tip, TIPS[1], &whole).unwrap();
    assert_eq!(facts.base, None);
    let empty = Git::init(dir.path().join("empty"));
    empty.run(&["bundle", "verify", "-q", whole.to_str().unwrap()]);
    empty.run(&[
        "fetch",
        "-q",
        whole.to_str().unwrap(),
        "refs/heads/master:refs/heads/in",
    ]);
    empty.check();
    taken(&Git::init(dir.path().join("ours")), &whole, tip);
    // Without any pack, everything is made anew.
    let loose = Git::init(dir.path().join("loose"));
    let pack = fs::read(&whole).unwrap();
    let begin = pack.windows(4).position(|it| it == b"PACK").unwrap();
    loose.feed(&["unpack-objects", "-q"], &pack[begin..]);
    loose.set("refs/heads/in", tip);
    let repo = loose.open();
    assert!(!Plan::new(&repo, &[], &[tip]).unwrap().has_body());
    write_bundle(&repo, "index", None, tip, TIPS[0], &whole).unwrap();
    taken(&Git::init(dir.path().join("again")), &whole, tip);
}

/// What the disk has spoiled is not carried on.
#[test]
fn an_entry_that_was_damaged_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 9, 40);
    let git = &history.git;
    git.run(&["repack", "-q", "-a", "-d", "-f"]);
    let tip = history.commits[39];
    let builds = |it: &&ObjectId| is_ancestor(&git.open(), **it, tip).unwrap();
    let start = *history.commits.iter().find(builds).unwrap();
    let path = dir.path().join("b.bundle");
    let write = || write_bundle(&git.open(), "index", Some(start), tip, TIPS[0], &path);
    write().unwrap();
    let is_pack = |it: &std::path::PathBuf| it.extension().is_some_and(|it| it == "pack");
    let pack = git.files().into_iter().find(is_pack).unwrap();
    let good = fs::read(&pack).unwrap();
    let index = pack.with_extension("idx");
    let listed = git.run(&[
        "rev-list",
        "--objects",
        "--no-object-names",
        &format!("{start}..{tip}"),
    ]);
    let new: HashSet<&str> = listed.lines().collect();
    let entries = git.feed(&["show-index"], &fs::read(index).unwrap());
    fs::remove_file(&pack).unwrap();
    let mut tried = 0;
    for entry in entries.lines() {
        let (offset, id) = entry.split_once(' ').unwrap();
        if !new.contains(&id[..40]) {
            continue;
        }
        tried += 1;
        // Behind what says how long it is.
        let mut bad = good.clone();
        bad[offset.parse::<usize>().unwrap() + 12] ^= 0x55;
        fs::write(&pack, bad).unwrap();
        write().unwrap_err();
        fs::remove_file(&pack).unwrap();
    }
    assert!(tried > 25, "{tried} objects are too few to prove anything");
    fs::write(&pack, good).unwrap();
    write().unwrap();
}

/// A repository with one file, which says one thing after the other; its commits.
fn saying(texts: &[&str], dir: &Path) -> (Git, Vec<ObjectId>) {
    let git = Git::init(dir);
    let mut commits: Vec<ObjectId> = Vec::new();
    for text in texts {
        let blob = git.feed(&["hash-object", "-w", "--stdin"], text.as_bytes());
        let tree = git.feed(
            &["mktree"],
            format!("100644 blob {blob}\tfile\n").as_bytes(),
        );
        let parent = commits.last().map(|it| format!("-p{it}"));
        let mut args = vec!["commit-tree", &tree, "-m", "c"];
        args.extend(parent.as_deref());
        commits.push(git.run(&args).parse().unwrap());
    }
    (git, commits)
}

#[test]
fn what_comes_back_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let line = "a line of an index file, long enough for a delta to be worth its base";
    let [a, b, c] = ["false", "true", "other"].map(|it| format!("{line}\n{line}\n{it}\n{line}\n"));
    let (git, commits) = saying(&[&a, &b, &a, &b, &c, &a], &dir.path().join("all"));
    let repo = git.open();
    for start in 0..commits.len() {
        for end in start..commits.len() {
            let (start, tip) = (commits[start], commits[end]);
            let ids = Plan::new(&repo, &[start], &[tip]).unwrap().ids();
            assert!(!ids.contains(&git.id(&format!("{start}:file"))));
            assert!(!ids.contains(&git.id(&format!("{start}^{{tree}}"))));
            let path = dir.path().join("b.bundle");
            write_bundle(&repo, "index", Some(start), tip, TIPS[0], &path).unwrap();
            let receiver = git.clone_at(start, dir.path().join(format!("{start}-{tip}")));
            taken(&receiver, &path, tip);
        }
    }
}

#[test]
fn a_bundle_that_brings_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 5, 10);
    let (repo, tip) = (history.git.open(), history.commits[9]);
    let path = dir.path().join("nothing.bundle");
    let facts = write_bundle(&repo, "index", Some(tip), tip, TIPS[0], &path).unwrap();
    assert_eq!(facts.base, Some(facts.tip));
    let incoming = take_bundle(&repo, "index", &path).unwrap();
    assert_eq!((incoming.tip, incoming.branch.as_str()), (tip, TIPS[0]));
}

#[test]
fn hostile_b04_a_bundle_too_far_ahead_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (git, commits) = saying(&["a", "b", "c"], &dir.path().join("all"));
    let id = |n: usize| commits[n];
    let path = dir.path().join("b.bundle");
    write_bundle(&git.open(), "index", Some(id(1)), id(2), TIPS[0], &path).unwrap();
    let behind = git.clone_at(id(0), dir.path().join("behind"));
    let before = behind.files();
    let error = take_bundle(&behind.open(), "index", &path).unwrap_err();
    let IndexError::Gap { needs, has, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((needs, has), (&id(1).to_string(), &id(0).to_string()));
    assert_eq!(error.class(), ErrorClass::Refused);
    assert_eq!(behind.files(), before);
}

#[test]
fn a_bundle_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 6, 10);
    let path = dir.path().join("b.bundle");
    fs::write(&path, "the old one").unwrap();
    let missing = ObjectId::from_bytes_or_panic(&[7; 20]);
    let repo = history.git.open();
    write_bundle(&repo, "index", None, missing, TIPS[0], &path).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"the old one");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn limits_are_those_of_the_whole_mirror() {
    let limits = Limits::default();
    assert_eq!(
        (limits.object, limits.total, limits.chain),
        (1 << 28, 1 << 36, 4095)
    );
}

/// A bundle of one commit without files, under these lines.
fn small(lines: impl FnOnce(ObjectId) -> String) -> (ObjectId, Vec<u8>) {
    let mut pack = PackMaker::default();
    let root = pack.object(Kind::Tree, b"");
    let tip = pack.object(Kind::Commit, &commit(root, &[]));
    let mut bytes = lines(tip).into_bytes();
    bytes.extend(pack.finish());
    (tip, bytes)
}

#[test]
fn hostile_b03_other_references_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let git = Git::init(dir.path().join("git"));
    let path = dir.path().join("b.bundle");
    let other = ObjectId::from_bytes_or_panic(&[7; 20]);
    let (tip, bytes) = small(|tip| {
        format!(
            "# v3 git bundle\n@object-format=sha1\n{other} refs/heads/evil\n{other} HEAD\n{other} \
             refs/heads/master\n{tip} refs/heads/bundle/master\n\n"
        )
    });
    fs::write(&path, bytes).unwrap();
    taken(&git, &path, tip);
    assert_eq!(
        git.run(&["for-each-ref", "--format=%(refname)"]),
        "refs/heads/in"
    );
    let (_, bytes) = small(|tip| format!("# v2 git bundle\n{tip} refs/heads/main\n\n"));
    fs::write(&path, bytes).unwrap();
    let error = take_bundle(&git.open(), "index", &path).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
}

#[test]
fn hostile_b05_a_bundle_ends_where_its_pack_does() {
    let dir = tempfile::tempdir().unwrap();
    let git = Git::init(dir.path().join("git"));
    let path = dir.path().join("b.bundle");
    let head = |tip| format!("# v2 git bundle\n{tip} refs/heads/master\n\n");
    let (tip, bytes) = small(head);
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = take_bundle(&git.open(), "index", &path).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused, "{error:?}");
        assert!(error.to_string().contains("b.bundle"), "{error}");
        assert!(git.files().is_empty(), "something of it stayed");
    };
    for end in 0..bytes.len() {
        refused(&bytes[..end]);
    }
    refused(&[&bytes[..], b"\n"].concat());
    refused(&[&bytes[..], &bytes[..]].concat());
    fs::write(&path, &bytes).unwrap();
    taken(&git, &path, tip);
    let error = take_bundle(&git.open(), "index", dir.path()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Storage);
}
