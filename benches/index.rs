//! What a full mirror's work on its index takes, against the Python tool and git.
//!
//! Run with `cargo bench -p romt-benches --bench index [-- --crates 200000]`; see
//! `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use romt_benches::{
    Failure, bundle,
    figures::{Samples, Target, ratio},
    git_index::{COMMITS, MadeIndex, TIP, git},
    process::{argument, is_installed, timed},
    python_romt, released,
    usage::Usage,
};

/// How many crates, unless it is said.
const CRATES: usize = 50_000;

/// What to do for how many rounds, unless it is said.
const ROUNDS: usize = 3;

/// The most memory that reading the whole index should need, in MiB.
const MEMORY: f64 = 300.0;

fn main() -> Result<(), Failure> {
    if let Some(path) = argument(bundle::OF) {
        return bundle::write(&path);
    }
    if !is_installed("git") {
        println!("git is not installed: nothing can be measured");
        return Ok(());
    }
    let crates = argument("--crates").map_or(Ok(CRATES), |text| text.parse())?;
    let rounds = argument("--rounds").map_or(Ok(ROUNDS), |text| text.parse())?;
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let romt = released::romt(argument("--romt"))?;
    let python = python_romt::install(&place);
    if python.is_none() {
        println!("the Python tool cannot be installed: romt is not compared with it");
    }
    println!("making an index of {crates} crates, unless it is there");
    let upstream = MadeIndex::make(&place, crates)?;
    let work = tempfile::tempdir_in(&place)?;
    let bench = Bench {
        work: work.path(),
        upstream: &upstream,
        base: upstream.commit("base")?,
        romt,
        python,
        copies: Cell::new(0),
    };
    bench.prepare()?;
    let mut measured = Measured::default();
    for _ in 0..rounds {
        bench.round(&mut measured)?;
    }
    println!("\n{crates} crates, {COMMITS} commits, {rounds} rounds");
    print(&measured);
    Ok(())
}

/// What was measured.
#[derive(Default)]
struct Measured {
    walk: Usage,
    python_walk: Usage,
    update: Usage,
    python_update: Usage,
    fetch: Usage,
    git_fetch: Usage,
    bundle: Usage,
    git_bundle: Usage,
    /// In MiB; ours and git's.
    bundle_sizes: [Samples; 2],
    pack: Usage,
    idle: Usage,
}

struct Bench<'a> {
    work: &'a Path,
    upstream: &'a MadeIndex,
    base: String,
    romt: PathBuf,
    python: Option<PathBuf>,
    copies: Cell<u32>,
}

