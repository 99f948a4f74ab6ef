//! What the tests of faults, kills and hostile input share: a registry made of
//! numbers, a world with a mirror in it, and a checker that looks from outside.

// Each test file uses its own part of this.
#![allow(dead_code, missing_docs, unreachable_pub)]
// What is skipped, and which seed it was, is said.
#![allow(clippy::print_stderr, clippy::print_stdout)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod checker;
pub mod http;
pub mod process;
pub mod registry;
pub mod tmpfs;
pub mod tree;
pub mod world;

/// A pseudo-random sequence that a seed repeats.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed of this run's own, unless `ROMT_TEST_SEED` names one.
    pub fn from_env() -> (Self, u64) {
        let seed = std::env::var("ROMT_TEST_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::try_from(now.unwrap().as_nanos() % 1_000_000_007).unwrap()
        });
        (Self::new(seed), seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }
}
