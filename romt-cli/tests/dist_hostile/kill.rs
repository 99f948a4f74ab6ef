//! Runs that are killed.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    archive::Members,
    fault_support::{Random, tree},
    release::{Release, nightly, stable},
    world::{Kept, Mirror, World, run},
};

/// How many runs of each command are killed at least.
const KILLS: u32 = 32;

const DAYS: [&str; 3] = ["2026-03-06", "2026-03-07", "2026-03-08"];

/// A command, before and after it.
struct Stage<'a> {
    mirror: Mirror<'a>,
    command: &'a dyn Fn() -> Command,
    before: Kept,
    after: std::collections::BTreeMap<std::path::PathBuf, String>,
    duration: Duration,
}

impl<'a> Stage<'a> {
    fn new(mirror: Mirror<'a>, command: &'a dyn Fn() -> Command) -> Self {
        let before = mirror.keep();
        let started = Instant::now();
        run(command()).assert(0, &[]);
        let duration = started.elapsed();
        Self {
            after: mirror.served(),
            mirror,
            command,
            before,
            duration,
        }
    }

    /// Runs, and kills after `delay`; says whether the run was still under way.
    fn kill(&self, delay: Duration) -> bool {
        self.before.restore();
        let mut command = (self.command)();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        thread::sleep(delay.saturating_sub(started.elapsed()));
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// Kills at points that are spread over a whole run. `look` judges what is left,
    /// `recover` is another writer, and then the command is run again.
    fn spread(&self, look: &dyn Fn() -> Result<(), String>, recover: &dyn Fn() -> Command) {
        let (mut random, seed) = Random::from_env();
        let (mut killed, mut tries, mut half) = (0, 0, 0);
        let mut span = self.duration;
        while killed < KILLS && tries < 4 * KILLS {
            let part = u32::try_from(random.below(1000)).unwrap();
            let delay = span / KILLS * killed + span / KILLS * part / 1000;
            tries += 1;
            if !self.kill(delay) {
                span = span * 9 / 10;
                continue;
            }
            killed += 1;
            half += u32::from(look().is_err());
            // Whatever the next writer is, what clients see is whole after it.
            let next = run(recover());
            assert!(next.code.is_some(), "{}", next.text());
            if let Err(fault) = look() {
                panic!(
                    "seed {seed}: {fault}; the next writer said:\n{}",
                    next.text()
                );
            }
            run((self.command)()).assert(0, &[]);
            assert_eq!(self.mirror.served(), self.after, "seed {seed}");
            self.mirror.assert_tidy();
        }
        println!("seed {seed}: {killed} of {tries} runs killed, {half} left something half-shown");
        assert!(
            killed >= 30,
            "only {killed} runs were really killed; seed {seed}"
        );
    }
}

/// Any writer that does nothing but what an earlier one left: there is nothing to fetch
/// of this name.
fn other_writer(mirror: Mirror<'_>) -> impl Fn() -> Command + '_ {
    move || mirror.toolchain(&["-s", "beta", "-t", "all", "download"])
}

#[test]
fn hostile_x03_a_download_that_is_killed_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let mirror = world.mirror();
    let (old, new) = (nightly(DAYS[1]), nightly(DAYS[2]).with_extra(30, 3000));
    world.publish(&old);
    mirror.download("nightly");
    world.publish(&new);
    let command = || mirror.toolchain(&["-s", "nightly", "-t", "all", "download"]);
    let stage = Stage::new(mirror, &command);
    stage.spread(&|| mirror.check(&[&old, &new]), &other_writer(mirror));
}

#[test]
fn hostile_x03_a_manifest_that_is_fetched_is_switched_whole() {
    let world = World::new();
    let mirror = world.mirror();
    let (old, new) = (nightly(DAYS[1]), nightly(DAYS[2]).with_extra(2000, 10));
    world.publish(&old);
    mirror.download("nightly");
    let mut files = std::collections::BTreeMap::new();
    new.put_manifest(&mut files, &new.manifest(), true);
    world.put(&files);
    let command = || mirror.toolchain(&["-s", "nightly", "fetch-manifest"]);
    let stage = Stage::new(mirror, &command);
    stage.spread(&|| mirror.check_digests(), &other_writer(mirror));
}

#[test]
fn hostile_x03_an_unpack_that_is_killed_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let mirror = world.mirror();
    let old = stable("1.94.0", DAYS[1]);
    let (new, other) = (
        stable("1.95.0", DAYS[2]).with_extra(20, 3000),
        nightly(DAYS[2]).with_extra(20, 100),
    );
    world.publish(&old);
    mirror.download("stable");
    let mut members = Members::of(&new);
    members.0.extend(Members::of(&other).0);
    let path = world.path("good.tar");
    members.save(&path);
    let command = || mirror.toolchain(&["--archive", path.to_str().unwrap(), "unpack"]);
    let stage = Stage::new(mirror, &command);
    stage.spread(
        &|| mirror.check(&[&old, &new, &other]),
        &other_writer(mirror),
    );
}

