//! What becomes of what upstream has.

use romt_core::ports::{Exported, HistoryIndex as _};

use crate::support::{Place, git, head, line, loaded, publish_all, publish_less, rows};

const OURS: &[u8] = b"{\n    \"dl\": \"http://h:1/crates/{crate}/{crate}-{version}.crate\",\n    \"api\": \"http://h:1/\"\n}\n";

#[tokio::test]
async fn statement_09_after_the_first_pull_nothing_is_shown() {
    let place = Place::new();
    let index = place.init();
    let pulled = index.pull().await.unwrap();
    let upstream = git(&place.upstream(), &["rev-parse", "master"]);
    for name in ["working", "origin_master", "remotes/origin/master"] {
        assert_eq!(place.rev(name).as_deref(), Some(&*upstream), "{name}");
    }
    assert_eq!(place.rev("refs/heads/mark"), None);
    assert_eq!(place.rev("refs/heads/master"), None);
    assert_eq!(pulled.upstream.as_str(), upstream);
    assert_eq!(pulled.working.as_str(), upstream);
    assert!(!pulled.history_replaced);
    // A clone is empty, since nothing is published.
    assert_eq!(place.head(), "refs/heads/master");
    assert_eq!(loaded(&index, "serde").await, None);
    assert_eq!(head(&index).await.as_str(), upstream);
    place.fsck();
}

#[tokio::test]
async fn statement_10_after_an_update_all_branches_are_equal() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    let shown = publish_all(&index).await;
    for name in ["mark", "master", "working"] {
        assert_eq!(place.rev(name).as_deref(), Some(&*shown), "{name}");
    }
    assert_eq!(place.head(), "refs/heads/working");

    place.upstream_file("serde", &[line("serde", "1.0.0"), line("serde", "1.0.1")]);
    let upstream = place.upstream_commit("second");
    let pulled = index.pull().await.unwrap();
    assert!(!pulled.history_replaced);
    assert_eq!(place.rev("HEAD"), Some(shown), "it leaks");
    assert_eq!(publish_all(&index).await, upstream);
    assert_eq!(place.rev("HEAD"), Some(upstream));
    assert_eq!(place.head(), "refs/heads/working");
    place.fsck();
}

#[tokio::test]
async fn statement_11_a_config_is_committed_once() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let shown = place.rev("master");
    assert!(index.set_config(OURS).await.unwrap());
    assert_eq!(place.rev("HEAD"), shown, "it leaks");
    publish_all(&index).await;
    assert!(!index.set_config(OURS).await.unwrap());
    publish_all(&index).await;
    let text = String::from_utf8(OURS.to_vec()).unwrap();
    assert_eq!(place.git(&["show", "HEAD:config.json"]), text.trim_end());
    assert_eq!(place.git(&["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(place.head(), "refs/heads/working");
    place.fsck();
}

#[tokio::test]
async fn statement_12_the_local_config_wins() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    index.set_config(OURS).await.unwrap();
    let ours = head(&index).await;
    place.upstream_config("https://elsewhere.invalid");
    place.upstream_file("serde", &[line("serde", "2.0.0")]);
    let upstream = place.upstream_commit("another config");
    let pulled = index.pull().await.unwrap();
    let text = String::from_utf8(OURS.to_vec()).unwrap();
    assert_eq!(place.git(&["show", "working:config.json"]), text.trim_end());
    let parents = format!("{ours} {upstream}");
    assert_eq!(place.git(&["log", "-1", "--format=%P", "working"]), parents);
    let subject = place.git(&["log", "-1", "--format=%s", "working"]);
    assert_eq!(subject, "Merge origin/master");
    let differs = place.git(&["diff", "--name-only", "origin_master", "working"]);
    assert_eq!(differs, "config.json");
    // There is nothing more to merge.
    assert_eq!(index.pull().await.unwrap().working, pulled.working);
    place.fsck();
}

#[tokio::test]
async fn a_config_that_was_upstreams_is_kept_when_upstream_changes_its() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    let before = place.git(&["show", "working:config.json"]);
    place.upstream_config("https://elsewhere.invalid");
    let upstream = place.upstream_commit("another config");
    index.pull().await.unwrap();
    assert_eq!(place.git(&["show", "working:config.json"]), before);
    assert_eq!(
        place.git(&["log", "-1", "--format=%P", "working"]),
        upstream
    );
    let subject = place.git(&["log", "-1", "--format=%s", "working"]);
    assert_eq!(subject, "Apply config.json adjustments");
}

#[tokio::test]
async fn hostile_b13_statement_13_a_squashed_history_is_followed() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    let shown = publish_all(&index).await;
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let upstream = place.upstream_squash();
    let pulled = index.pull().await.unwrap();
    assert!(pulled.history_replaced);
    assert_eq!(pulled.working.as_str(), upstream);
    assert_eq!(place.rev("HEAD"), Some(shown), "it leaks");
    assert_eq!(publish_all(&index).await, upstream);

    index.set_config(OURS).await.unwrap();
    place.upstream_file("rand", &[line("rand", "1.0.0")]);
    let upstream = place.upstream_squash();
    let pulled = index.pull().await.unwrap();
    assert!(pulled.history_replaced);
    assert_eq!(
        place.git(&["log", "-1", "--format=%P", "working"]),
        upstream
    );
    let subject = place.git(&["log", "-1", "--format=%s", "working"]);
    assert_eq!(subject, "Apply config.json adjustments");
    let text = String::from_utf8(OURS.to_vec()).unwrap();
    assert_eq!(place.git(&["show", "working:config.json"]), text.trim_end());
    place.fsck();
}

