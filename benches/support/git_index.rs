//! A made-up git index, the same one every time: many crates, then one-line commits.

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use romt_core::{CrateName, Sha256Digest};

use crate::{Failure, process::timed, registry::Random};

/// How many commits follow the first one, each adding a version to a crate.
pub const COMMITS: usize = 2000;

/// The newest state. Not a branch: nobody is to fetch it before `master` is there.
pub const TIP: &str = "refs/bench/tip";

/// The median number of versions of a crate; the mean is about twice that.
const VERSIONS: f64 = 5.0;

/// The most versions that a crate begins with.
const MOST_VERSIONS: f64 = 300.0;

/// When the first version was published, in seconds since 1970.
const EPOCH: u64 = 1_420_070_400;

/// Names that many crates depend on.
const POPULAR: [&str; 12] = [
    "serde",
    "serde_json",
    "log",
    "libc",
    "rand",
    "tokio",
    "clap",
    "regex",
    "anyhow",
    "thiserror",
    "futures",
    "lazy_static",
];

/// A bare repository with an index, in one pack as a server has it.
///
/// The ref [`TIP`] is the newest state, and the tag `base` the one that is
/// [`COMMITS`] older. The branch `master` is one of them.
#[derive(Debug)]
pub struct MadeIndex {
    path: PathBuf,
}

impl MadeIndex {
    /// The index of `crates` crates, made below `place` unless it is there.
    pub fn make(place: &Path, crates: usize) -> Result<Self, Failure> {
        let path = place.join(format!("index-{crates}.git"));
        if !path.is_dir() {
            let unfinished = path.with_extension("unfinished");
            let _ = fs::remove_dir_all(&unfinished);
            generate(&unfinished, crates)?;
            fs::rename(&unfinished, &path)?;
        }
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `revision` what its branch shows.
    pub fn show(&self, revision: &str) -> Result<(), Failure> {
        let mut git = git(&self.path);
        timed(git.args(["update-ref", "refs/heads/master", revision]))?;
        Ok(())
    }

    /// Makes it the index of a full mirror in the directory `mirror`, which shows
    /// `revision`.
    pub fn serve_in(&self, mirror: &Path, revision: &str) -> Result<(), Failure> {
        let path = mirror.join(SERVED);
        fs::create_dir_all(mirror.join("git"))?;
        fs::create_dir_all(mirror.join("crates"))?;
        let mut clone = git(mirror);
        clone.args(["clone", "--quiet", "--mirror"]);
        timed(clone.arg(&self.path).arg(&path))?;
        timed(git(&path).args(["update-ref", "refs/heads/master", revision]))?;
        Ok(())
    }

    /// Puts the files of the index at `revision` below `place`.
    pub fn check_out(&self, place: &Path, revision: &str) -> Result<(), Failure> {
        fs::create_dir_all(place)?;
        let index = place.with_extension("index");
        let mut read = git(&self.path);
        timed(
            read.env("GIT_INDEX_FILE", &index)
                .args(["read-tree", revision]),
        )?;
        let mut write = git(&self.path);
        write
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_WORK_TREE", place);
        timed(write.args(["checkout-index", "--all"]))?;
        fs::remove_file(index)?;
        Ok(())
    }

    /// The paths of the index files at `revision`.
    pub fn paths(&self, revision: &str) -> Result<Vec<String>, Failure> {
        let mut list = git(&self.path);
        let (_, text) = timed(list.args(["ls-tree", "-r", "--name-only", revision]))?;
        let files = text.lines().filter(|path| *path != "config.json");
        Ok(files.map(str::to_owned).collect())
    }

    /// The commit that `revision` names.
    pub fn commit(&self, revision: &str) -> Result<String, Failure> {
        let (_, text) = timed(git(&self.path).args(["rev-parse", revision]))?;
        Ok(text.trim().to_owned())
    }
}

/// The git program in `directory`, whatever is configured for other uses of it.
pub fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "bench")
            .env(format!("GIT_{role}_EMAIL"), "bench@localhost");
    }
    command
}

