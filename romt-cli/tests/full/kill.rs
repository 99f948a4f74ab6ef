//! Runs that are killed at any point, and what they leave.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    checker::{self, View},
    fault_support::{Random, tree},
    origin::{Mirror, Origin},
};

/// How many kills are spread over a whole run.
const SPREAD: u32 = 32;

/// A mirror, a copy of which each run begins with, and what an undisturbed run
/// makes of it.
struct Stage<'a> {
    mirror: Mirror<'a>,
    command: &'static str,
    before: tempfile::TempDir,
    earlier: View,
    later: View,
    crates: BTreeMap<PathBuf, String>,
    duration: Duration,
}

/// Crates come, go and are replaced.
fn change(origin: &Origin) {
    for number in 0..12 {
        let name = format!("crate{number:02}");
        match number % 4 {
            0 => origin.remove(&name),
            1 => origin.publish_as(&name, "1.0.0", "again"),
            2 => origin.publish(&name, "2.0.0"),
            _ => {}
        }
        origin.publish(&format!("late{number:02}"), "1.0.0");
    }
    origin.commit();
}

fn begin() -> Origin {
    let origin = Origin::small();
    for number in 0..12 {
        origin.publish(&format!("crate{number:02}"), "1.0.0");
    }
    origin.commit();
    origin
}

fn restore(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    tree::copy(from, to);
}

impl<'a> Stage<'a> {
    fn new(mirror: Mirror<'a>, command: &'static str) -> Self {
        let before = tempfile::tempdir().unwrap();
        tree::copy(mirror.path(), before.path());
        let earlier = mirror.view();
        let started = Instant::now();
        mirror.run(&[command]).assert(0, &[]);
        let duration = started.elapsed();
        Self {
            later: mirror.view(),
            crates: tree::contents(&mirror.path().join("crates")),
            mirror,
            command,
            before,
            earlier,
            duration,
        }
    }

    /// Runs, and kills after `delay`; says whether the run was still under way.
    fn kill(&self, delay: Duration) -> bool {
        restore(self.before.path(), self.mirror.path());
        let mut command = self.mirror.command(&[self.command]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        thread::sleep(delay.saturating_sub(started.elapsed()));
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// What is left is true and whole: the later state, or the earlier one less
    /// what goes; says which.
    fn look(&self) -> bool {
        let shown = checker::check(&self.mirror);
        if shown == self.later {
            return true;
        }
        for (label, digest) in &shown {
            assert_eq!(
                self.earlier.get(label),
                Some(digest),
                "{label} is half of what is new"
            );
        }
        for (label, digest) in &self.earlier {
            let stays = self.later.get(label) == Some(digest);
            assert!(
                !stays || shown.contains_key(label),
                "{label} stays and is not shown"
            );
        }
        false
    }

    /// Kills at points that are spread over a whole run; reruns.
    fn spread(&self, each: impl Fn(&Mirror<'_>)) {
        let (mut random, seed) = Random::from_env();
        let (mut killed, mut tries, mut new) = (0, 0, 0);
        // How long a run takes depends on what else the machine does.
        let mut span = self.duration;
        while killed < SPREAD && tries < 3 * SPREAD {
            let part = u32::try_from(random.below(1000)).unwrap();
            let delay = span / SPREAD * killed + span / SPREAD * part / 1000;
            if self.kill(delay) {
                killed += 1;
            } else {
                span = span * 9 / 10;
            }
            new += u32::from(self.look());
            self.mirror.run(&[self.command]).assert(0, &[]);
            assert_eq!(self.mirror.view(), self.later, "seed {seed}");
            let crates = tree::contents(&self.mirror.path().join("crates"));
            assert_eq!(crates, self.crates, "seed {seed}");
            self.mirror.git(&["fsck", "--connectivity-only"]);
            each(&self.mirror);
            tries += 1;
        }
        let what = self.command;
        println!(
            "seed {seed}: {killed} of {tries} runs of {what} killed, {new} left the new state"
        );
        assert!(
            killed >= 30,
            "only {killed} runs were really killed; seed {seed}"
        );
    }
}

#[test]
fn an_update_that_is_killed_anywhere_leaves_a_whole_mirror() {
    let origin = begin();
    let mirror = origin.mirror("m");
    mirror.run(&["update"]).assert(0, &[]);
    change(&origin);
    Stage::new(mirror, "update").spread(|_| {});
}

#[test]
fn an_export_that_is_killed_anywhere_leaves_no_gap() {
    let origin = begin();
    let (mirror, importer) = (origin.mirror("m"), origin.importer("in"));
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    let before = tempfile::tempdir().unwrap();
    tree::copy(importer.path(), before.path());
    change(&origin);
    Stage::new(mirror, "export").spread(|mirror| {
        // Whatever was killed, what is exported brings the other side here.
        restore(before.path(), importer.path());
        mirror.carry_to(&importer);
        importer.run(&["import"]).assert(0, &[]);
        assert_eq!(importer.view(), mirror.view());
    });
}

#[test]
fn an_import_that_is_killed_anywhere_leaves_a_whole_mirror() {
    let origin = begin();
    let (mirror, importer) = (origin.mirror("m"), origin.importer("in"));
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    importer.run(&["import"]).assert(0, &[]);
    change(&origin);
    mirror.run(&["export"]).assert(0, &[]);
    mirror.carry_to(&importer);
    Stage::new(importer, "import").spread(|_| {});
}
