//! Runs that are killed at any point, and what they leave.

#![cfg(unix)]
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

mod fault_support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use fault_support::{
    Random, checker, http,
    process::Serving,
    registry::{Registry, index_path},
    tree,
    world::World,
};
use tempfile::TempDir;

/// How many kills are spread over a whole run.
const SPREAD: u32 = 25;

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    After(Duration),
    /// As soon as this file or directory is another one than before.
    Changed(&'static str),
}

/// A mirror that shows the earlier state, a copy of which each run begins with.
struct Stage {
    world: World,
    before: TempDir,
    earlier: Registry,
    /// What an undisturbed run makes of it.
    wanted: BTreeMap<PathBuf, String>,
    /// How long that takes.
    duration: Duration,
}

impl Stage {
    fn new() -> Self {
        let earlier = Registry::earlier();
        let mut world = World::new(earlier.clone());
        world.up().assert(0, &[]);
        // Beside the mirror nothing is expected but what was there.
        let before = tempfile::tempdir().unwrap();
        tree::copy(&world.mirror, before.path());
        world.registry = Registry::whole();
        world.upstream.show(&world.registry);
        world.lock(&world.registry.lockfile());
        // Every phase takes long enough to be hit.
        world.server().set_latency(Duration::from_millis(15));
        let mut durations = Vec::new();
        for _ in 0..3 {
            restore(before.path(), &world.mirror);
            let started = Instant::now();
            world.up().assert(0, &[]);
            durations.push(started.elapsed());
        }
        durations.sort();
        let wanted = tree::contents(&world.mirror);
        Self {
            world,
            before,
            earlier,
            wanted,
            duration: durations[0],
        }
    }

