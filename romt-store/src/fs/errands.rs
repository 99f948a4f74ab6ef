//! Short looks at the disk, many at a time.
//!
//! A trip to a blocking thread and back costs more than most looks at a directory
//! do. So looks queue up, and a few threads take them one after the other; a thread
//! is only added while the queue is long, which it is where the disk is slow.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{sync::oneshot, task};

use super::{ShutDown, error::FsError, flush::lock};

/// How many looks may wait for each thread before there is one more.
const WAITING: usize = 6;
/// The most threads.
const THREADS: usize = 32;

type Errand = Box<dyn FnOnce() + Send>;

/// What is to be looked at.
#[derive(Default)]
pub(super) struct Errands {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Errand>,
    threads: usize,
}

impl Errands {
    /// Does `look` on a blocking thread. If this future is dropped, `look` may
    /// happen all the same, and what it finds is dropped.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce() -> Result<T, FsError> + Send + 'static,
    ) -> Result<T, FsError> {
        let (done, outcome) = oneshot::channel();
        self.submit(Box::new(move || {
            // That nobody waits for it is no failure of ours.
            let _ = done.send(look());
        }));
        outcome.await.unwrap_or_else(|_| Err(ShutDown.into()))
    }

    fn submit(self: &Arc<Self>, errand: Errand) {
        let mut state = lock(&self.state);
        state.waiting.push_back(errand);
        let enough = state.threads > 0 && state.waiting.len() <= WAITING * state.threads;
        if !enough && state.threads < THREADS {
            state.threads += 1;
            drop(state);
            let runner = Runner {
                errands: Arc::clone(self),
                counted: true,
            };
            task::spawn_blocking(move || runner.work());
        }
    }
}

struct Runner {
    errands: Arc<Errands>,
    counted: bool,
}

impl Runner {
    fn work(mut self) {
        while let Some(errand) = self.next() {
            errand();
        }
    }

    fn next(&mut self) -> Option<Errand> {
        let mut state = lock(&self.errands.state);
        let errand = state.waiting.pop_front();
        if errand.is_none() {
            state.threads -= 1;
            self.counted = false;
        }
        errand
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        // The runtime ended before this thread began, or it has panicked.
        let mut state = lock(&self.errands.state);
        state.threads -= 1;
        let lost = if state.threads == 0 {
            std::mem::take(&mut state.waiting)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(lost);
    }
}
