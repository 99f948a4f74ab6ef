//! Deltas: an object as copies out of another one, and what is new.

pub(super) mod judge;

use std::collections::HashMap;

/// How many bytes are looked up at once, and the shortest copy worth making.
const BLOCK: usize = 16;
/// The most bytes of one copy, and of one insertion.
const MAX_COPY: usize = 0xff_ffff;
const MAX_INSERT: usize = 0x7f;

/// The delta that makes `new` of `base`.
///
/// Index files and trees change in few places and mostly at the end, so what
/// both have in common at either end is found first, and blocks only between.
pub(super) fn encode(base: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    push_size(&mut out, base.len());
    push_size(&mut out, new.len());
    let head = common(base.iter(), new.iter());
    let (old_rest, new_rest) = (&base[head..], &new[head..]);
    let tail = common(old_rest.iter().rev(), new_rest.iter().rev());
    push_copy(&mut out, 0, head);
    let old_middle = &old_rest[..old_rest.len() - tail];
    let new_middle = &new_rest[..new_rest.len() - tail];
    encode_middle(&mut out, old_middle, head, new_middle);
    push_copy(&mut out, base.len() - tail, tail);
    out
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

fn encode_middle(out: &mut Vec<u8>, old: &[u8], offset: usize, new: &[u8]) {
    if old.len() < BLOCK || new.len() < BLOCK {
        return push_insert(out, new);
    }
    let mut blocks = HashMap::with_capacity(old.len() / BLOCK);
    for (number, block) in old.chunks_exact(BLOCK).enumerate() {
        blocks.entry(block).or_insert(number * BLOCK);
    }
    let (mut at, mut pending) = (0, 0);
    while at + BLOCK <= new.len() {
        let Some(&found) = blocks.get(&new[at..at + BLOCK]) else {
            at += 1;
            continue;
        };
        let back = common(old[..found].iter().rev(), new[pending..at].iter().rev());
        let ahead = common(old[found..].iter(), new[at..].iter());
        push_insert(out, &new[pending..at - back]);
        push_copy(out, offset + found - back, back + ahead);
        at += ahead;
        pending = at;
    }
    push_insert(out, &new[pending..]);
}

fn push_size(out: &mut Vec<u8>, mut size: usize) {
    while size > 0x7f {
        out.push(size.to_le_bytes()[0] | 0x80);
        size >>= 7;
    }
    out.push(size.to_le_bytes()[0]);
}

fn push_insert(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(MAX_INSERT) {
        out.push(chunk.len().to_le_bytes()[0]);
        out.extend_from_slice(chunk);
    }
}

fn push_copy(out: &mut Vec<u8>, mut offset: usize, mut length: usize) {
    while length > 0 {
        let step = length.min(MAX_COPY);
        let command = out.len();
        out.push(0x80);
        for (bit, byte) in offset.to_le_bytes().into_iter().take(4).enumerate() {
            push_part(out, command, bit, byte);
        }
        for (bit, byte) in step.to_le_bytes().into_iter().take(3).enumerate() {
            push_part(out, command, 4 + bit, byte);
        }
        offset += step;
        length -= step;
    }
}

fn push_part(out: &mut Vec<u8>, command: usize, bit: usize, byte: u8) {
    if byte != 0 {
        out[command] |= 1 << bit;
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Dice, judge::Judge, *};

    /// Applies a delta, by the book.
    fn apply(base: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut rest = delta.iter().copied();
        let mut size = || {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = rest.next().unwrap();
                value |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        };
        assert_eq!(size(), base.len());
        let length = size();
        let mut out = Vec::new();
        while let Some(command) = rest.next() {
            assert_ne!(command, 0);
            if command & 0x80 == 0 {
                out.extend(rest.by_ref().take(command.into()));
                continue;
            }
            let mut part = |bit: u8| match command >> bit & 1 {
                1 => usize::from(rest.next().unwrap()),
                _ => 0,
            };
            let from = part(0) | part(1) << 8 | part(2) << 16 | part(3) << 24;
            let length = part(4) | part(5) << 8 | part(6) << 16;
            let length = if length == 0 { 0x1_0000 } else { length };
            out.extend_from_slice(&base[from..from + length]);
        }
        assert_eq!(out.len(), length);
        out
    }

    fn check(base: &[u8], new: &[u8]) -> usize {
        let delta = encode(base, new);
        assert_eq!(apply(base, &delta), new);
        let mut judge = Judge::default();
        for byte in &delta {
            judge.feed(&[*byte]).unwrap();
        }
        assert_eq!(judge.finish().unwrap(), new.len() as u64);
        delta.len()
    }

    #[test]
    fn a_delta_makes_the_new_object_of_the_old_one() {
        let mut dice = Dice::new(7);
        for _ in 0..400 {
            let base: Vec<u8> = (0..dice.below(3000)).map(|_| dice.byte() & 3).collect();
            let mut new = base.clone();
            for _ in 0..dice.below(5) {
                let at = dice.below(new.len() + 1);
                let end = at + dice.below(new.len() - at + 1);
                let by: Vec<u8> = (0..dice.below(300)).map(|_| dice.byte()).collect();
                new.splice(at..end, by);
            }
            check(&base, &new);
            check(&new, &base);
        }
    }

    #[test]
    fn what_moved_or_was_repeated_is_copied() {
        let line =
            |n: usize| format!("{{\"name\":\"some\",\"vers\":\"{n}.0.0\",\"x\":\"{n:040}\"}}\n");
        let lines: Vec<String> = (0..200).map(line).collect();
        let base = lines.concat();
        let mut changed = lines.clone();
        changed[20] = changed[20].replace("some", "sOme");
        changed[150] = changed[150].replace("some", "s0me");
        changed.swap(60, 90);
        let size = check(base.as_bytes(), changed.concat().as_bytes());
        assert!(size < 400, "{size}");
        check(b"", base.as_bytes());
        check(base.as_bytes(), b"");
        let long = vec![7; MAX_COPY + 70_000];
        assert!(check(&long, &long) < 40);
    }
}
