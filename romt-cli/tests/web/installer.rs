//! The script that installs rustup from a mirror.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use romt_core::Sha256Digest;

use crate::{
    dist_support::DistTree,
    scene::{RUSTUP, STAND_IN, Scene},
    support::{
        http,
        process::{Finished, Running, run},
    },
};

/// Machines by what `uname` says of them, and what they are called.
const MACHINES: [(&str, &str, &str); 9] = [
    ("Linux", "aarch64", "aarch64-unknown-linux-gnu"),
    ("Linux", "i686", "i686-unknown-linux-gnu"),
    ("Linux", "armv6l", "arm-unknown-linux-gnueabihf"),
    ("Linux", "riscv64", "riscv64gc-unknown-linux-gnu"),
    ("Darwin", "arm64", "aarch64-apple-darwin"),
    ("Darwin", "x86_64", "x86_64-apple-darwin"),
    ("FreeBSD", "amd64", "x86_64-unknown-freebsd"),
    ("MINGW64_NT-10.0", "x86_64", "x86_64-pc-windows-msvc"),
    ("SunOS", "i86pc", "x86_64-unknown-illumos"),
];

struct Place {
    scene: Scene,
    script: PathBuf,
    url: String,
    _server: Running,
}

impl Place {
    /// A mirror with a stand-in for this machine, and the script that it serves.
    fn new() -> Self {
        let scene = Scene::of_crates();
        let tree = DistTree::new(&scene.mirror());
        tree.publish_rustup(RUSTUP, &this_machine(), STAND_IN.as_bytes());
        for (_, _, target) in MACHINES {
            publish(&scene, target);
        }
        let (server, url) = scene.serve();
        let script = scene.dir.path().join("rustup-init.sh");
        let (status, text) = http::get(&url, "rustup-init.sh").unwrap();
        assert_eq!(status, 200);
        fs::write(&script, text).unwrap();
        Self {
            scene,
            script,
            url,
            _server: server,
        }
    }

    /// A directory with these programs of this machine, and no others but what every
    /// script needs.
    fn path_with(&self, name: &str, programs: &[&str]) -> PathBuf {
        let directory = self.scene.dir.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        let usual = [
            "sh", "uname", "mktemp", "rm", "chmod", "cut", "head", "grep", "ldd", "getconf", "cat",
        ];
        for program in usual.iter().chain(programs) {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|directory| directory.join(program))
                .find(|path| path.is_file());
            if let Some(found) = found {
                let _ = std::os::unix::fs::symlink(found, directory.join(program));
            }
        }
        directory
    }

    /// Runs the script by `shell` with these arguments, and what is set besides.
    fn run(&self, shell: &str, args: &[&str], set: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(shell);
        command.arg(&self.script).args(args);
        for name in ["RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT", "RUSTUP_VERSION"] {
            command.env_remove(name);
        }
        self.scene.tripwire.guard(&mut command);
        command.envs(set.iter().copied());
        run(&mut command)
    }

    fn expect_installed(&self, done: Finished, args: &[&str]) {
        let done = done.expect(0);
        let url = &self.url;
        let mut expected = format!("{url} {url}/rustup\n");
        expected.extend(args.iter().map(|argument| format!("<{argument}>\n")));
        assert_eq!(done.stdout, expected, "{}", done.stderr);
    }
}

/// What the rustc of this machine runs on.
fn this_machine() -> String {
    let told = run(Command::new("rustc").arg("-vV")).expect(0).stdout;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("it says so").to_owned()
}

