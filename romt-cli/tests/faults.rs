//! What `romt up` makes of an upstream, or a disk, that fails.
//!
//! Every test spoils something, runs, and asks four things: what the outcome
//! says, what clients see meanwhile, whether a rerun completes, and whether the
//! rerun did no more than was needed. The names are those of the hostile inputs
//! that romt's trust model lists.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

mod fault_support;

use std::{fs, time::Duration};

use fault_support::{
    process,
    registry::{Registry, Release, index_path},
    tmpfs::Tmpfs,
    tree,
    world::World,
};
use romt_store::conformance::scripted::{Fault, Validators};

/// The release that gets into trouble.
fn victim(world: &World) -> Release {
    world.registry.nth(7).clone()
}

/// The faults spoil some requests, and the run makes up for it.
#[track_caller]
fn recovers(world: &World, path: &str, faults: &[Fault]) {
    world.fault(path, faults.iter().cloned());
    let ended = world.up();
    ended.assert(0, &[]);
    let faults = u64::try_from(faults.len()).unwrap();
    assert!(
        world.server().requests().faults >= faults,
        "no fault was met"
    );
    world.assert_shows_all_but(&[]);
    world.heal_and_finish();
}

/// One crate cannot be had: it is held back, and all else is there.
#[track_caller]
fn holds_back(fault: Fault, code: i32, needles: &[&str]) {
    let world = World::small();
    let victim = victim(&world);
    world.fault_forever(&victim.path(), fault);
    let ended = world.up();
    ended.assert(code, &[&victim.label()]);
    ended.assert(code, needles);
    ended.assert(code, &["could not be had or refreshed"]);
    world.assert_shows_all_but(&[&victim]);
    world.heal_and_finish();
}

/// One index file cannot be had: its crates are held back, and all else is there.
#[track_caller]
fn holds_back_index(fault: Fault, code: i32, needles: &[&str]) {
    let world = World::small();
    let victim = victim(&world);
    world.fault_forever(&index_path(&victim.name), fault);
    let ended = world.up();
    let of_the_crate: Vec<_> = world.registry.0[&victim.name].iter().collect();
    for release in &of_the_crate {
        ended.assert(code, &[&release.label()]);
    }
    ended.assert(code, needles);
    world.assert_shows_all_but(&of_the_crate);
    world.heal_and_finish();
}

#[test]
fn an_undisturbed_run_completes() {
    let world = World::new(Registry::whole());
    world.up().assert(0, &["120 crates fetched"]);
    world.assert_shows_all_but(&[]);
    world.heal_and_finish();
}

#[test]
fn hostile_u01_a_body_that_ends_early_is_resumed() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::TruncateAfter(500)]);
}

#[test]
fn hostile_u01_chunks_without_the_last_are_no_whole() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::ChunkedTruncateAfter(500)]);
}

#[test]
fn hostile_u01_a_body_that_always_ends_early_is_upstreams_failure() {
    holds_back(Fault::TruncateAfter(500), 7, &["error[UPSTREAM]"]);
}

#[test]
fn hostile_u01_chunks_that_never_end_well_are_upstreams_failure() {
    holds_back(Fault::ChunkedTruncateAfter(500), 7, &["error[UPSTREAM]"]);
}

#[test]
fn hostile_u01_an_index_file_that_ends_early_is_asked_for_again() {
    let world = World::small();
    let path = index_path(&victim(&world).name);
    recovers(&world, &path, &[Fault::TruncateAfter(50)]);
}

#[test]
fn hostile_u01_an_index_file_that_always_ends_early_is_upstreams_failure() {
    holds_back_index(Fault::TruncateAfter(50), 7, &["error[UPSTREAM]"]);
}

/// The server's validator is that of the whole file: a cache on the way cut it.
#[test]
fn hostile_u01_an_index_file_cut_between_lines_is_not_believed_for_ever() {
    let world = World::small();
    let victim = victim(&world);
    let whole = world.registry.index()[&index_path(&victim.name)].clone();
    let first = whole.lines().next().unwrap().to_owned() + "\n";
    world.fault_forever(&index_path(&victim.name), Fault::Body(first.into()));
    let ended = world.up();
    let lacking = &world.registry.0[&victim.name][1..];
    for release in lacking {
        ended.assert(1, &[&release.label(), "does not list this version"]);
    }
    world.assert_shows_all_but(&lacking.iter().collect::<Vec<_>>());
    world.heal_and_finish();
}

