//! A mirror, what is around it, and what is asked of it after every attack.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use romt_core::Sha256Digest;

use crate::{
    fault_support::{
        process::{self, Ended},
        tree::{self, Seal},
    },
    release::{self, Release},
};

/// What any hostile input may take.
const MEMORY: u64 = 256 << 20;
const TIME: Duration = Duration::from_secs(20);

/// A directory with an upstream, mirrors, archives, and things that are none of
/// theirs.
#[derive(Debug)]
pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let this = Self { directory };
        for name in ["up/dist", "up/rustup", "beside", "m/beside"] {
            fs::create_dir_all(this.path(name)).unwrap();
        }
        for name in ["secret", "beside/secret", "m/beside/secret"] {
            fs::write(this.path(name), "leave it alone\n").unwrap();
        }
        this
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The usual mirror.
    pub(crate) fn mirror(&self) -> Mirror<'_> {
        self.mirror_at("m")
    }

    pub(crate) fn mirror_at(&self, name: &'static str) -> Mirror<'_> {
        fs::create_dir_all(self.path(name)).unwrap();
        Mirror { world: self, name }
    }

    /// Lets the upstream that is a directory have a release.
    pub(crate) fn publish(&self, release: &Release) {
        self.put(&release.files(true));
    }

    /// Lets the upstream that is a directory have these files below `dist`.
    pub(crate) fn put(&self, files: &BTreeMap<String, Vec<u8>>) {
        release::write(&self.path("up/dist"), files);
    }

    /// The address of the upstream that is a directory.
    pub(crate) fn upstream(&self) -> String {
        self.path("up/dist").to_str().unwrap().to_owned()
    }

    /// What is around the mirrors.
    fn around(&self) -> Vec<BTreeMap<PathBuf, Seal>> {
        let secret = [self.path("secret")];
        let seal = secret.map(|path| {
            let seal = Seal {
                inode: 0,
                changed: (0, 0),
                digest: Sha256Digest::of(fs::read(&path).unwrap()).to_string(),
            };
            BTreeMap::from([(path, seal)])
        });
        let directories = ["beside", "m/beside", "up"];
        let directories = directories.map(|name| tree::seals(&self.path(name)));
        seal.into_iter().chain(directories).collect()
    }
}

/// A mirror in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mirror<'a> {
    pub(crate) world: &'a World,
    name: &'static str,
}

