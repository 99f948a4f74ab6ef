//! Putting many objects at once.
//!
//! Puts whose bytes are at hand queue up here, and a few workers on blocking
//! threads take what has gathered: a trip to such a thread, and a wait for the
//! disk, is then for many objects. While one batch is flushed the next gathers, so
//! nobody waits for a batch to fill.
//!
//! A batch goes through each step as a whole: all files are written, then flushed,
//! then renamed, then the names are flushed. No file has its final name before its
//! bytes are safe.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use romt_core::ports::ObjectMeta;
use tokio::{sync::oneshot, task};

use super::{
    Inner, SyncPolicy,
    error::FsError,
    flush::lock,
    rounds::Since,
    staging::{Run, StagedFile},
    tree::Walk,
    write::Steps,
};

/// How many workers there are if batches are flushed as a whole. One writes while
/// another waits.
const SHARING: usize = 3;
/// How many there are if each object is flushed for itself: flushes mostly wait.
const ALONE: usize = 64;
/// The most objects in a batch. Each is an open file.
const BATCH: usize = 256;
/// From how many objects on a flush of the whole file system is worth it: it
/// writes out what others have written, too.
const MANY: usize = 6;

/// The puts that wait, and how many work on them.
pub(super) struct Queue {
    state: Mutex<State>,
    /// From how many objects on a batch is flushed as a whole.
    pub(super) many: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            many: MANY,
        }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    workers: usize,
}

/// What is to be put.
pub(super) enum Content {
    Bytes(Bytes),
    Staged(StagedFile),
}

type Answer = oneshot::Sender<Result<ObjectMeta, FsError>>;
type Answers = Vec<(Answer, Result<ObjectMeta, FsError>)>;

/// One put.
pub(super) struct Job {
    pub(super) steps: Arc<Steps>,
    pub(super) content: Content,
    pub(super) done: Answer,
}

/// Has `job` done, sooner or later.
pub(super) fn submit(inner: &Arc<Inner>, job: Job) {
    let shares = inner.shares_flushes();
    let mut state = lock(&inner.queue.state);
    state.waiting.push_back(job);
    let is_wanted = if shares {
        // One more only for a batch that is worth a flush of its own.
        state.workers < SHARING && state.waiting.len() >= inner.queue.many * state.workers
    } else {
        state.workers < ALONE
    };
    if is_wanted {
        state.workers += 1;
        drop(state);
        let worker = Worker {
            queue: Arc::clone(&inner.queue),
            counted: true,
        };
        task::spawn_blocking(move || worker.work());
    }
}

/// Has no part in the store but through the jobs, and answers when it has let go of
/// those: who has all answers can close the store.
struct Worker {
    queue: Arc<Queue>,
    counted: bool,
}

impl Worker {
    fn work(mut self) {
        while let Some(batch) = self.next() {
            for (done, result) in commit(batch) {
                // That nobody waits for it is no failure of ours.
                let _ = done.send(result);
            }
        }
    }

    /// What waits, or `None`, and then this is no worker any more.
    fn next(&mut self) -> Option<Vec<Job>> {
        let mut state = lock(&self.queue.state);
        let first = state.waiting.front();
        let shares = first.is_some_and(|job| job.steps.inner().shares_flushes());
        let count = state.waiting.len().min(if shares { BATCH } else { 1 });
        // A few are left to the workers that are busy, which find more of them.
        let too_few = shares && count < self.queue.many && state.workers > 1;
        if count == 0 || too_few {
            state.workers -= 1;
            self.counted = false;
            return None;
        }
        Some(state.waiting.drain(..count).collect())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        // The runtime ended before this worker began, or it has panicked.
        let mut state = lock(&self.queue.state);
        state.workers -= 1;
        let lost = if state.workers == 0 {
            std::mem::take(&mut state.waiting)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(lost);
    }
}

impl Job {
    fn stage(self, answers: &mut Answers) -> Option<Staged> {
        let staged = match self.content {
            Content::Bytes(bytes) => self.steps.stage(&bytes),
            Content::Staged(file) => Ok(file),
        };
        match staged.and_then(|mut file| file.stamp().map(|()| file)) {
            Ok(file) => Some(Staged {
                steps: self.steps,
                file,
                done: self.done,
            }),
            Err(error) => {
                answers.push((self.done, Err(error)));
                None
            }
        }
    }
}

/// A put whose bytes are written.
struct Staged {
    steps: Arc<Steps>,
    file: StagedFile,
    done: Answer,
}

fn commit(batch: Vec<Job>) -> Answers {
    let mut answers = Answers::with_capacity(batch.len());
    let Some(inner) = batch.first().map(|job| Arc::clone(job.steps.inner())) else {
        return answers;
    };
    let staged = batch.into_iter().filter_map(|job| job.stage(&mut answers));
    let mut batch: Vec<Staged> = staged.collect();
    // Neighbours in the tree are neighbours in the batch.
    batch.sort_by(|a, b| a.steps.key().cmp(b.steps.key()));
    if inner.options.sync == SyncPolicy::Never {
        publish(&inner, batch, &mut answers);
    } else if let Some((run, since)) = shared_run(&batch, inner.queue.many) {
        together(&inner, batch, &run, since, &mut answers);
    } else {
        for Staged { steps, file, done } in batch {
            answers.push((done, steps.end(file)));
        }
    }
    answers
}

/// The run of all of these, and when the first of them was begun, if one flush for
/// all is possible and worth it.
fn shared_run(batch: &[Staged], many: usize) -> Option<(Arc<Run>, Since)> {
    let run = batch.first()?.file.run();
    let same = batch.iter().all(|put| Arc::ptr_eq(&put.file.run(), &run));
    if !same || batch.len() < many || !run.rounds()?.are_worth_it() {
        return None;
    }
    let since = batch.iter().map(|put| put.file.since()).min()??;
    Some((run, since))
}

/// Commits a batch with one flush for all files and one for all names.
fn together(inner: &Inner, batch: Vec<Staged>, run: &Run, since: Since, answers: &mut Answers) {
    let flush = |action: &'static str| match run.rounds() {
        Some(rounds) => rounds.join(since).map_err(FsError::io(action)),
        None => Ok(()),
    };
    if let Err(error) = flush("flush") {
        answers.extend(batch.into_iter().map(|put| (put.done, Err(error.copy()))));
        return;
    }
    let published = answers.len();
    publish(inner, batch, answers);
    if let Err(error) = flush("flush the directory of") {
        for (_, result) in &mut answers[published..] {
            if result.is_ok() {
                *result = Err(error.copy());
            }
        }
    }
}

/// Gives the files their names.
fn publish(inner: &Inner, batch: Vec<Staged>, answers: &mut Answers) {
    let mut walk = Walk::new(&inner.tree);
    for put in batch {
        let Staged {
            steps, mut file, ..
        } = put;
        let result = steps.publish_walking(&mut file, &mut walk);
        answers.push((put.done, result));
    }
}
