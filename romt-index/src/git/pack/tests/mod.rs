//! Packs that lie.

mod objects;
mod written;

use std::{fs, path::PathBuf};

use gix::{ObjectId, objs::Kind};
use romt_core::ports::IndexError;
use tempfile::TempDir;

use super::{
    Limits, Scene, take_in,
    testing::{Git, PackMaker, commit, id_of, seal, tree},
};

struct Receiver {
    dir: TempDir,
    git: Git,
    limits: Limits,
}

impl Receiver {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::init(dir.path().join("git"));
        Self {
            dir,
            git,
            limits: Limits::default(),
        }
    }

    fn take(&self, tip: ObjectId, pack: &[u8]) -> Result<(), IndexError> {
        let path = self.dir.path().join("pack");
        fs::write(&path, pack).unwrap();
        let scene = Scene {
            index: "index",
            what: "the bundle",
        };
        let mut file = fs::File::open(path).unwrap();
        take_in(scene, &self.git.open(), &mut file, 0, tip, &self.limits)
    }

    /// The pack must be refused, and nothing of it stay; the reason.
    fn refuses(&self, tip: ObjectId, pack: &[u8]) -> String {
        let before = self.git.files();
        let error = self.take(tip, pack).unwrap_err();
        let IndexError::Refused { reason, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(self.git.files(), before, "something of it stayed");
        reason
    }

    fn accepts(&self, tip: ObjectId, pack: &[u8]) {
        self.take(tip, pack).unwrap();
        self.git.set("refs/heads/in", tip);
        self.git.check();
    }

    fn packs(&self) -> Vec<PathBuf> {
        let is_pack = |it: &PathBuf| it.extension().is_some_and(|it| it == "pack");
        self.git.files().into_iter().filter(is_pack).collect()
    }
}

/// A pack of one commit, whose root tree has these bytes, and of what `more` adds.
fn pack_of(root: &[u8], more: impl FnOnce(&mut PackMaker)) -> (ObjectId, Vec<u8>) {
    let mut pack = PackMaker::default();
    more(&mut pack);
    let root = pack.object(Kind::Tree, root);
    let tip = pack.object(Kind::Commit, &commit(root, &[]));
    (tip, pack.finish())
}

/// A pack of a commit with one file, and the entry of the file made by `file`.
fn with_file(content: &[u8], file: impl FnOnce(&mut PackMaker)) -> (ObjectId, Vec<u8>) {
    let root = tree(&[("100644", b"file", id_of(Kind::Blob, content))]);
    pack_of(&root, file)
}

#[test]
fn a_sound_pack_is_taken() {
    let receiver = Receiver::new();
    let (tip, pack) = with_file(b"text", |pack| {
        pack.object(Kind::Blob, b"text");
    });
    receiver.accepts(tip, &pack);
    // Once more changes nothing, and loses nothing.
    receiver.accepts(tip, &pack);
    #[cfg(unix)]
    for path in receiver.packs() {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o444
        );
    }
    assert_eq!(receiver.packs().len(), 1);
}

#[test]
fn a_pack_that_lacks_something_is_refused() {
    let receiver = Receiver::new();
    let (tip, pack) = with_file(b"text", |_| {});
    assert!(receiver.refuses(tip, &pack).contains("lacks"));
    let elsewhere = id_of(Kind::Commit, b"elsewhere");
    assert!(receiver.refuses(elsewhere, &pack).contains("lacks"));
    let mut pack = PackMaker::default();
    let root = pack.object(Kind::Tree, b"");
    let tip = pack.object(Kind::Commit, &commit(root, &[elsewhere]));
    assert!(receiver.refuses(tip, &pack.finish()).contains("history"));
    // A blob where a tree or a commit belongs is as good as nothing.
    let mut pack = PackMaker::default();
    let blob = pack.object(Kind::Blob, b"text");
    let tip = pack.object(Kind::Commit, &commit(blob, &[]));
    assert!(receiver.refuses(tip, &pack.finish()).contains("not a tree"));
    let mut pack = PackMaker::default();
    let blob = pack.object(Kind::Blob, b"text");
    assert!(
        receiver
            .refuses(blob, &pack.finish())
            .contains("not a commit")
    );
}

