//! What the quick judgement must agree with is the slow one.

use bytes::Bytes;
use romt_core::{Sha256Digest, crates::IndexFile};

use super::*;

fn line(name: &str, version: &str, content: &str) -> String {
    let digest = Sha256Digest::of(content);
    format!(
        r#"{{"name":"{name}","vers":"{version}","deps":[{{"name":"y","req":"^1","features":["a"],"optional":false,"default_features":true,"target":null,"kind":"normal"}}],"cksum":"{digest}","features":{{}},"yanked":false}}"#
    )
}

/// What [`IndexFile::parse`] says, in the words of [`judge`].
fn slowly(name: &str, body: &[u8]) -> Judged {
    let body = Bytes::copy_from_slice(body);
    let file = match IndexFile::parse(&name.parse().unwrap(), &body) {
        Ok(file) => file,
        Err(error) => return Judged::Refused(error.to_string()),
    };
    let mut judged = Vec::new();
    for entry in file.entries {
        let start = entry.line().as_ptr() as usize - body.as_ptr() as usize;
        judged.push(JudgedLine {
            number: body[..start].split(|b| *b == b'\n').count(),
            range: start..start + entry.line().len(),
            verdict: Ok(Statement {
                name: entry.name().clone(),
                version: entry.version().clone(),
                checksum: *entry.checksum(),
            }),
        });
    }
    for line in file.rejected {
        let start = if line.number == 1 {
            0
        } else {
            let mut feeds = body.iter().enumerate().filter(|(_, b)| **b == b'\n');
            feeds.nth(line.number - 2).unwrap().0 + 1
        };
        let rest = body[start..].split(|b| *b == b'\n').next().unwrap();
        judged.push(JudgedLine {
            range: start..start + rest.len(),
            number: line.number,
            verdict: Err(HeldBack {
                about: about(&name.parse().unwrap(), rest),
                reason: line.reason,
            }),
        });
    }
    judged.sort_by_key(|line| line.number);
    Judged::Lines(judged)
}

fn agree(body: &[u8]) -> Judged {
    let judged = judge("fo/o-/foo-bar", body);
    let expected = slowly("foo-bar", body);
    assert_eq!(judged, expected, "{}", String::from_utf8_lossy(body));
    judged
}

fn reasons(judged: &Judged) -> Vec<(usize, String)> {
    let held_back = judged.held_back();
    held_back
        .map(|(line, held_back)| (line.number, held_back.reason.clone()))
        .collect()
}

fn stated(judged: &Judged) -> Vec<String> {
    let statements = judged.statements();
    statements
        .map(|it| format!("{}@{}", it.name, it.version))
        .collect()
}

/// The numbers of xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A file as a registry has it, or nearly.
fn generated(random: &mut Random) -> String {
    let mut body = String::new();
    for _ in 0..random.below(6) {
        let name = random.pick(&["foo-bar", "foo-bar", "foo-bar", "Foo-Bar", "foo_bar"]);
        let version = random.pick(&["1.0.0", "1.0.1", "1.1.0", "2.0.0-rc.1", "1.0.0+b", "1.0"]);
        let mut text = line(name, version, random.pick(&["a", "b"]));
        if random.below(8) == 0 {
            text = text.replace(
                random.pick(&[
                    "\"deps\"",
                    "false",
                    "\"kind\"",
                    "null",
                    "\"cksum\"",
                    "\"yanked\"",
                ]),
                random.pick(&[
                    "\"deps\"",
                    "null",
                    "[1,{}]",
                    "1e999",
                    "\"\\u0066\"",
                    "\"vers\"",
                ]),
            );
        }
        body.push_str(&text);
        body.push_str(random.pick(&["\n", "\n", "\n", "\r\n", "\n\n", ""]));
    }
    body
}

