//! The sync pipeline over a registry and a store in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::TryStreamExt as _;
use romt_core::{
    CrateRequest, ErrorClass, Key, Selection, Sha256Digest, Store, StoreExt as _, SyncOptions,
};
use romt_index::SnapshotIndex;
use romt_store::{MemoryStore, conformance::catalog};
use support::{Fault, Registry, line, lock, mirror, quick, shown, sync};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

#[tokio::test]
async fn what_is_locked_is_mirrored_and_a_rerun_asks_conditionally_and_writes_nothing() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0", "!1.2.0"]);
    registry.publish("B-x", &["0.1.0+b1"]);
    let selection = lock(&["a 1.1.0", "a 1.2.0", "B-x 0.1.0+b1"]);
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!((outcome.fetched, outcome.present), (3, 0));
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    assert_eq!(
        shown(&store, &["a", "B-x"]).await,
        ["a 1.1.0", "a 1.2.0", "B-x 0.1.0+b1"],
        "yanked versions that a lock pins are served, others are not listed"
    );

    let unconditional = registry.unconditional.load(Ordering::SeqCst);
    let again = sync(&store, &registry, &selection).await;
    assert_eq!((again.fetched, again.present), (0, 3));
    assert_eq!(
        again.publication, None,
        "X-12: nothing changed, nothing is published"
    );
    let asked = registry.unconditional.load(Ordering::SeqCst) - unconditional;
    assert_eq!(asked, 0, "a rerun asks only conditional questions");
}

#[tokio::test]
async fn lines_are_served_byte_for_byte_in_upstreams_order() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["2.0.0", "1.0.0", "1.5.0"]);
    sync(&store, &registry, &lock(&["a 1.5.0", "a 2.0.0"])).await;
    let file = registry.index_file("a");
    let lines: Vec<&str> = file.lines().collect();
    let key = "index/1/a".parse().unwrap();
    let (_, plain) = store.try_read(&key, 1 << 20).await.unwrap().unwrap();
    assert_eq!(plain, format!("{}\n{}\n", lines[0], lines[2]));
}

#[tokio::test]
async fn a_mirror_accumulates_and_follows_yanks() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0"]);
    registry.publish("b", &["1.0.0"]);
    sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    registry.publish("a", &["!1.0.0", "1.1.0"]);
    let outcome = sync(&store, &registry, &lock(&["a 1.1.0", "b 1.0.0"])).await;
    assert_eq!((outcome.fetched, outcome.present), (2, 0));
    assert_eq!(
        shown(&store, &["a", "b"]).await,
        ["a 1.0.0", "a 1.1.0", "b 1.0.0"]
    );
    let (_, plain) = store
        .try_read(&"index/1/a".parse().unwrap(), 1 << 20)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(plain, registry.index_file("a"), "I-16: the yank is shown");
}

#[tokio::test]
async fn a_closure_is_measured_and_mirrored() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("dep", &["1.0.0", "1.1.0", "!1.2.0"]);
    registry.publish("app", &["1.0.0"]);
    let with_dep = line(
        "app",
        "1.0.0",
        false,
        r#"{"name":"dep","req":"^1","kind":"build"}"#,
    );
    registry.set("3/a/app", with_dep);
    let selection: Selection = ["app@1".parse::<CrateRequest>().unwrap()]
        .into_iter()
        .collect();
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.fetched, 2);
    assert_eq!(
        shown(&store, &["app", "dep"]).await,
        ["app 1.0.0", "dep 1.1.0"]
    );
    let unconditional = registry.unconditional.load(Ordering::SeqCst);
    sync(&store, &registry, &selection).await;
    assert_eq!(
        registry.unconditional.load(Ordering::SeqCst) - unconditional,
        0
    );
}

#[tokio::test]
async fn hostile_u01_a_broken_download_goes_on_where_it_broke() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    registry.fault(
        "dl/a/1.0.0",
        &[
            Fault::Transient,
            Fault::BreakAfter(100),
            Fault::BreakAfter(50),
        ],
    );
    let outcome = sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    assert_eq!(outcome.fetched, 1, "{:?}", outcome.failed);
    assert_eq!(shown(&store, &["a"]).await, ["a 1.0.0"]);
}

#[tokio::test]
async fn hostile_u10_an_absent_crate_is_held_back_and_tried_again() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0"]);
    registry.publish("b", &["1.0.0"]);
    registry.fault("dl/a/1.1.0", &[Fault::Gone]);
    let selection = lock(&["a 1.0.0", "a 1.1.0", "b 1.0.0"]);
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.fetched, 2);
    assert_eq!(outcome.class(), Some(ErrorClass::Partial));
    assert_eq!(&*outcome.failed[0].label, "a 1.1.0");
    assert!(
        outcome.failed[0].reason.contains("404"),
        "{}",
        outcome.failed[0].reason
    );
    assert_eq!(shown(&store, &["a", "b"]).await, ["a 1.0.0", "b 1.0.0"]);
    let again = sync(&store, &registry, &selection).await;
    assert_eq!((again.fetched, again.present), (1, 2));
    assert_eq!(
        shown(&store, &["a", "b"]).await,
        ["a 1.0.0", "a 1.1.0", "b 1.0.0"]
    );
}