#[test]
fn hostile_x03_a_prune_that_is_killed_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let mirror = world.mirror();
    let releases: Vec<Release> = [
        stable("1.93.0", DAYS[0]),
        stable("1.94.0", DAYS[1]),
        stable("1.95.0", DAYS[2]),
    ]
    .map(|release| release.with_extra(15, 100))
    .into();
    for release in &releases {
        world.publish(release);
        mirror.download("stable");
    }
    let command = || mirror.toolchain(&["--keep-latest", "1", "prune"]);
    let stage = Stage::new(mirror, &command);
    let releases: Vec<&Release> = releases.iter().collect();
    stage.spread(&|| mirror.check(&releases), &other_writer(mirror));
    mirror.check_components("what stays", releases[2]).unwrap();
    assert!(!mirror.dist().join(DAYS[0]).exists());
}

#[test]
fn hostile_x03_rustup_that_is_killed_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let mirror = world.mirror();
    crate::rustup::publish(&world, "1.28.1", 20_000);
    run(mirror.rustup(&["-s", "stable", "-t", "all", "download"])).assert(0, &[]);
    crate::rustup::publish(&world, "1.29.0", 20_000);
    let command = || mirror.rustup(&["-s", "stable", "-t", "all", "download"]);
    let look = || crate::rustup::check(&mirror);
    let next = || mirror.rustup(&["-s", "*", "fixup"]);
    Stage::new(mirror, &command).spread(&look, &next);
    let path = world.path("rustup.tar");
    let archive = path.to_str().unwrap();
    run(mirror.rustup(&["-s", "stable", "--archive", archive, "pack"])).assert(0, &[]);
    let other = world.mirror_at("other");
    crate::rustup::publish(&world, "1.28.1", 20_000);
    run(other.rustup(&["-s", "stable", "-t", "all", "download"])).assert(0, &[]);
    let command = || other.rustup(&["--archive", archive, "unpack"]);
    let look = || crate::rustup::check(&other);
    let next = || other.rustup(&["-s", "*", "fixup"]);
    Stage::new(other, &command).spread(&look, &next);
}

/// What an earlier run has fetched is not fetched again.
#[test]
fn hostile_x12_what_is_right_is_not_written_again() {
    let world = World::new();
    let mirror = world.mirror();
    world.publish(&stable("1.95.0", DAYS[2]));
    crate::rustup::publish(&world, "1.28.1", 700);
    let toolchain = || mirror.toolchain(&["-s", "stable", "-t", "all", "download"]);
    let rustup = || mirror.rustup(&["-s", "stable", "-t", "all", "download"]);
    run(toolchain()).assert(0, &[]);
    run(rustup()).assert(0, &[]);
    let seals = || {
        [
            tree::seals(&mirror.dist()),
            tree::seals(&mirror.path().join("rustup")),
        ]
    };
    let before = seals();
    run(toolchain()).assert(0, &[]);
    run(rustup()).assert(0, &[]);
    assert_eq!(seals(), before);
}
