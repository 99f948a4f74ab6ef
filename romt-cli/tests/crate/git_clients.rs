//! git, and cargo where it uses git, fetch the index of a mirror from our server.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tempfile::TempDir;

use crate::{
    real_cargo::write_program,
    support::{
        cargo::{OfflineUser, Toolchain},
        process::{Running, run},
        tripwire::Tripwire,
        upstream::stand_in,
    },
    world::{
        Mirror, Origin, Tool, files,
        git::{self, git},
    },
};

with_each_tool!(git_clones_and_fetches_what_is_shown);

/// A mirror that is served at an address that its index names.
struct Served {
    mirror: Mirror,
    url: String,
    _server: Running,
}

impl Served {
    fn new(tool: Tool, origin: &Origin) -> Self {
        let mirror = Mirror::updated(tool, origin);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        let url = format!("http://127.0.0.1:{port}");
        mirror.krate(&["config", "--server-url", &url]).expect(0);
        drop(free);
        let serve = ["serve", "--mirror", ".", "--port", &port];
        let mut server = Running::spawn(&mut mirror.seen_by(Tool::Ours).command(&serve));
        server.serving();
        Self {
            mirror,
            url,
            _server: server,
        }
    }

    fn registry(&self) -> String {
        format!("{}/git/crates.io-index", self.url)
    }
}

/// A user of git, who asks for one version of the protocol.
struct User {
    directory: TempDir,
    protocol: String,
}

impl User {
    fn new(protocol: u8) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            protocol: format!("protocol.version={protocol}"),
        }
    }

    fn clone(&self) -> PathBuf {
        self.directory.path().join("clone")
    }

    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        git::command(dir, &[&["-c", &self.protocol], args].concat())
    }

    #[track_caller]
    fn clone_from(&self, url: &str) {
        let args = ["clone", "-q", url, "clone"];
        run(&mut self.command(self.directory.path(), &args)).expect(0);
    }

    /// Fetches, and says how many objects came.
    #[track_caller]
    fn fetch(&self) -> usize {
        let before = self.objects();
        run(&mut self.command(&self.clone(), &["fetch", "-q"])).expect(0);
        self.objects() - before
    }

    fn objects(&self) -> usize {
        let every = ["cat-file", "--batch-all-objects", "--batch-check"];
        git(&self.clone(), &every).lines().count()
    }

    /// All is there, and is what `mirror` shows.
    #[track_caller]
    fn has_what_is_shown(&self, mirror: &Mirror) {
        git(&self.clone(), &["fsck", "--strict", "--full"]);
        let tip = git(&self.clone(), &["rev-parse", "origin/HEAD"]);
        assert_eq!(Some(tip), mirror.commit("refs/heads/master"));
        let branches = git(&self.clone(), &["branch", "-r", "--format=%(refname)"]);
        let expected = "refs/remotes/origin/HEAD\nrefs/remotes/origin/master";
        assert_eq!(branches, expected, "and nothing else");
    }
}

/// Statement 60, and more. The server writes nothing.
fn git_clones_and_fetches_what_is_shown(tool: Tool) {
    let mut origin = Origin::varied();
    let served = Served::new(tool, &origin);
    let mirror = &served.mirror;
    let before = files(mirror.path());
    let users = [0, 1, 2].map(User::new);
    for user in &users {
        user.clone_from(&served.registry());
        user.has_what_is_shown(mirror);
        assert_eq!(user.fetch(), 0);
    }
    assert_eq!(files(mirror.path()), before, "the server wrote something");

    // Yanked and yanked no more: the same file as before.
    for number in 0..3 {
        origin.yank("a", "1.0.0");
        origin.publish("bb", &format!("0.{}.0", number + 2));
        origin.commit();
        mirror.from(&origin, &["update"]).expect(0);
        for user in users.iter().skip(number) {
            let came = user.fetch();
            assert!((1..40).contains(&came), "{came} objects came");
            user.has_what_is_shown(mirror);
        }
    }
    // Upstream begins anew; clients have nothing of that history.
    origin.publish("ccc", "0.2.0");
    origin.squash();
    mirror.from(&origin, &["update"]).expect(0);
    for user in &users {
        let came = user.fetch();
        assert!((1..40).contains(&came), "{came} objects came");
        user.has_what_is_shown(mirror);
    }
    // What was fetched since the first pack is appended to it.
    for protocol in 0..3 {
        let late = User::new(protocol);
        late.clone_from(&served.registry());
        late.has_what_is_shown(mirror);
    }
}

/// What was pulled and not published yet is not to be had, whatever `HEAD` is.
#[test]
fn git_sees_nothing_of_what_is_not_published() {
    let mut origin = Origin::small();
    let served = Served::new(Tool::Ours, &origin);
    let shown = served.mirror.commit("refs/heads/master").unwrap();
    origin.publish("ccc", "0.2.0");
    origin.commit();
    served.mirror.krate(&["pull"]).expect(0);
    let working = served.mirror.commit("refs/heads/working").unwrap();
    assert_ne!(working, shown);
    let user = User::new(2);
    let url = served.registry();
    let here = user.directory.path();
    let listed = git(here, &["ls-remote", &url]);
    assert_eq!(listed, format!("{shown}\tHEAD\n{shown}\trefs/heads/master"));
    git(here, &["init", "-q", "clone"]);
    let fetch = run(&mut user.command(&user.clone(), &["fetch", &url, &working]));
    assert_ne!(fetch.code(), Some(0));
    assert!(fetch.stderr.contains("not our ref"), "{}", fetch.stderr);
}