#[test]
fn hostile_u01_an_index_file_cut_in_a_line_is_not_believed_for_ever() {
    let world = World::small();
    let victim = victim(&world);
    let whole = world.registry.index()[&index_path(&victim.name)].clone();
    let cut = whole[..whole.len() - 30].to_owned();
    world.fault_forever(&index_path(&victim.name), Fault::Body(cut.into()));
    let last = world.registry.0[&victim.name].last().unwrap();
    let ended = world.up();
    ended.assert(1, &[&last.label(), "line 3 was held back"]);
    world.assert_shows_all_but(&[last]);
    world.heal_and_finish();
}

#[test]
fn hostile_u02_more_bytes_than_the_crate_has_are_refused() {
    holds_back(Fault::ExtraBytes(100), 3, &["error[INTEGRITY]"]);
}

#[test]
fn hostile_u04_a_page_in_place_of_a_crate_is_refused() {
    let page = Fault::Body("<html>please log in\x1b[31m</html>".into());
    holds_back(page, 3, &["error[INTEGRITY]"]);
}

#[test]
fn hostile_u04_a_page_in_place_of_an_index_file_is_refused() {
    let page = Fault::Body("<html>please log in\x1b[31m</html>".into());
    holds_back_index(page, 4, &["error[REFUSED]", "no index entries of"]);
}

#[test]
fn hostile_u05_an_empty_index_file_is_refused() {
    holds_back_index(Fault::Body("".into()), 4, &["error[REFUSED]", "empty"]);
}

#[test]
fn hostile_u06_a_redirect_on_the_server_is_followed() {
    let world = World::small();
    let victim = victim(&world);
    world.server().put("elsewhere", victim.bytes.clone());
    let target = world.server().url().join("elsewhere").unwrap();
    world.fault_forever(&victim.path(), Fault::RedirectTo(target.to_string()));
    world.up().assert(0, &[]);
    world.assert_shows_all_but(&[]);
    world.heal_and_finish();
}

#[test]
fn hostile_u06_a_redirect_loop_ends() {
    let world = World::small();
    let victim = victim(&world);
    let here = format!("/{}", victim.path());
    world.fault_forever(&victim.path(), Fault::RedirectTo(here));
    let ended = world.up();
    ended.assert(4, &[&victim.label(), "redirects more than 5 times"]);
    world.assert_shows_all_but(&[&victim]);
    world.heal_and_finish();
}

#[test]
fn hostile_u06_redirects_out_of_the_web_are_refused() {
    for target in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://u:p@127.0.0.1/",
    ] {
        holds_back(
            Fault::RedirectTo(target.to_owned()),
            4,
            &["error[REFUSED]", "it redirects"],
        );
    }
}

#[test]
fn hostile_u07_a_coding_that_was_not_asked_for_is_refused() {
    holds_back(Fault::Gzip, 4, &["error[REFUSED]", "Content-Encoding"]);
}

#[test]
fn hostile_u08_a_server_without_ranges_is_asked_from_the_start() {
    let world = World::small();
    let victim = victim(&world);
    let faults = [Fault::TruncateAfter(500), Fault::IgnoreRange];
    recovers(&world, &victim.path(), &faults);
}

#[test]
fn hostile_u08_parts_of_different_files_are_not_put_together() {
    let world = World::small();
    let victim = victim(&world);
    let faults = [Fault::TruncateAfter(500), Fault::ChangeEtag];
    recovers(&world, &victim.path(), &faults);
}

#[test]
fn hostile_u08_a_wrong_range_is_not_used() {
    let world = World::small();
    let victim = victim(&world);
    let faults = [Fault::TruncateAfter(500), Fault::WrongContentRange];
    recovers(&world, &victim.path(), &faults);
}

#[test]
fn hostile_u08_a_server_without_validators_is_asked_from_the_start() {
    let world = World::small();
    let victim = victim(&world);
    world.server().set_validators(Validators::None);
    world.fault(&victim.path(), [Fault::TruncateAfter(500)]);
    world.up().assert(0, &[]);
    world.server().set_validators(Validators::Etag);
    world.assert_shows_all_but(&[]);
}

