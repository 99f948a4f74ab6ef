use std::process::{Command, Stdio};

use romt_core::CrateName;

use super::*;

/// A repository that the git program makes, as a referee would.
pub(in crate::git) struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    pub(in crate::git) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scene = Self { directory };
        scene.git(&["init", "--quiet"], "");
        scene
    }

    pub(in crate::git) fn git(&self, arguments: &[&str], input: &str) -> String {
        use std::io::Write as _;

        let mut child = Command::new("git")
            .current_dir(self.directory.path())
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The tree that has these files and nothing else.
    pub(in crate::git) fn tree(&self, files: &[(&str, &str)]) -> ObjectId {
        self.git(&["read-tree", "--empty"], "");
        for (path, text) in files {
            let id = self.git(&["hash-object", "-w", "--stdin"], text);
            self.add("100644", &id, path);
        }
        self.written()
    }

    pub(in crate::git) fn add(&self, mode: &str, id: &str, path: &str) {
        let entry = format!("{mode},{id},{path}");
        self.git(&["update-index", "--add", "--cacheinfo", &entry], "");
    }

    pub(in crate::git) fn written(&self) -> ObjectId {
        self.git(&["write-tree"], "").parse().unwrap()
    }

    /// Packs what `trees` have, and keeps what is loose.
    pub(in crate::git) fn pack(&self, trees: &[ObjectId]) {
        let trees: Vec<String> = trees.iter().map(ToString::to_string).collect();
        let arguments = [
            "pack-objects",
            "--revs",
            "--quiet",
            ".git/objects/pack/pack",
        ];
        self.git(&arguments, &(trees.join("\n") + "\n"));
    }

    pub(in crate::git) fn open(&self) -> Repository {
        gix::open_opts(self.directory.path(), gix::open::Options::isolated()).unwrap()
    }
}