/// The index of the full mirror in the directory `mirror`: a repository in which
/// `files`, a directory with the files of an index, are what is shown.
pub fn of_files(mirror: &Path, files: &Path) -> Result<(), Failure> {
    let path = mirror.join(SERVED);
    fs::create_dir_all(&path)?;
    fs::create_dir_all(mirror.join("crates"))?;
    timed(git(&path).args(["init", "--quiet", "--initial-branch=master"]))?;
    let in_files = |args: &[&str]| timed(git(&path).env("GIT_WORK_TREE", files).args(args));
    in_files(&["add", "--all"])?;
    in_files(&["commit", "--quiet", "--message=Everything"])?;
    // A mirror of romt's own has no work tree.
    fs::remove_file(path.join(".git/index"))?;
    timed(git(&path).args(["repack", "-a", "-d", "-q"]))?;
    Ok(())
}

/// Where in a full mirror its index is.
pub const SERVED: &str = "git/crates.io-index";

fn generate(path: &Path, crates: usize) -> Result<(), Failure> {
    fs::create_dir_all(path)?;
    timed(git(path).args(["init", "--quiet", "--bare", "--initial-branch=master"]))?;
    let mut import = git(path)
        .args(["fast-import", "--quiet", "--done"])
        .stdin(Stdio::piped())
        .spawn()?;
    let pipe = import.stdin.take().ok_or("git has no input")?;
    let mut out = BufWriter::with_capacity(1 << 20, pipe);
    history(&mut out, crates)?;
    out.flush()?;
    drop(out);
    if !import.wait()?.success() {
        return Err("git fast-import failed".into());
    }
    // What the import leaves is hardly compressed, and no server's pack is so.
    timed(git(path).args(["repack", "-a", "-d", "-f", "-q", "--write-bitmap-index"]))?;
    timed(git(path).args(["update-ref", TIP, "refs/heads/master"]))?;
    Ok(())
}

/// Writes the whole history as `git fast-import` reads it.
fn history(out: &mut impl Write, crates: usize) -> Result<(), Failure> {
    let names = Random(0x726f_6d74).names(crates);
    commit(out, 0, "Initial commit")?;
    let config = "{\"dl\":\"http://127.0.0.1:9/crates\",\"api\":\"http://127.0.0.1:9\"}\n";
    file(out, "config.json", config)?;
    let mut made: Vec<usize> = Vec::with_capacity(crates);
    for number in 0..crates {
        let mut history = CrateHistory::new(&names, number);
        let versions = history.initial_versions();
        file(out, &index_path(&names[number])?, &history.lines(versions))?;
        made.push(versions);
    }
    writeln!(out, "reset refs/tags/base\nfrom refs/heads/master\n")?;
    let mut random = Random(0x696e_6465);
    for number in 1..=COMMITS {
        let chosen = usize::try_from(random.next() % crates as u64)?;
        made[chosen] += 1;
        commit(out, number, &format!("Update crate `{}`", names[chosen]))?;
        let mut history = CrateHistory::new(&names, chosen);
        history.initial_versions();
        let lines = history.lines(made[chosen]);
        file(out, &index_path(&names[chosen])?, &lines)?;
    }
    writeln!(out, "done")?;
    Ok(())
}

fn index_path(name: &str) -> Result<String, Failure> {
    Ok(name.parse::<CrateName>()?.index_path())
}

fn commit(out: &mut impl Write, number: usize, message: &str) -> Result<(), Failure> {
    let time = 1_780_000_000 + 60 * number;
    writeln!(out, "commit refs/heads/master")?;
    writeln!(out, "committer bench <bench@localhost> {time} +0000")?;
    writeln!(out, "data {}\n{message}", message.len())?;
    Ok(())
}

