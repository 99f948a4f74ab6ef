use super::{super::walk::tests::Scene, *};

fn line(name: &str, version: &str, content: &str) -> String {
    let digest = Sha256Digest::of(content);
    format!(
        r#"{{"name":"{name}","vers":"{version}","deps":[],"cksum":"{digest}","features":{{}},"yanked":false}}"#
    )
}

fn file(lines: &[(&str, &str, &str)]) -> String {
    let line = |(name, version, content): &(&str, &str, &str)| line(name, version, content) + "\n";
    lines.iter().map(line).collect()
}

fn compare(scene: &Scene, start: Option<ObjectId>, end: ObjectId) -> Difference {
    difference(
        &scene.open(),
        "the index",
        start,
        end,
        &VersionFilter::all(),
    )
    .unwrap()
}

fn text(rows: &Rows) -> Vec<String> {
    let row = |(name, row): (&CrateName, &romt_core::crates::VersionRow)| {
        format!("{name}@{}", row.version)
    };
    rows.iter().map(row).collect()
}

#[test]
fn statement_16_all_of_a_tree_is_listed_in_the_order_of_text() {
    let scene = Scene::new();
    let a = file(&[
        ("a", "1.0.0-rc.1", "x"),
        ("a", "1.0.0+build.7", "y"),
        ("a", "1.0.0", "z"),
    ]);
    let mine = file(&[("MyCrate", "0.1.0", "x"), ("mycrate", "0.2.0", "x")]);
    let tree = scene.tree(&[("1/a", &a), ("my/cr/mycrate", &mine)]);
    let found = compare(&scene, None, tree);
    let expected = [
        "MyCrate@0.1.0",
        "a@1.0.0",
        "a@1.0.0+build.7",
        "a@1.0.0-rc.1",
        "mycrate@0.2.0",
    ];
    assert_eq!(text(&found.added), expected);
    assert!(found.removed.is_empty() && found.refused.is_empty());
    assert_eq!(count(&scene.open(), "the index", tree).unwrap(), 5);
}

#[test]
fn statement_17_added_changed_and_removed_versions_are_told() {
    let scene = Scene::new();
    let old = file(&[
        ("a", "1.0.0", "x"),
        ("a", "1.1.0", "x"),
        ("a", "1.2.0", "x"),
    ]);
    let new = file(&[
        ("a", "1.0.0", "x"),
        ("a", "1.1.0", "other"),
        ("a", "1.3.0", "x"),
    ]);
    let start = scene.tree(&[("1/a", &old), ("1/b", &file(&[("b", "1.0.0", "x")]))]);
    let end = scene.tree(&[("1/a", &new)]);
    let found = compare(&scene, Some(start), end);
    assert_eq!(text(&found.added), ["a@1.1.0", "a@1.3.0"]);
    let checksum = found.added.crates()[0].versions[0].checksum;
    assert_eq!(checksum, Sha256Digest::of("other"));
    assert_eq!(text(&found.removed), ["a@1.2.0", "b@1.0.0"]);
}

#[test]
fn statement_18_a_yank_is_no_difference() {
    let scene = Scene::new();
    let old = file(&[("a", "1.0.0", "x")]);
    let start = scene.tree(&[("1/a", &old)]);
    let end = scene.tree(&[("1/a", &old.replace("false", "true"))]);
    assert_eq!(compare(&scene, Some(start), end), Difference::default());
}

#[test]
fn statement_20_the_other_way_round_additions_are_removals() {
    let scene = Scene::new();
    let start = scene.tree(&[]);
    let end = scene.tree(&[("1/a", &file(&[("a", "1.0.0", "x")]))]);
    let found = compare(&scene, Some(end), start);
    assert_eq!(text(&found.removed), ["a@1.0.0"]);
    assert!(found.added.is_empty());
    let found = compare(&scene, Some(start), end);
    assert_eq!(text(&found.added), ["a@1.0.0"]);
}

