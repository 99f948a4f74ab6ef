//! Lines on their way to a log.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How many lines may wait.
const LINES: usize = 8192;

/// How many bytes are written at a time.
const BATCH: usize = 64 * 1024;

/// How long the end waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// A line, or the end.
type Item = Option<Vec<u8>>;

/// Lines on their way to a log, for which nobody waits who adds one.
///
/// As a [`Write`], each call of `write` is a line or a few of them.
#[derive(Clone, Debug)]
pub struct LogQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: SyncSender<Item>,
    ended: Mutex<Receiver<()>>,
    dropped: Arc<AtomicU64>,
}

impl LogQueue {
    /// A queue whose lines a thread of its own writes to `out`.
    ///
    /// # Errors
    ///
    /// If the system gives out no thread.
    pub fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queued) = sync_channel(LINES);
        let (end, ended) = sync_channel(1);
        let dropped = Arc::<AtomicU64>::default();
        let lost = dropped.clone();
        let name = "log".to_owned();
        thread::Builder::new().name(name).spawn(move || {
            write_all(out, &queued, &lost);
            // Nobody may be waiting.
            let _ = end.try_send(());
        })?;
        Ok(Self(Arc::new(Inner {
            lines,
            ended: Mutex::new(ended),
            dropped,
        })))
    }

    /// Adds a line, which ends with a line feed. It is dropped if too many wait.
    pub fn push(&self, line: Vec<u8>) {
        if self.0.lines.try_send(Some(line)).is_err() {
            self.0.dropped.fetch_add(1, Relaxed);
        }
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Waits until what was added is written, but not for ever.
    pub fn finish(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(TrySendError::Full(_)) = self.0.lines.try_send(None) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it is done or takes too long, there is no more to wait for.
        let _ = ended.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Write for LogQueue {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is queued, as much at a time as there is.
fn write_all(mut out: impl Write, queued: &Receiver<Item>, dropped: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut told = 0;
    let mut is_over = false;
    while !is_over {
        match queued.recv() {
            Ok(Some(line)) => batch.extend(line),
            Ok(None) | Err(_) => is_over = true,
        }
        while !is_over && batch.len() < BATCH {
            match queued.try_recv() {
                Ok(Some(line)) => batch.extend(line),
                Ok(None) => is_over = true,
                Err(_) => break,
            }
        }
        // There is nobody to tell that there is nobody to tell.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        let lost = dropped.load(Relaxed);
        if lost > told {
            tracing::warn!(
                lines = lost - told,
                "lines of the log were dropped: it is not read fast enough"
            );
            told = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A pipe that takes nothing until it is told to.
    struct Stuck {
        go: Receiver<()>,
        is_going: bool,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.is_going {
                self.is_going = self.go.recv().is_ok();
            }
            self.taken.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn fault_f23_a_log_that_is_stuck_keeps_nobody_waiting() {
        let (release, go) = channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let queue = LogQueue::new(Stuck {
            go,
            is_going: false,
            taken: taken.clone(),
        })
        .unwrap();
        let start = Instant::now();
        // What does not wait in the queue is in the hands of the thread, which is stuck.
        let pushed = (2 * LINES + BATCH) as u64;
        for _ in 0..pushed {
            queue.push(b"line\n".to_vec());
        }
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        let dropped = queue.dropped();
        assert!(dropped >= LINES as u64, "{dropped}");
        release.send(()).unwrap();
        queue.finish();
        let taken = taken.lock().unwrap();
        assert_eq!(taken.len() as u64, (pushed - dropped) * 5);
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let (release, go) = channel();
        let queue = LogQueue::new(Stuck {
            go,
            is_going: false,
            taken: Arc::default(),
        })
        .unwrap();
        queue.push(b"line\n".to_vec());
        let start = Instant::now();
        queue.finish();
        assert!(start.elapsed() >= PATIENCE);
        drop(release);
    }
}
