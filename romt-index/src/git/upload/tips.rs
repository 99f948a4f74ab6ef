//! What clients were told lately.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gix::ObjectId;

/// How many states are remembered, and for how long after a client was told of them.
const STATES: usize = 16;
const WHILE: Duration = Duration::from_mins(10);

/// The states that clients were told of, and may ask for though another one is shown
/// by now: between being told and asking, a publication may happen.
#[derive(Debug, Default)]
pub(super) struct Tips(Mutex<VecDeque<(ObjectId, Instant)>>);

impl Tips {
    /// Notes that somebody is told of `tip`.
    pub(super) fn told(&self, tip: ObjectId) {
        let mut tips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        tips.retain(|(id, told)| *id != tip && now.duration_since(*told) < WHILE);
        if tips.len() == STATES {
            tips.pop_front();
        }
        tips.push_back((tip, now));
    }

    /// Whether somebody was told of `id` not long ago.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        let tips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |told: &Instant| told.elapsed() < WHILE;
        tips.iter().any(|(tip, told)| tip == id && recent(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ObjectId {
        ObjectId::from_bytes_or_panic(&[number; 20])
    }

    #[test]
    fn the_last_few_are_remembered() {
        let tips = Tips::default();
        assert!(!tips.has(&id(1)));
        for _ in 0..3 {
            for number in 0..20 {
                tips.told(id(number));
            }
        }
        assert!(!tips.has(&id(3)));
        for number in 4..20 {
            assert!(tips.has(&id(number)), "{number}");
        }
        tips.told(id(4));
        tips.told(id(30));
        assert!(tips.has(&id(4)));
        assert!(!tips.has(&id(5)));
    }
}
