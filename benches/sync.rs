//! How long a sync takes, against curl fetching the same files.
//!
//! Run with `cargo bench -p romt-benches --bench sync [-- --crates 2000,20000]`;
//! see `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};

use romt_benches::{
    Failure, curl,
    figures::{Samples, Target, ratio},
    mirror::{self, Synced},
    nginx::Nginx,
    process::{argument, flush_file_system, is_installed, processor_time},
    registry::Registry,
};

/// How many crates, unless it is said.
const CRATES: &str = "2000";

/// What to do for how many rounds, unless it is said.
const ROUNDS: usize = 5;

/// The most memory that a sync of any size should need, in MiB.
const MEMORY: f64 = 120.0;

/// What was measured with one registry.
#[derive(Default)]
struct Measured {
    curl: Samples,
    curl_flushed: Samples,
    cold: Samples,
    cold_memory: Samples,
    planning: Samples,
    fetching: Samples,
    publishing: Samples,
    rerun: Samples,
    rerun_memory: Samples,
    careless: Samples,
    careless_rerun: Samples,
    curl_work: Samples,
    cold_work: Samples,
    rerun_work: Samples,
}

fn main() -> Result<(), Failure> {
    if mirror::run_if_child()? {
        return Ok(());
    }
    if !is_installed("nginx") {
        println!("nginx is not installed: nothing can be measured");
        return Ok(());
    }
    let full = std::env::args().any(|given| given == "--full");
    let sizes = argument("--crates").unwrap_or_else(|| {
        let sizes = if full { "2000,20000" } else { CRATES };
        sizes.to_owned()
    });
    let rounds = match argument("--rounds") {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    for size in sizes.split(',') {
        let size: usize = size.trim().parse()?;
        // Many crates take long, and average more by themselves.
        let rounds = if size > 5000 { rounds.min(2) } else { rounds };
        measure(size, rounds)?;
    }
    Ok(())
}

fn measure(crates: usize, rounds: usize) -> Result<(), Failure> {
    let place = argument("--dir").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").to_owned());
    let work = tempfile::tempdir_in(place)?;
    let root = work.path().join("registry");
    let registry = Registry::generate(&root, crates)?;
    let nginx = Nginx::serve(&root, false)?;
    registry.serve_at(nginx.address())?;
    let lockfile = work.path().join("Cargo.lock");
    fs::write(&lockfile, registry.lockfile())?;
    println!(
        "\n{crates} crates, {:.1} MiB in {} files, {rounds} rounds",
        mebibytes(registry.bytes()),
        2 * crates + 1
    );
    let bench = Bench {
        work: work.path(),
        lockfile,
        address: nginx.address(),
        registry: &registry,
        copies: Cell::new(0),
    };
    let mut measured = Measured::default();
    for _ in 0..rounds {
        bench.round(&mut measured)?;
    }
    print(&measured);
    Ok(())
}

struct Bench<'a> {
    work: &'a Path,
    lockfile: PathBuf,
    address: &'a str,
    registry: &'a Registry,
    copies: Cell<u32>,
}