#[tokio::test]
async fn a_config_before_the_first_pull_is_a_commit_of_its_own() {
    let place = Place::new();
    let index = place.init();
    assert!(index.set_config(OURS).await.unwrap());
    assert_eq!(
        place.git(&["ls-tree", "-r", "--name-only", "working"]),
        "config.json"
    );
    assert_eq!(place.git(&["rev-list", "--count", "working"]), "1");
    assert_eq!(place.head(), "refs/heads/master");
    publish_all(&index).await;
    assert_eq!(place.head(), "refs/heads/working");
    let shown = place.rev("HEAD");

    index.pull().await.unwrap();
    assert_eq!(place.rev("HEAD"), shown, "it leaks");
    assert!(place.show("working", "serde").is_some());
    let text = String::from_utf8(OURS.to_vec()).unwrap();
    assert_eq!(place.git(&["show", "working:config.json"]), text.trim_end());
    place.fsck();
}

#[tokio::test]
async fn statement_14_a_repository_without_working_branch_gets_one() {
    let place = Place::new();
    let upstream = place.upstream();
    let path = place.index_path();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let arguments = [
        "clone",
        "-q",
        upstream.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    git(place.root.path(), &arguments);
    assert_eq!(place.head(), "refs/heads/master");
    let index = romt_index::GitIndex::open(&path, romt_index::GitOptions::default()).unwrap();
    index.recover().await.unwrap();
    index.pull().await.unwrap();
    assert_eq!(place.head(), "refs/heads/working");
    assert_eq!(place.rev("working"), place.rev("master"));

    // With a working branch, it stays where it is.
    place.git(&["symbolic-ref", "HEAD", "refs/heads/master"]);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let shown = place.rev("master");
    let tip = place.upstream_commit("second");
    index.recover().await.unwrap();
    index.pull().await.unwrap();
    assert_eq!(place.head(), "refs/heads/master");
    assert_eq!(place.rev("master"), shown);
    assert_eq!(place.rev("working"), Some(tip));
}

#[tokio::test]
async fn head_never_leaks() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    // The Python tool leaves `HEAD` at the working branch while that is ahead.
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let tip = place.upstream_commit("second");
    let shown = place.rev("master");
    index.pull().await.unwrap();
    place.git(&["symbolic-ref", "HEAD", "refs/heads/working"]);
    index.recover().await.unwrap();
    assert_eq!(place.head(), "refs/heads/master");
    // Nor does one that names the commit itself.
    place.git(&["update-ref", "--no-deref", "HEAD", &tip]);
    index.recover().await.unwrap();
    assert_eq!(place.rev("HEAD"), shown);
    // Held back, it stays with what is shown.
    publish_less(&index, &[("tokio", "1.0.0")]).await;
    assert_eq!(place.head(), "refs/heads/master");
    assert_eq!(place.show("HEAD", "tokio"), None);
    publish_all(&index).await;
    assert_eq!(place.head(), "refs/heads/working");
    assert!(place.show("HEAD", "tokio").is_some());
}

#[tokio::test]
async fn revisions_are_gits() {
    let place = Place::new();
    let index = place.init();
    let first = git(&place.upstream(), &["rev-parse", "master"]);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let second = place.upstream_commit("second");
    index.pull().await.unwrap();
    let short = &first[..9];
    let known = [
        ("HEAD", &second),
        ("@", &second),
        ("HEAD~1", &first),
        ("HEAD^", &first),
        ("working^{commit}", &second),
        ("origin/master", &second),
        ("refs/heads/origin_master", &second),
        (short, &first),
        (&second, &second),
    ];
    for (revision, commit) in known {
        let found = index.resolve(revision).await.unwrap();
        assert_eq!(found.unwrap().as_str(), commit, "{revision}");
    }
    let long = "x".repeat(100_000);
    let absent = "1".repeat(40);
    for revision in [
        "nosuch",
        "mark",
        "master",
        "",
        "HEAD~9",
        "a..b",
        "HEAD:config.json",
        "-x",
        "\0",
        &long,
        &absent,
    ] {
        assert_eq!(index.resolve(revision).await.unwrap(), None, "{revision:?}");
    }
    publish_all(&index).await;
    let mark = index.resolve("mark~1").await.unwrap().unwrap();
    assert_eq!(mark.as_str(), first);
}

#[tokio::test]
async fn where_a_pack_ended_is_noted_apart() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    assert_eq!(index.exported().await.unwrap(), Exported::Nothing);
    let end = head(&index).await;
    index.set_packed(&end, &rows(&[])).await.unwrap();
    assert_eq!(index.packed().await.unwrap(), Some(end.clone()));
    assert_eq!(index.exported().await.unwrap(), Exported::Nothing);
    index.set_exported().await.unwrap();
    let packed = end.clone();
    let exported = Exported::UpTo { end, packed };
    assert_eq!(index.exported().await.unwrap(), exported);
    assert_eq!(place.rev("refs/heads/mark"), None);
}

#[tokio::test]
async fn what_a_pack_lacked_is_remembered() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    let end = head(&index).await;
    let lacking = rows(&[("serde", "1.0.0")]);
    index.set_packed(&end, &lacking).await.unwrap();
    index.set_exported().await.unwrap();
    let Exported::UpTo { end: up_to, packed } = index.exported().await.unwrap() else {
        panic!("it was exported");
    };
    assert_eq!(up_to, end);
    let filter = romt_core::crates::VersionFilter::all();
    let difference = index.difference(Some(&packed), &end, &filter).await;
    assert_eq!(difference.unwrap().added.len(), 1);
}
