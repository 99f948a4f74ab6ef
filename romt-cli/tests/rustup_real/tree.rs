//! The tree that the other tests serve is what upstream would have.

use std::{fs, path::Path};

use romt_core::{Sha256Digest, defaults::DIST_SERVER};

use crate::{
    LATER_NIGHTLY, NEW, OLD,
    dist_support::{Channel, Components, DistTree},
    release,
};

fn read(root: &Path, path: &str) -> Vec<u8> {
    fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_manifest_names_files_that_are_there() {
    let components = match Components::stand_ins() {
        Ok(components) => components,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let scene = tempfile::tempdir().expect("a directory is made");
    let sign = |content: &[u8]| Sha256Digest::of(content).to_string().into_bytes();
    let tree = DistTree::new(scene.path()).signed(&sign);
    for release in [
        release(Channel::Stable, OLD),
        release(Channel::Stable, NEW),
        release(Channel::Nightly, LATER_NIGHTLY),
    ] {
        tree.add(&release, &components);
        tree.publish(&release);
    }
    for (name, date) in [
        ("stable", NEW.1),
        ("1.94", NEW.1),
        ("1.94.0", NEW.1),
        ("1.93.0", OLD.1),
        ("nightly", LATER_NIGHTLY.1),
    ] {
        let path = format!("dist/channel-rust-{name}.toml");
        let dated = format!("dist/{date}/channel-rust-stable.toml");
        let dated = dated.replace("stable", if name == "nightly" { name } else { "stable" });
        assert_eq!(read(scene.path(), &path), read(scene.path(), &dated));
        let files = files_of(scene.path(), &path);
        // Five that build, the library of another target, three that do not.
        assert_eq!(files, 9, "{name}");
    }
}

/// Checks all files of the manifest at `path`, and says how many there are.
fn files_of(root: &Path, path: &str) -> usize {
    beside(root, path);
    let text = String::from_utf8(read(root, path)).expect("it is text");
    let manifest: toml::Table = text.parse().expect("it is TOML");
    let packages = manifest["pkg"].as_table().expect("it has packages");
    let targets = packages
        .values()
        .filter_map(|package| package.get("target"));
    let targets = targets.flat_map(|targets| targets.as_table().expect("by name").values());
    let available = targets.filter(|target| target["available"].as_bool() == Some(true));
    let checked = available.map(|target| {
        let url = target["xz_url"].as_str().expect("it is a URL");
        let place = url.strip_prefix(DIST_SERVER).expect("rustup replaces it");
        let place = place.trim_start_matches('/');
        let digest = beside(root, place);
        assert_eq!(target["xz_hash"].as_str(), Some(&*digest), "{place}");
    });
    checked.count()
}

/// Checks what is beside the file at `path`, and returns its digest.
fn beside(root: &Path, path: &str) -> String {
    let digest = Sha256Digest::of(read(root, path)).to_string();
    let line = String::from_utf8(read(root, &format!("{path}.sha256"))).expect("it is text");
    assert_eq!(line[..64], digest, "{path}");
    assert_eq!(read(root, &format!("{path}.asc")), digest.as_bytes());
    digest
}