#[test]
fn hostile_b05_a_pack_that_is_not_as_it_says_is_refused() {
    let receiver = Receiver::new();
    let (tip, good) = with_file(b"text", |pack| {
        pack.object(Kind::Blob, b"text");
    });
    let mut other = good.clone();
    other[0] = b'K';
    assert!(receiver.refuses(tip, &other).contains("no pack"));
    for version in [0, 3, 4] {
        let mut other = good.clone();
        other[7] = version;
        receiver.refuses(tip, &other);
    }
    let mut trailer = good.clone();
    *trailer.last_mut().unwrap() ^= 1;
    receiver.refuses(tip, &trailer);
    for count in [2, 4, 1_000, u32::MAX] {
        let mut other = good[..good.len() - 20].to_vec();
        other[8..12].copy_from_slice(&count.to_be_bytes());
        receiver.refuses(tip, &seal(other));
    }
    for more in [1, 20, 100_000] {
        let mut other = good.clone();
        other.resize(good.len() + more, 0);
        receiver.refuses(tip, &other);
    }
    for end in 0..good.len() {
        receiver.refuses(tip, &good[..end]);
    }
    for at in 0..good.len() {
        let mut other = good.clone();
        other[at] ^= 1 << (at % 8);
        receiver.refuses(tip, &other);
    }
    receiver.accepts(tip, &good);
}