    /// Runs and kills; says whether the run was still under way.
    fn kill(&self, when: When) -> bool {
        restore(self.before.path(), &self.world.mirror);
        let mut command = self.world.command(&["--retries", "1"]);
        let started = Instant::now();
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        match when {
            When::After(delay) => thread::sleep(delay.saturating_sub(started.elapsed())),
            When::Changed(name) => {
                let path = self.world.mirror.join(name);
                let before = stamp(&path);
                while stamp(&path) == before && child.try_wait().unwrap().is_none() {}
            }
        }
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// What is left is true and whole; says whether it is the later state.
    fn look(&self) -> bool {
        let registries = [&self.earlier, &self.world.registry];
        let view = checker::check(&self.world.mirror, &registries);
        let is_later = view == self.world.registry.index();
        assert!(
            is_later || view == self.earlier.index(),
            "clients see neither the state before nor the state after"
        );
        is_later
    }

    /// A rerun completes, and ends where an undisturbed run does.
    fn rerun(&self) {
        self.world.up().assert(0, &[]);
        assert!(self.look(), "the rerun shows the new state");
        assert_eq!(tree::contents(&self.world.mirror), self.wanted);
    }
}

fn restore(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    tree::copy(from, to);
}

/// What tells one state of a file or a directory from another.
fn stamp(path: &Path) -> Option<(u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

#[test]
fn a_killed_run_shows_the_old_state_or_the_new_and_a_rerun_completes() {
    let (mut random, seed) = Random::from_env();
    let stage = Stage::new();
    // Publication takes a moment only: its steps are waited for.
    let root = fs::read_dir(stage.before.path().join(".romt/index")).unwrap();
    let root: BTreeSet<_> = root.map(|entry| entry.unwrap().file_name()).collect();
    assert!(root.contains(std::ffi::OsStr::new("current")), "{root:?}");
    let steps = [
        ".romt/index/segments",
        ".romt/index/shards",
        ".romt/index/current",
        "index/aux",
        "index/cr/at",
        "index/mi/xe",
        ".romt/index/plain",
        ".romt/upstream",
    ];
    let (mut killed, mut old, mut new) = (0, 0, 0);
    let mut run = |when| {
        let in_time = stage.kill(when);
        killed += u32::from(in_time);
        if stage.look() {
            new += 1;
        } else {
            old += 1;
        }
        stage.rerun();
        in_time
    };
    for step in steps {
        run(When::Changed(step));
    }
    // How long a run takes depends on what else the machine does.
    let (mut span, mut number, mut tries) = (stage.duration, 0, 0);
    while number < SPREAD && tries < 3 * SPREAD {
        let part = u32::try_from(random.below(1000)).unwrap();
        let delay = span / SPREAD * number + span / SPREAD * part / 1000;
        if run(When::After(delay)) {
            number += 1;
        } else {
            span = span * 9 / 10;
        }
        tries += 1;
    }
    println!(
        "seed {seed}: {killed} runs of {:?} killed; {old} left the old state, {new} the new",
        stage.duration
    );
    assert!(
        killed >= 20,
        "only {killed} runs were really killed; seed {seed}"
    );
    assert!(old > 0 && new > 0, "{old} old and {new} new; seed {seed}");
}

/// A run that is killed again and again gets a little further each time.
#[test]
fn runs_that_are_killed_one_after_the_other_do_not_start_over() {
    let stage = Stage::new();
    restore(stage.before.path(), &stage.world.mirror);
    stage.world.server().reset_requests();
    for _ in 0..6 {
        let mut command = stage.world.command(&["--retries", "1"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(stage.duration * 6 / 10);
        child.kill().unwrap();
        child.wait().unwrap();
        stage.look();
    }
    stage.rerun();
    // What was on its way when a run was killed is asked for again; what was
    // stored is not.
    let releases = stage.world.registry.releases();
    let most = releases.map(|r| stage.world.server().hits(&r.path())).max();
    assert!(most.unwrap() <= 7, "a crate was asked for {most:?} times");
}

/// Somebody reads while a mirror is brought up to date, ten times over.
#[test]
fn a_client_that_reads_meanwhile_never_sees_a_crate_that_is_not_there() {
    let (random, seed) = Random::from_env();
    let states = generations(10);
    let mut world = World::new(states[0].clone());
    world.up().assert(0, &[]);
    let serving = Serving::start(&world.mirror);
    let template = checker::template(&serving.host).unwrap();
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let names: Vec<String> = states.last().unwrap().0.keys().cloned().collect();
    thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut random = random.clone();
            let known: Vec<&Registry> = states.iter().collect();
            while !stop.load(Ordering::Relaxed) {
                let path = index_path(&names[random.below(names.len())]);
                let answer = http::get(&serving.host, &format!("/index/{path}"))?;
                if answer.status == 404 {
                    continue;
                }
                let body = String::from_utf8(answer.body).map_err(|e| e.to_string())?;
                let lines: Vec<&str> = body.lines().collect();
                if answer.status != 200 || lines.is_empty() {
                    return Err(format!("{path}: {}", answer.head));
                }
                checker::check_line(&template, lines[random.below(lines.len())], &known)?;
                reads.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let stop = Stop(&stop);
        for state in &states[1..] {
            state.clone_into(&mut world.registry);
            world.upstream.show(&world.registry);
            world.lock(&world.registry.lockfile());
            world.up().assert(0, &[]);
        }
        // A server notices within a second.
        thread::sleep(Duration::from_millis(1200));
        drop(stop);
        let result: Result<(), String> = prober.join().unwrap();
        result.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    });
    let reads = reads.into_inner();
    println!(
        "seed {seed}: {reads} reads beside {} runs",
        states.len() - 1
    );
    assert!(reads > 100, "only {reads} reads");
    drop(serving);
    world.assert_shows_all_but(&[]);
}

/// Says stop, also when a test fails midway.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// States that grow out of each other: crates come, versions come, and what was
/// yanked is not any more.
fn generations(count: usize) -> Vec<Registry> {
    let mut states = vec![Registry::earlier()];
    for number in 1..=count {
        let mut next = states[number - 1].clone();
        let names: Vec<String> = next.0.keys().cloned().collect();
        for (place, name) in names.iter().enumerate() {
            if place % 3 == number % 3 {
                next.add(name, &format!("2.0.{number}"));
            }
            if place % 4 == number % 4 {
                next.0.get_mut(name).unwrap()[0].yanked ^= true;
            }
        }
        next.add(&format!("late{number}"), "1.0.0");
        states.push(next);
    }
    states
}
