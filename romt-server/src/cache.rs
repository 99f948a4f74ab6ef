//! A bounded cache of answers.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Locks taken by name, so that requests for different things seldom meet.
const SHARDS: usize = 8;

/// What an entry costs beside its value, in bytes.
const OVERHEAD: usize = 256;

/// A map that forgets what was not asked for lately once it has grown to its
/// bound. Values are cheap to clone: an `Arc`, or a handful of them.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    hasher: RandomState,
    /// The bound of each shard, in bytes.
    capacity: usize,
}

#[derive(Debug)]
struct Shard<V> {
    places: HashMap<Arc<str>, usize>,
    slots: Vec<Slot<V>>,
    /// Where the search for something to forget goes on.
    hand: usize,
    weight: usize,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Slot<V> {
    key: Arc<str>,
    value: V,
    weight: usize,
    /// Asked for since the hand last passed.
    used: bool,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::new())),
            hasher: RandomState::new(),
            capacity: bytes / SHARDS,
        }
    }

    /// The largest value that is worth keeping: one that leaves room for others.
    pub(crate) fn largest(&self) -> usize {
        self.capacity / 2
    }

    /// What is kept for `key`.
    pub(crate) fn get(&self, key: &str) -> Option<V> {
        let mut shard = self.shard(key);
        let Some(&place) = shard.places.get(key) else {
            shard.misses += 1;
            return None;
        };
        shard.hits += 1;
        let slot = &mut shard.slots[place];
        slot.used = true;
        Some(slot.value.clone())
    }

    /// How often something was found, and how often not.
    pub(crate) fn lookups(&self) -> (u64, u64) {
        let mut sum = (0, 0);
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sum = (sum.0 + shard.hits, sum.1 + shard.misses);
        }
        sum
    }

    /// Keeps `value`, which takes `weight` bytes, for `key`, if it fits.
    pub(crate) fn insert(&self, key: &str, value: V, weight: usize) {
        let weight = weight.saturating_add(key.len()).saturating_add(OVERHEAD);
        let mut shard = self.shard(key);
        shard.remove(key);
        if weight <= self.largest() {
            shard.make_room(self.capacity - weight);
            shard.push(key.into(), value, weight);
        }
    }

    /// Forgets what is kept for `key`.
    pub(crate) fn remove(&self, key: &str) {
        self.shard(key).remove(key);
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard<V>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // Nothing panics while it holds the lock.
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Shard<V> {
    fn new() -> Self {
        Self {
            places: HashMap::new(),
            slots: Vec::new(),
            hand: 0,
            weight: 0,
            hits: 0,
            misses: 0,
        }
    }

    fn push(&mut self, key: Arc<str>, value: V, weight: usize) {
        self.weight += weight;
        self.places.insert(key.clone(), self.slots.len());
        self.slots.push(Slot {
            key,
            value,
            weight,
            // To stay, it must be asked for once more.
            used: false,
        });
    }

    fn remove(&mut self, key: &str) {
        if let Some(place) = self.places.get(key) {
            self.remove_at(*place);
        }
    }

    fn remove_at(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        self.places.remove(&slot.key);
        self.weight -= slot.weight;
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.key.clone(), place);
        }
    }

    /// Forgets until at most `bytes` are kept: goes round, and takes what was not
    /// asked for since the last round.
    fn make_room(&mut self, bytes: usize) {
        while self.weight > bytes {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = &mut self.slots[self.hand];
            if std::mem::take(&mut slot.used) {
                self.hand += 1;
            } else {
                self.remove_at(self.hand);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_removed() {
        let cache = Cache::new(1 << 20);
        cache.insert("a", 1, 10);
        cache.insert("b", 2, 10);
        cache.insert("a", 3, 10);
        assert_eq!(cache.get("a"), Some(3));
        cache.remove("a");
        assert_eq!(cache.get("a"), None);
        assert_eq!(cache.get("b"), Some(2));
    }

    #[test]
    fn it_stays_within_its_bound() {
        let cache = Cache::new(64 * 1024);
        for number in 0..10_000_usize {
            cache.insert(&format!("key{number}"), number, number % 700);
        }
        let total: usize = cache.shards.iter().map(|s| s.lock().unwrap().weight).sum();
        assert!(total <= 64 * 1024, "{total}");
        assert!(total > 32 * 1024, "{total}");
        cache.insert("huge", 1, 1 << 20);
        assert_eq!(cache.get("huge"), None);
    }

    #[test]
    fn what_is_asked_for_outlives_what_is_not() {
        let cache = Cache::new(64 * 1024);
        cache.insert("hot", 0, 100);
        for number in 0..10_000 {
            assert_eq!(cache.get("hot"), Some(0), "after {number}");
            cache.insert(&format!("cold{number}"), number, 100);
        }
    }

    #[test]
    fn a_cache_of_nothing_keeps_nothing() {
        let cache = Cache::new(0);
        cache.insert("a", 1, 0);
        assert_eq!(cache.get("a"), None);
    }
}