/// Statement 60.
#[test]
fn hostile_h15_a_push_is_refused() {
    let served = Served::new(Tool::Ours, &Origin::small());
    let before = files(served.mirror.path());
    let user = User::new(0);
    user.clone_from(&served.registry());
    let clone = user.clone();
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "mine"]);
    let push = run(&mut user.command(&clone, &["push", "origin", "master"]));
    assert_ne!(push.code(), Some(0));
    assert!(push.stderr.contains("403"), "{}", push.stderr);
    assert_eq!(files(served.mirror.path()), before);
}

/// Says that it is over, however it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Nobody gets an error, or half of something, while states come and go.
#[test]
fn clients_do_not_notice_publications() {
    let mut origin = Origin::varied();
    let served = Served::new(Tool::Ours, &origin);
    let (mirror, url) = (&served.mirror, served.registry());
    let is_over = AtomicBool::new(false);
    let clones = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for protocol in [0, 2] {
            let (url, is_over, clones) = (&url, &is_over, &clones);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let user = User::new(protocol);
                    user.clone_from(url);
                    git(&user.clone(), &["fsck", "--strict", "--full"]);
                    user.fetch();
                    git(&user.clone(), &["fsck", "--strict", "--full"]);
                    clones.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = Over(&is_over);
        for round in 0..8 {
            origin.publish("bb", &format!("1.{round}.0"));
            origin.yank("serde", "1.10.0");
            if round == 4 {
                origin.squash();
            } else {
                origin.commit();
            }
            mirror.from(&origin, &["update"]).expect(0);
            if round == 5 {
                mirror.git(&["repack", "-a", "-d", "-q"]);
            }
        }
    });
    let clones = clones.into_inner();
    assert!(clones >= 4, "only {clones} clones were made meanwhile");
    let last = User::new(2);
    last.clone_from(&url);
    last.has_what_is_shown(mirror);
}

/// How a cargo fetches an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetching {
    /// By libgit2, over its own HTTP.
    Plain,
    /// By libgit2, over curl's: so it does where a proxy or any setting of `[http]`
    /// is there.
    Curl,
    /// By the program git.
    Program,
    /// By gitoxide.
    Gitoxide,
}

impl Fetching {
    fn cargo(self, user: &OfflineUser<'_>, dir: &Path, args: &[&str]) -> Command {
        let unstable: &[&str] = match self {
            Self::Gitoxide => &["-Zgitoxide=fetch"],
            _ => &[],
        };
        let mut command = user.cargo(dir, &[unstable, args].concat());
        git::isolate(&mut command);
        if self == Self::Plain {
            for name in ["http_proxy", "https_proxy", "all_proxy"] {
                command.env_remove(name).env_remove(name.to_uppercase());
            }
        }
        if self == Self::Program {
            command.env("CARGO_NET_GIT_FETCH_WITH_CLI", "true");
        }
        command
    }
}

/// Each cargo, by each way it has to fetch, with the first state, and with the next
/// ones.
#[test]
fn cargo_builds_from_the_index_over_git() {
    let mut origin = Origin::empty();
    origin.publish_as("bb", "1.0.0", &[], stand_in("bb", "1.0.0"));
    origin.publish_as("MyCrate", "0.3.0", &["bb"], stand_in("MyCrate", "0.3.0"));
    origin.commit();
    let served = Served::new(Tool::Ours, &origin);
    let tripwire = Tripwire::new();
    let toolchains = Toolchain::installed();
    let mut users = Vec::new();
    for toolchain in &toolchains {
        let mut ways = vec![Fetching::Plain, Fetching::Curl, Fetching::Program];
        if toolchain.to_string().starts_with("nightly") {
            ways.push(Fetching::Gitoxide);
        }
        for way in ways {
            let program = tempfile::tempdir().unwrap();
            let needs = "bb = \"1\"\nMyCrate = \"0.3\"\n";
            write_program(program.path(), needs, &served.registry());
            users.push((way, OfflineUser::new(toolchain, &tripwire), program));
        }
    }
    let expect = |version: &str, command: &str| {
        for (way, user, program) in &users {
            let ran = run(&mut way.cargo(user, program.path(), &[command])).expect(0);
            println!("{way:?}: cargo {command}, {:?}", ran.elapsed);
            let lock = fs::read_to_string(program.path().join("Cargo.lock")).unwrap();
            let line = format!("name = \"bb\"\nversion = \"{version}\"");
            assert!(lock.contains(&line), "{way:?}: {lock}");
        }
    };
    expect("1.0.0", "build");
    for version in ["1.1.0", "1.2.0"] {
        origin.publish_as("bb", version, &[], stand_in("bb", version));
        origin.commit();
        served.mirror.from(&origin, &["update"]).expect(0);
        expect(version, "update");
    }
    origin.publish_as("bb", "1.3.0", &[], stand_in("bb", "1.3.0"));
    origin.squash();
    served.mirror.from(&origin, &["update"]).expect(0);
    expect("1.3.0", "update");
    for (way, user, program) in &users {
        run(&mut way.cargo(user, program.path(), &["build"])).expect(0);
        let ran = run(&mut user.program("program")).expect(0);
        assert_eq!(ran.stdout, "built\n");
    }
    assert_eq!(tripwire.touched(), 0, "somebody called the world");
}
