//! How many requests romt answers, against nginx serving the same files, and how long
//! git takes to clone an index from it, against git's own server.
//!
//! Run with `cargo bench -p romt-benches --bench serve`; see `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{fs, path::Path, time::Duration};

use romt_benches::{
    Failure,
    figures::{Samples, Target, ratio},
    git_http::GitHttp,
    git_index::{self, MadeIndex, TIP},
    mirror::{self, Server},
    nginx::Nginx,
    process::{argument, is_installed, timed},
    registry::{Registry, VERSION},
    wrk::Script,
};
use romt_core::{CrateName, MirrorLayout, Version};

const CRATES: &str = "2000";
const GIT_CRATES: &str = "50000";
const ROUNDS: usize = 3;

/// How long each server is loaded, each time.
const SECONDS: u32 = 4;

/// Those that are compared, and what they answered per second.
struct Contender<'a> {
    label: &'static str,
    address: &'a str,
    rate: Samples,
}

fn main() -> Result<(), Failure> {
    if mirror::run_if_child()? {
        return Ok(());
    }
    let rounds = match argument("--rounds") {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let work = tempfile::tempdir_in(place)?;
    if ["nginx", "wrk"].iter().all(|it| is_installed(it)) {
        let crates: usize = argument("--crates").as_deref().unwrap_or(CRATES).parse()?;
        few_files(work.path(), crates, rounds)?;
    } else {
        println!("nginx or wrk is not installed: GETs are not measured");
    }
    if is_installed("git") {
        let crates = argument("--git-crates");
        let crates: usize = crates.as_deref().unwrap_or(GIT_CRATES).parse()?;
        let made = MadeIndex::make(place, crates)?;
        many_files(work.path(), &made, crates, rounds)?;
        clones(work.path(), &made, crates, rounds)?;
    } else {
        println!("git is not installed: a large index is not measured");
    }
    Ok(())
}

/// Files that all fit into the memory that romt keeps answers in.
fn few_files(work: &Path, crates: usize, rounds: usize) -> Result<(), Failure> {
    let directory = work.join("mirror");
    let registry = make_mirror(work, &directory, crates)?;
    let romt = Server::start(&directory)?;
    let nginx = Nginx::serve(&directory, false)?;
    let cached = Nginx::serve(&directory, true)?;
    let full = work.join("full");
    git_index::of_files(&full, &directory.join("index"))?;
    let of_git = Server::start(&full)?;
    let (index, files) = paths(&registry)?;
    for (what, paths) in [("index", index), ("crate", files)] {
        println!("\nGET of {crates} {what} files, {rounds} rounds of {SECONDS} s");
        let script = Script::write(&work.join(format!("{what}.lua")), &paths)?;
        let mut contenders = vec![
            ("nginx", nginx.address()),
            ("nginx, open_file_cache", cached.address()),
            ("romt", romt.address()),
        ];
        if what == "index" {
            contenders.push(("romt, from git", of_git.address()));
        }
        compare(&script, &contenders, rounds)?;
    }
    Ok(())
}

/// More files than romt keeps answers in memory, asked for one after the other, so
/// that hardly any is at hand: the worst case. nginx has them in the page cache.
fn many_files(work: &Path, made: &MadeIndex, crates: usize, rounds: usize) -> Result<(), Failure> {
    if !["nginx", "wrk"].iter().all(|it| is_installed(it)) {
        return Ok(());
    }
    println!("\nGET of {crates} index files, {rounds} rounds of {SECONDS} s");
    let (mirror, files) = (work.join("large"), work.join("files"));
    made.serve_in(&mirror, TIP)?;
    made.check_out(&files.join("index"), TIP)?;
    let romt = Server::start(&mirror)?;
    let nginx = Nginx::serve(&files, false)?;
    let paths = made.paths(TIP)?;
    let paths: Vec<String> = paths.iter().map(|path| format!("index/{path}")).collect();
    let script = Script::write(&work.join("large.lua"), &paths)?;
    let contenders = [
        ("nginx", nginx.address()),
        ("romt, from git", romt.address()),
    ];
    compare(&script, &contenders, rounds)?;
    if let Some(peak) = romt.peak_memory() {
        println!(
            "  {:<44} {peak:>9.0} MiB",
            "romt, peak memory with the mapped pack"
        );
    }
    Ok(())
}

/// Clones of the whole index by the program git, against git's own server.
fn clones(work: &Path, made: &MadeIndex, crates: usize, rounds: usize) -> Result<(), Failure> {
    println!("\ngit clone of an index of {crates} crates, {rounds} rounds");
    let mirror = work.join("cloned");
    made.serve_in(&mirror, TIP)?;
    let romt = Server::start(&mirror)?;
    let git = GitHttp::serve(&mirror)?;
    let romt_url = format!("http://{}/git/crates.io-index", romt.address());
    let git_url = format!("http://{}/git/crates.io-index", git.address());
    let mut first = Samples::default();
    first.push_time(clone(work, &romt_url)?);
    clone(work, &git_url)?;
    let (mut by_romt, mut by_git) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        by_git.push_time(clone(work, &git_url)?);
        by_romt.push_time(clone(work, &romt_url)?);
    }
    println!("{}", by_git.row("git http-backend", "s", 2));
    println!("{}", first.row("romt, the first one", "s", 2));
    println!("{}", by_romt.row("romt", "s", 2));
    let times = by_romt.median() / by_git.median();
    println!(
        "{}",
        ratio("romt / git http-backend", times, Target::AtMost(1.2))
    );
    Ok(())
}