impl Bench<'_> {
    /// Makes a mirror for each tool whose index is at the older state, and git's
    /// own copy of the same. Each of the tools sets up its own.
    fn prepare(&self) -> Result<(), Failure> {
        self.upstream.show(&self.base)?;
        for tool in self.tools() {
            let mirror = self.mirror_of(tool);
            fs::create_dir_all(&mirror)?;
            let mut command = crate_command(tool, &mirror);
            command.arg("--index-url").arg(self.upstream.path());
            timed(command.args(["init", "pull"]))?;
            show_all(&mirror)?;
        }
        let mut clone = git(self.work);
        clone.args(["clone", "--quiet", "--bare", "--no-local"]);
        timed(clone.arg(self.upstream.path()).arg("git"))?;
        self.upstream.show(TIP)
    }

    /// romt, and the Python tool if it is there.
    fn tools(&self) -> impl Iterator<Item = &Path> {
        [&self.romt]
            .into_iter()
            .chain(&self.python)
            .map(PathBuf::as_path)
    }

    fn mirror_of(&self, tool: &Path) -> PathBuf {
        let name = if tool == self.romt { "ours" } else { "python" };
        self.work.join(name)
    }

    /// A copy of what [`prepare`](Self::prepare) has made, to be changed.
    fn copy_of(&self, original: &Path) -> Result<PathBuf, Failure> {
        self.copies.set(self.copies.get() + 1);
        let copy = self.work.join(format!("copy-{}", self.copies.get()));
        timed(Command::new("cp").arg("-a").arg(original).arg(&copy))?;
        Ok(copy)
    }

    /// Measures everything once. What is compared is measured in turn, so that
    /// whatever else the machine does befalls all alike.
    fn round(&self, measured: &mut Measured) -> Result<(), Failure> {
        self.walk(measured)?;
        self.update(measured)?;
        self.fetch(measured)?;
        self.bundle(measured)?;
        self.pack(measured)
    }

    /// Lists every version of the index.
    fn walk(&self, measured: &mut Measured) -> Result<(), Failure> {
        let list = |tool: &Path, usage: &mut Usage| {
            let mut command = crate_command(tool, &self.mirror_of(tool));
            command.args(["--start", "0", "list"]);
            self.rows(&mut command, usage)
        };
        let ours = list(&self.romt, &mut measured.walk)?;
        if let Some(python) = &self.python {
            let theirs = list(python, &mut measured.python_walk)?;
            expect_equal("the whole index", &ours, &theirs)?;
        }
        Ok(())
    }

    /// Brings what upstream has added and lists it; what would follow is fetching
    /// crates, which is not the index's.
    fn update(&self, measured: &mut Measured) -> Result<(), Failure> {
        let pull = |tool: &Path, usage: &mut Usage| {
            let mirror = self.copy_of(&self.mirror_of(tool))?;
            let rows = self.rows(crate_command(tool, &mirror).args(["pull", "list"]), usage)?;
            Ok::<_, Failure>((mirror, rows))
        };
        let (mirror, ours) = pull(&self.romt, &mut measured.update)?;
        // Afterwards there is nothing left to do.
        show_all(&mirror)?;
        let mut again = crate_command(&self.romt, &mirror);
        let nowhere = "http://127.0.0.1:9/{crate}/{crate}-{version}.crate";
        again.args(["--crates-url", nowhere, "update"]);
        self.rows(&mut again, &mut measured.idle)?;
        fs::remove_dir_all(mirror)?;
        if let Some(python) = &self.python {
            let (mirror, theirs) = pull(python, &mut measured.python_update)?;
            expect_equal("the news", &ours, &theirs)?;
            fs::remove_dir_all(mirror)?;
        }
        Ok(())
    }

    /// Brings what upstream has added, without looking at it.
    fn fetch(&self, measured: &mut Measured) -> Result<(), Failure> {
        let output = self.work.join("output");
        let mirror = self.copy_of(&self.mirror_of(&self.romt))?;
        let mut command = crate_command(&self.romt, &mirror);
        measured.fetch.run(command.arg("pull"), &output)?;
        fs::remove_dir_all(mirror)?;
        let clone = self.copy_of(&self.work.join("git"))?;
        let mut command = git(&clone);
        let specification = "+refs/heads/master:refs/heads/master";
        let command = command.args(["fetch", "--quiet", "origin", specification]);
        measured.git_fetch.run(command, &output)?;
        fs::remove_dir_all(clone)?;
        Ok(())
    }

    /// Writes what brings who has the older state to the newer one: from the very
    /// same repository, and both bundles must bring the same.
    fn bundle(&self, measured: &mut Measured) -> Result<(), Failure> {
        let output = self.work.join("output");
        let files = ["ours", "theirs"].map(|name| self.work.join(format!("{name}.bundle")));
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(bundle::OF).arg(self.upstream.path());
        command
            .args(["--start", &self.base])
            .arg("--file")
            .arg(&files[0]);
        measured.bundle.run(&mut command, &output)?;
        let mut command = git(self.upstream.path());
        command.args(["bundle", "create", "--quiet"]).arg(&files[1]);
        let command = command.args([&format!("^{}", self.base), "master"]);
        measured.git_bundle.run(command, &output)?;
        let older = self.work.join("git");
        let mut brought = Vec::new();
        for (file, sizes) in files.iter().zip(&mut measured.bundle_sizes) {
            timed(git(&older).args(["bundle", "verify", "--quiet"]).arg(file))?;
            brought.push(timed(git(&older).args(["bundle", "list-heads"]).arg(file))?.1);
            sizes.push(mebibytes(fs::metadata(file)?.len()));
            fs::remove_file(file)?;
        }
        expect_equal("the bundles' heads", &brought[0], &brought[1])
    }

    /// Packs the same into an archive, with all that a pack looks after. No crate is
    /// selected, so the archive has the bundle and nothing else.
    fn pack(&self, measured: &mut Measured) -> Result<(), Failure> {
        let output = self.work.join("output");
        let mirror = self.copy_of(&self.mirror_of(&self.romt))?;
        timed(crate_command(&self.romt, &mirror).arg("pull"))?;
        let mut command = crate_command(&self.romt, &mirror);
        command.args(["--filter", "no-crate-has-this-name"]);
        command.args(["--archive", "archive.tar"]);
        let command = command.args(["--start", &self.base, "pack"]);
        measured.pack.run(command, &output)?;
        fs::remove_dir_all(mirror)?;
        Ok(())
    }

    /// Runs what lists versions, and returns the list.
    fn rows(&self, command: &mut Command, usage: &mut Usage) -> Result<String, Failure> {
        let output = self.work.join("output");
        usage.run(command, &output)?;
        let text = fs::read_to_string(output)?;
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('@')).collect();
        Ok(rows.join("\n"))
    }
}

