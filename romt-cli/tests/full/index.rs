//! Index content that nobody may believe, through `update`.

use std::fmt::Write as _;

use crate::{
    origin::{Mirror, Origin, digest_of, line_of, served},
    tool::{git, git_with},
};

/// Lines for the file of the crate `name` that are to be held back, each with the
/// hostile input that it is.
pub(crate) fn bad_lines(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let digest = digest_of(name, "2.0.0", "");
    let mut lines = Vec::new();
    let mut add = |id, line: String| lines.push((id, line.into_bytes()));
    for bad in [
        "../../x",
        "/etc/x",
        "a/b",
        "..",
        "C:x",
        "",
        "1abc",
        "d\u{e9}dd",
        "other",
    ] {
        add("I-01, I-03, I-04: the name", line_of(bad, "2.0.0", &digest));
    }
    add("I-01: a backslash", line_of("a\\\\b", "2.0.0", &digest));
    add(
        "I-04: a long name",
        line_of(&"d".repeat(65), "2.0.0", &digest),
    );
    for bad in ["../../x", "1", "", "1.0.0/..", "1.0.0\\n", "\u{661}.0.0"] {
        add("I-02: the version", line_of(name, bad, &digest));
    }
    add(
        "I-02: a long version",
        line_of(name, &format!("2.0.0-{}", "a".repeat(150)), &digest),
    );
    for bad in [&digest[1..], &digest.to_uppercase(), "", &"g".repeat(64)] {
        add("I-05: the digest", line_of(name, "2.0.0", bad));
    }
    let line = line_of(name, "2.0.0", &digest);
    let good = line.trim_end();
    add("I-05: no digest", good.replace("cksum", "chksum") + "\n");
    add("I-08: two objects", format!("{good}{good}\n"));
    add("I-08: no JSON", "<html>\u{1b}[31m\n".into());
    add("I-08: a byte order mark", format!("\u{feff}{good}\n"));
    add("I-08: a NUL", format!("\0{good}\n"));
    add(
        "I-09: nested",
        good.replace(
            "[]",
            &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ) + "\n",
    );
    add(
        "I-09: a key twice",
        good.replacen('{', &format!("{{\"name\":\"{name}\","), 1) + "\n",
    );
    lines.push((
        "I-08: no text",
        [b"{\"name\":\"\xff\xfe\"}".as_slice(), b"\n"].concat(),
    ));
    lines
}

fn updated(origin: &Origin) -> Mirror<'_> {
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    mirror
}

/// The mirror shows its crates and `more`.
#[track_caller]
fn assert_shows(mirror: &Mirror<'_>, more: &[&str]) {
    let mut labels = vec!["MyCrate@1.0.0", "a@1.0.0", "bb@1.0.0", "ccc@1.0.0"];
    labels.extend(more);
    labels.sort_unstable();
    assert_eq!(mirror.labels(), labels);
}

#[test]
fn hostile_i01_to_i09_lines_that_are_none_are_held_back() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    for (what, line) in bad_lines("dddd") {
        let good = line_of("dddd", "1.0.0", &digest_of("dddd", "1.0.0", ""));
        origin.put("dd/dd/dddd", [good.as_bytes(), &line].concat());
        origin.serve("dddd", "1.0.0", "");
        origin.serve("dddd", "2.0.0", "");
        origin.commit();
        let ended = mirror.run(&["update"]);
        assert_eq!(ended.code, Some(0), "{what}: {}", ended.text);
        ended.assert(
            0,
            &["warning: held back: dd/dd/dddd:2: ", "held back as invalid"],
        );
        assert_shows(&mirror, &["dddd@1.0.0"]);
        mirror
            .run(&["list", "--start", "0"])
            .assert(0, &["dddd@1.0.0"]);
    }
}

/// What was shown of a crate stays, whatever becomes of its file.
#[test]
fn hostile_i03_i07_a_file_that_is_none_leaves_what_was_shown() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = mirror.view();
    let good = line_of("ccc", "1.0.0", &digest_of("ccc", "1.0.0", ""));
    let long = format!("{{\"name\":\"{}\"}}\n", "c".repeat(70 << 20));
    for body in [
        long.into_bytes(),
        b"\xff\xfe".repeat(100),
        b"[[[[\n".to_vec(),
    ] {
        origin.put("3/c/ccc", body);
        origin.commit();
        mirror.run(&["update"]).assert(0, &["held back: 3/c/ccc"]);
        assert!(mirror.crate_file("3/c", "ccc", "1.0.0").exists());
        let shown = mirror.view();
        assert!(
            shown.iter().all(|it| before.contains_key(it.0)),
            "{shown:?}"
        );
    }
    origin.put("3/c/ccc", good);
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.view(), before);
}