#[test]
fn the_quick_judgement_agrees_with_the_slow_one() {
    let mut random = Random(0x726f_6d74);
    let (mut quick, mut slow, mut refused) = (0, 0, 0);
    for _ in 0..4000 {
        let mut body = generated(&mut random).into_bytes();
        for _ in 0..random.pick(&[0, 0, 1, 1, 3]) {
            if body.is_empty() {
                break;
            }
            let at = random.below(body.len());
            let byte = random.pick(b"\"{}[]:,\\\n \0\x7f\xff09aez\x1f\xc3");
            match random.below(3) {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        let judged = agree(&body);
        let is_quick = beyond_doubt(&"foo-bar".parse().unwrap(), &body).is_some();
        match judged {
            Judged::Refused(_) => refused += 1,
            Judged::Lines(_) if is_quick => quick += 1,
            Judged::Lines(_) => slow += 1,
        }
    }
    // Each way was taken often enough for this to mean something.
    assert!(
        quick > 500 && slow > 300 && refused > 300,
        "{quick} {slow} {refused}"
    );
}

#[test]
fn most_files_are_judged_quickly() {
    let name: CrateName = "foo-bar".parse().unwrap();
    let lines = [
        line("foo-bar", "2.0.0", "a"),
        line("Foo-Bar", "1.0.1", "b").replace("false", "true"),
        line("foo-bar", "1.0.2+b", "b").replace("\"yanked\":", "\"v\":2,\"yanked\":"),
        line("foo-bar", "1.1.0", "b").replace("[{", &format!("[{}{{", "{\"a\":[]},".repeat(99))),
    ];
    let body = lines.join("\n");
    assert_eq!(beyond_doubt(&name, body.as_bytes()).unwrap().len(), 4);
    let judged = agree(body.as_bytes());
    let spelt = [
        "foo-bar@2.0.0",
        "Foo-Bar@1.0.1",
        "foo-bar@1.0.2+b",
        "foo-bar@1.1.0",
    ];
    assert_eq!(stated(&judged), spelt);
    let Judged::Lines(judged) = judged else {
        panic!("it is refused")
    };
    for (judged, line) in judged.iter().zip(&lines) {
        assert_eq!(&body[judged.range.clone()], line);
    }
}

#[test]
fn hostile_i01_i02_i04_i05_bad_fields_are_held_back() {
    let good = line("foo-bar", "1.0.0", "a");
    let sum = Sha256Digest::of("a").to_string();
    for bad in [
        line("../../x", "1.0.1", "a"),
        line("/etc/x", "1.0.1", "a"),
        line("a\\\\b", "1.0.1", "a"),
        line("", "1.0.1", "a"),
        line("1foo", "1.0.1", "a"),
        line("fooé", "1.0.1", "a"),
        line("foo-bar", "../../x", "a"),
        line("foo-bar", "1.0", "a"),
        line("foo-bar", &format!("1.0.0-{}", "a".repeat(200)), "a"),
        line("foo-bar", "1.0.1", "a").replace(&sum, &sum.to_uppercase()),
        line("foo-bar", "1.0.1", "a").replace(&sum, &sum[1..]),
        line("foo-bar", "1.0.1", "a").replace("\"cksum\"", "\"sum\""),
    ] {
        let judged = agree(format!("{good}\n{bad}\n").as_bytes());
        assert_eq!(stated(&judged), ["foo-bar@1.0.0"]);
        assert_eq!(reasons(&judged).len(), 1, "{bad}");
        assert_eq!(reasons(&judged)[0].0, 2);
    }
}

#[test]
fn hostile_i03_lines_and_files_of_other_crates_are_not_served() {
    let text = format!(
        "{}\n{}",
        line("foo-bar", "1.0.0", "a"),
        line("foo_bar", "1.0.1", "a")
    );
    let judged = agree(text.as_bytes());
    assert_eq!(stated(&judged), ["foo-bar@1.0.0"]);
    for path in [
        "fo/ob/foo-bar",
        "fo/o-/Foo-bar",
        "foo-bar",
        "3/f/foo-bar",
        "fo/o-/",
    ] {
        assert!(
            matches!(judge(path, text.as_bytes()), Judged::Refused(_)),
            "{path}"
        );
    }
}

#[test]
fn hostile_i06_one_version_with_two_digests_is_held_back_twice() {
    let lines = [
        line("foo-bar", "1.0.0", "a"),
        line("foo-bar", "1.1.0", "a"),
        line("Foo-Bar", "1.0.0", "b"),
        line("foo-bar", "1.1.0", "a"),
        line("foo-bar", "1.1.0+b", "c"),
    ];
    let judged = agree(lines.join("\n").as_bytes());
    assert_eq!(stated(&judged), ["foo-bar@1.1.0", "foo-bar@1.1.0+b"]);
    let about: Vec<_> = judged.held_back().map(|(_, it)| it.about.clone()).collect();
    let about_that =
        |name: &str, version: &str| Some((name.parse().unwrap(), version.parse().unwrap()));
    assert_eq!(
        about,
        [
            about_that("foo-bar", "1.0.0"),
            about_that("Foo-Bar", "1.0.0"),
            about_that("foo-bar", "1.1.0"),
        ]
    );
}

#[test]
fn hostile_i07_long_lines_and_large_files_are_bounded() {
    let good = line("foo-bar", "1.0.0", "a");
    let long =
        line("foo-bar", "1.0.1", "a").replace("null", &format!("\"{}\"", "x".repeat(1 << 20)));
    let judged = agree(format!("{good}\n{long}").as_bytes());
    assert_eq!(stated(&judged), ["foo-bar@1.0.0"]);
    let large = vec![b' '; usize::try_from(MAX_INDEX_FILE_SIZE).unwrap() + 1];
    assert_eq!(agree(&large), Judged::too_large());
    assert!(matches!(
        agree("{\n".repeat(20_000).as_bytes()),
        Judged::Refused(_)
    ));
    assert_eq!(stated(&agree(good.as_bytes())), ["foo-bar@1.0.0"]);
}

#[test]
fn hostile_i08_only_line_feeds_part_lines() {
    let one = line("foo-bar", "1.0.0", "a");
    let odd = line("foo-bar", "1.0.1", "a").replace("null", "\"\u{2028}\u{85}\"");
    let judged = agree(format!("\n{one}\r\n  \n{odd}").as_bytes());
    assert_eq!(stated(&judged).len(), 2);
    let Judged::Lines(lines) = judged else {
        panic!("it is refused")
    };
    assert_eq!(
        lines.iter().map(|line| line.number).collect::<Vec<_>>(),
        [2, 4]
    );
    for bad in [
        "not json",
        "\u{feff}{}",
        "null",
        "[]",
        &format!("{odd}{odd}"),
    ] {
        let judged = agree(format!("{one}\n{bad}\n").as_bytes());
        assert_eq!(reasons(&judged)[0].0, 2, "{bad}");
    }
}

#[test]
fn hostile_i09_nesting_and_repeated_keys_are_held_back() {
    let one = line("foo-bar", "1.0.0", "a");
    let other = line("foo-bar", "1.0.1", "a");
    let nested = |depth| {
        other.replace(
            "null",
            &format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        )
    };
    let judged = agree(format!("{one}\n{}", nested(33)).as_bytes());
    assert_eq!(
        stated(&judged).len(),
        2,
        "that is deeper than usual, but within the limit"
    );
    let keys: String = (0..100_001).map(|_| "\"\":1,").collect();
    for bad in [
        nested(100),
        nested(20_000),
        other.replace("\"vers\"", "\"name\":\"foo-bar\",\"vers\""),
        other.replace("null", &format!("{{{keys}\"\":1}}")),
    ] {
        let judged = agree(format!("{one}\n{bad}").as_bytes());
        assert_eq!(stated(&judged), ["foo-bar@1.0.0"]);
    }
}

#[test]
fn hostile_i10_what_is_unknown_is_stated_nonetheless() {
    let odd = line("foo-bar", "1.0.0", "a").replace("null", "1e999999,\"v\":77,\"new\":[{}]");
    assert_eq!(stated(&agree(odd.as_bytes())), ["foo-bar@1.0.0"]);
}

#[test]
fn an_empty_file_has_no_lines() {
    assert_eq!(agree(b""), Judged::Lines(Vec::new()));
    assert_eq!(agree(b"\n \n"), Judged::Lines(Vec::new()));
}
