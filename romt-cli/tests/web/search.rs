//! cargo asks for more than the index and crates.

use std::fs;

use romt_core::Sha256Digest;

use crate::{
    scene::Scene,
    support::{
        cargo::{OfflineUser, Toolchain},
        process::{romt, run},
    },
};

#[test]
fn j34_the_real_cargo_searches_and_informs_itself() {
    let scene = Scene::of_crates();
    let (server, url) = scene.serve();
    let project = scene.dir.path().join("project");
    fs::create_dir_all(project.join("src")).unwrap();
    fs::write(project.join("src/lib.rs"), "").unwrap();
    // More than curl sends without asking, however it is packed.
    let digests = (0_u32..100_000).map(|number| *Sha256Digest::of(number.to_le_bytes()).as_bytes());
    let large: Vec<u8> = digests.flatten().collect();
    fs::write(project.join("src/large.bin"), large).unwrap();
    let manifest = "[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    license = \"MIT\"\ndescription = \"x\"\n\n[workspace]\n";
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    let write = ["client-config", "--url", &url, "--write"];
    run(&mut romt(&project, &scene.tripwire, write)).expect(0);
    let index = format!("sparse+{url}/index/");
    // Below no workspace: `cargo info` would look at what that needs.
    let nowhere = tempfile::tempdir().unwrap();
    for toolchain in Toolchain::installed() {
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        // Whoever is set up for the mirror names it; others give its address.
        for (option, value, directory) in [
            ("--index", index.as_str(), nowhere.path()),
            ("--registry", "romt", project.as_path()),
        ] {
            let cargo = |args: &[&str]| run(&mut user.cargo(directory, args));
            let found = cargo(&["search", option, value, "Shapes"]).expect(0);
            assert_eq!(found.stdout, "shapes = \"1.10.0\"\n", "{toolchain}");
            let found = cargo(&["search", option, value, "x", "--limit", "2"]).expect(0);
            let lines: Vec<&str> = found.stdout.lines().collect();
            assert_eq!(
                lines[..2],
                ["x = \"1.0.0\"", "xy = \"1.0.0\""],
                "{toolchain}"
            );
            assert!(lines[2].contains("and 1 crates more"), "{}", found.stdout);
            let found = cargo(&["search", option, value, "my_crate"]).expect(0);
            assert_eq!(found.stdout, "", "{toolchain}");

            let told = cargo(&["info", option, value, "shapes"]).expect(0);
            assert!(told.stdout.contains("version: 1.10.0"), "{}", told.stdout);
        }
        let cargo = |args: &[&str]| run(&mut user.cargo(&project, args));
        // Without a word on where, cargo asks back, and names the mirror.
        let asked = cargo(&["search", "shapes"]).expect(101);
        assert!(asked.stderr.contains("--registry romt"), "{}", asked.stderr);

        let token = ["--registry", "romt", "--token", "secret"];
        for args in [
            &["yank", "shapes", "--version", "1.9.0"][..],
            &["owner", "--add", "me", "shapes"],
            &["publish", "--allow-dirty", "--no-verify"],
        ] {
            let refused = cargo(&[args, &token].concat());
            assert_eq!(
                refused.code(),
                Some(101),
                "{toolchain} {args:?}: {refused:?}"
            );
            let words = "this is a mirror, which can only be read";
            assert!(refused.stderr.contains(words), "{}", refused.stderr);
        }
    }
    drop(server.stop());
    assert_eq!(scene.tripwire.touched(), 0, "somebody asked the world");
}