#[test]
fn hostile_i03_a_file_in_the_wrong_place_is_refused() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    for path in [
        "dd/ee/dddd",
        "dddd",
        "1/dddd",
        "dd/dd/d/dddd",
        "D/D",
        "DD/DD/DDDD",
    ] {
        origin.put(
            path,
            line_of("dddd", "1.0.0", &digest_of("dddd", "1.0.0", "")),
        );
    }
    origin.serve("dddd", "1.0.0", "");
    origin.commit();
    mirror.run(&["update"]).assert(0, &["held back"]);
    assert_shows(&mirror, &[]);
    // Deeper than any index, it is none.
    origin.put("dd/dd/d/d/dddd", "x");
    origin.commit();
    mirror.refuses(&["update"], 4, &["4 names deep"]);
}

#[test]
fn hostile_i06_a_version_that_is_two_is_none() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin.publish("dddd", "1.0.0");
    origin.publish("dddd", "2.0.0");
    origin.add_line(
        "dddd",
        &line_of("dddd", "2.0.0", &digest_of("dddd", "2.0.0", "other")),
    );
    origin.publish("dddd", "3.0.0+a");
    origin.publish("dddd", "3.0.0+b");
    origin.commit();
    mirror
        .run(&["update"])
        .assert(0, &["held back: dd/dd/dddd:2", "held back: dd/dd/dddd:3"]);
    assert_shows(&mirror, &["dddd@1.0.0", "dddd@3.0.0+a", "dddd@3.0.0+b"]);
}

#[test]
fn hostile_i07_i08_odd_ends_of_lines_are_tolerated() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let line = |version: &str| {
        origin.serve("dddd", version, "");
        line_of("dddd", version, &digest_of("dddd", version, ""))
    };
    let mut body = line("1.0.0").trim_end().to_owned() + "\r\n\n\r\n";
    body += &line("2.0.0").replace("\"deps\":[]", "\"deps\":[],\"x\":\"\u{2028}\u{85}\"");
    body += line("3.0.0").trim_end();
    origin.put("dd/dd/dddd", body);
    origin.commit();
    mirror
        .run(&["update"])
        .assert(0, &["0 bad_crates, 3 good_crates"]);
    assert_shows(&mirror, &["dddd@1.0.0", "dddd@2.0.0", "dddd@3.0.0"]);
}

#[test]
fn hostile_i10_what_is_not_known_is_kept_byte_for_byte() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin.serve("dddd", "1.0.0", "");
    let line = line_of("dddd", "1.0.0", &digest_of("dddd", "1.0.0", ""));
    let line = line.replacen(
        '{',
        "{ \"v\":99,\"pubtime\":\"\u{1f980}\", \"new\":{\"z\":[1e3]},",
        1,
    );
    origin.put("dd/dd/dddd", line.clone());
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(mirror.git(&["show", "master:dd/dd/dddd"]) + "\n", line);
    assert_shows(&mirror, &["dddd@1.0.0"]);
}

#[test]
fn hostile_i11_names_that_are_one_to_some_are_not_two() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin.publish("foo_x", "1.0.0");
    origin.publish("foo-x", "1.0.0");
    origin.put(
        "fo/o_/FOO_x",
        line_of("FOO_x", "1.0.0", &digest_of("FOO_x", "1.0.0", "")),
    );
    origin.serve("FOO_x", "1.0.0", "");
    origin.commit();
    mirror
        .run(&["update"])
        .assert(0, &["held back: fo/o_/FOO_x"]);
    let labels = mirror.labels();
    assert!(!labels.contains(&"FOO_x@1.0.0".into()), "{labels:?}");
}

#[test]
fn hostile_i12_names_of_devices_are_names() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    for name in ["aux", "nul", "com1", "con"] {
        origin.publish(name, "1.0.0");
    }
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_shows(
        &mirror,
        &["aux@1.0.0", "com1@1.0.0", "con@1.0.0", "nul@1.0.0"],
    );
}