impl Bench<'_> {
    /// Measures everything once. What is compared is measured in turn, so that
    /// whatever else the machine does befalls all alike.
    fn round(&self, measured: &mut Measured) -> Result<(), Failure> {
        if is_installed("curl") {
            let directory = self.fresh()?;
            let paths = self.registry.paths()?;
            let fetch = || curl::fetch(self.address, &paths, &directory);
            let fetched = working(&mut measured.curl_work, fetch)?;
            let flushed = flush_file_system(&directory)?;
            measured.curl.push_time(fetched);
            measured.curl_flushed.push_time(fetched + flushed);
        }
        let mirror = self.fresh()?;
        let cold = || self.sync(&mirror, true, true);
        let synced = working(&mut measured.cold_work, cold)?;
        let [planned, fetched, published] = synced.until;
        measured.cold.push_time(synced.took);
        measured.cold_memory.push(memory(&synced));
        measured.planning.push_time(planned);
        measured.fetching.push_time(fetched.saturating_sub(planned));
        measured
            .publishing
            .push_time(published.saturating_sub(fetched));
        let rerun = || self.sync(&mirror, true, false);
        let synced = working(&mut measured.rerun_work, rerun)?;
        measured.rerun.push_time(synced.took);
        measured.rerun_memory.push(memory(&synced));
        let mirror = self.fresh()?;
        let cold = self.sync(&mirror, false, true)?;
        measured.careless.push_time(cold.took);
        let rerun = self.sync(&mirror, false, false)?;
        measured.careless_rerun.push_time(rerun.took);
        Ok(())
    }

    /// A directory that does not exist yet, and a disk that has nothing to do.
    ///
    /// Earlier copies stay until all is over: where many files have been deleted
    /// within the last minutes, file systems take longer to create new ones.
    fn fresh(&self) -> Result<PathBuf, Failure> {
        self.copies.set(self.copies.get() + 1);
        flush_file_system(self.work)?;
        Ok(self.work.join(format!("copy-{}", self.copies.get())))
    }

    /// A sync that is to find nothing, or everything, there.
    fn sync(&self, mirror: &Path, durable: bool, cold: bool) -> Result<Synced, Failure> {
        let synced = mirror::sync(mirror, &self.lockfile, self.address, durable)?;
        let all = self.registry.names().len() as u64;
        let expected = if cold { (all, 0) } else { (0, all) };
        if (synced.fetched, synced.present) != expected {
            return Err(format!("the sync did something else than it should: {synced:?}").into());
        }
        Ok(synced)
    }
}

fn memory(synced: &Synced) -> f64 {
    synced.peak.unwrap_or(f64::NAN)
}

/// Does `work`, and notes the processor time of the programs that it runs.
fn working<T>(
    samples: &mut Samples,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let before = processor_time();
    let done = work()?;
    if let (Some(before), Some(after)) = (before, processor_time()) {
        samples.push(after - before);
    }
    Ok(done)
}

fn print(measured: &Measured) {
    let seconds = |label, samples: &Samples| println!("{}", samples.row(label, "s", 3));
    let memory = |label, samples: &Samples| println!("{}", samples.row(label, "MiB", 1));
    if measured.curl.is_empty() {
        println!("  curl is not installed: no ceiling");
    } else {
        seconds("curl", &measured.curl);
        seconds("curl, then sync -f", &measured.curl_flushed);
    }
    seconds("romt, cold", &measured.cold);
    seconds("  planning", &measured.planning);
    seconds("  fetching", &measured.fetching);
    seconds("  publishing", &measured.publishing);
    seconds("romt, cold, SyncPolicy::Never", &measured.careless);
    seconds("romt, rerun", &measured.rerun);
    seconds("romt, rerun, SyncPolicy::Never", &measured.careless_rerun);
    seconds("processor time, curl", &measured.curl_work);
    seconds("processor time, romt, cold", &measured.cold_work);
    seconds("processor time, romt, rerun", &measured.rerun_work);
    memory("peak memory, cold", &measured.cold_memory);
    memory("peak memory, rerun", &measured.rerun_memory);
    let cold = measured.cold.median();
    let show = |label, value, target| println!("{}", ratio(label, value, target));
    if !measured.curl.is_empty() {
        let curl = measured.curl.median();
        show("cold / curl", cold / curl, Target::AtMost(1.3));
        let flushed = measured.curl_flushed.median();
        show("cold / (curl, then sync -f)", cold / flushed, Target::None);
        let careless = measured.careless.median();
        show(
            "cold with SyncPolicy::Never / curl",
            careless / curl,
            Target::None,
        );
    }
    show(
        "rerun / cold",
        measured.rerun.median() / cold,
        Target::AtMost(0.1),
    );
    show(
        "peak memory, MiB",
        measured.cold_memory.range().1,
        Target::AtMost(MEMORY),
    );
}

#[expect(clippy::cast_precision_loss, reason = "it is only shown")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