/// Has `tool` work on the crates of `mirror`.
fn crate_command(tool: &Path, mirror: &Path) -> Command {
    let mut command = Command::new(tool);
    command
        .current_dir(mirror)
        .envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ])
        .args([
            "crate",
            "--index",
            "git/crates.io-index",
            "--crates",
            "crates",
        ]);
    command
}

/// Makes all that was pulled what clients see, as if every crate of it had been
/// downloaded. To make and check so many files is not the index's.
fn show_all(mirror: &Path) -> Result<(), Failure> {
    let repository = mirror.join("git/crates.io-index");
    for name in ["master", "mark"] {
        let name = format!("refs/heads/{name}");
        timed(git(&repository).args(["update-ref", &name, "refs/heads/working"]))?;
    }
    timed(git(&repository).args(["symbolic-ref", "HEAD", "refs/heads/working"]))?;
    Ok(())
}

fn mebibytes(bytes: u64) -> f64 {
    // Of bytes there are never so many that one more or less matters.
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

fn expect_equal(what: &str, ours: &str, theirs: &str) -> Result<(), Failure> {
    if ours == theirs {
        return Ok(());
    }
    let (ours, theirs) = (ours.lines().count(), theirs.lines().count());
    Err(format!("of {what}, {ours} rows are listed, and {theirs} others were expected").into())
}

fn print(measured: &Measured) {
    for (label, usage) in [
        ("romt, the whole index", &measured.walk),
        ("Python, the whole index", &measured.python_walk),
        ("romt, pull and list", &measured.update),
        ("Python, pull and list", &measured.python_update),
        ("romt, pull", &measured.fetch),
        ("git fetch", &measured.git_fetch),
        ("romt, bundle by the library", &measured.bundle),
        ("git bundle create", &measured.git_bundle),
        ("romt, pack without crates", &measured.pack),
        ("romt, update without news", &measured.idle),
    ] {
        if !usage.time.is_empty() {
            println!("{}", usage.rows(label));
        }
    }
    let m = measured;
    for (label, sizes) in ["size of ours", "size of git's"]
        .iter()
        .zip(&m.bundle_sizes)
    {
        println!("{}", sizes.row(label, "MiB", 2));
    }
    compare(
        "Python / romt, the whole index",
        &m.python_walk,
        &m.walk,
        Target::AtLeast(10.0),
    );
    compare(
        "Python / romt, pull and list",
        &m.python_update,
        &m.update,
        Target::AtLeast(5.0),
    );
    compare(
        "romt / git, fetching",
        &m.fetch,
        &m.git_fetch,
        Target::AtMost(1.5),
    );
    compare(
        "romt / git, bundling",
        &m.bundle,
        &m.git_bundle,
        Target::AtMost(1.5),
    );
    compare("pack / git bundle", &m.pack, &m.git_bundle, Target::None);
    let memory = m.walk.own.range().1;
    show(
        "memory without mapped files, the whole index, MiB",
        memory,
        Target::AtMost(MEMORY),
    );
    let idle = m.idle.time.median();
    show("update without news, s", idle, Target::AtMost(0.5));
}

/// Prints how much more `dividend` needs than `divisor`, of time and of work.
fn compare(label: &str, dividend: &Usage, divisor: &Usage, target: Target) {
    let time = dividend.time.median() / divisor.time.median();
    let work = dividend.work.median() / divisor.work.median();
    show(label, time, target);
    show("  processor time", work, target);
}

fn show(label: &str, value: f64, target: Target) {
    if !value.is_nan() {
        println!("{}", ratio(label, value, target));
    }
}
