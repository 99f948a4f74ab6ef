//! Making packs, each once for all who wait for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use gix::ObjectId;
use romt_core::ports::IndexError;
use tokio::sync::{Semaphore, oneshot};

use super::{super::pack::Stop, ready::Ready};

/// How many packs are made at a time.
const AT_ONCE: usize = 4;
/// How long the making of one may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// How many packs are kept, and how many bytes of them in memory and in files.
const KEPT: usize = 64;
const KEPT_IN_MEMORY: usize = 48 * 1024 * 1024;
const KEPT_IN_FILES: u64 = 1024 * 1024 * 1024;

/// What a pack is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) wants: Vec<ObjectId>,
    /// What the receiver has.
    pub(super) has: Vec<ObjectId>,
    pub(super) thin: bool,
}

/// A pack, or why there is none.
pub(super) type Outcome = Result<Arc<Ready>, Arc<IndexError>>;

/// Packs that are being made, and those that were made last.
pub(super) struct Jobs {
    slots: Arc<Semaphore>,
    list: Arc<Mutex<List>>,
}

#[derive(Default)]
struct List {
    running: Vec<(Key, Weak<()>, Shared<BoxFuture<'static, Outcome>>)>,
    /// The one that was asked for last is the last one.
    kept: Vec<(Key, Arc<Ready>)>,
}

/// A place among those who wait for a pack. When all of them have left, the making
/// ends.
pub(super) struct Ticket {
    outcome: Shared<BoxFuture<'static, Outcome>>,
    _interest: Arc<()>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            list: Arc::default(),
        }
    }
}

impl Ticket {
    /// The pack, once it is made.
    pub(super) async fn outcome(&self) -> Outcome {
        self.outcome.clone().await
    }
}

impl Jobs {
    /// The pack for `key`: one that was made before, or that is being made, or that
    /// `make` begins to make where blocking is allowed.
    pub(super) fn ask(
        &self,
        key: Key,
        make: impl FnOnce(&Key, Stop<'_>) -> Result<Ready, IndexError> + Send + 'static,
    ) -> Ticket {
        let mut list = lock(&self.list);
        if let Some(ready) = list.find(&key) {
            return Ticket {
                outcome: futures::future::ready(Ok(ready)).boxed().shared(),
                _interest: Arc::new(()),
            };
        }
        let interested = |it: &&(Key, Weak<()>, _)| it.0 == key;
        if let Some((_, interest, outcome)) = list.running.iter().find(interested)
            && let Some(interest) = interest.upgrade()
        {
            return Ticket {
                outcome: outcome.clone(),
                _interest: interest,
            };
        }
        let interest = Arc::new(());
        let outcome = self.begin(key.clone(), Arc::downgrade(&interest), make);
        // Those that nobody waits for any more end by themselves.
        list.running.retain(|it| it.1.strong_count() > 0);
        let running = (key, Arc::downgrade(&interest), outcome.clone());
        list.running.push(running);
        Ticket {
            outcome,
            _interest: interest,
        }
    }

    fn begin(
        &self,
        key: Key,
        interest: Weak<()>,
        make: impl FnOnce(&Key, Stop<'_>) -> Result<Ready, IndexError> + Send + 'static,
    ) -> Shared<BoxFuture<'static, Outcome>> {
        let (tell, outcome) = oneshot::channel();
        let (slots, list) = (self.slots.clone(), self.list.clone());
        tokio::spawn(async move {
            let Ok(slot) = slots.acquire_owned().await else {
                return;
            };
            // Whoever waits learns of a panic by the end of the channel.
            drop(tokio::task::spawn_blocking(move || {
                let _slot = slot;
                let end = Instant::now() + PATIENCE;
                let stop = || interest.strong_count() == 0 || Instant::now() > end;
                let outcome = make(&key, &stop).map(Arc::new).map_err(Arc::new);
                let mut list = lock(&list);
                list.running.retain(|it| !it.1.ptr_eq(&interest));
                if let Ok(ready) = &outcome {
                    list.keep(key, ready.clone());
                }
                drop(list);
                let _ = tell.send(outcome);
            }));
        });
        let outcome = async move {
            outcome.await.unwrap_or_else(|_| {
                Err(Arc::new(IndexError::Backend {
                    index: "the git index".to_owned(),
                    action: "make a pack",
                    class: romt_core::ErrorClass::Bug,
                    source: "it ended early".into(),
                }))
            })
        };
        outcome.boxed().shared()
    }
}

impl List {
    fn find(&mut self, key: &Key) -> Option<Arc<Ready>> {
        let place = self.kept.iter().position(|it| it.0 == *key)?;
        let found = self.kept.remove(place);
        let ready = found.1.clone();
        self.kept.push(found);
        Some(ready)
    }

