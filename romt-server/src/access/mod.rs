//! The access log: a line a request, written when its answer has been sent.
//!
//! Lines go through a queue of bounded length to a thread that writes them, so that
//! a disk or a pipe that takes no more keeps no client waiting. What the queue has no
//! room for is dropped and counted.

mod line;
mod queue;

pub(crate) use line::Record;
pub use queue::LogQueue;

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessFormat {
    /// `name=value`, for people and for grep.
    Text,
    /// An object a line.
    Json,
}

/// Where the lines of the access log go, and what they look like.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: AccessFormat,
    queue: LogQueue,
}

impl AccessLog {
    /// An access log whose lines go to `queue`.
    pub fn new(format: AccessFormat, queue: LogQueue) -> Self {
        Self { format, queue }
    }

    pub(crate) fn write(&self, record: &Record) {
        self.queue.push(line::render(self.format, record));
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}
