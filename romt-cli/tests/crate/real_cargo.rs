//! The real cargo builds from the git index of a mirror, and from its crates.

use std::{fs, net::TcpListener, path::Path, time::Instant};

use romt_store::conformance::scripted::Fault;
use tokio::runtime::Runtime;

use crate::{
    support::{
        cargo::{OfflineUser, Toolchain},
        http,
        process::{PATIENCE, Running, run},
        tripwire::Tripwire,
        upstream::stand_in,
    },
    world::{IMPORT, Mirror, Origin, Tool, carry, failed, served},
};
use romt_store::conformance::scripted::ScriptedServer;

with_each_tool!(
    cargo_builds_from_an_updated_mirror,
    cargo_builds_from_an_imported_mirror,
    cargo_builds_over_http_from_our_server,
);

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn cargo_builds_over_http_from_the_python_server() {
    for tool in Tool::BOTH {
        builds_over_http_from_the_python_server(tool);
    }
}

/// An upstream with crates that can be built.
fn buildable() -> Origin {
    let mut origin = Origin::empty();
    for (name, version) in [
        ("a", "1.0.0"),
        ("bb", "1.0.0"),
        ("bb", "1.1.0"),
        ("xyz", "0.1.0+build.7"),
        ("MyCrate", "0.3.0"),
    ] {
        let bytes = stand_in(name, version);
        origin.publish_as(name, version, &[], bytes);
    }
    origin.commit();
    origin
}

/// The crates of a mirror over HTTP, where `crate config` says they are.
struct Crates {
    server: ScriptedServer,
    // After the server: connections end with it.
    _runtime: Runtime,
}

impl Crates {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let nothing: [(String, String); 0] = [];
        Self {
            server: runtime.block_on(ScriptedServer::start(nothing)),
            _runtime: runtime,
        }
    }

    fn url(&self) -> String {
        self.server.url().to_string()
    }

    /// Serves what `mirror` has on disk.
    fn serve(&self, mirror: &Mirror) {
        for path in mirror.crate_files().into_keys() {
            let bytes = fs::read(mirror.crates().join(&path)).unwrap();
            let parts: Vec<_> = path.rsplitn(3, '/').collect();
            self.server
                .put(format!("crates/{}/{}", parts[1], parts[0]), bytes);
        }
    }
}

