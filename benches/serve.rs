//! How many requests romt answers, against nginx serving the same files.
//!
//! Run with `cargo bench -p romt-benches --bench serve`; see `README.md`.

#![expect(clippy::print_stdout, reason = "this prints figures")]

use std::{fs, path::Path};

use romt_benches::{
    Failure,
    figures::{Samples, Target, ratio},
    mirror::{self, Server},
    nginx::Nginx,
    process::{argument, is_installed},
    registry::{Registry, VERSION},
    wrk::Script,
};
use romt_core::{CrateName, MirrorLayout, Version};

const CRATES: &str = "2000";
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
    for program in ["nginx", "wrk"] {
        if !is_installed(program) {
            println!("{program} is not installed: nothing can be measured");
            return Ok(());
        }
    }
    let crates: usize = argument("--crates").as_deref().unwrap_or(CRATES).parse()?;
    let rounds = match argument("--rounds") {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let directory = work.path().join("mirror");
    let registry = make_mirror(work.path(), &directory, crates)?;
    let romt = Server::start(&directory)?;
    let nginx = Nginx::serve(&directory, false)?;
    let cached = Nginx::serve(&directory, true)?;
    let (index, files) = paths(&registry)?;
    for (what, paths) in [("index", index), ("crate", files)] {
        println!("\nGET of {crates} {what} files, {rounds} rounds of {SECONDS} s");
        let script = Script::write(&work.path().join(format!("{what}.lua")), &paths)?;
        let contenders = [
            ("nginx", nginx.address()),
            ("nginx, open_file_cache", cached.address()),
            ("romt", romt.address()),
        ];
        compare(&script, contenders, rounds)?;
    }
    Ok(())
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

/// Loads them in turn, so that whatever else the machine does befalls all alike.
fn compare(
    script: &Script,
    contenders: [(&'static str, &str); 3],
    rounds: usize,
) -> Result<(), Failure> {
    let mut contenders = contenders.map(|(label, address)| Contender {
        label,
        address,
        rate: Samples::default(),
    });
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
    let [nginx, cached, romt] = contenders.map(|contender| contender.rate.median());
    println!(
        "{}",
        ratio("romt / nginx", romt / nginx, Target::AtLeast(0.7))
    );
    let label = "romt / nginx, open_file_cache";
    println!("{}", ratio(label, romt / cached, Target::None));
    Ok(())
}
