//! An index that is carried elsewhere.

use romt_core::{
    ErrorClass,
    ports::{BundleBranch, HistoryIndex as _},
};
use romt_index::{GitIndex, GitOptions};

use crate::support::{Place, git, head, line, loaded, publish_all};

#[tokio::test]
async fn a_bundle_brings_the_index_elsewhere() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let first = head(&index).await;
    let inner = place.root.path().join("inner");
    let importer = GitIndex::init_import(&inner, None, GitOptions::default()).unwrap();
    let bundle = importer.bundle_path().await.unwrap();
    let facts = index.write_bundle_to(None, &first, BundleBranch::Bundle, &bundle);
    let facts = facts.await.unwrap();
    assert_eq!((facts.base, facts.tip), (None, first.clone()));
    assert_eq!(
        place.rev("refs/heads/bundle/master").as_deref(),
        Some(first.as_str())
    );
    let heads = git(&inner, &["bundle", "list-heads", "origin.bundle"]);
    assert_eq!(heads, format!("{first} refs/heads/bundle/master"));

    // What is judged first moves no name.
    let taken = importer.take_bundle(&bundle).await.unwrap();
    assert_eq!(taken, first);
    assert_eq!(git(&inner, &["for-each-ref"]), "");
    let pulled = importer.pull().await.unwrap();
    assert_eq!(pulled.working, first);
    for name in [
        "origin/bundle/master",
        "origin/master",
        "origin_master",
        "working",
    ] {
        assert_eq!(git(&inner, &["rev-parse", name]), first.as_str(), "{name}");
    }
    publish_all(&importer).await;
    let ours = b"{\"dl\":\"http://inner/crates\"}\n";
    importer.set_config(ours).await.unwrap();
    publish_all(&importer).await;

    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    publish_all(&index).await;
    let second = head(&index).await;
    let facts = index.write_bundle_to(Some(&first), &second, BundleBranch::Master, &bundle);
    assert_eq!(facts.await.unwrap().base, Some(first));
    importer.pull().await.unwrap();
    publish_all(&importer).await;
    assert!(loaded(&importer, "tokio").await.is_some());
    let config = git(&inner, &["show", "master:config.json"]);
    assert_eq!(config, "{\"dl\":\"http://inner/crates\"}");
    git(&inner, &["fsck", "--strict"]);
}

#[tokio::test]
async fn hostile_b04_a_bundle_after_a_gap_is_refused() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    let first = head(&index).await;
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    let inner = place.root.path().join("inner");
    let importer = GitIndex::init_import(&inner, None, GitOptions::default()).unwrap();
    let bundle = importer.bundle_path().await.unwrap();
    let second = head(&index).await;
    let written = index.write_bundle_to(Some(&first), &second, BundleBranch::Bundle, &bundle);
    written.await.unwrap();
    let error = importer.pull().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert_eq!(git(&inner, &["for-each-ref"]), "");
}