/// A delta that copies `parts` of a base, of such sizes, by its own word.
fn delta(base: u64, result: u64, parts: &[(u8, u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut size in [base, result] {
        while size > 0x7f {
            bytes.push(size.to_le_bytes()[0] | 0x80);
            size >>= 7;
        }
        bytes.push(size.to_le_bytes()[0]);
    }
    for (offset, length) in parts {
        bytes.extend_from_slice(&[0x91, *offset, *length]);
    }
    bytes
}

#[test]
fn hostile_b06_deltas_without_a_sound_base_are_refused() {
    let receiver = Receiver::new();
    let whole = delta(4, 4, &[(0, 4)]);
    let size = whole.len() as u64;
    let one = |base: &[u8], code: u8| {
        let (base, delta) = (base.to_vec(), whole.clone());
        with_file(b"text", move |pack| pack.raw(code, size, &base, &delta))
    };
    // Nowhere, in itself, before the pack, past all bounds.
    let nowhere = id_of(Kind::Blob, b"nowhere");
    let mut cases = vec![one(nowhere.as_slice(), 7)];
    for distance in [
        &[0][..],
        &[1],
        &[12],
        &[0x7f],
        &[0xff; 20],
        &[0xff, 0xff, 0x7f],
    ] {
        cases.push(one(distance, 6));
    }
    for (tip, pack) in cases {
        receiver.refuses(tip, &pack);
    }
    // Two that are each other's base.
    let (a, b) = (id_of(Kind::Blob, b"text"), id_of(Kind::Blob, b"tex"));
    let (tip, pack) = with_file(b"text", |pack| {
        pack.raw(7, size, b.as_slice(), &whole);
        pack.raw(7, size, a.as_slice(), &whole);
    });
    receiver.refuses(tip, &pack);
}

#[test]
fn hostile_b06_deltas_against_what_we_have_are_judged_too() {
    let receiver = Receiver::new();
    let (tip, pack) = with_file(b"text", |pack| {
        pack.object(Kind::Blob, b"text");
    });
    receiver.accepts(tip, &pack);
    let base = id_of(Kind::Blob, b"text");
    let thin = |delta: &[u8]| {
        with_file(b"texttext", |pack| {
            pack.raw(7, delta.len() as u64, base.as_slice(), delta);
        })
    };
    let (tip, good) = thin(&delta(4, 8, &[(0, 4), (0, 4)]));
    for at in 0..good.len() {
        let mut other = good.clone();
        other[at] ^= 1 << (at % 8);
        receiver.refuses(tip, &other);
        receiver.refuses(tip, &good[..at]);
    }
    // What the base is not, nobody knows before it is read.
    for lie in [
        delta(100, 8, &[(90, 8)]),
        delta(100, 8, &[(0, 4), (0, 4)]),
        delta(5, 8, &[(0, 4), (1, 4)]),
        delta(3, 6, &[(0, 3), (0, 3)]),
    ] {
        let (tip, pack) = thin(&lie);
        receiver.refuses(tip, &pack);
    }
    receiver.accepts(tip, &good);
}

#[test]
fn hostile_b06_chains_have_an_end() {
    for (length, fits) in [(4095, true), (4096, false)] {
        let receiver = Receiver::new();
        let whole = delta(4, 4, &[(0, 4)]);
        let (tip, pack) = with_file(b"text", |pack| {
            let mut last = pack.at();
            pack.object(Kind::Blob, b"text");
            for _ in 0..length {
                let here = pack.at();
                let distance = u8::try_from(here - last).unwrap();
                pack.raw(6, whole.len() as u64, &[distance], &whole);
                last = here;
            }
        });
        if fits {
            receiver.take(tip, &pack).unwrap();
        } else {
            assert!(receiver.refuses(tip, &pack).contains("4095"));
        }
    }
}

#[test]
fn hostile_b06_declared_sizes_are_only_words() {
    let receiver = Receiver::new();
    let huge = 1 << 48;
    let (tip, pack) = with_file(b"text", |pack| pack.raw(3, huge, &[], b"text"));
    assert!(receiver.refuses(tip, &pack).contains("limit"));
    let base = |pack: &mut PackMaker| {
        let at = pack.at();
        pack.object(Kind::Blob, b"text");
        u8::try_from(pack.at() - at).unwrap()
    };
    for lie in [
        delta(4, huge, &[(0, 4)]),
        delta(4, 200_000_000, &[(0, 4)]),
        delta(4, 3, &[(0, 4)]),
        delta(huge, 8, &[(200, 8)]),
        delta(3, 4, &[(0, 4)]),
        delta(5, 4, &[(0, 4)]),
        delta(u64::MAX, u64::MAX, &[]),
        vec![4, 4, 0],
        vec![4, 4, 0x91, 0],
        vec![4],
        vec![0xff; 30],
        vec![],
    ] {
        let (tip, pack) = with_file(b"text", |pack| {
            let distance = base(pack);
            pack.raw(6, lie.len() as u64, &[distance], &lie);
        });
        receiver.refuses(tip, &pack);
    }
}

#[test]
fn hostile_b07_inflating_has_bounds() {
    let mut receiver = Receiver::new();
    for declared in [0, 1, 3, 5, 1000] {
        let (tip, pack) = with_file(b"text", |pack| pack.raw(3, declared, &[], b"text"));
        receiver.refuses(tip, &pack);
    }
    let zeros = vec![0; 300_000];
    let (tip, pack) = with_file(&zeros, |pack| {
        pack.object(Kind::Blob, &zeros);
    });
    receiver.limits.object = 299_999;
    assert!(receiver.refuses(tip, &pack).contains("299999"));
    receiver.limits.object = 300_000;
    receiver.limits.total = 300_010;
    assert!(receiver.refuses(tip, &pack).contains("300010"));
    receiver.limits.total = 301_000;
    receiver.accepts(tip, &pack);
}

#[test]
fn what_was_left_by_a_writer_that_died_vouches_for_nothing() {
    let receiver = Receiver::new();
    let (tip, pack) = with_file(b"text", |_| {});
    // The pack is there, whole; its tip is not.
    let path = receiver.git.dir.join("objects/pack/pack-x.pack");
    fs::write(&path, &pack).unwrap();
    receiver.git.run(&["index-pack", path.to_str().unwrap()]);
    assert!(receiver.git.open().has_object(tip));
    assert!(receiver.refuses(tip, &pack).contains("lacks"));
}
