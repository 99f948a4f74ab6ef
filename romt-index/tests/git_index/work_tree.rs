//! A mirror of the Python tool, which has a work tree.

use std::fs;

use romt_core::ports::HistoryIndex as _;
use romt_index::{GitIndex, GitOptions};

use crate::support::{Place, git, head, line, publish_all, try_git};

/// An index as the Python tool leaves it: `working` checked out, all branches equal.
fn checked_out(place: &Place) -> GitIndex {
    let path = place.index_path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let upstream = place.upstream();
    let url = upstream.to_str().unwrap();
    let arguments = ["clone", "-q", url, path.to_str().unwrap()];
    git(place.root.path(), &arguments);
    place.git(&["checkout", "-q", "-b", "working"]);
    place.git(&["branch", "-q", "mark"]);
    place.git(&["branch", "-q", "origin_master"]);
    GitIndex::open(path, GitOptions::default()).unwrap()
}

fn status(place: &Place) -> String {
    place.git(&["status", "--porcelain"])
}

#[tokio::test]
async fn the_work_tree_follows_and_git_goes_on_with_it() {
    let place = Place::new();
    place.upstream_file("gone", &[line("gone", "1.0.0")]);
    place.upstream_commit("to go");
    let index = checked_out(&place);
    index.recover().await.unwrap();
    assert_eq!(place.head(), "refs/heads/working");

    fs::remove_dir_all(place.upstream().join("go")).unwrap();
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_file("serde", &[line("serde", "2.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    publish_all(&index).await;
    assert_eq!(status(&place), "");
    assert_eq!(place.head(), "refs/heads/working");
    let path = place.index_path();
    let file = fs::read_to_string(path.join("to/ki/tokio")).unwrap();
    assert_eq!(file, line("tokio", "1.0.0"));
    assert!(!path.join("go").exists());
    place.git(&["diff", "--quiet", "HEAD"]);

    // What the Python tool does next.
    place.upstream_file("rand", &[line("rand", "1.0.0")]);
    place.upstream_commit("third");
    place.git(&["fetch", "-q", "--force", "origin"]);
    let merge = [
        "merge",
        "-q",
        "remotes/origin/master",
        "-m",
        "Merge origin/master",
    ];
    place.git(&merge);
    assert_eq!(status(&place), "");
    assert!(path.join("ra/nd/rand").is_file());
    place.fsck();
}

#[tokio::test]
async fn an_edited_config_is_ours() {
    let place = Place::new();
    let index = checked_out(&place);
    let config = place.index_path().join("config.json");
    let ours = "{\"dl\":\"http://h:1/crates\"}\n";
    fs::write(&config, ours).unwrap();
    index.recover().await.unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), ours);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), ours);
    assert_eq!(place.git(&["show", "working:config.json"]), ours.trim_end());
    publish_all(&index).await;
    assert_eq!(status(&place), "");

    let other = b"{\"dl\":\"http://h:2/crates\"}\n";
    fs::write(&config, "{}").unwrap();
    assert!(index.set_config(other).await.unwrap());
    assert_eq!(fs::read(&config).unwrap(), other);
    fs::write(&config, "{}").unwrap();
    assert!(!index.set_config(other).await.unwrap());
    assert_eq!(fs::read(&config).unwrap(), other);
}

#[tokio::test]
async fn a_work_tree_that_lags_is_brought_in_step() {
    let place = Place::new();
    let index = checked_out(&place);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let tip = place.upstream_commit("second");
    place.git(&["fetch", "-q", "origin"]);
    // As if the process had died once the branch was moved.
    place.git(&["update-ref", "refs/heads/working", &tip]);
    place.git(&["update-ref", "refs/heads/master", &tip]);
    assert_ne!(status(&place), "");
    index.recover().await.unwrap();
    assert_eq!(status(&place), "");
    assert_eq!(head(&index).await.as_str(), tip);
    // In step, it is left alone.
    let written = || fs::metadata(place.index_path().join(".git/index")).unwrap();
    let before = written().modified().unwrap();
    index.recover().await.unwrap();
    assert_eq!(written().modified().unwrap(), before);
}

#[cfg(unix)]
#[tokio::test]
async fn hostile_b10_links_in_the_work_tree_are_not_followed() {
    let place = Place::new();
    let index = checked_out(&place);
    let outside = place.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, place.index_path().join("to")).unwrap();
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    assert!(index.pull().await.is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn hostile_b10_a_link_in_a_tree_is_refused() {
    let place = Place::new();
    let index = checked_out(&place);
    std::os::unix::fs::symlink("/", place.upstream().join("link")).unwrap();
    place.upstream_commit("a link");
    assert!(index.pull().await.is_err());
    assert!(place.index_path().join("link").symlink_metadata().is_err());
}

#[tokio::test]
async fn what_has_no_work_tree_gets_none() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    index.set_config(b"{}").await.unwrap();
    index.recover().await.unwrap();
    let mut names: Vec<_> = fs::read_dir(place.index_path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    // The Python tool looks for that one.
    assert_eq!(names, [".git", "config.json"]);
    assert!(!place.index_path().join(".git/index").exists());
    // A work tree can be had at any time.
    assert!(try_git(&place.index_path(), &["reset", "-q", "--hard", "working"]).is_ok());
    assert!(place.index_path().join("se/rd/serde").is_file());
}