#[test]
fn hostile_u09_a_304_that_was_not_asked_for_is_asked_again() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::status(304)]);
    let world = World::small();
    let path = index_path(&victim.name);
    recovers(&world, &path, &[Fault::status(304)]);
}

#[test]
fn hostile_u10_a_crate_that_is_absent_or_forbidden_is_held_back() {
    for (status, text) in [(404, "404"), (403, "403"), (410, "410"), (451, "451")] {
        holds_back(Fault::status(status), 1, &["error[PARTIAL]", text]);
    }
}

#[test]
fn hostile_u10_an_index_file_that_is_absent_is_named() {
    holds_back_index(Fault::status(404), 1, &["has no crate of this name"]);
}

#[test]
fn hostile_u11_500_then_200_is_a_200() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::status(500)]);
}

#[test]
fn hostile_u11_500_for_ever_is_upstreams_failure() {
    holds_back(Fault::status(500), 7, &["error[UPSTREAM]", "500"]);
    holds_back_index(Fault::status(500), 7, &["error[UPSTREAM]", "500"]);
}

#[test]
fn hostile_u11_retry_after_is_waited_for() {
    let world = World::small();
    let victim = victim(&world);
    let busy = Fault::status_with(503, "Retry-After", "1");
    world.fault(&victim.path(), [busy]);
    let ended = world.up();
    ended.assert(0, &["retrying"]);
    assert!(ended.elapsed >= Duration::from_secs(1));
    world.assert_shows_all_but(&[]);
    world.heal_and_finish();
}

#[test]
fn hostile_u11_a_retry_after_of_ten_years_is_not_waited_for() {
    let far = Fault::status_with(503, "Retry-After", "315360000");
    holds_back(far, 7, &["error[UPSTREAM]", "503"]);
}

#[test]
fn hostile_u11_a_config_json_that_comes_late_is_taken() {
    let world = World::small();
    recovers(&world, "config.json", &[Fault::status(500)]);
}

#[test]
fn hostile_u12_a_reset_connection_is_made_again() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::Reset]);
}

#[test]
fn hostile_u12_connections_that_are_always_reset_are_upstreams_failure() {
    holds_back(Fault::Reset, 7, &["error[UPSTREAM]"]);
}

#[test]
fn hostile_u12_an_upstream_that_is_down_leaves_everything() {
    let world = World::new(Registry::earlier());
    world.up().assert(0, &[]);
    let before = tree::contents(&world.mirror);
    let mut command = process::romt(world.root());
    command
        .args(["up", "--no-serve", "--retries", "0"])
        // Nobody listens at the port of discarding.
        .args(["--index-url", "http://127.0.0.1:9/"])
        .arg("--mirror")
        .arg(&world.mirror)
        .arg("--lockfile")
        .arg(&world.lockfile);
    let ended = process::finish(command);
    ended.assert(7, &["127.0.0.1:9", "refused"]);
    assert_eq!(tree::contents(&world.mirror), before);
    world.heal_and_finish();
}

/// The whole upstream goes down while the crates are fetched.
#[test]
fn hostile_u12_an_upstream_that_goes_down_midway_is_resumed() {
    let world = World::new(Registry::whole());
    for (place, release) in world.registry.releases().enumerate() {
        if place % 3 > 0 {
            world.fault_forever(&release.path(), Fault::Reset);
        }
    }
    let ended = world.up_with(&["--retries", "0", "--timeout", "1"]);
    ended.assert(
        7,
        &[
            "error[UPSTREAM]",
            "and 60 more",
            "note: 80 crates could not be had",
        ],
    );
    let lacking = world.registry.releases().enumerate();
    let lacking = lacking.filter_map(|(place, release)| (place % 3 > 0).then_some(release));
    let lacking: Vec<_> = lacking.collect();
    world.assert_shows_all_but(&lacking);
    let ended = world.up_with(&["--retries", "0", "--timeout", "1", "-v"]);
    for release in &lacking {
        ended.assert(7, &[&format!("error[UPSTREAM]: {}", release.label())]);
    }
    world.heal_and_finish();
}