fn file(out: &mut impl Write, path: &str, text: &str) -> Result<(), Failure> {
    writeln!(out, "M 100644 inline {path}\ndata {}", text.len())?;
    out.write_all(text.as_bytes())?;
    writeln!(out)?;
    Ok(())
}

/// What happened to one crate, always the same for the same number.
struct CrateHistory<'a> {
    names: &'a [String],
    number: usize,
    random: Random,
}

impl<'a> CrateHistory<'a> {
    fn new(names: &'a [String], number: usize) -> Self {
        let seed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            names,
            number,
            random: Random(seed ^ 0x5eed),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 1 and some hundreds"
    )]
    fn initial_versions(&mut self) -> usize {
        let versions = VERSIONS * (1.2 * self.random.normal()).exp();
        versions.clamp(1.0, MOST_VERSIONS) as usize
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next() % limit
    }

    fn dependency(&mut self) -> (String, [u64; 2]) {
        let popular = self.below(2) == 0;
        let at = self.random.next();
        let name = if popular {
            POPULAR[usize::try_from(at).unwrap_or_default() % POPULAR.len()]
        } else {
            &self.names[usize::try_from(at).unwrap_or_default() % self.names.len()]
        };
        (name.to_owned(), [self.below(3), self.below(30)])
    }

    /// The lines of the first so many versions.
    fn lines(&mut self, versions: usize) -> String {
        let count = self.below(4);
        let mut dependencies: Vec<_> = (0..count).map(|_| self.dependency()).collect();
        let has_features = self.below(5) < 2;
        let mut version = [0, 1, 0];
        let mut time = EPOCH + self.below(300_000_000);
        let mut text = String::new();
        for _ in 0..versions {
            self.line(&mut text, version, &dependencies, has_features, time);
            match self.below(10) {
                0 => version = [version[0] + 1, 0, 0],
                1..4 => version = [version[0], version[1] + 1, 0],
                _ => version[2] += 1,
            }
            time += 60 + self.below(8_000_000);
            if self.below(3) == 0
                && let Some((_, requirement)) = dependencies.last_mut()
            {
                requirement[1] += 1;
            }
            if self.below(16) == 0 {
                dependencies.insert(0, self.dependency());
            }
            dependencies.truncate(5);
        }
        text
    }

    fn line(
        &mut self,
        text: &mut String,
        version: [u64; 3],
        dependencies: &[(String, [u64; 2])],
        has_features: bool,
        time: u64,
    ) {
        let name = &self.names[self.number];
        let [major, minor, patch] = version;
        let version = format!("{major}.{minor}.{patch}");
        let dependencies: Vec<String> = dependencies
            .iter()
            .map(|(name, [major, minor])| {
                format!(
                    "{{\"name\":\"{name}\",\"req\":\"^{major}.{minor}\",\"features\":[],\
                     \"optional\":false,\"default_features\":true,\"target\":null,\
                     \"kind\":\"normal\"}}"
                )
            })
            .collect();
        let features = if has_features {
            "\"default\":[\"std\"],\"std\":[],\"full\":[\"std\",\"derive\"]"
        } else {
            ""
        };
        let digest = Sha256Digest::of(format!("{name}-{version}"));
        let yanked = self.random.next().is_multiple_of(30);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[{}],\"cksum\":\"{digest}\",\
             \"features\":{{{features}}},\"yanked\":{yanked},\"pubtime\":\"{}\",\
             \"rust_version\":\"1.{}\"}}",
            dependencies.join(","),
            timestamp(time),
            56 + major % 30,
        );
    }
}

/// A time as index lines have it; all months are alike.
fn timestamp(time: u64) -> String {
    let (day, second) = (time / 86_400, time % 86_400);
    let (year, day) = (1970 + day / 366, day % 366);
    format!(
        "{year}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        1 + (day / 31).min(11),
        1 + day % 28,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