#[test]
fn statement_24_other_files_are_not_read() {
    let scene = Scene::new();
    let a = file(&[("a", "1.0.0", "x")]);
    let tree = scene.tree(&[
        ("config.json", "{"),
        ("a", &a),
        ("1/aa", &a),
        ("ab/cd/ab/abcd", &a),
    ]);
    assert_eq!(compare(&scene, None, tree), Difference::default());
}

#[test]
fn q32_a_name_in_another_case_is_another_version() {
    let scene = Scene::new();
    let start = scene.tree(&[("2/ab", &file(&[("Ab", "1.0.0", "x")]))]);
    let end = scene.tree(&[("2/ab", &file(&[("ab", "1.0.0", "x")]))]);
    let found = compare(&scene, Some(start), end);
    assert_eq!(text(&found.added), ["ab@1.0.0"]);
    assert_eq!(text(&found.removed), ["Ab@1.0.0"]);
}

#[test]
fn a_filter_selects_versions_and_hides_no_refusal() {
    let scene = Scene::new();
    let a = file(&[("a", "1.0.0", "x"), ("a", "2.0.0", "x")]) + "garbage\n";
    let old = file(&[("a", "0.1.0", "x"), ("a", "1.5.0", "x")]) + "garbage\n";
    let start = scene.tree(&[("1/a", &old)]);
    let end = scene.tree(&[("1/a", &a), ("1/b", &file(&[("b", "1.0.0", "x")]))]);
    let filter = VersionFilter::parse(["A@1.*"]).unwrap();
    let found = difference(&scene.open(), "the index", Some(start), end, &filter).unwrap();
    assert_eq!(text(&found.added), ["a@1.0.0"]);
    assert_eq!(text(&found.removed), ["a@1.5.0"]);
    assert_eq!(found.refused.len(), 1);
    let found = difference(&scene.open(), "the index", None, end, &filter).unwrap();
    assert_eq!(text(&found.added), ["a@1.0.0"]);
}

#[test]
fn hostile_i06_what_is_held_back_has_not_been_removed() {
    let scene = Scene::new();
    let old = file(&[
        ("a", "1.0.0", "x"),
        ("a", "1.1.0", "x"),
        ("a", "1.2.0", "x"),
    ]);
    let new = file(&[
        ("a", "1.0.0", "x"),
        ("a", "1.1.0", "x"),
        ("a", "1.1.0", "y"),
    ]);
    let start = scene.tree(&[("1/a", &old)]);
    let end = scene.tree(&[("1/a", &new)]);
    let found = compare(&scene, Some(start), end);
    assert_eq!(text(&found.removed), ["a@1.2.0"]);
    let refused: Vec<_> = found
        .refused
        .iter()
        .map(|it| (it.path.as_str(), it.line))
        .collect();
    assert_eq!(refused, [("1/a", Some(2)), ("1/a", Some(3))]);
    // Once it is right again, it is offered again.
    assert_eq!(
        text(&compare(&scene, Some(end), start).added),
        ["a@1.1.0", "a@1.2.0"]
    );
}

#[test]
fn hostile_i08_a_new_line_that_says_nothing_may_be_any_version() {
    let scene = Scene::new();
    let old = file(&[("a", "1.0.0", "x"), ("a", "1.1.0", "x")]);
    let start = scene.tree(&[("1/a", &old)]);
    let broken = file(&[("a", "1.0.0", "x")]) + "{\"name\":\"a\",\"ve\n";
    let end = scene.tree(&[("1/a", &broken)]);
    let found = compare(&scene, Some(start), end);
    assert!(found.removed.is_empty());
    assert_eq!(found.refused.len(), 1);
    assert_eq!(found.refused[0].line, Some(2));
    // The line is not new any more: what goes now is gone.
    let later = scene.tree(&[(
        "1/a",
        &(file(&[("a", "2.0.0", "x")]) + "{\"name\":\"a\",\"ve\n"),
    )]);
    let found = compare(&scene, Some(end), later);
    assert_eq!(text(&found.removed), ["a@1.0.0"]);
    assert_eq!(text(&found.added), ["a@2.0.0"]);
}

