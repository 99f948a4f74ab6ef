//! What a new repository is.

use romt_core::{ErrorClass, ports::HistoryIndex as _};
use romt_index::{GitIndex, GitOptions};

use crate::support::{Place, git};

#[tokio::test]
async fn statement_06_a_new_index_is_the_one_of_the_python_tool() {
    let place = Place::new();
    let index = place.init();
    let upstream = place.upstream().to_str().unwrap().to_owned();
    assert_eq!(place.head(), "refs/heads/working");
    assert_eq!(place.git(&["config", "remote.origin.url"]), upstream);
    assert_eq!(
        place.git(&["config", "branch.working.merge"]),
        "refs/heads/master"
    );
    assert_eq!(place.git(&["config", "branch.working.remote"]), "origin");
    assert_eq!(
        place.git(&["config", "--get-all", "remote.origin.fetch"]),
        "+refs/heads/*:refs/remotes/origin/*"
    );
    assert_eq!(place.git(&["config", "core.bare"]), "false");
    assert!(!place.index_path().join(".git/index").exists());
    assert_eq!(index.resolve("HEAD").await.unwrap(), None);
    assert_eq!(index.shown().await.unwrap(), None);
    place.fsck();
}

#[test]
fn statement_06_a_url_without_a_scheme_becomes_absolute() {
    let place = Place::new();
    let with_dots = place.root.path().join("x/../upstream");
    let url = with_dots.to_str().unwrap();
    GitIndex::init(place.index_path(), url, GitOptions::default()).unwrap();
    let upstream = place.upstream().to_str().unwrap().to_owned();
    assert_eq!(place.git(&["config", "remote.origin.url"]), upstream);
}

#[test]
fn statement_07_a_second_init_names_the_directory() {
    let place = Place::new();
    place.init();
    let before = place.git(&["config", "--list"]);
    let error = GitIndex::init(
        place.index_path(),
        "https://host.invalid",
        GitOptions::default(),
    );
    let error = error.unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    let path = place.index_path();
    let expected = format!("index directory '{}' already exists", path.display());
    assert_eq!(text, expected);
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(place.git(&["config", "--list"]), before);
}

#[tokio::test]
async fn statement_08_an_index_for_import_takes_both_branches() {
    let place = Place::new();
    let path = place.index_path();
    let index = GitIndex::init_import(&path, None, GitOptions::default()).unwrap();
    let bundle = path.join("origin.bundle");
    assert_eq!(
        place.git(&["config", "--get-all", "remote.origin.fetch"]),
        "+refs/heads/*:refs/remotes/origin/*\n+refs/heads/bundle/*:refs/remotes/origin/*"
    );
    let url = place.git(&["config", "remote.origin.url"]);
    assert_eq!(url, bundle.to_str().unwrap());
    assert_eq!(index.bundle_path().await.unwrap(), bundle);
    assert_eq!(place.head(), "refs/heads/working");

    // A mirror that moves takes the place of its bundle along.
    let moved = place.root.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    let index = GitIndex::open(&moved, GitOptions::default()).unwrap();
    assert_eq!(
        index.bundle_path().await.unwrap(),
        moved.join("origin.bundle")
    );
}

#[tokio::test]
async fn a_bundle_may_lie_elsewhere() {
    let place = Place::new();
    let bundle = place.root.path().join("in.bundle");
    let path = place.index_path();
    let index = GitIndex::init_import(&path, Some(&bundle), GitOptions::default()).unwrap();
    assert_eq!(index.bundle_path().await.unwrap(), bundle);
    let url = place.git(&["config", "remote.origin.url"]);
    assert_eq!(url, bundle.to_str().unwrap());
}

#[tokio::test]
async fn a_bundle_to_be_packed_lies_in_the_index() {
    let place = Place::new();
    let index = place.init();
    assert_eq!(
        index.bundle_path().await.unwrap(),
        place.index_path().join("origin.bundle")
    );
}

#[tokio::test]
async fn a_bare_repository_is_an_index_too() {
    let place = Place::new();
    let bare = place.root.path().join("bare.git");
    let url = place.upstream();
    let arguments = ["clone", "-q", "--bare", url.to_str().unwrap(), "bare.git"];
    git(place.root.path(), &arguments);
    let index = GitIndex::open(&bare, GitOptions::default()).unwrap();
    let pulled = index.pull().await.unwrap();
    assert_eq!(pulled.working.as_str(), git(&url, &["rev-parse", "master"]));
    assert!(!bare.join("config.json").exists());
}

#[test]
fn an_index_is_called_by_its_path() {
    let place = Place::new();
    let index = place.init();
    let path = place.index_path().display().to_string();
    assert_eq!(index.to_string(), path);
    assert!(format!("{index:?}").contains(&path));
}