#[test]
fn hostile_i15_other_bytes_under_a_version_replace_it() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin.publish_as("ccc", "1.0.0", "again");
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_shows(&mirror, &[]);
    assert_eq!(
        mirror.view()["ccc@1.0.0"],
        digest_of("ccc", "1.0.0", "again")
    );
}

#[test]
fn hostile_i15_bytes_that_cannot_be_had_leave_the_old_ones() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = mirror.view();
    origin.publish_as("ccc", "1.0.0", "again");
    origin.publish("dddd", "1.0.0");
    origin.commit();
    for answer in [None, Some("wrong")] {
        match answer {
            None => origin.server().remove(&served("ccc", "1.0.0")),
            Some(salt) => origin.serve("ccc", "1.0.0", salt),
        }
        let ended = mirror.run(&["update"]);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert_eq!(mirror.view(), before);
    }
    mirror
        .run(&["update", "--keep-going"])
        .assert(0, &["held back"]);
    let shown = mirror.view();
    assert_eq!(shown["ccc@1.0.0"], before["ccc@1.0.0"]);
    assert_eq!(shown.len(), before.len() + 1);
    origin.serve("ccc", "1.0.0", "again");
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(
        mirror.view()["ccc@1.0.0"],
        digest_of("ccc", "1.0.0", "again")
    );
}

/// Removed in one update, and there again with other bytes in the next.
#[test]
fn hostile_i15_what_was_removed_comes_back_as_another() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    origin.remove("ccc");
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert!(!mirror.crate_file("3/c", "ccc", "1.0.0").exists());
    origin.publish_as("ccc", "1.0.0", "again");
    origin.commit();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(
        mirror.view()["ccc@1.0.0"],
        digest_of("ccc", "1.0.0", "again")
    );
}

#[test]
fn hostile_i16_what_is_yanked_costs_no_traffic() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let before = mirror.crates();
    let line = line_of("ccc", "1.0.0", &digest_of("ccc", "1.0.0", ""));
    origin.put(
        "3/c/ccc",
        line.replace("\"yanked\":false", "\"yanked\":true"),
    );
    origin.commit();
    origin.server().reset_requests();
    mirror.run(&["update"]).assert(0, &[]);
    assert_eq!(origin.server().requests().total, 0);
    assert_eq!(mirror.crates(), before);
    assert!(
        mirror
            .git(&["show", "master:3/c/ccc"])
            .contains("\"yanked\":true")
    );
}

#[test]
fn hostile_b13_a_history_that_was_replaced_is_followed() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let importer = origin.importer("in");
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    let before = mirror.crates();
    origin.publish("dddd", "1.0.0");
    origin.remove("a");
    origin.squash();
    mirror.run(&["update"]).assert(0, &["replaced the history"]);
    assert_eq!(
        mirror.labels(),
        ["MyCrate@1.0.0", "bb@1.0.0", "ccc@1.0.0", "dddd@1.0.0"]
    );
    let after = mirror.crates();
    let kept = before
        .iter()
        .filter(|(path, seal)| after.get(*path) == Some(seal))
        .count();
    assert_eq!(kept, before.len() - 1, "crates that stay are not touched");
    // And over the air gap.
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer
        .run(&["import"])
        .assert(0, &["replaced the history"]);
    assert_eq!(importer.view(), mirror.view());
}

#[test]
fn hostile_b10_links_in_upstreams_tree_are_not_followed() {
    let origin = Origin::small();
    let mirror = updated(&origin);
    let repository = origin.repository();
    let list = git_with(&repository, &["ls-tree", "master"], b"");
    let mut list = String::from_utf8(list).unwrap();
    let link = git_with(&repository, &["hash-object", "-w", "--stdin"], b"/etc");
    let link = String::from_utf8(link).unwrap();
    writeln!(list, "120000 blob {}\tzz", link.trim()).unwrap();
    let tree = git_with(&repository, &["mktree"], list.as_bytes());
    let tree = String::from_utf8(tree).unwrap();
    let parent = git(&repository, &["rev-parse", "master"]);
    origin.commit_tree(tree.trim(), Some(&parent));
    mirror.refuses(&["update"], 4, &["upstream.git", "`zz`, a link"]);
}
