//! Packs that we write.

use gix::ObjectId;

use super::super::{
    Limits, Plan, Purpose,
    scan::{Scanned, scan},
    testing::{Git, History, is_ancestor},
};

/// A history, and a commit that its last one builds on.
fn grown(dir: &std::path::Path) -> (History, ObjectId, ObjectId) {
    let history = History::random(dir, 77, 80);
    let tip = history.commits[79];
    let repo = history.git.open();
    let builds = |it: &&ObjectId| is_ancestor(&repo, **it, tip).unwrap();
    let early = *history.commits[50..].iter().find(builds).unwrap();
    (history, early, tip)
}

/// What is in a pack, for a receiver that has all that deltas name.
fn scanned(git: &Git, plan: &Plan, purpose: Purpose) -> Scanned {
    let mut pack = Vec::new();
    plan.write(&git.open(), purpose, &mut pack).unwrap();
    let (length, limits) = (pack.len() as u64, Limits::default());
    scan(&*pack, length, &limits, &|_| true).unwrap()
}

/// Readers of ours refuse a pack in which more than a few deltas name what is
/// elsewhere in it: they cannot tell how long the chains are.
#[test]
fn what_builds_on_a_copied_pack_says_where_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (history, early, tip) = grown(&dir.path().join("all"));
    let git = history.git.clone_at(early, dir.path().join("grown"));
    git.run(&["repack", "-q", "-a", "-d"]);
    let to = format!("{tip}:refs/heads/new");
    history
        .git
        .run(&["push", "-q", git.dir.to_str().unwrap(), &to]);
    let plan = Plan::new(&git.open(), &[], &[tip]).unwrap();
    assert!(plan.has_body() && plan.ids().len() > 10);
    let scanned = scanned(&git, &plan, Purpose::Carrying);
    assert_eq!(scanned.objects, plan.objects().unwrap());
    assert_eq!(scanned.bases, [] as [ObjectId; 0]);
}

#[test]
fn what_is_handed_over_builds_on_nothing_outside() {
    let dir = tempfile::tempdir().unwrap();
    let (history, early, tip) = grown(&dir.path().join("all"));
    for repacked in [false, true] {
        if repacked {
            history.git.run(&["repack", "-q", "-a", "-d", "-f"]);
        }
        let plan = Plan::new(&history.git.open(), &[early], &[tip]).unwrap();
        let whole = scanned(&history.git, &plan, Purpose::HandingOver);
        assert_eq!(whole.bases, [] as [ObjectId; 0]);
        let thin = scanned(&history.git, &plan, Purpose::Carrying);
        assert!(!thin.bases.is_empty());
        assert_eq!(whole.objects, thin.objects);
    }
}
