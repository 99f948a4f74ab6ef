//! Runs of `update`, `export` and `import` that are killed at any point, and what
//! they leave.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    support::process::run,
    world::{IMPORT, Mirror, Origin, State, Tool, archive, carry},
};

/// How many kills are spread over a whole run of each kind.
const SPREAD: u32 = 12;

/// A mirror, a copy of which each run begins with.
struct Stage {
    origin: Origin,
    mirror: Mirror,
    before: TempDir,
    command: &'static str,
    /// A mirror that imports what is exported, and a copy of it as it was.
    importer: Option<(Mirror, TempDir)>,
    /// What is shown at first.
    earlier: BTreeSet<String>,
    /// What is shown in the end.
    later: BTreeSet<String>,
    /// What an undisturbed run makes of it.
    wanted: State,
    /// How long that takes.
    duration: Duration,
}

impl Stage {
    /// A mirror on the outside, which shows an earlier state of upstream.
    fn outside(command: &'static str) -> Self {
        let mut origin = many();
        let mirror = Mirror::init(Tool::Ours, &origin);
        mirror.from(&origin, &["export"]).expect(0);
        let importer = Mirror::init_import(Tool::Ours);
        carry(&mirror, &importer);
        importer.krate(IMPORT).expect(0);
        change(&mut origin);
        origin.server.set_latency(Duration::from_millis(10));
        let mut stage = Self::new(origin, mirror, command);
        if command == "export" {
            let before = tempfile::tempdir().unwrap();
            copy(importer.path(), before.path());
            stage.importer = Some((importer, before));
        }
        stage
    }

    /// A mirror on the inside, with the archive that is to be imported.
    fn inside() -> Self {
        let mut origin = many();
        let exporter = Mirror::init(Tool::Ours, &origin);
        exporter.from(&origin, &["export"]).expect(0);
        let importer = Mirror::init_import(Tool::Ours);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        change(&mut origin);
        exporter.from(&origin, &["export"]).expect(0);
        carry(&exporter, &importer);
        Self::new(origin, importer, "import")
    }

    fn new(origin: Origin, mirror: Mirror, command: &'static str) -> Self {
        let before = tempfile::tempdir().unwrap();
        copy(mirror.path(), before.path());
        let earlier = mirror.shown("master").into_iter().collect();
        let mut durations = Vec::new();
        for _ in 0..3 {
            copy(before.path(), mirror.path());
            durations.push(mirror.from(&origin, &[command]).expect(0).elapsed);
        }
        durations.sort();
        let wanted = mirror.state();
        assert_eq!(wanted.crates, origin.crate_files());
        let later = mirror.shown("master").into_iter().collect();
        Self {
            importer: None,
            later,
            origin,
            mirror,
            before,
            command,
            earlier,
            wanted,
            duration: durations[0],
        }
    }

    /// Runs, and kills after `delay`; says whether the run was still under way.
    fn kill(&self, delay: Duration) -> bool {
        copy(self.before.path(), self.mirror.path());
        let url = self.origin.crates_url();
        let args = ["crate", "--crates-url", &url, self.command];
        let mut command = self.mirror.command(&args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        thread::sleep(delay.saturating_sub(started.elapsed()));
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// What is left is true and whole; says whether it is the later state.
    fn look(&self) -> bool {
        let shown: BTreeSet<_> = self.mirror.shown("master").into_iter().collect();
        let is_later = shown == self.later;
        if !is_later {
            // What goes or is replaced is hidden before it is touched.
            let news: Vec<_> = shown.difference(&self.earlier).collect();
            assert!(news.is_empty(), "half of what is new is shown: {news:?}");
            let stays = self.earlier.intersection(&self.later);
            let lost: Vec<_> = stays.filter(|row| !shown.contains(*row)).collect();
            assert!(lost.is_empty(), "what stays is not shown: {lost:?}");
        }
        self.mirror.shown("HEAD");
        if self.mirror.archive().exists() {
            // The one before or the one after, but a whole one.
            archive::members(&self.mirror.archive());
        }
        is_later
    }

    /// A rerun completes, and ends where an undisturbed run does.
    fn rerun(&self) {
        self.mirror.from(&self.origin, &[self.command]).expect(0);
        assert!(self.look(), "the rerun shows the new state");
        assert_eq!(self.mirror.state(), self.wanted);
        assert_eq!(self.mirror.head(), "refs/heads/working");
        self.mirror.assert_clean();
        self.mirror.git(&["fsck", "--connectivity-only"]);
        // Whatever was killed, what is exported brings the other side here.
        if let Some((importer, before)) = &self.importer {
            copy(before.path(), importer.path());
            carry(&self.mirror, importer);
            importer.krate(IMPORT).expect(0);
            assert_eq!(importer.state(), self.wanted);
        }
    }

    /// Kills at points that are spread over a whole run.
    fn spread(&self) {
        let (mut number, mut tries, mut old, mut new) = (0, 0, 0, 0);
        // How long a run takes depends on what else the machine does.
        let mut span = self.duration;
        while number < SPREAD && tries < 3 * SPREAD {
            let part = jitter(tries);
            let delay = span / SPREAD * number + span / SPREAD * part / 1000;
            if self.kill(delay) {
                number += 1;
            } else {
                span = span * 9 / 10;
            }
            if self.look() {
                new += 1;
            } else {
                old += 1;
            }
            self.rerun();
            tries += 1;
        }
        println!(
            "{} runs of {} in {:?} killed; {old} left the old state, {new} the new",
            number, self.command, self.duration
        );
        assert!(number >= SPREAD, "only {number} runs were really killed");
    }
}

/// A number below 1000 that is another one each time.
fn jitter(salt: u32) -> u32 {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    (now.subsec_nanos() / 7 + salt * 331) % 1000
}

/// An upstream with so many crates that a run has phases.
fn many() -> Origin {
    let mut origin = Origin::varied();
    for number in 0..24 {
        for version in ["0.1.0", "0.2.0"] {
            origin.publish(&format!("crate{number:02}"), version);
        }
    }
    origin.commit();
    origin
}

/// Crates come, go and are replaced.
fn change(origin: &mut Origin) {
    for number in 0..24 {
        let name = format!("crate{number:02}");
        match number % 6 {
            0 => origin.remove_crate(&name),
            1 => origin.remove_version(&name, "0.1.0"),
            2 => origin.yank(&name, "0.1.0"),
            3 => origin.publish_as(&name, "0.2.0", &[], b"republished".to_vec()),
            _ => origin.publish(&name, "1.0.0"),
        }
        origin.publish(&format!("late{number:02}"), "1.0.0");
    }
    origin.commit();
}

/// Makes `to` what `from` is.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(to).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let mut command = std::process::Command::new("cp");
    run(command.arg("-a").arg(from.join(".")).arg(to)).expect(0);
}

#[test]
fn a_killed_update_shows_the_old_state_or_the_new_and_a_rerun_completes() {
    Stage::outside("update").spread();
}

#[test]
fn a_killed_export_shows_the_old_state_or_the_new_and_a_rerun_completes() {
    Stage::outside("export").spread();
}

#[test]
fn a_killed_import_shows_the_old_state_or_the_new_and_a_rerun_completes() {
    Stage::inside().spread();
}