/// How long one clone takes.
fn clone(work: &Path, url: &str) -> Result<Duration, Failure> {
    let to = tempfile::tempdir_in(work)?;
    let mut clone = git_index::git(to.path());
    clone.args([
        "clone",
        "--quiet",
        "--bare",
        "--single-branch",
        url,
        "clone",
    ]);
    Ok(timed(&mut clone)?.0)
}

/// Brings a made-up registry into a mirror.
fn make_mirror(work: &Path, directory: &Path, crates: usize) -> Result<Registry, Failure> {
    let root = work.join("registry");
    let registry = Registry::generate(&root, crates)?;
    let upstream = Nginx::serve(&root, false)?;
    registry.serve_at(upstream.address())?;
    let lockfile = work.join("Cargo.lock");
    fs::write(&lockfile, registry.lockfile())?;
    mirror::sync(directory, &lockfile, upstream.address(), true)?;
    Ok(registry)
}

/// The paths of the index files and of the crates, which are the same in the
/// mirror's tree and at romt's server.
fn paths(registry: &Registry) -> Result<(Vec<String>, Vec<String>), Failure> {
    let layout = MirrorLayout::default();
    let version: Version = VERSION.parse()?;
    let mut index = Vec::new();
    let mut files = Vec::new();
    for name in registry.names() {
        let name: CrateName = name.parse()?;
        index.push(layout.index_file(&name).to_string());
        files.push(layout.crate_file(&name, &version).to_string());
    }
    Ok((index, files))
}

/// Loads them in turn, so that whatever else the machine does befalls all alike. The
/// first one is what the others are compared with.
fn compare(
    script: &Script,
    contenders: &[(&'static str, &str)],
    rounds: usize,
) -> Result<(), Failure> {
    let mut contenders: Vec<Contender<'_>> = contenders
        .iter()
        .map(|&(label, address)| Contender {
            label,
            address,
            rate: Samples::default(),
        })
        .collect();
    for contender in &contenders {
        script.run(contender.address, 1)?;
    }
    for _ in 0..rounds {
        for contender in &mut contenders {
            let load = script.run(contender.address, SECONDS)?;
            if load.bad > 0 {
                return Err(format!("{}: {} bad answers", contender.label, load.bad).into());
            }
            contender.rate.push(load.requests);
        }
    }
    for contender in &contenders {
        println!("{}", contender.rate.row(contender.label, "/s", 0));
    }
    let [ceiling, others @ ..] = contenders.as_slice() else {
        return Ok(());
    };
    for other in others {
        let is_ours = other.label.starts_with("romt");
        let target = if is_ours {
            Target::AtLeast(0.7)
        } else {
            Target::None
        };
        let rate = other.rate.median() / ceiling.rate.median();
        let label = format!("{} / {}", other.label, ceiling.label);
        println!("{}", ratio(&label, rate, target));
    }
    Ok(())
}
