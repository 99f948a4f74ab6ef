//! Syncs that are cut off anywhere, over stores that fail anywhere. Whatever
//! happens, what is shown is whole, and the next run finishes the work.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use romt_core::{
    ErrorClass, Mirror, Selection, Store, StoreExt as _, SyncError, SyncOptions, SyncOutcome,
    Upstream,
};
use romt_index::SparseIndex;
use romt_store::{
    MemoryStore,
    conformance::{Fault, FaultyStore},
};
use support::{
    Registry, Story, View, lock, mirror, quick, served, shown, survived, yielding::Yielding,
};

fn options() -> SyncOptions {
    SyncOptions::default().with_retry(quick()).with_jobs(2)
}

async fn sync(
    mirror: &Mirror,
    upstream: &Upstream,
    selection: &Selection,
) -> Result<SyncOutcome, SyncError> {
    mirror
        .sync(upstream, selection, &options(), Arc::new(()))
        .await
}

/// A mirror on the way from one state to the next.
struct Way {
    registry: Arc<Registry>,
    wanted: Selection,
    /// What is stored before.
    before: MemoryStore,
    /// What may be shown: the state before, and the state after.
    views: [View; 2],
    /// The store after an undisturbed run.
    after: Arc<dyn Store>,
}

impl Way {
    /// From nothing to the first state.
    async fn from_nothing() -> Self {
        let registry = Registry::new();
        let wanted = Story::first(&registry);
        Self::new(registry, MemoryStore::new(), wanted).await
    }

    /// From the first state to the second.
    async fn from_first() -> Self {
        let (registry, before) = (Registry::new(), MemoryStore::new());
        let store: Arc<dyn Store> = Arc::new(before.clone());
        let wanted = Story::first(&registry);
        finish(&store, &registry, &wanted).await;
        let wanted = Story::second(&registry);
        Self::new(registry, before, wanted).await
    }

    async fn new(registry: Arc<Registry>, before: MemoryStore, wanted: Selection) -> Self {
        let store: Arc<dyn Store> = Arc::new(before.clone());
        let after: Arc<dyn Store> = Arc::new(copy_of(&before).await);
        finish(&after, &registry, &wanted).await;
        let views = [
            survived(&store, &Story::NAMES).await,
            survived(&after, &Story::NAMES).await,
        ];
        assert_ne!(views[0], views[1]);
        Self {
            registry,
            wanted,
            before,
            views,
            after,
        }
    }

    /// Judges what a disturbed run has left in `store`, then finishes the work
    /// and judges the end.
    async fn judge(&self, store: &MemoryStore, when: &str) -> View {
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let view = survived(&store, &Story::NAMES).await;
        assert!(
            self.views.contains(&view),
            "P3: {when}, a mixture is shown: {view:?}"
        );
        finish(&store, &self.registry, &self.wanted).await;
        assert_eq!(
            served(&store).await,
            served(&self.after).await,
            "INV-8: {when}"
        );
        assert_eq!(
            shown(&store, &Story::NAMES).await,
            shown(&self.after, &Story::NAMES).await,
            "INV-8: {when}"
        );
        view
    }
}

/// A run that nothing disturbs.
async fn finish(store: &Arc<dyn Store>, registry: &Arc<Registry>, wanted: &Selection) {
    let outcome = sync(&mirror(store), &registry.upstream(store), wanted).await;
    assert_eq!(outcome.unwrap().failed, []);
}

async fn copy_of(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    let store: Arc<dyn Store> = Arc::new(store.clone());
    for (key, bytes) in support::objects(&store).await {
        copy.put(&key, bytes).await.unwrap();
    }
    copy
}

/// Polls `work` so many times and drops it; what came of it, if it ended.
async fn poll_times<T>(work: impl Future<Output = T>, times: u32) -> Option<T> {
    let mut work = pin!(work);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
        if let Poll::Ready(done) = polled {
            return Some(done);
        }
        // A task has a budget of work that it may do in one go.
        tokio::task::yield_now().await;
    }
    None
}

/// Attack 6.
async fn drop_everywhere(way: &Way) {
    let mut seen = [false; 2];
    for times in 1.. {
        let memory = copy_of(&way.before).await;
        let store: Arc<dyn Store> = Arc::new(Yielding(memory.clone()));
        let source = Arc::new(Yielding(way.registry.clone()));
        let index = SparseIndex::new(source.clone())
            .with_retry(quick())
            .with_cache(store.clone());
        let upstream = Upstream::new(Arc::new(index), source);
        let mirror = mirror(&store);
        let work = sync(&mirror, &upstream, &way.wanted);
        let ended = poll_times(work, times).await;
        let when = format!("dropped after {times} polls");
        let view = way.judge(&memory, &when).await;
        seen[usize::from(view == way.views[1])] = true;
        if let Some(outcome) = ended {
            assert_eq!(outcome.unwrap().failed, []);
            assert!(times > 50, "{times} polls are too few to prove anything");
            break;
        }
    }
    assert_eq!(seen, [true; 2]);
}