fn paths(scene: &Scene, tree: ObjectId) -> Vec<String> {
    let listed = list_paths(&scene.open(), "the index", tree).unwrap();
    listed.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn statement_24_only_the_four_shapes_are_listed() {
    let scene = Scene::new();
    let tree = scene.tree(&[
        ("1/a", ""),
        ("1/bb", ""),
        ("2/ab", ""),
        ("3/a/abc", ""),
        ("3/a/abcd", ""),
        ("3/abc", ""),
        ("ab/cd/abcd", ""),
        ("ab/cd/abcd-e_1", ""),
        ("ab/cd/abc", ""),
        ("ab/cd/ef/abcdef", ""),
        ("ab/README.md", ""),
        ("config.json", ""),
        (".github/workflows/x", ""),
    ]);
    let expected = ["1/a", "2/ab", "3/a/abc", "ab/cd/abcd", "ab/cd/abcd-e_1"];
    assert_eq!(paths(&scene, tree), expected);
    let changes = changes(&scene.open(), "the index", None, tree).unwrap();
    assert!(changes.refused.is_empty());
}

#[test]
fn hostile_i03_what_is_in_the_wrong_place_is_refused_and_not_listed() {
    let scene = Scene::new();
    let misplaced = [
        "1/A",
        "2/1a",
        "3/a/bcd",
        "ab/cd/Abcd",
        "ab/cd/abce",
        "ab/cd/abc\u{e9}",
    ];
    let files: Vec<_> = misplaced.iter().map(|path| (*path, "")).collect();
    let tree = scene.tree(&files);
    assert!(paths(&scene, tree).is_empty());
    let found = changes(&scene.open(), "the index", None, tree).unwrap();
    assert_eq!(found.refused.len(), misplaced.len());
    assert!(found.refused.iter().all(|entry| entry.line.is_none()));
    // What is refused anyway is not listed again where it has not changed.
    let found = changes(&scene.open(), "the index", Some(tree), tree).unwrap();
    assert!(found.refused.is_empty());
}

#[test]
fn hostile_b10_links_and_repositories_are_refused() {
    let scene = Scene::new();
    let start = scene.tree(&[("ab/cd/abcd", "x"), ("1/a", "x"), ("2/ab", "x")]);
    let id = scene.git(&["hash-object", "-w", "--stdin"], "1/a");
    scene.add("120000", &id, "ab/cd/abcd");
    scene.add("160000", &id, "1/a");
    scene.add("100755", &id, "2/ab");
    let end = scene.written();
    let found = changes(&scene.open(), "the index", Some(start), end).unwrap();
    let refused: Vec<_> = found.refused.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(refused, ["1/a", "ab/cd/abcd"]);
    // Neither is a removal.
    assert_eq!(found.files.len(), 1);
    assert_eq!(found.files[0].path, "2/ab");
}

#[test]
fn hostile_b08_few_bytes_that_say_many_files_are_refused() {
    let scene = Scene::new();
    let blob = scene.git(&["hash-object", "-w", "--stdin"], "");
    let tree = |entries: String| scene.git(&["mktree", "--missing"], &entries);
    let letters: Vec<String> = (b'a'..=b'z')
        .flat_map(|a| (b'a'..=b'z').map(move |b| format!("{}{}", a as char, b as char)))
        .collect();
    let below = |below: &str| {
        let entries = letters
            .iter()
            .map(|name| format!("040000 tree {below}\t{name}\n"));
        tree(entries.collect())
    };
    let leaf = (0..100).map(|n| format!("100644 blob {blob}\tabcd{n}\n"));
    let bomb = below(&below(&tree(leaf.collect())));
    let error = list_paths(&scene.open(), "the index", bomb.parse().unwrap()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    let many = (0..=MAX_TREE).map(|n| format!("100644 blob {blob}\tabcd{n}\n"));
    let leaf = tree(many.collect());
    let cd = tree(format!("040000 tree {leaf}\tcd\n"));
    let wide = tree(format!("040000 tree {cd}\tab\n"));
    let error = list_paths(&scene.open(), "the index", wide.parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("200000"), "{error}");
}

#[test]
fn q2_a_file_that_resembles_a_removed_one_hides_nothing() {
    let scene = Scene::new();
    let start = scene.tree(&[("ab/cd/abcd", "the same\n"), ("1/a", "x")]);
    let end = scene.tree(&[
        ("ab/cd/abce", ""),
        ("ab/ce/abce", "the same\n"),
        ("1/a", "x"),
    ]);
    let files = changes(&scene.open(), "the index", Some(start), end)
        .unwrap()
        .files;
    let kinds: Vec<_> = files
        .iter()
        .map(|file| (file.path.as_str(), file.old.is_some(), file.new.is_some()))
        .collect();
    assert_eq!(
        kinds,
        [("ab/cd/abcd", true, false), ("ab/ce/abce", false, true)]
    );
}

#[test]
fn changes_agree_with_gits() {
    let scene = Scene::new();
    let names = [
        "a", "b", "ab", "abc", "abd", "abcd", "abcd-e", "abce", "zzzz",
    ];
    let path = |name: &&str| name.parse::<CrateName>().unwrap().index_path();
    let paths: Vec<String> = names.iter().map(path).collect();
    let tree = |round: usize| {
        let chosen = paths
            .iter()
            .enumerate()
            .filter(|(n, _)| !(n * 7 + round).is_multiple_of(3));
        let files: Vec<(&str, String)> = chosen
            .map(|(n, path)| (path.as_str(), format!("{}", (n + round) % 2)))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (*path, text.as_str()))
            .collect();
        scene.tree(&files)
    };
    let trees: Vec<ObjectId> = (0..4).map(tree).collect();
    for (start, end) in [(0, 1), (1, 2), (2, 3), (3, 0), (1, 1)] {
        let (start, end) = (trees[start], trees[end]);
        let arguments = ["diff-tree", "-r", "--name-only", "--no-renames"];
        let ends = [start.to_string(), end.to_string()];
        let expected = scene.git(&[&arguments[..], &[&ends[0], &ends[1]]].concat(), "");
        let found = changes(&scene.open(), "the index", Some(start), end)
            .unwrap()
            .files;
        let mut expected: Vec<_> = expected.lines().collect();
        expected.sort_unstable();
        let found: Vec<_> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_path_is_an_index_path_if_it_is_its_crates() {
    for path in [
        "1/a",
        "1/A",
        "1/1",
        "2/a-",
        "3/a/abc",
        "3/b/abc",
        "ab/cd/abcd",
        "ab/cd/abcd_",
    ] {
        let name = path.rsplit('/').next().unwrap().parse::<CrateName>();
        let expected = name.is_ok_and(|name| name.index_path() == path);
        assert_eq!(is_index_path(path), expected, "{path}");
    }
}