fn publish(scene: &Scene, target: &str) {
    let name = if target.contains("windows") {
        "rustup-init.exe"
    } else {
        "rustup-init"
    };
    let path = scene.mirror().join(format!("rustup/dist/{target}/{name}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, STAND_IN).unwrap();
}

/// A `uname` that says this.
fn pretend(directory: &Path, system: &str, machine: &str) {
    let uname = directory.join("uname");
    let text = format!(
        "#!/bin/sh\ncase \"$1\" in -s) echo '{system}' ;; -m) echo {machine} ;; *) echo x ;; esac\n"
    );
    let _ = fs::remove_file(&uname);
    fs::write(&uname, text).unwrap();
    fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_script_installs_rustup_from_its_mirror() {
    let place = Place::new();
    let args = ["-y", "--profile", "minimal", "a b$(id)"];
    for shell in ["sh", "dash", "bash"] {
        if !Path::new("/bin").join(shell).exists() {
            println!("skipped: {shell}, which is not here");
            continue;
        }
        place.expect_installed(place.run(shell, &args, &[]), &args);
    }
    // What it hands on is what rustup-init says.
    let failed = place.run("sh", &["-y"], &[("STAND_IN_STATUS", "7")]);
    assert_eq!(failed.code(), Some(7), "{}", failed.stderr);
    // A version of its own choice, and what is set already stays.
    let chosen = place.run("sh", &["-y"], &[("RUSTUP_VERSION", RUSTUP)]);
    place.expect_installed(chosen, &["-y"]);
    let absent = place
        .run("sh", &["-y"], &[("RUSTUP_VERSION", "0.0.1")])
        .expect(1);
    assert!(
        absent.stderr.contains("/rustup/archive/0.0.1/"),
        "{}",
        absent.stderr
    );
    let set = [("RUSTUP_DIST_SERVER", "http://127.0.0.1:9/other")];
    let done = place.run("sh", &["-y"], &set).expect(0);
    assert!(
        done.stdout.starts_with("http://127.0.0.1:9/other "),
        "{}",
        done.stdout
    );
    // Nobody can answer its questions here.
    let mute = place.run("sh", &[], &[]).expect(1);
    assert!(mute.stderr.contains("no terminal"), "{}", mute.stderr);
    assert_eq!(
        place.scene.tripwire.touched(),
        0,
        "somebody asked the world"
    );
}

#[test]
fn j38_the_script_installs_the_real_rustup_and_that_a_toolchain() {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("rustup"));
    let Some(rustup) = found.find(|path| path.is_file()) else {
        println!("skipped: there is no rustup");
        return;
    };
    let Some(scene) = Scene::of_everything() else {
        return;
    };
    // It is the same program by another name.
    let program = fs::read(rustup).unwrap();
    DistTree::new(&scene.mirror()).publish_rustup(RUSTUP, &this_machine(), &program);
    let (server, url) = scene.serve();
    let home = tempfile::tempdir().unwrap();
    let typed =
        format!("curl -sSf {url}/rustup-init.sh | sh -s -- -y --no-modify-path --profile minimal");
    let mut shell = Command::new("sh");
    shell.args(["-c", &typed]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        // What the cargo and the rustup that run this test left for it.
        if ["CARGO", "RUST", "LD_LIBRARY_PATH"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            shell.env_remove(&*name);
        }
    }
    scene.tripwire.guard(&mut shell);
    shell
        .env("HOME", home.path())
        .env("CARGO_HOME", home.path().join("cargo"))
        .env("RUSTUP_HOME", home.path().join("rustup"))
        .env("RUSTUP_INIT_SKIP_PATH_CHECK", "yes");
    let done = run(&mut shell).expect(0);
    assert!(
        home.path().join("cargo/bin/rustup").is_file(),
        "{}",
        done.stderr
    );
    let toolchain = format!("rustup/toolchains/stable-{}/bin/rustc", this_machine());
    assert!(home.path().join(toolchain).is_file(), "{}", done.stderr);
    drop(server.stop());
    assert_eq!(scene.tripwire.touched(), 0, "somebody asked the world");
}

#[test]
fn the_script_makes_do_with_what_a_machine_has() {
    let place = Place::new();
    for (number, programs) in [
        &["curl", "sha256sum"][..],
        &["wget", "shasum", "perl"],
        &["curl", "openssl"],
        &["curl"],
    ]
    .iter()
    .enumerate()
    {
        let path = place.path_with(&format!("bin-{number}"), programs);
        if !path.join(programs[0]).exists() {
            println!("skipped: {}, which is not here", programs[0]);
            continue;
        }
        let path = path.to_str().unwrap();
        let done = place.run("/bin/sh", &["-y"], &[("PATH", path)]);
        let is_checked = programs.len() > 1;
        let warned = done.stderr.contains("not checked");
        assert_eq!(warned, !is_checked, "{programs:?}: {}", done.stderr);
        place.expect_installed(done, &["-y"]);
    }
    let nothing = place.path_with("bin-none", &[]);
    let set = [("PATH", nothing.to_str().unwrap())];
    let done = place.run("/bin/sh", &["-y"], &set).expect(1);
    assert!(
        done.stderr.contains("curl or wget is needed"),
        "{}",
        done.stderr
    );
}

#[test]
fn the_script_knows_machines() {
    let place = Place::new();
    let path = place.path_with("bin", &["curl", "sha256sum"]);
    let _ = fs::remove_file(path.join("getconf"));
    for (system, machine, target) in MACHINES {
        pretend(&path, system, machine);
        let set = [("PATH", path.to_str().unwrap())];
        let done = place.run("/bin/sh", &["-y"], &set);
        let expected = format!("fetching rustup-init for {target}");
        // This machine tells of its own C library.
        let expected = match system {
            "Linux" if done.stderr.contains("-musl") => expected.replace("-gnu", "-musl"),
            _ => expected,
        };
        assert!(done.stderr.contains(&expected), "{}", done.stderr);
    }
    for (system, machine) in [("Plan9", "x86_64"), ("Linux", "pdp11")] {
        pretend(&path, system, machine);
        let set = [("PATH", path.to_str().unwrap())];
        let done = place.run("/bin/sh", &["-y"], &set).expect(1);
        assert!(
            done.stderr.contains("no target is known"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn the_script_runs_nothing_that_is_damaged_or_not_there() {
    let place = Place::new();
    let at = format!("rustup/dist/{}/rustup-init", this_machine());
    let digest = place.scene.mirror().join(format!("{at}.sha256"));
    let wrong = format!("{}  rustup-init\n", Sha256Digest::of("something else"));
    fs::write(&digest, wrong).unwrap();
    let done = place.run("sh", &["-y"], &[]).expect(1);
    assert!(done.stderr.contains("is damaged"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    fs::remove_file(&digest).unwrap();
    let done = place.run("sh", &["-y"], &[]);
    assert!(done.stderr.contains("has no digest"), "{}", done.stderr);
    place.expect_installed(done, &["-y"]);
    fs::remove_file(place.scene.mirror().join(&at)).unwrap();
    let done = place.run("sh", &["-y"], &[]).expect(1);
    assert!(
        done.stderr
            .contains(&format!("could not fetch {}/{at}", place.url)),
        "{}",
        done.stderr
    );
    assert_eq!(done.stdout, "");
    // Nothing is left behind in the directory for temporary files.
    let temporary = place.scene.dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let set = [("TMPDIR", temporary.to_str().unwrap())];
    place.run("sh", &["-y"], &set).expect(1);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn half_a_script_runs_nothing() {
    let place = Place::new();
    let whole = fs::read_to_string(&place.script).unwrap();
    for part in 1..20 {
        let end = whole.len() * part / 20;
        fs::write(&place.script, &whole[..end]).unwrap();
        let done = place.run("sh", &["-y"], &[]);
        assert_eq!(done.stdout, "", "{end} of {} bytes", whole.len());
    }
}
