//! How long reading, packing and unpacking a release takes, against `sha256sum` and
//! `tar`.
//!
//! Run with `cargo bench -p romt-benches --bench toolchain [-- --size 5 --dir DIR]`;
//! see `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use romt_benches::{
    Failure,
    figures::{Target, ratio},
    process::{argument, flush_file_system, is_installed},
    released,
    toolchain::{SPEC, Toolchain},
    usage::Usage,
};

/// How much there is to read, in MB, unless it is said.
const SIZE: u64 = 5000;

/// What to do for how many rounds, unless it is said.
const ROUNDS: usize = 3;

/// How much smaller the components are that show whether memory depends on them.
const SMALLER: u64 = 5;

/// How much more memory the large ones may need: none, and some for chance.
const FLAT: f64 = 1.2;

/// What makes durable what tar has made.
const FLUSH: &str = " && sync -f .";

/// What each of the programs needed.
#[derive(Default)]
struct Measured {
    sha256sum: Usage,
    openssl: Usage,
    verify: Usage,
    tar_c: Usage,
    tar_c_flushed: Usage,
    pack: Usage,
    tar_x: Usage,
    tar_x_flushed: Usage,
    unpack: Usage,
}

fn main() -> Result<(), Failure> {
    for needed in ["xargs", "sha256sum", "tar"] {
        if !is_installed(needed) {
            println!("{needed} is not installed: nothing can be measured");
            return Ok(());
        }
    }
    let rounds = argument("--rounds").map_or(Ok(ROUNDS), |text| text.parse())?;
    let megabytes = match argument("--size") {
        Some(text) => whole_megabytes(&text)?,
        None => SIZE,
    };
    let place = argument("--dir").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").to_owned());
    let romt = released::romt(argument("--romt"))?;
    let work = tempfile::tempdir_in(place)?;
    let make = |name: &str, part| {
        let dist = work.path().join(name).join("dist");
        Toolchain::generate(&dist, megabytes * 1_000_000 / part, part)
    };
    let (large, small) = (make("large", 1)?, make("small", SMALLER)?);
    println!(
        "\n{} components, {:.2} GB, {rounds} rounds; then as many of {:.2} GB",
        large.files().len(),
        gigabytes(&large),
        gigabytes(&small)
    );
    let mut measured = Measured::default();
    let bench = Bench::new(work.path(), &romt, &large)?;
    for _ in 0..rounds {
        bench.round(&mut measured)?;
    }
    let mut little = Measured::default();
    Bench::new(work.path(), &romt, &small)?.romt_alone(&mut little)?;
    print(&measured, &little, gigabytes(&large));
    Ok(())
}

struct Bench<'a> {
    work: &'a Path,
    romt: &'a Path,
    toolchain: &'a Toolchain,
    /// Names all components.
    list: PathBuf,
    cores: usize,
}

impl<'a> Bench<'a> {
    fn new(work: &'a Path, romt: &'a Path, toolchain: &'a Toolchain) -> Result<Self, Failure> {
        let list = work.join("list");
        let mut names = String::new();
        for file in toolchain.files() {
            names.push_str(file.to_str().ok_or("the directory's name is not UTF-8")?);
            names.push('\0');
        }
        fs::write(&list, names)?;
        Ok(Self {
            work,
            romt,
            toolchain,
            list,
            cores: std::thread::available_parallelism()?.get(),
        })
    }

    /// Measures everything once. What is compared is measured in turn, so that
    /// whatever else the machine does befalls all alike.
    fn round(&self, measured: &mut Measured) -> Result<(), Failure> {
        self.run(&mut measured.sha256sum, &mut self.each(&["sha256sum"]))?;
        if is_installed("openssl") {
            let hash = &["openssl", "dgst", "-sha256"];
            self.run(&mut measured.openssl, &mut self.each(hash))?;
        }
        self.verify(measured)?;
        // What one has written is gone before the next begins: whoever came last would
        // be the one to whom the system gives memory that it has to clear out first.
        self.run(&mut measured.tar_c, &mut self.tar_c(""))?;
        self.remove("tar.tar")?;
        self.run(&mut measured.tar_c_flushed, &mut self.tar_c(FLUSH))?;
        self.remove("tar.tar")?;
        self.pack(measured)?;
        self.run(&mut measured.tar_x, &mut self.tar_x(""))?;
        self.remove("tar")?;
        self.run(&mut measured.tar_x_flushed, &mut self.tar_x(FLUSH))?;
        self.remove("tar")?;
        self.unpack(measured)?;
        self.remove("romt.tar")?;
        self.remove("mirror")
    }

    /// What romt does in a round, and nothing else.
    fn romt_alone(&self, measured: &mut Measured) -> Result<(), Failure> {
        self.verify(measured)?;
        self.pack(measured)?;
        self.unpack(measured)?;
        self.remove("romt.tar")?;
        self.remove("mirror")
    }

    fn verify(&self, measured: &mut Measured) -> Result<(), Failure> {
        let mut command = self.romt(self.toolchain.dist());
        self.run(&mut measured.verify, command.args(["-s", SPEC, "verify"]))?;
        let all = format!("packages: {},", self.toolchain.files().len());
        let said = fs::read_to_string(self.work.join("output"))?;
        if !said.contains(&all) {
            return Err(format!("romt did not look at all components: {said}").into());
        }
        Ok(())
    }