#[test]
fn hostile_i17_a_refused_file_removes_nothing() {
    let scene = Scene::new();
    let start = scene.tree(&[("1/a", &file(&[("a", "1.0.0", "x")]))]);
    let end = scene.tree(&[("1/a", "<html>\n")]);
    let found = compare(&scene, Some(start), end);
    assert!(found.removed.is_empty() && found.added.is_empty());
    assert_eq!(found.refused[0].line, None);
    assert_eq!(compare(&scene, None, end).refused.len(), 1);
}

/// Where the objects are does not matter: loose, in one pack, or in two at once.
#[test]
fn packs_and_loose_objects_are_read_alike() {
    let scene = Scene::new();
    let files = |from: usize, to: usize| -> Vec<(String, String)> {
        let versions = |number: usize| -> String {
            let line = |n| line(&format!("crate-{number}"), &format!("1.{n}.0"), "x") + "\n";
            (0..=number % 4).map(line).collect()
        };
        (from..to)
            .map(|n| (format!("cr/at/crate-{n}"), versions(n)))
            .collect()
    };
    let tree = |files: &[(String, String)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect();
        let mut stream = String::from("commit refs/heads/x\ncommitter x <x> 0 +0000\ndata 0\n");
        stream.push_str("deleteall\n");
        let entry = |(path, text): (&str, &str)| {
            let length = text.len();
            format!("M 100644 inline {path}\ndata {length}\n{text}")
        };
        let entries: Vec<String> = files.into_iter().map(entry).collect();
        stream.push_str(&(entries.join("\n") + "\n"));
        scene.git(
            &[
                "-c",
                "fastimport.unpackLimit=10000",
                "fast-import",
                "--quiet",
                "--force",
            ],
            &stream,
        );
        scene
            .git(&["rev-parse", "x^{tree}"], "")
            .parse::<ObjectId>()
            .unwrap()
    };
    let all = files(0, 900);
    let (first, second) = (tree(&all[..700]), tree(&all[100..]));
    let whole = tree(&all);
    let loose = compare(&scene, None, whole);
    assert_eq!(loose.added.len(), 225 * (1 + 2 + 3 + 4));
    let counted = |tree| count(&scene.open(), "the index", tree).unwrap();
    // Both packs have the crates from 100 to 699, and neither has the whole tree.
    scene.pack(&[first]);
    scene.pack(&[second]);
    scene.git(&["prune-packed", "--quiet"], "");
    assert_eq!(compare(&scene, None, whole), loose);
    assert_eq!(counted(whole), 2250);
    // A pack is worth unpacking, and the rest is looked up.
    assert_eq!(counted(first), 175 * 10);
    scene.pack(&[whole]);
    scene.git(&["prune-packed", "--quiet"], "");
    assert_eq!(compare(&scene, None, whole), loose);
    let found = compare(&scene, Some(first), second);
    assert_eq!((found.added.len(), found.removed.len()), (500, 250));
}

#[test]
fn two_files_that_are_the_same_are_both_read() {
    let scene = Scene::new();
    let text = file(&[("ab", "1.0.0", "x")]);
    let tree = scene.tree(&[("2/ab", &text), ("2/ac", &text), ("1/a", ""), ("1/b", "")]);
    let found = compare(&scene, None, tree);
    assert_eq!(text_of_refused(&found), ["2/ac"]);
    assert_eq!(super::tests::text(&found.added), ["ab@1.0.0"]);
}

fn text_of_refused(found: &Difference) -> Vec<&str> {
    found.refused.iter().map(|it| it.path.as_str()).collect()
}

#[test]
fn a_missing_object_is_the_stores_failure() {
    let scene = Scene::new();
    scene.tree(&[]);
    scene.add("100644", &"1".repeat(40), "1/a");
    let tree = scene
        .git(&["write-tree", "--missing-ok"], "")
        .parse()
        .unwrap();
    let error = compare_error(&scene, tree);
    assert_eq!(error.class(), romt_core::ErrorClass::Storage);
}

fn compare_error(scene: &Scene, tree: ObjectId) -> IndexError {
    let filter = VersionFilter::all();
    difference(&scene.open(), "the index", None, tree, &filter).unwrap_err()
}
