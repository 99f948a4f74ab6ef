//! Progress where there is no terminal: a line now and then.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use romt_core::Event;

use super::{crates, human_bytes, printer::line};

/// How often progress is told.
const EVERY: Duration = Duration::from_secs(5);

/// Writes a line for each thing worth one.
pub(crate) struct Lines {
    level: i16,
    state: Mutex<State>,
}

struct State {
    to_fetch: u64,
    done: u64,
    bytes: u64,
    told: Instant,
}

impl Lines {
    pub(crate) fn new(level: i16) -> Self {
        Self {
            level,
            state: Mutex::new(State {
                to_fetch: 0,
                done: 0,
                bytes: 0,
                told: Instant::now(),
            }),
        }
    }

    pub(crate) fn write(&self, event: &Event) {
        match event {
            Event::Planned {
                to_fetch,
                known_bytes,
                unknown_sizes,
                ..
            } => {
                self.state().to_fetch = *to_fetch;
                if let Some(plan) = plan(*to_fetch, *known_bytes, *unknown_sizes) {
                    line(&plan);
                }
            }
            Event::Finished { label, size } => {
                self.item(&format_args!("fetched {label} ({})", human_bytes(*size)));
                self.advance(*size);
            }
            Event::AlreadyPresent { label } => {
                self.item(&format_args!("already here: {label}"));
                self.advance(0);
            }
            Event::Retrying {
                label,
                reason,
                wait,
            } => line(&format_args!(
                "retrying {label} in {:.1} s: {reason}",
                wait.as_secs_f64()
            )),
            Event::Note { message } => line(message),
            Event::Published {
                position,
                crates,
                changed,
            } => self.item(&format_args!(
                "published {position}: {}, {changed} changed",
                super::crates(*crates)
            )),
            _ => {}
        }
    }

    fn item(&self, text: &dyn std::fmt::Display) {
        if self.level >= 2 {
            line(text);
        }
    }

    fn advance(&self, bytes: u64) {
        let mut state = self.state();
        state.done += 1;
        state.bytes += bytes;
        if state.told.elapsed() < EVERY {
            return;
        }
        state.told = Instant::now();
        line(&format_args!(
            "{} of {}, {}",
            state.done,
            crates(state.to_fetch),
            human_bytes(state.bytes)
        ));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is about to be fetched, in words; `None` if nothing is.
pub(super) fn plan(to_fetch: u64, known_bytes: u64, unknown_sizes: u64) -> Option<String> {
    let size = match (known_bytes, unknown_sizes) {
        _ if to_fetch == 0 => return None,
        (0, _) => String::new(),
        (bytes, 0) => format!(", {}", human_bytes(bytes)),
        (bytes, unknown) => format!(", {} and {unknown} of unknown size", human_bytes(bytes)),
    };
    Some(format!("to fetch: {}{size}", crates(to_fetch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_says_what_is_known() {
        assert_eq!(plan(0, 0, 0), None);
        assert_eq!(plan(1, 1024, 0).unwrap(), "to fetch: 1 crate, 1.00 KiB");
        assert_eq!(plan(3, 0, 3).unwrap(), "to fetch: 3 crates");
        assert_eq!(
            plan(3, 1024, 2).unwrap(),
            "to fetch: 3 crates, 1.00 KiB and 2 of unknown size"
        );
    }
}