#[tokio::test]
async fn hostile_u14_wrong_bytes_are_refused_after_a_second_try() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    registry.publish("b", &["1.0.0"]);
    registry.fault("dl/a/1.0.0", &[Fault::WrongBytes, Fault::WrongBytes]);
    registry.fault("dl/b/1.0.0", &[Fault::WrongBytes]);
    let outcome = sync(&store, &registry, &lock(&["a 1.0.0", "b 1.0.0"])).await;
    assert_eq!(outcome.class(), Some(ErrorClass::Integrity));
    assert_eq!(outcome.fetched, 1);
    assert!(
        outcome.failed[0].reason.contains("expected"),
        "{}",
        outcome.failed[0].reason
    );
    assert_eq!(shown(&store, &["a", "b"]).await, ["b 1.0.0"]);
}

#[tokio::test]
async fn what_an_earlier_run_left_is_judged_before_it_is_used() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0"]);
    let put = |path: &str, bytes: Vec<u8>| {
        let (store, key) = (store.clone(), path.parse().unwrap());
        async move { store.put(&key, bytes).await.unwrap() }
    };
    put(
        "crates/1/a/a-1.0.0.crate",
        support::crate_bytes("a", "1.0.0"),
    )
    .await;
    put("crates/1/a/a-1.1.0.crate", b"cut off".to_vec()).await;
    let outcome = sync(&store, &registry, &lock(&["a 1.0.0", "a 1.1.0"])).await;
    assert_eq!((outcome.fetched, outcome.present), (1, 1));
    assert_eq!(shown(&store, &["a"]).await, ["a 1.0.0", "a 1.1.0"]);
}

#[tokio::test]
async fn a_lost_crate_is_fetched_again_or_shown_no_more() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    registry.publish("b", &["1.0.0"]);
    let selection = lock(&["a 1.0.0", "b 1.0.0"]);
    sync(&store, &registry, &selection).await;
    let key = "crates/1/a/a-1.0.0.crate".parse().unwrap();
    store.delete(&key).await.unwrap();
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!((outcome.fetched, outcome.present), (1, 1));
    store.delete(&key).await.unwrap();
    registry.remove("dl/a/1.0.0");
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(shown(&store, &["a", "b"]).await, ["b 1.0.0"]);
}

#[tokio::test]
async fn hostile_i15_changed_digests_are_refused_and_the_old_bytes_kept() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    let selection = lock(&["a 1.0.0"]);
    sync(&store, &registry, &selection).await;
    let other = registry.index_file("a").replace(
        &Sha256Digest::of(support::crate_bytes("a", "1.0.0")).to_string(),
        &Sha256Digest::of("other").to_string(),
    );
    registry.set("1/a", other);
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.class(), Some(ErrorClass::Integrity));
    assert_eq!(shown(&store, &["a"]).await, ["a 1.0.0"]);
}

#[tokio::test]
async fn a_lock_file_that_upstream_contradicts_is_an_integrity_failure() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    registry.set(
        "1/a",
        line("a", "1.0.0", false, "").replace(
            &Sha256Digest::of(support::crate_bytes("a", "1.0.0")).to_string(),
            &Sha256Digest::of("other").to_string(),
        ),
    );
    let outcome = sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    assert_eq!(outcome.class(), Some(ErrorClass::Integrity));
    assert!(shown(&store, &["a"]).await.is_empty());
}

#[tokio::test]
async fn what_upstream_withdraws_stays_and_is_reported() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0"]);
    registry.publish("b", &["1.0.0"]);
    let selection = lock(&["a 1.0.0", "b 1.0.0"]);
    sync(&store, &registry, &selection).await;
    registry.publish("a", &["1.1.0"]);
    registry.remove("1/b");
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.failed, []);
    let withdrawn: Vec<&str> = outcome.withdrawn.iter().map(|label| &**label).collect();
    assert_eq!(withdrawn, ["a 1.0.0", "b 1.0.0"]);
    assert_eq!(shown(&store, &["a", "b"]).await, ["a 1.0.0", "b 1.0.0"]);
}

#[tokio::test]
async fn hostile_i17_garbage_in_place_of_an_index_file_leaves_the_old_one() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    let selection = lock(&["a 1.0.0", "a 1.1.0"]);
    sync(&store, &registry, &selection).await;
    for garbage in [
        "<html>sign in</html>",
        "",
        "\n\n",
        &line("b", "1.0.0", false, ""),
    ] {
        registry.set("1/a", garbage);
        let outcome = sync(&store, &registry, &selection).await;
        assert_eq!(outcome.class(), Some(ErrorClass::Refused), "{garbage:?}");
        assert_eq!(shown(&store, &["a"]).await, ["a 1.0.0"]);
    }
}

