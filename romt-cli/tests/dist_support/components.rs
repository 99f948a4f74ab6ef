//! The components of a toolchain, packed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use romt_core::Sha256Digest;

use super::pack::{self, Content, Entry};

/// A target that has only a standard library, and that one is a stand-in.
pub(crate) const SECOND_TARGET: &str = "wasm32-unknown-unknown";

/// The archives of a toolchain.
#[derive(Debug)]
pub(crate) struct Components {
    /// The target of the compiler.
    pub(crate) host: String,
    pub(crate) all: Vec<Component>,
}

/// The archive of a component.
#[derive(Debug)]
pub(crate) struct Component {
    /// As manifests call it: `clippy-preview`.
    pub(crate) package: &'static str,
    /// `*` for all.
    pub(crate) target: String,
    pub(crate) archive: PathBuf,
    pub(crate) digest: Sha256Digest,
}

/// What a toolchain must have to compile anything, and can hardly be faked.
const REAL: [&str; 5] = [
    "rustc",
    "cargo",
    "rust-std",
    "clippy-preview",
    "rustfmt-preview",
];

/// Of these nobody looks inside. `rust` is the archive of everything together,
/// which rustup never asks for.
const EXTRA: [&str; 3] = ["rust", "rust-docs", "rust-src"];

impl Components {
    /// The components of the toolchain that runs this test, or why there are none.
    ///
    /// The first call packs several hundred megabytes, which takes some seconds.
    pub(crate) fn installed() -> Result<Self, String> {
        let _packing = packing();
        let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
        let (host, identity) = host()?;
        let cache = cache(&identity);
        let mut jobs = Vec::new();
        for package in REAL {
            let listed = sysroot.join(format!("lib/rustlib/manifest-{package}-{host}"));
            let listed = fs::read_to_string(&listed)
                .map_err(|_| format!("{package} was not installed by rustup here"))?;
            jobs.push((package, installed_files(&sysroot, &listed)?));
        }
        // The largest on one thread, the others on another.
        let (first, others) = jobs.split_at(1);
        let pack = |jobs: &[(&'static str, Vec<Entry>)]| -> Vec<Component> {
            let packed = jobs
                .iter()
                .map(|(package, entries)| Component::packed(&cache, package, &host, entries));
            packed.collect()
        };
        let mut all = thread::scope(|scope| {
            let others = scope.spawn(|| pack(others));
            let mut all = pack(first);
            all.extend(others.join().expect("it packs"));
            all
        });
        all.extend(extras(&cache, &host));
        Ok(Self { host, all })
    }

    /// The same components without anything in them, but programs that say who they
    /// are: for tests of how they get there.
    pub(crate) fn stand_ins() -> Result<Self, String> {
        let _packing = packing();
        let (host, _) = host()?;
        let cache = cache("stand-ins");
        let one = |package: &'static str| {
            let entries = match package {
                "rustc" | "cargo" => vec![program(package)],
                _ => vec![note(package)],
            };
            Component::packed(&cache, package, &host, &entries)
        };
        let mut all: Vec<_> = REAL.into_iter().map(one).collect();
        all.extend(extras(&cache, &host));
        Ok(Self { host, all })
    }
}

/// Held while packing: the tests of a program run side by side, and what one has
/// packed the next finds.
fn packing() -> MutexGuard<'static, ()> {
    static PACKING: Mutex<()> = Mutex::new(());
    PACKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is a stand-in in every toolchain.
fn extras(cache: &Path, host: &str) -> Vec<Component> {
    let mut all: Vec<_> = EXTRA
        .into_iter()
        .map(|package| {
            let target = if package == "rust-src" { "*" } else { host };
            Component::packed(cache, package, target, &[note(package)])
        })
        .collect();
    let library = Entry {
        path: format!("lib/rustlib/{SECOND_TARGET}/lib/libcore.rlib"),
        content: Content::Text("not much of a library\n".into()),
        is_executable: false,
    };
    all.push(Component::packed(
        cache,
        "rust-std",
        SECOND_TARGET,
        &[library],
    ));
    all
}

fn note(package: &str) -> Entry {
    Entry {
        path: format!("share/stand-in/{package}"),
        content: Content::Text(format!("{package} would be here\n")),
        is_executable: false,
    }
}

fn program(name: &str) -> Entry {
    Entry {
        path: format!("bin/{name}"),
        content: Content::Text(format!("#!/bin/sh\necho '{name} 0.0.0 (stand-in)'\n")),
        is_executable: true,
    }
}

impl Component {
    /// The component, packed if it is not among those in `cache`.
    fn packed(cache: &Path, package: &'static str, target: &str, entries: &[Entry]) -> Self {
        let name = match target {
            "*" => package.to_owned(),
            target => format!("{package}-{target}"),
        };
        // Inside, upstream says the target of what there are several of.
        let inside = match package {
            "rust-std" => &*name,
            package => package,
        };
        let archive = cache.join(format!("{name}.tar.xz"));
        if !archive.is_file() {
            pack::pack(&archive, &name, inside, entries);
        }
        Self {
            package,
            target: target.to_owned(),
            digest: pack::digest_of(&archive),
            archive,
        }
    }
}

/// Where what belongs to the compiler with this `identity` is kept.
fn cache(identity: &str) -> PathBuf {
    let digest = Sha256Digest::of(identity).to_string();
    // The number is another one whenever something else is packed.
    let name = format!("dist-components-1-{}", &digest[..16]);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&cache).expect("the target directory can be written to");
    cache
}

/// The compiler's target, and all that it says of itself.
fn host() -> Result<(String, String), String> {
    let said = rustc(&["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    match host {
        Some(host) => Ok((host.to_owned(), said)),
        None => Err("rustc does not say its host".to_owned()),
    }
}

fn rustc(args: &[&str]) -> Result<String, String> {
    let output = Command::new("rustc")
        .args(args)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        _ => Err("there is no rustc".to_owned()),
    }
}

/// The files of an installed component, as the installer lists them.
fn installed_files(sysroot: &Path, listed: &str) -> Result<Vec<Entry>, String> {
    let entries = listed.lines().map(|line| {
        let path = line
            .strip_prefix("file:")
            .ok_or_else(|| format!("the installer has more than files: {line}"))?;
        let file = sysroot.join(path);
        let is_executable = pack::is_executable(&file)
            .map_err(|error| format!("{} is not there: {error}", file.display()))?;
        Ok(Entry {
            path: path.to_owned(),
            content: Content::File(file),
            is_executable,
        })
    });
    entries.collect()
}
