//! Clients that were set up for romt for Python or for panamax.

use std::{fs, path::Path};

use romt_store::conformance::scripted::ScriptedServer;

use crate::{
    scene::{Scene, lines_of},
    support::{
        cargo::{OfflineUser, Toolchain},
        http,
        process::run,
        upstream::index_path,
    },
};

/// What both tools and their users put into `dl`, below the address of the server.
const DOWNLOADS: [&str; 8] = [
    "/crates",
    "/crates/{crate}/{version}/download",
    "/api/v1/crates",
    "/crates/{crate}/{crate}-{version}.crate",
    "/crates/{prefix}/{crate}/{crate}-{version}.crate",
    "/crates/{lowerprefix}/{crate}/{crate}-{version}.crate",
    "/crates/{prefix}/{crate}/{version}/{crate}-{version}.crate",
    "/crates/{lowerprefix}/{crate}/{version}/{crate}-{version}.crate",
];

const NEEDED: [&str; 5] = ["x", "xy", "xyz", "MyCrate", "shapes"];

/// A project that needs all crates, from the index at `index`.
fn project(directory: &Path, index: &str) {
    fs::create_dir_all(directory.join("src")).unwrap();
    fs::create_dir_all(directory.join(".cargo")).unwrap();
    fs::write(directory.join("src/lib.rs"), "").unwrap();
    let needed: String = NEEDED.map(|name| format!("{name} = \"1\"\n")).concat();
    let manifest = format!(
        "[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
         [dependencies]\n{needed}\n[workspace]\n"
    );
    fs::write(directory.join("Cargo.toml"), manifest).unwrap();
    let config = format!(
        "[source.crates-io]\nreplace-with = \"old\"\n\n[source.old]\nregistry = \"{index}\"\n"
    );
    fs::write(directory.join(".cargo/config.toml"), config).unwrap();
}

#[test]
fn statement_58_the_real_cargo_lives_off_the_old_index_address() {
    let scene = Scene::of_crates();
    let (server, url) = scene.serve();
    let directory = scene.dir.path().join("project");
    project(&directory, &format!("sparse+{url}/crates-index/"));
    for toolchain in Toolchain::installed() {
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        run(&mut user.cargo(&directory, &["fetch"])).expect(0);
        let again = run(&mut user.cargo(&directory, &["update"])).expect(0);
        assert!(!again.stderr.contains("warning"), "{}", again.stderr);
        fs::remove_file(directory.join("Cargo.lock")).unwrap();
    }
    drop(server.stop());
    assert_eq!(scene.tripwire.touched(), 0, "somebody asked the world");
}

#[test]
fn j07_statement_59_the_real_cargo_downloads_by_every_old_address() {
    let scene = Scene::of_crates();
    let (server, url) = scene.serve();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nothing: [(String, String); 0] = [];
    // An index of an older day, which says where its server had the crates.
    let index = runtime.block_on(ScriptedServer::start(nothing));
    for name in NEEDED {
        index.put(index_path(name), lines_of(name));
    }
    let toolchain = Toolchain::installed().remove(0);
    for (number, download) in DOWNLOADS.iter().enumerate() {
        index.put("config.json", format!("{{\"dl\":\"{url}{download}\"}}"));
        let directory = scene.dir.path().join(format!("project-{number}"));
        project(&directory, &format!("sparse+{}", index.url()));
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        let fetched = run(&mut user.cargo(&directory, &["fetch"]));
        assert_eq!(fetched.code(), Some(0), "{download}: {}", fetched.stderr);
    }
    assert!(http::get(&url, "crates/x/2.0.0/download").is_some_and(|it| it.0 == 404));
    drop(server.stop());
    assert_eq!(scene.tripwire.touched(), 0, "somebody asked the world");
}
