//! The engine over a source that counts and a store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use romt_core::{
    Artifact, ErrorClass, Event, EventSink, Key, Location, Sha256Digest, Source, Store,
    StoreExt as _,
    ports::{
        Check, Evidence, Fetched, OpenOptions, Opened, Sha256Verifier, SourceError, Verifier,
        VerifyError,
    },
    sync::{Engine, EngineOptions, FetchOutcome, RetryPolicy},
};
use romt_store::MemoryStore;
use tokio_util::sync::CancellationToken;

/// Serves its own path as bytes, slowly, in two pieces.
#[derive(Debug, Default)]
struct Slow {
    opened: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slow source")
    }
}

#[async_trait]
impl Source for Slow {
    async fn open(&self, location: &Location, _: OpenOptions) -> Result<Opened, SourceError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        let bytes = Bytes::from(location.to_string());
        let halves = [bytes.slice(..1), bytes.slice(1..)];
        Ok(Opened::Body(Fetched {
            body: stream::iter(halves.map(Ok)).boxed(),
            offset: 0,
            size: None,
            validator: None,
        }))
    }

    async fn size(&self, _: &Location) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        let text = match event {
            Event::Started { label, .. } => format!("started {label}"),
            Event::Advanced { bytes } => format!("advanced {bytes}"),
            Event::Finished { label, size } => format!("finished {label} {size}"),
            Event::AlreadyPresent { label } => format!("present {label}"),
            Event::Failed { label, .. } => format!("failed {label}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

struct Bench {
    source: Arc<Slow>,
    store: Arc<dyn Store>,
    events: Arc<Events>,
    verifier: Arc<dyn Verifier>,
    cancel: CancellationToken,
    limit: u64,
}

impl Bench {
    fn new() -> Self {
        Self {
            source: Arc::default(),
            store: Arc::new(MemoryStore::default()),
            events: Arc::default(),
            verifier: Arc::new(Sha256Verifier),
            cancel: CancellationToken::new(),
            limit: 1024,
        }
    }

    async fn run(&self, plan: Vec<Artifact>) -> FetchOutcome {
        let options = EngineOptions::new(3, RetryPolicy::default(), self.limit);
        let (source, store) = (self.source.clone(), self.store.clone());
        let engine = Engine::new(source, store, self.verifier.clone(), options);
        let events: Arc<dyn EventSink> = self.events.clone();
        engine.run(stream::iter(plan), &events, &self.cancel).await
    }

    async fn has(&self, key: &str) -> bool {
        let key: Key = key.parse().unwrap();
        self.store.try_head(&key).await.unwrap().is_some()
    }
}

fn artifact(name: &str) -> Artifact {
    let key = format!("things/{name}").parse().unwrap();
    let location = format!("upstream/{name}");
    let digest = Sha256Digest::of(&location);
    Artifact::new(name, key, digest, location.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn downloads_are_bounded_and_all_arrive() {
    let bench = Bench::new();
    let plan = (0..20).map(|n| artifact(&n.to_string())).collect();
    let outcome = bench.run(plan).await;
    assert_eq!((outcome.fetched, outcome.present), (20, 0));
    assert!(outcome.failed.is_empty());
    assert_eq!(bench.source.most_open.load(Ordering::SeqCst), 3);
    assert!(bench.has("things/19").await);
}

#[tokio::test(start_paused = true)]
async fn equal_work_in_flight_is_done_once() {
    let bench = Bench::new();
    let outcome = bench
        .run(vec![artifact("a"), artifact("a"), artifact("a")])
        .await;
    assert_eq!((outcome.fetched, outcome.present), (1, 0));
    assert_eq!(bench.source.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn hostile_m06_one_key_with_two_digests_is_a_contradiction() {
    let bench = Bench::new();
    let mut other = artifact("a");
    other.digest = Sha256Digest::of("other");
    let outcome = bench.run(vec![artifact("a"), other]).await;
    assert_eq!(outcome.fetched, 1);
    assert_eq!(outcome.failed[0].1.class, ErrorClass::Integrity);
}

#[tokio::test(start_paused = true)]
async fn events_tell_each_step() {
    let bench = Bench::new();
    bench.run(vec![artifact("a")]).await;
    bench.run(vec![artifact("a")]).await;
    let events = bench.events.0.lock().unwrap().clone();
    let told = [
        "started a",
        "advanced 1",
        "advanced 9",
        "finished a 10",
        "present a",
    ];
    assert_eq!(events, told);
}

#[tokio::test(start_paused = true)]
async fn hostile_u02_what_is_too_large_is_cut_off() {
    let bench = Bench {
        limit: 5,
        ..Bench::new()
    };
    let outcome = bench.run(vec![artifact("a")]).await;
    assert_eq!(outcome.failed[0].1.class, ErrorClass::Refused);
    assert!(!bench.has("things/a").await);
    assert_eq!(
        bench.source.opened.load(Ordering::SeqCst),
        1,
        "no retry of an over-size object"
    );
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a verifier without a key")
    }
}

impl Verifier for Broken {
    fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError> {
        Err(VerifyError::Unavailable {
            verifier: self.to_string(),
            label: evidence.label.clone(),
            reason: "it has no key".into(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_s14_without_a_verifier_nothing_is_asked_for() {
    let bench = Bench {
        verifier: Arc::new(Broken),
        ..Bench::new()
    };
    let outcome = bench.run(vec![artifact("a")]).await;
    assert_eq!(outcome.failed[0].1.class, ErrorClass::Usage);
    assert_eq!(bench.source.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn hostile_x09_cancelling_stops_at_once_and_leaves_whole_objects() {
    let bench = Bench::new();
    let cancel = bench.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        cancel.cancel();
    });
    let plan = (0..20).map(|n| artifact(&n.to_string())).collect();
    let outcome = bench.run(plan).await;
    assert!(outcome.cancelled);
    let mut listed = bench.store.list(None);
    let mut whole = 0;
    while let Some(object) = listed.next().await {
        let key = object.unwrap().key;
        let (_, bytes) = bench.store.try_read(&key, 1024).await.unwrap().unwrap();
        assert_eq!(bytes, format!("upstream/{}", key.file_name()));
        whole += 1;
    }
    assert_eq!(whole, 3);
}