impl Mirror<'_> {
    pub(crate) fn path(&self) -> PathBuf {
        self.world.path(self.name)
    }

    pub(crate) fn dist(&self) -> PathBuf {
        self.path().join("dist")
    }

    /// `romt toolchain` without signatures, from the upstream that is a directory.
    pub(crate) fn toolchain(&self, args: &[&str]) -> Command {
        let mut command = self.signed(args);
        command.arg("--no-signature");
        command
    }

    /// `romt toolchain`, with signatures.
    pub(crate) fn signed(&self, args: &[&str]) -> Command {
        let mut command = process::romt(&self.path());
        command.arg("toolchain").args(args);
        if !args.contains(&"--url") {
            command.args(["--url", &self.world.upstream()]);
        }
        command
    }

    pub(crate) fn rustup(&self, args: &[&str]) -> Command {
        let mut command = process::romt(&self.path());
        command.arg("rustup").args(args);
        if !args.contains(&"--url") {
            command.arg("--url").arg(self.world.path("up/rustup"));
        }
        command
    }

    /// Downloads a release of the upstream, as it should go.
    #[track_caller]
    pub(crate) fn download(&self, spec: &str) {
        run(self.toolchain(&["-s", spec, "-t", "all", "download"])).assert(0, &[]);
    }

    /// What anybody gets of the mirror.
    pub(crate) fn served(&self) -> BTreeMap<PathBuf, String> {
        let mut served = tree::contents(&self.path());
        served.retain(|name, _| !name.starts_with("beside"));
        served
    }

    /// The command is refused with `code`, says all of `needles`, changes nothing that
    /// anybody gets and nothing around, leaves nothing unfinished, takes no more
    /// memory and time than it may, and fails again when it is run again.
    #[track_caller]
    pub(crate) fn refuses(&self, command: impl Fn() -> Command, code: i32, needles: &[&str]) {
        let (served, around) = (self.served(), self.world.around());
        for _ in 0..2 {
            let ended = run(command());
            ended.assert(code, needles);
            assert!(ended.peak < MEMORY, "it took {} bytes", ended.peak);
            assert!(ended.elapsed < TIME, "it took {:?}", ended.elapsed);
            assert_eq!(
                self.served(),
                served,
                "what is served; it said:\n{}",
                ended.text()
            );
            assert_eq!(self.world.around(), around, "what is around");
            self.assert_tidy();
        }
    }

    /// Nothing unfinished lies about.
    #[track_caller]
    pub(crate) fn assert_tidy(&self) {
        for (name, path) in tree::files(&self.path()) {
            let name = name.to_str().unwrap();
            let unfinished = ["tmp/", "aside/", "journal"]
                .iter()
                .any(|it| name.contains(it));
            assert!(
                !(name.starts_with(".romt") && unfinished),
                "{name} was left"
            );
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
            assert_eq!(mode & 0o7022, 0, "{name} has the mode {mode:o}");
        }
    }

    /// Every manifest here has a digest file that fits, and all of the components that
    /// `has` says of it are here and right.
    pub(crate) fn check(&self, releases: &[&Release]) -> Result<(), String> {
        for (name, path) in tree::files(&self.dist()) {
            let name = name.to_str().unwrap();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let digest = match fs::read_to_string(with(&path, ".sha256")) {
                Ok(digest) => digest,
                // For rustup, there is no such day.
                Err(_) if name.contains('/') => continue,
                Err(_) => return Err(format!("{name} has no digest file")),
            };
            if !digest.starts_with(&Sha256Digest::of(&bytes).to_string()) {
                return Err(format!("the digest file of {name} does not fit"));
            }
            let of = releases.iter().find(|it| it.manifest().as_bytes() == bytes);
            let of = of.ok_or_else(|| format!("{name} is nobody's"))?;
            self.check_components(name, of)?;
        }
        Ok(())
    }

    /// Every manifest here has a digest file that fits.
    pub(crate) fn check_digests(&self) -> Result<(), String> {
        for (name, path) in tree::files(&self.dist()) {
            if path.extension().is_some_and(|end| end == "toml") {
                let digest = Sha256Digest::of(fs::read(&path).unwrap()).to_string();
                let beside = fs::read_to_string(with(&path, ".sha256")).unwrap_or_default();
                let has_no_day = !name.to_str().unwrap().contains('/');
                if !beside.starts_with(&digest) && (has_no_day || !beside.is_empty()) {
                    return Err(format!(
                        "the digest file of {} does not fit",
                        name.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// All components of a release are here and right.
    pub(crate) fn check_components(&self, name: &str, of: &Release) -> Result<(), String> {
        for (path, bytes) in of.components() {
            match fs::read(self.dist().join(&path)) {
                Ok(here) if here == bytes => {}
                Ok(_) => return Err(format!("{path} of {name} is not right")),
                Err(_) => return Err(format!("{path} of {name} is not here")),
            }
        }
        Ok(())
    }
}

/// A mirror as it was.
#[derive(Debug)]
pub(crate) struct Kept {
    at: tempfile::TempDir,
    of: PathBuf,
}

impl Mirror<'_> {
    /// Remembers what is here.
    pub(crate) fn keep(&self) -> Kept {
        let (at, of) = (tempfile::tempdir().unwrap(), self.path());
        tree::copy(&of, at.path());
        Kept { at, of }
    }
}

impl Kept {
    /// Makes the mirror what it was.
    pub(crate) fn restore(&self) {
        for entry in fs::read_dir(&self.of).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        tree::copy(self.at.path(), &self.of);
    }
}

/// What lies beside a file.
pub(crate) fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Runs to the end, and has stdout and stderr.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Ended {
    // Like the Python tool, it says most on stdout.
    let mut said = tempfile::tempfile().unwrap();
    command.stdout(said.try_clone().unwrap());
    let mut ended = process::finish(command);
    let mut text = Vec::new();
    said.rewind().unwrap();
    said.read_to_end(&mut text).unwrap();
    ended.stderr.splice(0..0, text);
    assert!(!ended.text().contains("panicked"), "{}", ended.text());
    ended
}