#[test]
fn hostile_u13_a_stall_in_a_body_is_cut() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::StallAfter(500)]);
}

#[test]
fn hostile_u13_a_stall_before_the_answer_is_cut() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::Silence]);
}

#[test]
fn hostile_u13_stalls_without_end_are_upstreams_failure() {
    holds_back(Fault::StallAfter(500), 7, &["error[UPSTREAM]"]);
    holds_back_index(Fault::Silence, 7, &["error[UPSTREAM]"]);
}

#[test]
fn hostile_u14_wrong_bytes_once_are_asked_for_again() {
    let world = World::small();
    let victim = victim(&world);
    recovers(&world, &victim.path(), &[Fault::WrongBytes]);
}

#[test]
fn hostile_u14_wrong_bytes_are_never_shown() {
    let world = World::small();
    let digest = victim(&world).digest().to_owned();
    holds_back(Fault::WrongBytes, 3, &["error[INTEGRITY]", &digest]);
}

#[test]
fn hostile_u14_an_index_with_a_wrong_digest_is_not_believed_for_ever() {
    let world = World::small();
    let victim = victim(&world);
    let other = "0".repeat(64);
    let path = index_path(&victim.name);
    let wrong = world.registry.index()[&path].replace(victim.digest(), &other);
    world.fault_forever(&path, Fault::Body(wrong.into()));
    let ended = world.up();
    ended.assert(3, &[&victim.label(), victim.digest(), &other]);
    world.assert_shows_all_but(&[&victim]);
    world.heal_and_finish();
}

#[test]
fn hostile_u17_another_crates_bytes_are_never_shown() {
    let other = Registry::small().nth(1).bytes.clone();
    holds_back(Fault::Body(other.into()), 3, &["error[INTEGRITY]"]);
}

#[test]
fn hostile_u18_junk_in_place_of_an_answer_is_a_network_fault() {
    let world = World::small();
    let victim = victim(&world);
    let junk = Fault::Raw("\x1b]0;junk\x07\r\n\r\n".into());
    recovers(&world, &victim.path(), std::slice::from_ref(&junk));
    holds_back(junk, 7, &["error[UPSTREAM]"]);
}

/// Several kinds of failure meet: the gravest decides, and each is named.
#[test]
fn the_gravest_failure_decides() {
    let world = World::small();
    let [absent, down, wrong] = [1, 7, 13].map(|place| world.registry.nth(place).clone());
    world.fault_forever(&absent.path(), Fault::status(404));
    world.fault_forever(&down.path(), Fault::status(500));
    world.fault_forever(&wrong.path(), Fault::WrongBytes);
    let ended = world.up();
    for (class, release) in [
        ("PARTIAL", &absent),
        ("UPSTREAM", &down),
        ("INTEGRITY", &wrong),
    ] {
        ended.assert(3, &[&format!("error[{class}]: {}", release.label())]);
    }
    world.assert_shows_all_but(&[&absent, &down, &wrong]);
    world.heal_and_finish();
}

/// The mirror has a state already; a run that fails takes nothing from it.
#[test]
fn what_was_shown_stays_shown_while_upstream_fails() {
    let mut world = World::new(Registry::earlier());
    world.up().assert(0, &[]);
    let earlier = std::mem::replace(&mut world.registry, Registry::whole());
    world.upstream.show(&world.registry);
    world.lock(&world.registry.lockfile());
    for release in world.registry.releases() {
        world.fault_forever(&release.path(), Fault::status(500));
    }
    let held: Vec<_> = earlier.releases().map(Release::label).collect();
    let ended = world.up_with(&["--retries", "0"]);
    ended.assert(7, &["error[UPSTREAM]", "already here"]);
    let lacking = world.registry.releases();
    let lacking: Vec<_> = lacking.filter(|r| !held.contains(&r.label())).collect();
    world.assert_shows_all_but(&lacking);
    world.heal_and_finish();
}

