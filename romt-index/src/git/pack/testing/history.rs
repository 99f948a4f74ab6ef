//! Histories like that of an index.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use gix::ObjectId;

use super::{Dice, Git};

type Files = BTreeMap<String, String>;

/// A history like that of an index: crates come, grow, are yanked and unyanked and
/// go, a local branch keeps its `config.json` and merges, and upstream begins anew.
pub(in crate::git) struct History {
    pub(in crate::git) git: Git,
    pub(in crate::git) commits: Vec<ObjectId>,
    stream: String,
    files: Vec<Files>,
}

impl History {
    pub(in crate::git) fn random(dir: &Path, seed: u64, length: usize) -> Self {
        let mut history = Self {
            git: Git::init(dir),
            commits: Vec::new(),
            stream: String::new(),
            files: Vec::new(),
        };
        let mut dice = Dice::new(seed);
        let mut files = Files::from([("config.json".to_owned(), "{}\n".to_owned())]);
        for _ in 0..8 {
            change(&mut files, &mut dice);
        }
        let mut upstream = history.commit(&files, &[]);
        let mut local: Option<usize> = None;
        while history.files.len() < length {
            match dice.below(12) {
                0 => {
                    let mut files = history.files[upstream].clone();
                    files.insert("config.json".to_owned(), "{\"dl\":\"here\"}\n".to_owned());
                    let parents = [local.unwrap_or(upstream), upstream];
                    let parents = if local.is_some_and(|it| it != upstream) {
                        &parents[..]
                    } else {
                        &parents[..1]
                    };
                    local = Some(history.commit(&files, parents));
                }
                // The squash: all of it, without a past.
                1 if dice.below(4) == 0 => {
                    upstream = history.commit(&history.files[upstream].clone(), &[]);
                }
                _ => {
                    let mut files = history.files[upstream].clone();
                    for _ in 0..=dice.below(3) {
                        change(&mut files, &mut dice);
                    }
                    upstream = history.commit(&files, &[upstream]);
                }
            }
        }
        history.finish();
        history
    }

    fn commit(&mut self, files: &Files, parents: &[usize]) -> usize {
        let mark = self.files.len() + 1;
        let out = &mut self.stream;
        write!(out, "commit refs/heads/all{mark}\nmark :{mark}\ncommitter x <x@invalid> {} +0000\ndata 2\nc\n\n", 1_700_000_000 + mark).unwrap();
        for (n, parent) in parents.iter().enumerate() {
            writeln!(
                out,
                "{} :{}",
                if n == 0 { "from" } else { "merge" },
                parent + 1
            )
            .unwrap();
        }
        out.push_str("deleteall\n");
        for (path, text) in files {
            write!(out, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
        }
        self.files.push(files.clone());
        mark - 1
    }

    fn finish(&mut self) {
        self.git.feed(
            &["fast-import", "--quiet", "--export-marks=marks"],
            self.stream.as_bytes(),
        );
        let marks = fs::read_to_string(self.git.dir.join("marks")).unwrap();
        let mut ids = vec![ObjectId::null(gix::hash::Kind::Sha1); self.files.len()];
        for line in marks.lines() {
            let (mark, id) = line[1..].split_once(' ').unwrap();
            ids[mark.parse::<usize>().unwrap() - 1] = id.parse().unwrap();
        }
        self.commits = ids;
    }
}

fn change(files: &mut Files, dice: &mut Dice) {
    let name = |n: usize| format!("cr/{:02}/cr{n:02}ate", n % 4);
    let path = name(dice.below(24));
    match dice.below(10) {
        0 => drop(files.remove(&path)),
        1..=4 => {
            let file = files.entry(path.clone()).or_default();
            if let Some(at) = file.rfind("\"yanked\":") {
                let rest = file.split_off(at);
                let (from, to) = if rest.contains("true") {
                    ("true", "false")
                } else {
                    ("false", "true")
                };
                file.push_str(&rest.replacen(from, to, 1));
            } else {
                writeln!(file, "{{\"name\":\"{path}\",\"yanked\":false}}").unwrap();
            }
        }
        _ => {
            let file = files.entry(path).or_default();
            let (version, cksum) = (file.lines().count(), dice.next());
            writeln!(
                file,
                "{{\"vers\":\"{version}.0.0\",\"cksum\":\"{cksum:064x}\",\"yanked\":false}}"
            )
            .unwrap();
        }
    }
}
