//! What counts as held, and what is nobody's to remove.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use romt_core::{ErrorClass, Selection, Sha256Digest, Store, StoreExt as _, SyncOptions};
use romt_store::MemoryStore;
use support::{Registry, crate_bytes, lock, mirror, quick, shown, sync};

fn fixture() -> (Arc<dyn Store>, Arc<Registry>) {
    let registry = Registry::new();
    registry.publish("a", &["1.0.0", "1.1.0"]);
    registry.publish("b", &["1.0.0"]);
    (Arc::new(MemoryStore::default()), registry)
}

/// A lock file that pins `a 1.0.0` with a digest that nobody has.
fn contradicting() -> Selection {
    let sum = Sha256Digest::of("something else");
    let text = format!(
        "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{}\"\nchecksum = \"{sum}\"\n",
        romt_core::defaults::LOCKED_CRATES_IO
    );
    romt_core::Lockfile::parse(&text, None).unwrap().into()
}

#[tokio::test]
async fn a_lock_file_that_contradicts_what_is_held_is_an_integrity_failure() {
    let (store, registry) = fixture();
    sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    // Upstream confirms its file, lists the same, has none.
    for _ in 0..2 {
        let outcome = sync(&store, &registry, &contradicting()).await;
        assert_eq!(outcome.class(), Some(ErrorClass::Integrity), "{outcome:?}");
        assert_eq!(outcome.present, 0);
        registry.remove("1/a");
    }
    assert_eq!(
        shown(&store, &["a"]).await,
        ["a 1.0.0"],
        "what is held stays"
    );
}

#[tokio::test]
async fn hostile_f18_a_crate_that_was_cut_is_fetched_again() {
    let (store, registry) = fixture();
    let selection = lock(&["a 1.0.0", "a 1.1.0", "b 1.0.0"]);
    sync(&store, &registry, &selection).await;
    for cut in [&b""[..], b"cut off"] {
        let key = "crates/1/a/a-1.1.0.crate".parse().unwrap();
        store.put(&key, cut.to_vec()).await.unwrap();
        let outcome = sync(&store, &registry, &selection).await;
        assert_eq!((outcome.fetched, outcome.present), (1, 2));
        let (_, bytes) = store.try_read(&key, 1 << 20).await.unwrap().unwrap();
        assert_eq!(bytes, crate_bytes("a", "1.1.0"));
    }
    let again = sync(&store, &registry, &selection).await;
    assert_eq!((again.fetched, again.present), (0, 3));
    assert_eq!(again.publication, None);
}

#[tokio::test]
async fn files_that_romt_did_not_write_stay() {
    let (store, registry) = fixture();
    let foreign = [
        "index/config.json",
        "index/index.html",
        "index/docs/notes.txt",
        "index/se/rd/serde",
    ];
    for path in foreign {
        store
            .put(&path.parse().unwrap(), b"mine".to_vec())
            .await
            .unwrap();
    }
    sync(&store, &registry, &lock(&["a 1.0.0"])).await;
    sync(&store, &registry, &lock(&["a 1.1.0", "b 1.0.0"])).await;
    for path in foreign {
        let (_, bytes) = store
            .try_read(&path.parse().unwrap(), 100)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(bytes, "mine", "{path}");
    }
}

#[tokio::test]
async fn one_index_file_is_changed_once_however_its_crate_is_spelt() {
    let (store, registry) = fixture();
    registry.publish("Foo", &["1.0.0"]);
    let text = [("Foo", "1.0.0"), ("foo", "2.0.0")].map(|(name, version)| {
        let source = romt_core::defaults::LOCKED_CRATES_IO;
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
    });
    let selection = romt_core::Lockfile::parse(&text.concat(), None)
        .unwrap()
        .into();
    let outcome = sync(&store, &registry, &selection).await;
    assert_eq!(outcome.fetched, 1);
    assert_eq!(&*outcome.failed[0].label, "foo 2.0.0");
    assert_eq!(shown(&store, &["Foo"]).await, ["Foo 1.0.0"]);
}

#[tokio::test]
async fn hostile_x09_a_sync_is_cancelled_before_it_has_begun() {
    let (store, registry) = fixture();
    let options = SyncOptions::default().with_retry(quick());
    options.cancel.cancel();
    registry.fault("config.json", &[support::Fault::Transient; 3]);
    let outcome = mirror(&store)
        .sync(
            &registry.upstream(&store),
            &lock(&["a 1.0.0"]),
            &options,
            Arc::new(()),
        )
        .await
        .unwrap();
    assert!(outcome.cancelled);
    assert!(shown(&store, &["a"]).await.is_empty());
}