/// The index file of a crate that the mirror has cannot be had any more.
#[test]
fn a_crate_that_is_held_stays_shown_while_its_index_file_fails() {
    let world = World::small();
    world.up().assert(0, &[]);
    let before = tree::contents(&world.mirror);
    let victim = victim(&world);
    for (fault, code) in [
        (Fault::status(500), 7),
        (Fault::status(403), 7),
        (Fault::TruncateAfter(50), 7),
    ] {
        world.fault_forever(&index_path(&victim.name), fault);
        let ended = world.up();
        ended.assert(code, &[&victim.label(), "could not be had or refreshed"]);
        assert_eq!(tree::contents(&world.mirror), before);
        world.assert_shows_all_but(&[]);
    }
    world.heal_and_finish();
}

/// A disk that is full: what is on it stays right, and more room is all it takes.
#[test]
fn hostile_f01_a_full_disk_fails_the_run_and_loses_nothing() {
    for size in ["300k", "600k", "1200k", "2400k"] {
        let mut world = World::new(Registry::whole());
        fs::create_dir(&world.mirror).unwrap();
        let Some(disk) = Tmpfs::mount(&world.mirror, size) else {
            return;
        };
        let ended = world.up();
        ended.assert(5, &["error[STORAGE]", "No space left on device"]);
        assert!(world.view().is_empty(), "nothing is published");
        disk.remount("size=32m");
        world.heal_and_finish();
        drop(disk);
        world.mirror = world.root().join("mirror");
    }
}

/// The disk fills up while a mirror that shows something is brought up to date.
#[test]
fn hostile_f01_a_full_disk_leaves_what_was_shown() {
    let mut world = World::new(Registry::earlier());
    fs::create_dir(&world.mirror).unwrap();
    let Some(disk) = Tmpfs::mount(&world.mirror, "32m") else {
        return;
    };
    world.up().assert(0, &[]);
    let earlier = world.registry.index();
    let used = used(&world);
    world.registry = Registry::whole();
    world.upstream.show(&world.registry);
    world.lock(&world.registry.lockfile());
    for spare in [0, 4, 64, 512] {
        disk.remount(&format!("size={}k", used + spare));
        let ended = world.up();
        ended.assert(5, &["error[STORAGE]", "No space left on device"]);
        disk.remount("size=32m");
        let registries = [&Registry::earlier(), &Registry::whole()];
        let view = fault_support::checker::check(&world.mirror, &registries);
        assert_eq!(view, earlier, "with {spare} KiB to spare");
    }
    world.heal_and_finish();
}

/// What the mirror's disk has in use, in KiB.
fn used(world: &World) -> u64 {
    let output = std::process::Command::new("df")
        .args(["-k", "--output=used"])
        .arg(&world.mirror)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().parse().unwrap()
}

#[test]
fn hostile_f08_a_read_only_disk_is_told_before_work_begins_and_can_be_served() {
    let mut world = World::new(Registry::earlier());
    fs::create_dir(&world.mirror).unwrap();
    let Some(disk) = Tmpfs::mount(&world.mirror, "32m") else {
        return;
    };
    world.up().assert(0, &[]);
    let earlier = world.registry.index();
    world.registry = Registry::whole();
    world.upstream.show(&world.registry);
    world.lock(&world.registry.lockfile());
    disk.remount("ro");
    world.server().reset_requests();
    world
        .up()
        .assert(5, &["error[STORAGE]", "Read-only file system"]);
    assert_eq!(world.server().requests().total, 0, "nothing is asked for");
    let registries = [&Registry::earlier(), &Registry::whole()];
    let view = fault_support::checker::check(&world.mirror, &registries);
    assert_eq!(view, earlier);
    disk.remount("rw");
    world.heal_and_finish();
}

/// What lies where a crate belongs and is no file is neither followed nor removed.
#[test]
fn hostile_f17_a_link_where_a_crate_belongs_is_refused() {
    let world = World::small();
    let victim = victim(&world);
    world.up().assert(0, &[]);
    let file = format!("{}-{}.crate", victim.name, victim.version);
    let crates = tree::files(&world.mirror);
    let path = crates.values().find(|path| path.ends_with(&file)).unwrap();
    let canary = world.root().join("canary/deep/x-1.0.0.crate");
    fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink(&canary, path).unwrap();
    let ended = process::finish(world.command(&["--retries", "0"]));
    ended.assert(4, &["error[REFUSED]", &file, "symbolic link"]);
    assert_eq!(fs::read_link(path).unwrap(), canary);
    assert_eq!(fs::read(&canary).unwrap(), b"mine");
}
