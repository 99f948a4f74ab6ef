//! Tests of archives with a sidecar.

use std::io::Read as _;

use super::*;
use crate::conformance::signing::{SigningHash, TestKey};

const BYTES: &[u8] = b"the bytes of an archive";

struct World {
    _directory: tempfile::TempDir,
    archive: PathBuf,
    key: TestKey,
}

impl World {
    /// An archive with its sidecar.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = Self {
            archive: directory.path().join("crates.tar.gz"),
            _directory: directory,
            key: TestKey::generate("Operator <operator@example.com>"),
        };
        world.pack(BYTES);
        world
    }

    fn pack(&self, bytes: &[u8]) {
        let mut archive = SealedArchive::create(&self.archive, "crates").unwrap();
        archive.write_all(bytes).unwrap();
        Box::new(archive).commit().unwrap();
    }

    fn sidecar(&self) -> PathBuf {
        beside(&self.archive, ".romt.json")
    }

    fn signatures(&self) -> PathBuf {
        beside(&self.archive, ".romt.json.asc")
    }

    fn sign(&self, key: &TestKey) {
        let sidecar = fs::read(self.sidecar()).unwrap();
        let signature = key.sign_detached_armored(&sidecar, SigningHash::Sha256);
        fs::write(self.signatures(), signature).unwrap();
    }

    fn operators(&self) -> Operators {
        Operators::new([self.key.public_armored()], 1).unwrap()
    }

    fn open(&self, operators: Option<&Operators>) -> Result<String, SealError> {
        let (mut archive, seal) = open_archive(&self.archive, "crates", operators, &|| true)?;
        let mut text = String::new();
        archive.read_to_string(&mut text).unwrap();
        let signed = seal.map_or(0, |seal| seal.signed.len());
        Ok(format!("{text}, {signed} signatures"))
    }

    fn refused(&self, operators: Option<&Operators>) -> String {
        let error = self.open(operators).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Integrity, "{error}");
        error.to_string()
    }
}

#[test]
fn what_was_packed_is_opened_again() {
    let world = World::new();
    let text = "the bytes of an archive";
    assert_eq!(world.open(None).unwrap(), format!("{text}, 0 signatures"));
    world.sign(&world.key);
    let operators = world.operators();
    let opened = world.open(Some(&operators)).unwrap();
    assert_eq!(opened, format!("{text}, 1 signatures"));
    fs::remove_file(world.sidecar()).unwrap();
    assert_eq!(world.open(None).unwrap(), format!("{text}, 0 signatures"));
}

#[test]
fn hostile_a39_an_archive_that_differs_from_its_sidecar_is_not_read() {
    let world = World::new();
    for damaged in [
        &b"the bytes of an archivE"[..],
        b"the bytes",
        b"",
        b"the bytes of an archive.",
    ] {
        fs::write(&world.archive, damaged).unwrap();
        let message = world.refused(None);
        assert!(message.contains("crates.tar.gz"), "{message}");
    }
    fs::write(&world.archive, BYTES).unwrap();
    fs::write(world.sidecar(), "{}").unwrap();
    world.refused(None);
    fs::write(world.sidecar(), vec![b' '; 70_000]).unwrap();
    world.refused(None);
}

#[test]
fn hostile_a39_what_must_be_signed_is_signed_by_who_must() {
    let world = World::new();
    let operators = world.operators();
    let message = world.refused(Some(&operators));
    assert!(message.contains("crates.tar.gz.romt.json.asc"), "{message}");
    world.sign(&TestKey::generate("Stranger <s@example.com>"));
    let message = world.refused(Some(&operators));
    assert!(message.contains("unknown key"), "{message}");
    assert!(message.contains(&world.key.signer()), "{message}");
    world.sign(&world.key);
    assert!(world.open(Some(&operators)).is_ok());
    fs::remove_file(world.sidecar()).unwrap();
    let message = world.refused(Some(&operators));
    assert!(message.contains("crates.tar.gz.romt.json"), "{message}");
}

#[test]
fn hostile_s17_a_signed_sidecar_vouches_for_its_own_archive_only() {
    let world = World::new();
    world.sign(&world.key);
    let operators = world.operators();
    // The medium was rewritten: archive alone, or with a sidecar that fits.
    fs::write(&world.archive, b"another archive, by whom?").unwrap();
    let message = world.refused(Some(&operators));
    assert!(message.contains("not the archive"), "{message}");
    let signature = fs::read(world.signatures()).unwrap();
    world.pack(b"another archive, by whom?");
    fs::write(world.signatures(), signature).unwrap();
    let message = world.refused(Some(&operators));
    assert!(
        message.contains("not over these bytes") || message.contains("not these bytes"),
        "{message}"
    );
}

#[test]
fn a_new_archive_does_not_keep_an_old_signature() {
    let world = World::new();
    world.sign(&world.key);
    world.pack(b"news");
    assert!(!world.signatures().exists());
    assert!(world.open(None).unwrap().starts_with("news"));
}

#[test]
fn an_archive_of_something_else_is_told() {
    let world = World::new();
    let error = open_archive(&world.archive, "toolchain", None, &|| true).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(
        error.to_string().contains("carries crates, not toolchain"),
        "{error}"
    );
}

#[test]
fn looking_at_a_large_archive_can_be_given_up() {
    let world = World::new();
    let given_up = open_archive(&world.archive, "crates", None, &|| false);
    assert!(matches!(given_up, Err(SealError::Cancelled)));
}