/// A program that needs `dependencies`, lines of a manifest.
pub(crate) fn write_program(dir: &Path, dependencies: &str, registry: &str) {
    let manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
         [dependencies]\n{dependencies}"
    );
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n\n\
         [source.mirror]\nregistry = \"{registry}\"\n"
    );
    for (path, text) in [
        ("Cargo.toml", manifest.as_str()),
        (".cargo/config.toml", &config),
        ("src/main.rs", "fn main() { println!(\"built\"); }\n"),
    ] {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Every cargo there is resolves, fetches and builds a program from `mirror`, and
/// the lock file has the lines `locked`.
#[track_caller]
fn build_from(mirror: &Mirror, dependencies: &str, locked: &[&str]) {
    let registry = format!("file://{}", mirror.index().display());
    build_from_registry(&registry, dependencies, locked);
}

/// As [`build_from`], with the address of whatever registry.
#[track_caller]
fn build_from_registry(registry: &str, dependencies: &str, locked: &[&str]) {
    let tripwire = Tripwire::new();
    for toolchain in Toolchain::installed() {
        let program = tempfile::tempdir().unwrap();
        write_program(program.path(), dependencies, registry);
        let user = OfflineUser::new(&toolchain, &tripwire);
        let built = run(&mut user.cargo(program.path(), &["build"])).expect(0);
        println!("{toolchain}: cargo build, {:?}", built.elapsed);
        let ran = run(&mut user.program("program")).expect(0);
        assert_eq!(ran.stdout, "built\n");
        let lock = fs::read_to_string(program.path().join("Cargo.lock")).unwrap();
        for line in locked {
            assert!(lock.contains(line), "no {line} in {lock}");
        }
    }
    assert_eq!(tripwire.touched(), 0, "somebody called the world");
}

const DEPENDENCIES: &str = "a = \"1\"\nbb = \"1\"\nxyz = \"0.1\"\nMyCrate = \"0.3\"\n";

const LOCKED: &[&str] = &[
    "name = \"a\"\nversion = \"1.0.0\"",
    "name = \"bb\"\nversion = \"1.1.0\"",
    "name = \"xyz\"\nversion = \"0.1.0+build.7\"",
    "name = \"MyCrate\"\nversion = \"0.3.0\"",
];

fn cargo_builds_from_an_updated_mirror(tool: Tool) {
    let origin = buildable();
    let mirror = Mirror::updated(tool, &origin);
    let crates = Crates::new();
    let config = ["config", "--server-url", &crates.url()];
    mirror.krate(&config).expect(0);
    crates.serve(&mirror);
    drop(origin);
    build_from(&mirror, DEPENDENCIES, LOCKED);
}

fn cargo_builds_from_an_imported_mirror(tool: Tool) {
    let mut origin = buildable();
    let exporter = Mirror::init(tool, &origin);
    exporter.from(&origin, &["export"]).expect(0);
    let importer = Mirror::init_import(tool);
    let crates = Crates::new();
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    let config = ["config", "--server-url", &crates.url()];
    importer.krate(&config).expect(0);
    origin.publish_as("bb", "1.2.0", &[], stand_in("bb", "1.2.0"));
    origin.yank("bb", "1.1.0");
    origin.squash();
    exporter.from(&origin, &["export"]).expect(0);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    crates.serve(&importer);
    drop(origin);
    build_from(
        &importer,
        "bb = \"1\"\n",
        &["name = \"bb\"\nversion = \"1.2.0\""],
    );
}

/// Nothing needs to be configured: the server says where it is.
fn cargo_builds_over_http_from_our_server(tool: Tool) {
    let mut origin = buildable();
    let mirror = Mirror::updated(tool, &origin);
    let serve = ["serve", "--mirror", ".", "--port", "0"];
    let mut server = Running::spawn(&mut mirror.seen_by(Tool::Ours).command(&serve));
    let url = server.serving();
    let registry = format!("sparse+{}/index/", url.trim_end_matches('/'));
    build_from_registry(&registry, DEPENDENCIES, LOCKED);
    // An update shows while the server runs.
    origin.publish_as("bb", "1.2.0", &[], stand_in("bb", "1.2.0"));
    origin.commit();
    mirror.from(&origin, &["update"]).expect(0);
    // It looks at most once a second.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let newer = ["name = \"bb\"\nversion = \"1.2.0\""];
    build_from_registry(&registry, "bb = \"1\"\n", &newer);
    server.stop();
}

/// A mirror keeps the layout and the branches that sites have their servers for.
fn builds_over_http_from_the_python_server(tool: Tool) {
    let origin = buildable();
    let mirror = Mirror::updated(tool, &origin);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let url = format!("http://{address}");
    mirror.krate(&["config", "--server-url", &url]).expect(0);
    drop((origin, free));

    let port = address.port().to_string();
    let serve = ["serve", "--bind", "127.0.0.1", "--port", &port];
    let _server = Running::spawn(&mut mirror.seen_by(Tool::Python).command(&serve));
    let started = Instant::now();
    while http::get(&url, "crates-index/config.json").is_none() {
        assert!(started.elapsed() < PATIENCE, "the server does not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let registry = format!("sparse+{url}/crates-index/");
    build_from_registry(&registry, DEPENDENCIES, LOCKED);
}

/// What could not be had, or was not looked at yet, is not there for cargo.
#[test]
fn cargo_does_not_see_what_is_held_back() {
    let mut origin = buildable();
    let mirror = Mirror::updated(Tool::Ours, &origin);
    let crates = Crates::new();
    let config = ["config", "--server-url", &crates.url()];
    mirror.krate(&config).expect(0);
    crates.serve(&mirror);
    let before = &["name = \"bb\"\nversion = \"1.1.0\""];
    let after = &["name = \"bb\"\nversion = \"1.2.0\""];

    origin.publish_as("bb", "1.2.0", &[], stand_in("bb", "1.2.0"));
    origin.commit();
    let lost = served("bb", "1.2.0");
    origin.server.fault_forever(&lost, Fault::status(403));
    mirror.krate(&["pull"]).expect(0);
    build_from(&mirror, "bb = \"1\"\n", before);
    failed(mirror.from(&origin, &["update"]));
    build_from(&mirror, "bb = \"1\"\n", before);
    mirror.from(&origin, &["--keep-going", "update"]).expect(0);
    build_from(&mirror, "bb = \"1\"\n", before);

    origin.server.heal();
    mirror.from(&origin, &["update"]).expect(0);
    crates.serve(&mirror);
    build_from(&mirror, "bb = \"1\"\n", after);
}