    fn pack(&self, measured: &mut Measured) -> Result<(), Failure> {
        let mut command = self.romt(self.toolchain.dist());
        self.run(&mut measured.pack, command.args(["-s", SPEC, "pack"]))?;
        let packed = fs::metadata(self.work.join("romt.tar"))?.len();
        if packed < self.toolchain.bytes() {
            return Err("romt did not pack all components".into());
        }
        Ok(())
    }

    fn unpack(&self, measured: &mut Measured) -> Result<(), Failure> {
        let dist = self.work.join("mirror/dist");
        self.run(&mut measured.unpack, self.romt(&dist).arg("unpack"))?;
        let last = self.toolchain.files().last().ok_or("nothing was made")?;
        let there = dist.join(last.strip_prefix(self.toolchain.dist())?);
        if fs::metadata(there)?.len() != fs::metadata(last)?.len() {
            return Err("romt did not unpack all components".into());
        }
        Ok(())
    }

    /// `command`, for one component at a time, with a process on each core.
    fn each(&self, command: &[&str]) -> Command {
        let mut each = Command::new("xargs");
        each.args(["-0", "-n", "1", "-P", &self.cores.to_string(), "-a"])
            .arg(&self.list)
            .args(command);
        each
    }

    /// The archive that tar makes of the same, then `after`.
    fn tar_c(&self, after: &str) -> Command {
        let source = self.toolchain.dist().parent().unwrap_or(Path::new("/"));
        let mut tar = self.shell(&format!("tar cf tar.tar -C \"$0\" dist{after}"));
        tar.arg(source);
        tar
    }

    /// What tar makes of the archive that romt packed, then `after`.
    fn tar_x(&self, after: &str) -> Command {
        self.shell(&format!("mkdir tar && tar xf romt.tar -C tar{after}"))
    }

    fn shell(&self, text: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(text).current_dir(self.work);
        shell
    }

    fn romt(&self, dist: &Path) -> Command {
        let mut romt = Command::new(self.romt);
        romt.args(["toolchain", "--no-signature", "--archive"])
            .arg(self.work.join("romt.tar"))
            .arg("--dest")
            .arg(dist);
        romt
    }

    /// Runs one of them, on a disk that has nothing to do.
    fn run(&self, usage: &mut Usage, command: &mut Command) -> Result<(), Failure> {
        flush_file_system(self.work)?;
        usage.run(command, &self.work.join("output"))
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.work.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn print(measured: &Measured, little: &Measured, gigabytes: f64) {
    let rows = [
        ("sha256sum, one process per core", &measured.sha256sum),
        ("openssl dgst, one process per core", &measured.openssl),
        ("romt toolchain verify", &measured.verify),
        ("tar cf", &measured.tar_c),
        ("tar cf, then sync -f", &measured.tar_c_flushed),
        ("romt toolchain pack", &measured.pack),
        ("tar xf", &measured.tar_x),
        ("tar xf, then sync -f", &measured.tar_x_flushed),
        ("romt toolchain unpack", &measured.unpack),
    ];
    for (label, usage) in rows {
        if usage.time.is_empty() {
            println!("  {label}: not installed");
            continue;
        }
        println!("{}", usage.rows(label));
        let speed = gigabytes * 1000.0 / usage.time.median();
        println!("  {:<44} {speed:>9.0} MB/s", "  speed");
    }
    // Speeds are compared, so the time of romt is below.
    let compare = |label: &str, other: &Usage, romt: &Usage, least: Target| {
        if other.time.is_empty() {
            return;
        }
        let time = other.time.median() / romt.time.median();
        println!("{}", ratio(label, time, least));
        let work = other.work.median() / romt.work.median();
        println!("{}", ratio("  processor time", work, Target::None));
    };
    let (least, verify) = (Target::AtLeast(0.9), &measured.verify);
    compare("verify / sha256sum", &measured.sha256sum, verify, least);
    compare("verify / openssl", &measured.openssl, verify, Target::None);
    let (least, pack, unpack) = (Target::AtLeast(0.8), &measured.pack, &measured.unpack);
    compare("pack / tar cf", &measured.tar_c, pack, least);
    let flushed = &measured.tar_c_flushed;
    compare("pack / (tar cf, then sync -f)", flushed, pack, least);
    compare("unpack / tar xf", &measured.tar_x, unpack, least);
    let flushed = &measured.tar_x_flushed;
    compare("unpack / (tar xf, then sync -f)", flushed, unpack, least);
    let memory = |label: &str, large: &Usage, small: &Usage| {
        let (large, small) = (large.memory.range().1, small.memory.range().1);
        let label = format!("peak memory, {label}: {large:.1} MiB / {small:.1} MiB");
        println!("{}", ratio(&label, large / small, Target::AtMost(FLAT)));
    };
    memory("verify", verify, &little.verify);
    memory("pack", pack, &little.pack);
    memory("unpack", unpack, &little.unpack);
}

fn gigabytes(toolchain: &Toolchain) -> f64 {
    megabytes(toolchain.bytes()) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "it is only shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// So many GB, in MB.
fn whole_megabytes(text: &str) -> Result<u64, Failure> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = format!("{whole}{part:0<3}");
    if part.len() > 3 {
        return Err(format!("--size {text}: at most three digits behind the point").into());
    }
    Ok(thousandths.parse()?)
}
