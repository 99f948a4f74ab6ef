//! How long `romt crate download` takes, against curl fetching the same crates.
//!
//! Run with `cargo bench -p romt-benches --bench download [-- --crates 2000]`; see
//! `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use romt_benches::{
    Failure, curl,
    figures::{Samples, Target, ratio},
    git_index::git,
    nginx::Nginx,
    process::{argument, flush_file_system, is_installed, timed},
    registry::Registry,
    released,
    usage::Usage,
};

/// How many crates, unless it is said.
const CRATES: usize = 2000;

/// What to do for how many rounds, unless it is said.
const ROUNDS: usize = 5;

/// How many downloads run at once, as with `romt up`.
const JOBS: &str = "16";

fn main() -> Result<(), Failure> {
    if ["git", "nginx", "curl"].iter().any(|it| !is_installed(it)) {
        println!("git, nginx or curl is not installed: nothing can be measured");
        return Ok(());
    }
    let crates = argument("--crates").map_or(Ok(CRATES), |text| text.parse())?;
    let rounds = argument("--rounds").map_or(Ok(ROUNDS), |text| text.parse())?;
    let place = argument("--dir").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").to_owned());
    let romt = released::romt(argument("--romt"))?;
    let work = tempfile::tempdir_in(place)?;
    let upstream = work.path().join("registry");
    let registry = Registry::generate(&upstream, crates)?;
    let nginx = Nginx::serve(&upstream, false)?;
    let bench = Bench {
        work: work.path(),
        index: commit_index(work.path(), &upstream)?,
        romt: &romt,
        address: nginx.address(),
        paths: registry.crate_paths().collect(),
    };
    let mut measured = Measured::default();
    for round in 0..rounds {
        bench.round(round, &mut measured)?;
    }
    println!("\n{crates} crates, {rounds} rounds");
    print(&measured);
    Ok(())
}

#[derive(Default)]
struct Measured {
    curl: Samples,
    download: Usage,
    mark: Usage,
    again: Usage,
    nothing: Usage,
}

struct Bench<'a> {
    work: &'a Path,
    index: PathBuf,
    romt: &'a Path,
    address: &'a str,
    paths: Vec<String>,
}

impl Bench<'_> {
    /// Measures everything once, on a disk that has nothing to do.
    fn round(&self, round: usize, measured: &mut Measured) -> Result<(), Failure> {
        flush_file_system(self.work)?;
        let fetched = self.work.join(format!("curl-{round}"));
        let took = curl::fetch(self.address, &self.paths, &fetched)?;
        measured.curl.push_time(took);
        let mirror = self.work.join(format!("mirror-{round}"));
        fs::create_dir(&mirror)?;
        let mut init = self.crate_command(&mirror);
        init.arg("--index-url").arg(&self.index);
        timed(init.args(["init", "pull"]))?;
        flush_file_system(self.work)?;
        self.run(&mut measured.download, &mirror, &["download"])?;
        self.run(&mut measured.mark, &mirror, &["mark"])?;
        // From the begin again: everything is read and judged.
        let again = &["--start", "0", "download"];
        self.run(&mut measured.again, &mirror, again)?;
        self.run(&mut measured.nothing, &mirror, &["update"])?;
        Ok(())
    }

    fn run(&self, usage: &mut Usage, mirror: &Path, what: &[&str]) -> Result<(), Failure> {
        let mut command = self.crate_command(mirror);
        usage.run(command.args(what), &self.work.join("output"))
    }

    fn crate_command(&self, mirror: &Path) -> Command {
        let mut command = Command::new(self.romt);
        let crates = "crates/{crate}/{crate}-{version}.crate";
        command
            .current_dir(mirror)
            .args(["crate", "-j", JOBS, "--crates-url"])
            .arg(format!("http://{}/{crates}", self.address))
            .env("NO_PROXY", "*");
        command
    }
}

/// Makes a git index of the sparse files in `upstream`.
fn commit_index(work: &Path, upstream: &Path) -> Result<PathBuf, Failure> {
    let index = work.join("index.git");
    fs::create_dir(&index)?;
    timed(git(&index).args(["init", "--quiet", "--bare", "--initial-branch=master"]))?;
    let within = |args: &[&str]| {
        let mut git = git(upstream);
        git.env("GIT_DIR", &index).env("GIT_WORK_TREE", upstream);
        timed(git.args(args))
    };
    within(&["add", "--all", "--", ".", ":!crates"])?;
    within(&["commit", "--quiet", "--message", "Initial commit"])?;
    Ok(index)
}

fn print(measured: &Measured) {
    println!("{}", measured.curl.row("curl", "s", 2));
    for (label, usage) in [
        ("romt crate download", &measured.download),
        ("romt crate mark, which reads all of it", &measured.mark),
        ("romt crate --start 0 download, again", &measured.again),
        ("romt crate update, without news", &measured.nothing),
    ] {
        println!("{}", usage.rows(label));
    }
    let download = measured.download.time.median();
    let rows = [
        ("download / curl", download / measured.curl.median(), 1.3),
        (
            "update without news / download",
            measured.nothing.time.median() / download,
            0.1,
        ),
        (
            "peak memory, MiB",
            measured.download.memory.range().1,
            120.0,
        ),
    ];
    for (label, value, most) in rows {
        println!("{}", ratio(label, value, Target::AtMost(most)));
    }
}
