//! The crates that cargo has downloaded to build this very workspace, and a copy
//! of the workspace that is to be built from a mirror of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use romt_core::{Location, Sha256Digest, Source as _, crates::LockedCrate};
use romt_core::{Lockfile, ports::OpenOptions, ports::Opened};
use romt_store::CargoHomeSource;

use super::upstream::{Upstream, index_path, stand_in};

/// What this workspace is built from.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) crates: Vec<DownloadedCrate>,
    /// The lines of the index, by crate.
    index: BTreeMap<String, String>,
    /// The lock file that goes with both.
    pub(crate) lockfile: String,
}

#[derive(Debug)]
pub(crate) struct DownloadedCrate {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) checksum: String,
    tarball: Vec<u8>,
    /// Whether cargo downloaded it; cargo does not download what only other
    /// machines need.
    pub(crate) is_real: bool,
}

/// The root of this workspace.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("this package is in a workspace")
}

/// The cargo home that builds this workspace.
pub(crate) fn cargo_home() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .expect("there is a home directory")
}

impl Downloaded {
    /// Takes the crates of this workspace's lock file out of the cargo home, and
    /// makes stand-ins for those that are not in it.
    pub(crate) fn collect() -> Self {
        let mut lockfile = fs::read_to_string(root().join("Cargo.lock")).expect("it is read");
        let locked = Lockfile::parse(&lockfile, None)
            .expect("cargo wrote it")
            .crates;
        let sources = sources(&cargo_home());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts");
        let mut index = BTreeMap::new();
        let mut crates = Vec::new();
        for LockedCrate {
            name,
            version,
            checksum,
        } in locked
        {
            let checksum = checksum.expect("version 4 has checksums").to_string();
            let (name, version) = (name.to_string(), version.to_string());
            let lines = index.entry(name.clone()).or_insert_with(|| {
                let needle = format!("\"{checksum}\"");
                let lines = runtime.block_on(find(&sources, &index_path(&name), |text| {
                    String::from_utf8_lossy(text).contains(&needle)
                }));
                let lines = lines.unwrap_or_else(|| {
                    let home = cargo_home();
                    panic!(
                        "no index cache under {} knows {name} {version} of this workspace's \
                         Cargo.lock; `cargo fetch --locked` in {} mends that",
                        home.join("registry/index").display(),
                        root().display()
                    )
                });
                String::from_utf8(lines).expect("the index is UTF-8")
            });
            let path = format!("crates/{name}/{name}-{version}.crate");
            let real = runtime.block_on(find(&sources, &path, |bytes| {
                Sha256Digest::of(bytes).to_string() == checksum
            }));
            let is_real = real.is_some();
            let tarball = real.unwrap_or_else(|| stand_in(&name, &version));
            let digest = Sha256Digest::of(&tarball).to_string();
            *lines = lines.replace(&checksum, &digest);
            lockfile = lockfile.replace(&checksum, &digest);
            crates.push(DownloadedCrate {
                name,
                version,
                checksum: digest,
                tarball,
                is_real,
            });
        }
        let real = crates.iter().filter(|c| c.is_real).count();
        println!("{real} real crates, {} stand-ins", crates.len() - real);
        assert!(real >= 100, "only {real} real crates make a poor upstream");
        Self {
            crates,
            index,
            lockfile,
        }
    }

    /// How many crates there are, whatever their versions.
    pub(crate) fn names(&self) -> u64 {
        self.index.len() as u64
    }

    /// An upstream that has these crates.
    pub(crate) fn serve(&self, template: &'static str) -> Upstream {
        let upstream = Upstream::start(template);
        for (name, lines) in &self.index {
            upstream.put_index(name, lines.clone());
        }
        for krate in &self.crates {
            upstream.put_crate(&krate.name, &krate.version, krate.tarball.clone());
        }
        upstream
    }

    /// How many tarballs were requested of `upstream`.
    pub(crate) fn downloads(&self, upstream: &Upstream) -> u64 {
        let paths = self
            .crates
            .iter()
            .map(|c| upstream.crate_path(&c.name, &c.version));
        paths.map(|path| upstream.server.hits(&path)).sum()
    }

    /// A copy of this workspace in `dir`, with the lock file that goes with the
    /// crates.
    pub(crate) fn copy_workspace(&self, dir: &Path) {
        let root = root();
        fs::create_dir_all(dir).expect("it is made");
        fs::copy(root.join("Cargo.toml"), dir.join("Cargo.toml")).expect("it is copied");
        fs::write(dir.join("Cargo.lock"), &self.lockfile).expect("it is written");
        for entry in fs::read_dir(root).expect("it is read") {
            let member = entry.expect("it is read").path();
            if member.join("Cargo.toml").is_file() {
                copy(&member, &dir.join(member.file_name().expect("it has one")));
            }
        }
    }
}

/// Every registry in the cargo home, the likeliest first.
fn sources(home: &Path) -> Vec<CargoHomeSource> {
    let usual = CargoHomeSource::open(home)
        .unwrap_or_else(|error| panic!("{error}; these tests mirror what it has downloaded"));
    let mut sources = vec![usual.clone()];
    if let Ok(entries) = fs::read_dir(home.join("registry/index")) {
        for entry in entries.flatten() {
            let registry = entry.file_name().to_string_lossy().into_owned();
            sources.extend(usual.clone().with_registry(&registry));
        }
    }
    sources
}

/// The first file at `path` that is `right`.
async fn find(
    sources: &[CargoHomeSource],
    path: &str,
    right: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let at: Location = path.parse().expect("it is a path");
    for source in sources {
        let Ok(Opened::Body(fetched)) = source.open(&at, OpenOptions::default()).await else {
            continue;
        };
        let bytes = romt_core::ports::collect_bounded(fetched.body, u64::MAX).await;
        match bytes {
            Ok(bytes) if right(&bytes) => return Some(bytes.to_vec()),
            _ => {}
        }
    }
    None
}

/// Copies a directory without what is built or hidden in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it is made");
    for entry in fs::read_dir(from).expect("it is read") {
        let entry = entry.expect("it is read");
        let name = entry.file_name();
        let is_left_out = name == "target" || name.to_string_lossy().starts_with('.');
        if entry.path().is_dir() {
            if !is_left_out {
                copy(&entry.path(), &to.join(name));
            }
        } else {
            fs::copy(entry.path(), to.join(name)).expect("it is copied");
        }
    }
}
