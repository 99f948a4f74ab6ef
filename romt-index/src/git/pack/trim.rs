//! The part in which two trees differ.
//!
//! From one commit to the next a single entry of a thousand changes. To find the
//! bytes that are the same costs next to nothing beside making entries of them.

/// How many bytes are compared at once.
const STEP: usize = 64;

/// The length of an object's id at the end of an entry.
const ID: usize = 20;

/// Two trees, less the entries that both begin with and both end with.
///
/// What is not a tree is left as it is, for whoever reads it to find out, unless
/// both have it.
pub(super) fn differing<'a>(a: &'a [u8], b: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let whole = (a, b);
    let same = common_start(a, b);
    let mut at = 0;
    while at < same {
        match next_entry(a, at) {
            Some(next) if next <= same => at = next,
            Some(_) => break,
            None => return whole,
        }
    }
    let (a, b) = (&a[at..], &b[at..]);
    let same = common_end(a, b);
    // Where as many bytes are left of both, and those are the same, both have the
    // same entries from there on.
    let (mut at_a, mut at_b) = (0, 0);
    loop {
        let (left_a, left_b) = (a.len() - at_a, b.len() - at_b);
        if left_a == left_b && left_a <= same {
            return (&a[..at_a], &b[..at_b]);
        }
        let (tree, at) = if left_a >= left_b {
            (a, &mut at_a)
        } else {
            (b, &mut at_b)
        };
        match next_entry(tree, *at) {
            Some(next) => *at = next,
            None => return whole,
        }
    }
}

/// Where the entry ends that begins at `at`; `None` if it has no end.
fn next_entry(tree: &[u8], at: usize) -> Option<usize> {
    let name = memchr::memchr(0, tree.get(at..)?)?;
    let next = at + name + 1 + ID;
    (next <= tree.len()).then_some(next)
}

fn common_start(a: &[u8], b: &[u8]) -> usize {
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP));
    let steps = steps.take_while(|(a, b)| a == b).count() * STEP;
    let rest = a[steps..].iter().zip(&b[steps..]);
    steps + rest.take_while(|(a, b)| a == b).count()
}

fn common_end(a: &[u8], b: &[u8]) -> usize {
    let steps = a.rchunks_exact(STEP).zip(b.rchunks_exact(STEP));
    let steps = steps.take_while(|(a, b)| a == b).count() * STEP;
    let rest_of_a = a[..a.len() - steps].iter().rev();
    let rest = rest_of_a.zip(b[..b.len() - steps].iter().rev());
    steps + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Dice, *};

    fn tree(entries: &[(u32, u8)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, id) in entries {
            bytes.extend_from_slice(format!("100644 {name:04}").as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&[*id; ID]);
        }
        bytes
    }

    /// The entries of a tree that is well made.
    fn parts(mut tree: &[u8]) -> Vec<&[u8]> {
        let mut parts = Vec::new();
        while !tree.is_empty() {
            let (part, rest) = tree.split_at(next_entry(tree, 0).unwrap());
            parts.push(part);
            tree = rest;
        }
        parts
    }

    #[test]
    fn whole_entries_are_cut_off_at_both_ends() {
        let mut dice = Dice::new(5);
        for _ in 0..2000 {
            let mut entries: Vec<(u32, u8)> = Vec::new();
            for number in 0..40 {
                if dice.below(4) > 0 {
                    // Few ids, among them those that look like the end of a name.
                    entries.push((number, [0, b'1', 7][dice.below(3)]));
                }
            }
            let mut changed = entries.clone();
            for _ in 0..dice.below(4) {
                let at = dice.below(changed.len() + 1);
                match dice.below(3) {
                    0 if at < changed.len() => {
                        changed.remove(at);
                    }
                    1 if at < changed.len() => changed[at].1 = dice.byte(),
                    _ => changed.insert(at, (dice.below(9999).try_into().unwrap(), dice.byte())),
                }
            }
            let (a, b) = (tree(&entries), tree(&changed));
            let (of_a, of_b) = differing(&a, &b);
            let (all_a, all_b) = (parts(&a), parts(&b));
            let (of_a, of_b) = (parts(of_a), parts(of_b));
            let cut = all_a.len() - of_a.len();
            assert_eq!(cut, all_b.len() - of_b.len());
            let start = all_a.iter().zip(&all_b).take_while(|(a, b)| a == b).count();
            assert!(of_a.is_empty() || all_a[start..].starts_with(&of_a));
            assert!(of_b.is_empty() || all_b[start..].starts_with(&of_b));
            // No more could have been cut off.
            let ends = |parts: &[&[u8]]| Some((parts.first()?.to_vec(), parts.last()?.to_vec()));
            if let (Some(of_a), Some(of_b)) = (ends(&of_a), ends(&of_b)) {
                assert!(of_a.0 != of_b.0 && of_a.1 != of_b.1);
            }
        }
    }

    #[test]
    fn what_is_no_tree_is_left_whole() {
        let good = tree(&[(1, 1), (2, 2)]);
        for bad in [&good[..good.len() - 1], b"no tree", &[0; 19]] {
            assert_eq!(differing(bad, &good), (bad, &*good));
            assert_eq!(differing(&good, bad), (&*good, bad));
        }
        assert_eq!(differing(&good, &good), (&[][..], &[][..]));
        assert_eq!(differing(&good, b""), (&*good, &[][..]));
        assert_eq!(differing(b"", b""), (&[][..], &[][..]));
    }
}
