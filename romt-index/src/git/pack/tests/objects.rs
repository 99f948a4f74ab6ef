//! Trees and commits that no index has.

use gix::{ObjectId, objs::Kind};

use super::{
    super::testing::{PackMaker, commit, id_of, tree},
    Receiver, pack_of,
};

#[test]
fn hostile_b08_trees_are_neither_deep_nor_endless() {
    let receiver = Receiver::new();
    let nested = |depth: usize, pack: &mut PackMaker| {
        let mut id = pack.object(Kind::Blob, b"text");
        for level in 0..depth {
            let mode = if level == 0 { "100644" } else { "40000" };
            id = pack.object(Kind::Tree, &tree(&[(mode, b"x", id)]));
        }
        pack.object(Kind::Commit, &commit(id, &[]))
    };
    for depth in [5, 10_000] {
        let mut pack = PackMaker::default();
        let tip = nested(depth, &mut pack);
        assert!(receiver.refuses(tip, &pack.finish()).contains("deep"));
    }
    let mut pack = PackMaker::default();
    let tip = nested(4, &mut pack);
    receiver.accepts(tip, &pack.finish());
    // Each tree has the next one a thousand times: ten to the twelfth files.
    let mut pack = PackMaker::default();
    let mut id = pack.object(Kind::Blob, b"bomb");
    for level in 0..4 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
        let entries: Vec<_> = names.iter().map(|it| (mode, it.as_bytes(), id)).collect();
        id = pack.object(Kind::Tree, &tree(&entries));
    }
    let tip = pack.object(Kind::Commit, &commit(id, &[]));
    receiver.take(tip, &pack.finish()).unwrap();
    // More entries than any index has.
    let names: Vec<String> = (0..=200_000).map(|n| format!("{n:06}")).collect();
    let text = id_of(Kind::Blob, b"text");
    let entries: Vec<_> = names
        .iter()
        .map(|it| ("100644", it.as_bytes(), text))
        .collect();
    let (tip, pack) = pack_of(&tree(&entries), |_| {});
    assert!(receiver.refuses(tip, &pack).contains("200000"));
}

#[test]
fn hostile_b09_entries_have_names() {
    let receiver = Receiver::new();
    let text = id_of(Kind::Blob, b"text");
    let empty = id_of(Kind::Tree, b"");
    let refused = |entries: &[(&str, &[u8], ObjectId)]| {
        let (tip, pack) = pack_of(&tree(entries), |pack| {
            pack.object(Kind::Blob, b"text");
            pack.object(Kind::Tree, b"");
        });
        receiver.refuses(tip, &pack)
    };
    let names: [&[u8]; 13] = [
        b"..",
        b".",
        b".git",
        b".GIT",
        b".gIt",
        b"git~1",
        b".git ",
        b".git.",
        b"",
        b"a/b",
        b"a\\b",
        ".g\u{200c}it".as_bytes(),
        b".git::$INDEX_ALLOCATION",
    ];
    for name in names {
        assert!(refused(&[("100644", name, text)]).contains("no name"));
        refused(&[("40000", name, empty)]);
    }
    let a: &[u8] = b"a";
    assert!(refused(&[("100644", b"b", text), ("100644", a, text)]).contains("order"));
    assert!(refused(&[("100644", a, text), ("100644", a, text)]).contains("order"));
    // As trees sort, there may be something between.
    refused(&[("40000", a, empty), ("100644", b"a.b", text)]);
    let twice = refused(&[
        ("100644", a, text),
        ("100644", b"a.b", text),
        ("40000", a, empty),
    ]);
    assert!(twice.contains("twice"), "{twice}");
    refused(&[("120000", a, text), ("40000", a, empty)]);
    // What no tree is.
    for bytes in [
        &b"100644 a"[..],
        b"100644 a\0short",
        b"x",
        b"9 a\0aaaaaaaaaaaaaaaaaaaa",
    ] {
        let (tip, pack) = pack_of(bytes, |_| {});
        receiver.refuses(tip, &pack);
    }
}

#[test]
fn hostile_b10_only_files_are_taken() {
    let receiver = Receiver::new();
    let text = id_of(Kind::Blob, b"text");
    let pack_with = |mode: &str, name: &[u8]| {
        pack_of(&tree(&[(mode, name, text)]), |pack| {
            pack.object(Kind::Blob, b"text");
        })
    };
    for (mode, word) in [("120000", "link"), ("160000", "repository")] {
        let (tip, pack) = pack_with(mode, b"x");
        assert!(receiver.refuses(tip, &pack).contains(word));
    }
    for (mode, name) in [
        ("100755", &b"run"[..]),
        ("100644", b".gitattributes"),
        ("100644", b".gitmodules"),
    ] {
        let (tip, pack) = pack_with(mode, name);
        receiver.take(tip, &pack).unwrap();
    }
}

#[test]
fn hostile_b12_commits_have_bounds() {
    let receiver = Receiver::new();
    let nothing = id_of(Kind::Tree, b"");
    let mut pack = PackMaker::default();
    pack.object(Kind::Tree, b"");
    let root = pack.object(Kind::Commit, &commit(nothing, &[]));
    let tip = pack.object(Kind::Commit, &commit(nothing, &vec![root; 100_000]));
    assert!(receiver.refuses(tip, &pack.finish()).contains("parents"));
    let lone = |text: &[u8]| {
        let mut pack = PackMaker::default();
        pack.object(Kind::Tree, b"");
        let tip = pack.object(Kind::Commit, text);
        (tip, pack.finish())
    };
    let mut wordy = commit(nothing, &[]);
    wordy.resize(2_000_000, b'x');
    let (tip, pack) = lone(&wordy);
    assert!(receiver.refuses(tip, &pack).contains("text"));
    let head = format!("tree {nothing}\n");
    for rest in [
        "",
        "author",
        "author x\ncommitter y\n\n",
        "parent x\n",
        "\0\0",
    ] {
        let (tip, pack) = lone(format!("{head}{rest}").as_bytes());
        let before = receiver.git.files();
        if receiver.take(tip, &pack).is_err() {
            assert_eq!(receiver.git.files(), before);
        }
    }
    for date in ["99999999999999999999", "-1", "18446744073709551615", "x"] {
        let who = format!("\u{fffd}\u{1b} <x> {date} +9999");
        let text = format!("{head}author {who}\ncommitter {who}\nencoding nonsense\n\nx");
        let (tip, pack) = lone(text.as_bytes());
        let before = receiver.git.files();
        if receiver.take(tip, &pack).is_err() {
            assert_eq!(receiver.git.files(), before);
        }
    }
}