#[tokio::test]
async fn hostile_x11_a_first_sync_is_dropped_at_every_await_point() {
    drop_everywhere(&Way::from_nothing().await).await;
}

#[tokio::test]
async fn hostile_x11_a_later_sync_is_dropped_at_every_await_point() {
    drop_everywhere(&Way::from_first().await).await;
}

/// Attack 1.
async fn fail_everywhere(way: &Way, fault: Fault, for_good: bool) {
    let mut unnoticed = 0;
    for nth in 1.. {
        let memory = copy_of(&way.before).await;
        let faulty = FaultyStore::new(memory.clone());
        let store: Arc<dyn Store> = Arc::new(faulty.clone());
        let upstream = way.registry.upstream(&store);
        if for_good {
            faulty.fail_from(nth, fault);
        } else {
            faulty.fail_at(nth, fault);
        }
        let result = sync(&mirror(&store), &upstream, &way.wanted).await;
        let fired = faulty.operations() >= nth;
        let when = format!("{fault:?} at operation {nth} (for good: {for_good})");
        let class = match &result {
            Ok(outcome) => outcome.class(),
            Err(error) => Some(error.class()),
        };
        let view = way.judge(&memory, &when).await;
        if class.is_none() {
            // A reading that is tried again may go well. Then nothing is missing.
            assert!(!fired || !for_good, "{when}: {result:?}");
            assert_eq!(view, way.views[1], "{when}: {result:?}");
            unnoticed += u32::from(fired);
        } else {
            assert_eq!(class, Some(ErrorClass::Storage), "{when}: {result:?}");
        }
        if !fired {
            assert!(nth > 30, "{nth} operations are too few to prove anything");
            break;
        }
    }
    assert!(unnoticed < 10, "{unnoticed} faults went unnoticed");
}

async fn fail_everywhere_in_every_way(way: &Way) {
    for fault in [Fault::Refused, Fault::ReplyLost, Fault::BodyCut(10)] {
        for for_good in [false, true] {
            fail_everywhere(way, fault, for_good).await;
        }
    }
}

#[tokio::test]
async fn fault_at_every_operation_of_a_first_sync() {
    fail_everywhere_in_every_way(&Way::from_nothing().await).await;
}

#[tokio::test]
async fn fault_at_every_operation_of_a_later_sync() {
    fail_everywhere_in_every_way(&Way::from_first().await).await;
}

/// Attack 8: the run that is to repair is disturbed too.
#[tokio::test]
async fn fault_after_fault() {
    let way = Way::from_first().await;
    for first in (1..60).step_by(3) {
        for second in (1..60).step_by(7) {
            let memory = copy_of(&way.before).await;
            for nth in [first, second] {
                let faulty = FaultyStore::new(memory.clone());
                let store: Arc<dyn Store> = Arc::new(faulty.clone());
                let upstream = way.registry.upstream(&store);
                faulty.fail_from(nth, Fault::ReplyLost);
                let _ = sync(&mirror(&store), &upstream, &way.wanted).await;
            }
            let when = format!("faults at operation {first}, then {second}");
            way.judge(&memory, &when).await;
        }
    }
}

#[tokio::test]
async fn fault_of_the_store_is_not_hidden_by_one_of_upstream() {
    for nth in 1.. {
        let (registry, memory) = (Registry::new(), MemoryStore::new());
        let names: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
        for name in &names {
            registry.publish(name, &["1.0.0"]);
        }
        registry.fault("dl/c0/1.0.0", &[support::Fault::Transient; 8]);
        let pins: Vec<String> = names.iter().map(|name| format!("{name} 1.0.0")).collect();
        let pins: Vec<&str> = pins.iter().map(String::as_str).collect();
        let faulty = FaultyStore::new(memory.clone());
        let store: Arc<dyn Store> = Arc::new(faulty.clone());
        faulty.fail_at(nth, Fault::Refused);
        let result = sync(&mirror(&store), &registry.upstream(&store), &lock(&pins)).await;
        if faulty.operations() < nth {
            break;
        }
        let class = match &result {
            Ok(outcome) => outcome.class(),
            Err(error) => Some(error.class()),
        };
        assert_eq!(class, Some(ErrorClass::Storage), "{nth}: {result:?}");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store: Arc<dyn Store> = Arc::new(memory);
        survived(&store, &names).await;
    }
}
