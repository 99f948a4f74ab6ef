//! Who came with tokens that are none, and how often of late.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many there may be within [`WINDOW`].
const ALLOWED: u32 = 10;

/// How long they are remembered.
const WINDOW: Duration = Duration::from_mins(1);

/// How many addresses are remembered.
const ADDRESSES: usize = 4096;

/// Who came with tokens that are none, and how often of late.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>);

impl Failures {
    /// Notes a failure from `address`; says whether there were too many.
    pub(super) fn note(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Instant| now.duration_since(since) >= WINDOW;
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, (since, _)| !is_over(*since));
            if known.len() >= ADDRESSES {
                // Whoever has so many addresses is one of them.
                return true;
            }
        }
        let (since, count) = known.entry(address).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > ALLOWED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_h21_ten_failures_a_minute_are_enough() {
        let failures = Failures::default();
        let (one, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let start = Instant::now();
        for _ in 0..ALLOWED {
            assert!(!failures.note(one, start));
        }
        assert!(failures.note(one, start + WINDOW / 2));
        assert!(!failures.note(other, start));
        assert!(!failures.note(one, start + WINDOW));
    }

    #[test]
    fn memory_is_bounded() {
        let failures = Failures::default();
        let start = Instant::now();
        for number in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            failures.note(Some(IpAddr::V4(number.into())), start);
        }
        assert_eq!(failures.0.lock().unwrap().len(), ADDRESSES);
        failures.note(None, start + WINDOW);
        assert_eq!(failures.0.lock().unwrap().len(), 1);
    }
}