    fn keep(&mut self, key: Key, ready: Arc<Ready>) {
        self.kept.retain(|it| it.0 != key);
        self.kept.push((key, ready));
        while self.kept.len() > 1 && self.is_full() {
            self.kept.remove(0);
        }
    }

    fn is_full(&self) -> bool {
        let weights = self.kept.iter().map(|it| it.1.weight());
        let (memory, files) = weights.fold((0, 0), |all, it| (all.0 + it.0, all.1 + it.1));
        self.kept.len() > KEPT || memory > KEPT_IN_MEMORY || files > KEPT_IN_FILES
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn key(number: u8) -> Key {
        Key {
            wants: vec![ObjectId::from_bytes_or_panic(&[number; 20])],
            has: Vec::new(),
            thin: false,
        }
    }

    fn failed() -> IndexError {
        IndexError::refused("index", "it", "it failed")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_for_the_same_waits_together() {
        let jobs = Jobs::default();
        let (go, gone) = mpsc::channel::<()>();
        let first = jobs.ask(key(1), move |_, _| {
            gone.recv().unwrap();
            Err(failed())
        });
        let second = jobs.ask(key(1), |_, _| panic!("it is being made"));
        let other = jobs.ask(key(2), |_, _| Err(failed()));
        assert!(other.outcome().await.is_err());
        drop(first);
        go.send(()).unwrap();
        let error = second.outcome().await.err().unwrap();
        assert!(error.to_string().contains("it failed"), "{error}");
        // What failed is tried again.
        let third = jobs.ask(key(1), |_, _| Err(failed()));
        assert!(third.outcome().await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_waits_for_ends() {
        let jobs = Jobs::default();
        let (ended, end) = tokio::sync::oneshot::channel();
        let ticket = jobs.ask(key(1), move |_, stop| {
            while !stop() {
                std::thread::sleep(Duration::from_millis(1));
            }
            ended.send(()).unwrap();
            Err(failed())
        });
        let another = jobs.ask(key(1), |_, _| panic!("it is being made"));
        drop(ticket);
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(another);
        end.await.unwrap();
        let anew = jobs.ask(key(1), |_, _| Err(failed()));
        assert!(anew.outcome().await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn few_are_made_at_a_time_and_a_panic_is_an_error() {
        let jobs = Jobs::default();
        let (go, gone) = mpsc::channel::<()>();
        let gone = Arc::new(Mutex::new(gone));
        let (begun, seen) = mpsc::channel();
        let tickets: Vec<Ticket> = (0..12)
            .map(|number| {
                let (gone, begun) = (gone.clone(), begun.clone());
                jobs.ask(key(number), move |_, _| {
                    begun.send(()).unwrap();
                    gone.lock().unwrap().recv().unwrap();
                    panic!("as planned")
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(seen.try_iter().count(), AT_ONCE);
        for _ in 0..12 {
            go.send(()).unwrap();
        }
        // Who holds the lock in a panic poisons it for the others, which panic too.
        for ticket in &tickets {
            assert!(ticket.outcome().await.is_err());
        }
    }
}
