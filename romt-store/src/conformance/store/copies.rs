//! Copying.

use std::sync::Arc;

use romt_core::{
    Store,
    ports::{ObjectMeta, PutMode, StoreError},
};

use super::tools::{BIG, assert_absent, key, list, names, noise, put, read};

async fn copy(
    store: &dyn Store,
    from: &str,
    to: &str,
    mode: PutMode,
) -> Result<ObjectMeta, StoreError> {
    store.copy_opts(&key(from), &key(to), mode.into()).await
}

pub(super) async fn a_copy_has_the_bytes_and_the_source_stays(store: Arc<dyn Store>) {
    let source = put(&*store, "a/b", &noise(500, 1)).await;
    let copied = copy(&*store, "a/b", "c/d/e", PutMode::Overwrite)
        .await
        .expect("what is there can be copied");
    assert_eq!(
        read(&*store, "c/d/e").await,
        noise(500, 1),
        "a copy has the bytes"
    );
    assert_eq!(
        list(&*store, None).await,
        [source, copied],
        "a copy describes itself as a listing does, and the source stays as it was"
    );
}

pub(super) async fn a_copy_is_independent(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(500, 1)).await;
    copy(&*store, "a", "b", PutMode::Overwrite)
        .await
        .expect("what is there can be copied");
    put(&*store, "a", &noise(20, 2)).await;
    assert_eq!(
        read(&*store, "b").await,
        noise(500, 1),
        "replacing the source leaves the copy"
    );
    store.delete(&key("a")).await.expect("a delete succeeds");
    assert_eq!(
        read(&*store, "b").await,
        noise(500, 1),
        "deleting the source leaves the copy"
    );
}

pub(super) async fn a_big_object_is_copied(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(BIG, 1)).await;
    copy(&*store, "a", "b", PutMode::Overwrite)
        .await
        .expect("what is there can be copied");
    assert!(
        read(&*store, "b").await == noise(BIG, 1),
        "a big object is copied whole"
    );
}

pub(super) async fn a_copy_replaces(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(500, 1)).await;
    let old = put(&*store, "b", &noise(500, 2)).await;
    let new = copy(&*store, "a", "b", PutMode::Overwrite)
        .await
        .expect("a copy can replace");
    assert_eq!(read(&*store, "b").await, noise(500, 1), "a copy replaces");
    assert_ne!(old.version, new.version, "and is another version");
}

pub(super) async fn a_copy_of_nothing_is_not_found(store: Arc<dyn Store>) {
    put(&*store, "b", &noise(500, 2)).await;
    let copied = copy(&*store, "a/x", "b", PutMode::Overwrite).await;
    assert!(
        matches!(&copied, Err(StoreError::NotFound { key }) if key.as_str() == "a/x"),
        "copying what is not there is `NotFound` with the key of the source, not {copied:?}"
    );
    assert_eq!(
        read(&*store, "b").await,
        noise(500, 2),
        "copying nothing changes nothing"
    );
    let copied = copy(&*store, "a/x", "c", PutMode::Overwrite).await;
    assert!(copied.is_err(), "copying nothing is an error");
    assert_absent(&*store, "c", "copying nothing creates nothing").await;
}

pub(super) async fn a_copy_obeys_create(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(500, 1)).await;
    put(&*store, "b", &noise(500, 2)).await;
    let refused = copy(&*store, "a", "b", PutMode::CreateIfAbsent).await;
    assert!(
        matches!(&refused, Err(StoreError::AlreadyExists { key }) if key.as_str() == "b"),
        "a copy that is to create and finds something is `AlreadyExists`, not {refused:?}"
    );
    assert_eq!(
        read(&*store, "b").await,
        noise(500, 2),
        "a refused copy changes nothing"
    );
    let created = copy(&*store, "a", "c", PutMode::CreateIfAbsent).await;
    assert!(created.is_ok(), "a copy can create, but {created:?}");
    assert_eq!(names(&*store, None).await, ["a", "b", "c"], "all are there");
}

pub(super) async fn a_copy_obeys_replace(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(500, 1)).await;
    let stale = put(&*store, "b", &noise(500, 2)).await.version;
    let seen = put(&*store, "b", &noise(500, 3)).await.version;
    let refused = copy(&*store, "a", "b", PutMode::ReplaceIfUnchanged(stale)).await;
    assert!(
        matches!(refused, Err(StoreError::Precondition { .. })),
        "a copy over what was changed is `Precondition`, not {refused:?}"
    );
    assert_eq!(
        read(&*store, "b").await,
        noise(500, 3),
        "a refused copy changes nothing"
    );
    let replaced = copy(&*store, "a", "b", PutMode::ReplaceIfUnchanged(seen)).await;
    assert!(
        replaced.is_ok(),
        "a copy replaces what was seen, but {replaced:?}"
    );
    assert_eq!(read(&*store, "b").await, noise(500, 1), "and is read");
}

pub(super) async fn a_copy_onto_itself_changes_no_byte(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(BIG, 1)).await;
    copy(&*store, "a", "a", PutMode::Overwrite)
        .await
        .expect("an object can be copied onto itself");
    assert!(
        read(&*store, "a").await == noise(BIG, 1),
        "a copy onto itself changes no byte"
    );
}