#[tokio::test]
async fn hostile_i01_path_like_lines_touch_nothing() {
    let (store, registry) = (store(), Registry::new());
    let evil = line("a", "1.0.0", false, "").replace("\"a\"", "\"../../a\"");
    registry.publish("a", &["1.0.0"]);
    registry.set(
        "1/a",
        format!("{evil}\n{}\n", line("a", "1.0.0", false, "")),
    );
    let outcome = sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    assert_eq!(outcome.failed, []);
    assert_eq!(shown(&store, &["a"]).await, ["a 1.0.0"]);
}

#[tokio::test]
async fn hostile_c03_a_bad_config_json_stops_before_anything_is_shown() {
    for bad in ["", "[]", "{}", r#"{"dl":"../x"}"#, r#"{"dl":"ftp://h/"}"#] {
        let (store, registry) = (store(), Registry::new());
        registry.publish("a", &["1.0.0"]);
        registry.set("config.json", bad);
        let options = SyncOptions::default().with_retry(quick());
        let result = mirror(&store)
            .sync(
                &registry.upstream(&store),
                &lock(&["a 1.0.0"]),
                &options,
                Arc::new(()),
            )
            .await;
        let error = result.expect_err(bad);
        assert_eq!(error.class(), ErrorClass::Refused, "{bad}");
        assert!(shown(&store, &["a"]).await.is_empty());
    }
}

#[tokio::test]
async fn hostile_x01_a_second_writer_is_told_who_writes() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    let _held = store.lock("the first").await.unwrap();
    let options = SyncOptions::default().with_retry(quick());
    let result = mirror(&store)
        .sync(
            &registry.upstream(&store),
            &lock(&["a 1.0.0"]),
            &options,
            Arc::new(()),
        )
        .await;
    let error = result.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Busy);
    assert!(error.to_string().contains("the first"), "{error}");
}

#[tokio::test]
async fn what_another_process_has_just_published_is_not_taken_back() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0", "1.2.0"]);
    let (one, other) = (mirror(&store), mirror(&store));
    let options = SyncOptions::default().with_retry(quick());
    for (mirror, pin) in [(&one, "a 1.0.0"), (&other, "a 1.1.0"), (&one, "a 1.2.0")] {
        let upstream = registry.upstream(&store);
        let selection = lock(&[pin]);
        let synced = mirror.sync(&upstream, &selection, &options, Arc::new(()));
        assert_eq!(synced.await.unwrap().failed, []);
    }
    assert_eq!(
        shown(&store, &["a"]).await,
        ["a 1.0.0", "a 1.1.0", "a 1.2.0"]
    );
}

#[tokio::test]
async fn a_reader_notices_a_publication_within_a_second() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0"]);
    let reader = SnapshotIndex::new(store.clone());
    assert_eq!(reader.position().await.unwrap(), None);
    sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    let published = SnapshotIndex::new(store.clone()).position().await.unwrap();
    assert!(published.is_some());
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(reader.position().await.unwrap(), published);
    assert_eq!(reader.crates().await.unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_cache_of_upstream_is_made_anew() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("a", &["1.0.0", "1.1.0"]);
    registry.publish("b", &["1.0.0"]);
    let selection = lock(&["a 1.0.0", "b 1.0.0"]);
    sync(&store, &registry, &selection).await;
    let private: Key = ".romt/upstream".parse().unwrap();
    let cached: Vec<_> = store.list(Some(&private)).try_collect().await.unwrap();
    assert_eq!(cached.len(), 3, "a root, a shard and a segment");
    for object in cached {
        store.put(&object.key, b"damaged".as_slice()).await.unwrap();
        let outcome = sync(&store, &registry, &lock(&["a 1.1.0", "b 1.0.0"])).await;
        assert_eq!(outcome.failed, [], "{}", object.key);
        let asked = registry.unconditional.load(Ordering::SeqCst);
        sync(&store, &registry, &selection).await;
        let asked = registry.unconditional.load(Ordering::SeqCst) - asked;
        assert!(asked <= 3, "{}", object.key);
    }
    assert_eq!(
        shown(&store, &["a", "b"]).await,
        ["a 1.0.0", "a 1.1.0", "b 1.0.0"]
    );
    let asked = registry.unconditional.load(Ordering::SeqCst);
    sync(&store, &registry, &selection).await;
    let asked = registry.unconditional.load(Ordering::SeqCst) - asked;
    assert_eq!(asked, 0, "a rerun asks only conditional questions");
}

#[tokio::test]
async fn what_is_shown_is_a_catalog() {
    let (store, registry) = (store(), Registry::new());
    registry.publish("Zed", &["1.0.0", "1.1.0", "!1.2.0"]);
    registry.publish("aux", &["1.0.0"]);
    let unpublished: Arc<dyn Store> = Arc::new(MemoryStore::default());
    catalog::unpublished(&SnapshotIndex::new(unpublished)).await;
    sync(&store, &registry, &lock(&["Zed 1.1.0", "aux 1.0.0"])).await;
    let index = SnapshotIndex::new(store.clone());
    let before = catalog::published(&index, &["aux", "zed"], 2).await;
    sync(&store, &registry, &lock(&["Zed 1.0.0"])).await;
    let index = SnapshotIndex::new(store.clone());
    let after = catalog::published(&index, &["aux", "zed"], 3).await;
    assert_ne!(before, after);
}
