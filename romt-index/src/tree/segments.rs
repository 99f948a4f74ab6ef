//! Which segments are kept in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use romt_core::Sha256Digest;
use tokio::sync::OnceCell;

use super::format::Root;

/// The most bytes of segments that are kept.
const KEPT: u64 = 4 * 1024 * 1024;

/// How often a segment is to be read from, piece by piece, before it is worth the
/// place of another one. Reading all of it costs about as much as so many pieces.
const WORTH: u32 = 32;

/// A segment, once it is read.
pub(super) type Segment = Arc<OnceCell<Bytes>>;

/// The segments that were last read from.
///
/// A small mirror's fit. Of a large one, whoever goes through the crates by name,
/// as a sync does, mostly goes from segment to segment, so that a few are enough;
/// and whoever asks for this and that gets pieces.
#[derive(Debug, Default)]
pub(super) struct Segments(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With their sizes, the last used at the end.
    kept: Vec<(Sha256Digest, u64, Segment)>,
    missed: HashMap<Sha256Digest, u32>,
}

impl Segments {
    /// Those of the state `root` that `before` has.
    pub(super) fn new(root: &Root, before: Option<&Self>) -> Self {
        let mut kept = before.map_or_else(Vec::new, |before| before.lock().kept.clone());
        kept.retain(|(file, ..)| root.segments.iter().any(|segment| segment.file == *file));
        Self(Mutex::new(State {
            kept,
            missed: HashMap::new(),
        }))
    }

    /// The place of the segment `file` of `size` bytes, or `None` if a piece of it
    /// had better be read.
    pub(super) fn get(&self, file: &Sha256Digest, size: u64) -> Option<Segment> {
        let mut state = self.lock();
        if let Some(at) = state.kept.iter().position(|(kept, ..)| kept == file) {
            state.kept[at..].rotate_left(1);
            return state.kept.last().map(|(.., segment)| segment.clone());
        }
        if size > KEPT {
            return None;
        }
        let used = |state: &State| state.kept.iter().map(|(_, size, _)| size).sum::<u64>();
        if used(&state) + size > KEPT {
            let missed = state.missed.entry(*file).or_default();
            *missed += 1;
            if *missed < WORTH {
                return None;
            }
            while used(&state) + size > KEPT {
                state.kept.remove(0);
            }
        }
        state.missed.remove(file);
        let segment = Segment::default();
        state.kept.push((*file, size, segment.clone()));
        Some(segment)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn file(number: u32) -> Sha256Digest {
        Sha256Digest::of(number.to_le_bytes())
    }

    #[test]
    fn the_last_used_are_kept_and_no_more_than_fit() {
        let segments = Segments::default();
        for number in 0..4 {
            assert!(segments.get(&file(number), MIB).is_some());
        }
        // 1 is now the one that was used least lately.
        let first = segments.get(&file(0), MIB).unwrap();
        for _ in 1..WORTH {
            assert!(segments.get(&file(4), MIB).is_none());
        }
        assert!(segments.get(&file(4), MIB).is_some());
        let again = segments.get(&file(0), MIB).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(segments.get(&file(1), MIB).is_none());
        assert!(segments.get(&file(5), KEPT + 1).is_none());
        let used = segments
            .lock()
            .kept
            .iter()
            .map(|(_, size, _)| size)
            .sum::<u64>();
        assert_eq!(used, KEPT);
    }
}
