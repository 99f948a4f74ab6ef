//! The right to write.

use std::sync::Arc;

use futures::future::join_all;
use romt_core::{Store, ports::StoreError};

use super::tools::{noise, put, read};

pub(super) async fn the_second_writer_is_told_who_is_the_first(store: Arc<dyn Store>) {
    let held = store.lock("romt sync, started by ann").await;
    let _held = held.expect("the lock is free");
    let refused = store.lock("romt prune").await;
    match refused {
        Err(StoreError::Busy { holder, .. }) => assert!(
            holder.contains("romt sync, started by ann"),
            "`Busy` says who holds the lock, not {holder:?}"
        ),
        other => panic!("a second writer is told `Busy`, not {other:?}"),
    }
}

pub(super) async fn the_lock_is_free_when_dropped(store: Arc<dyn Store>) {
    for n in 0..10 {
        let held = store.lock(&format!("writer {n}")).await;
        drop(held.expect("the lock is free when the one before was dropped"));
    }
}

pub(super) async fn the_lock_hinders_no_reader(store: Arc<dyn Store>) {
    put(&*store, "a", &noise(50, 1)).await;
    let _held = store.lock("the suite").await.expect("the lock is free");
    assert_eq!(
        read(&*store, "a").await,
        noise(50, 1),
        "readers need no lock"
    );
    put(&*store, "a", &noise(50, 2)).await;
    assert_eq!(read(&*store, "a").await, noise(50, 2), "the holder writes");
}

pub(super) async fn one_of_many_gets_the_lock(store: Arc<dyn Store>) {
    let writers = (0..16).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.lock(&format!("writer {n}")).await })
    });
    let mut held = Vec::new();
    for writer in join_all(writers).await {
        match writer.expect("locking does not panic") {
            Ok(lock) => held.push(lock),
            Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("losers are told `Busy`, not {error:?}"),
        }
    }
    assert_eq!(held.len(), 1, "one of many gets the lock");
}

pub(super) async fn a_holder_cannot_speak_to_the_terminal(store: Arc<dyn Store>) {
    let held = store.lock("\u{1b}[31mred\nalert").await;
    let _held = held.expect("the lock is free");
    let refused = store.lock("romt prune").await;
    let Err(StoreError::Busy { holder, .. }) = refused else {
        panic!("a second writer is told `Busy`, not {refused:?}");
    };
    assert!(
        !holder.contains(|c: char| c.is_control()),
        "what a holder says of itself is escaped, not {holder:?}"
    );
}
