//! Archives that people answer for: a sidecar, and signatures over it.

use std::fs;

use romt_store::conformance::signing::{SigningHash, TestKey};

use crate::world::{LINUX, Mirror, Tool, Upstream};

const ARCHIVE: &str = "toolchain.tar.gz";
const SIDECAR: &str = "toolchain.tar.gz.romt.json";
const SIGNATURES: &str = "toolchain.tar.gz.romt.json.asc";

/// An exporter with a sealed archive, an importer, and two operators whose keys the
/// importer has.
struct World {
    from: Mirror,
    to: Mirror,
    operators: [TestKey; 2],
}

impl World {
    fn new(unpacker: Tool) -> Self {
        let upstream = Upstream::small();
        let from = Mirror::new(Tool::Ours);
        let pack = [
            "-s",
            "stable",
            "-t",
            "linux",
            "--sidecar",
            "download",
            "pack",
        ];
        from.from(&upstream, &pack).expect(0);
        let to = Mirror::new(unpacker);
        for file in [ARCHIVE, SIDECAR] {
            from.carry(file, &to);
        }
        let operators = ["Ann <ann@example.com>", "Bob <bob@example.com>"].map(TestKey::generate);
        to.write("ann.asc", operators[0].public_armored());
        to.write("bob.asc", operators[1].public_armored());
        Self {
            from,
            to,
            operators,
        }
    }

    fn sign(&self, by: &[&TestKey]) {
        let sidecar = fs::read(self.to.path(SIDECAR)).unwrap();
        let signatures: String = by
            .iter()
            .map(|key| key.sign_detached_armored(&sidecar, SigningHash::Sha512))
            .collect();
        self.to.write(SIGNATURES, signatures);
    }

    /// What unpacking says that is refused for its integrity, and changes nothing.
    fn refused(&self, options: &[&str]) -> String {
        let refused = self.to.toolchain(&[options, &["unpack"]].concat());
        assert_eq!(refused.code(), Some(3), "{refused:#?}");
        assert!(
            !self
                .to
                .path("dist")
                .join("channel-rust-stable.toml")
                .exists()
        );
        assert!(self.to.components().is_empty());
        refused.stdout
    }
}

const BOTH: [&str; 6] = [
    "--operator-key",
    "ann.asc",
    "--operator-key",
    "bob.asc",
    "--operator-signatures",
    "2",
];

#[test]
fn hostile_s16_two_people_must_have_signed() {
    let world = World::new(Tool::Ours);
    let [ann, bob] = &world.operators;
    let said = world.refused(&BOTH);
    assert!(said.contains(SIGNATURES), "{said}");
    assert!(said.contains("gpg --armor --detach-sign"), "{said}");
    world.sign(&[ann, ann]);
    let said = world.refused(&BOTH);
    assert!(said.contains("1 of the 2 people"), "{said}");
    assert!(said.contains(&ann.primary()), "{said}");
    world.sign(&[bob, ann]);
    let unpacked = world.to.toolchain(&[&BOTH[..], &["unpack"]].concat());
    let unpacked = unpacked.expect(0);
    for key in [ann, bob] {
        let line = format!("signed by {}", key.primary());
        assert!(unpacked.stdout.contains(&line), "{unpacked:#?}");
    }
    assert_eq!(world.to.common_dist(), world.from.common_dist());
}

#[test]
fn hostile_s17_a_signature_is_for_one_archive() {
    let world = World::new(Tool::Ours);
    world.sign(&[&world.operators[0]]);
    let one = ["--operator-key", "ann.asc"];
    // Somebody rewrites the medium, consistently.
    let other = Mirror::new(Tool::Ours);
    let upstream = Upstream::small();
    let pack = [
        "-s",
        "stable",
        "-t",
        "windows",
        "--sidecar",
        "download",
        "pack",
    ];
    other.from(&upstream, &pack).expect(0);
    let (archive, sidecar) = (world.to.path(ARCHIVE), world.to.path(SIDECAR));
    let honest = [&archive, &sidecar].map(|path| fs::read(path).unwrap());
    other.carry(ARCHIVE, &world.to);
    let said = world.refused(&one);
    assert!(said.contains("not the archive"), "{said}");
    other.carry(SIDECAR, &world.to);
    let said = world.refused(&one);
    assert!(
        said.contains("not these bytes") || said.contains("not over these bytes"),
        "{said}"
    );
    fs::write(archive, &honest[0]).unwrap();
    fs::write(sidecar, &honest[1]).unwrap();
    world
        .to
        .toolchain(&[&one[..], &["unpack"]].concat())
        .expect(0);
}

#[test]
fn hostile_a39_damage_shows_before_anything_is_read() {
    let world = World::new(Tool::Ours);
    let archive = world.to.path(ARCHIVE);
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let said = world.refused(&[]);
    assert!(
        said.contains("not the archive that its sidecar is of"),
        "{said}"
    );
    fs::remove_file(world.to.path(SIDECAR)).unwrap();
    let said = world.refused(&["--operator-key", "ann.asc"]);
    assert!(said.contains(SIDECAR), "{said}");
}

#[test]
fn hostile_s14_operators_that_cannot_be_are_told_first() {
    let world = World::new(Tool::Ours);
    world.to.write("none.asc", "not a key");
    for (options, status) in [
        (&["--operator-key", "missing.asc"][..], 1),
        (&["--operator-key", "none.asc"], 1),
        (
            &["--operator-key", "ann.asc", "--operator-signatures", "2"],
            1,
        ),
        (&["--operator-signatures", "1"], 2),
    ] {
        let refused = world.to.toolchain(&[options, &["unpack"]].concat());
        assert_eq!(refused.code(), Some(status), "{options:?} {refused:#?}");
        assert!(world.to.components().is_empty());
    }
}

/// What lies beside an archive is nothing to the Python tool.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn the_python_tool_unpacks_a_sealed_archive() {
    let world = World::new(Tool::Python);
    world.to.toolchain(&["unpack"]).expect(0);
    assert_eq!(world.to.common_dist(), world.from.common_dist());
}

#[test]
fn rustup_is_sealed_as_toolchains_are() {
    let upstream = Upstream::small();
    upstream.publish_rustup("1.28.2", &[LINUX], true);
    let (from, to) = (Mirror::new(Tool::Ours), Mirror::new(Tool::Ours));
    let pack = [
        "-s",
        "stable",
        "-t",
        "linux",
        "--sidecar",
        "download",
        "pack",
    ];
    from.rustup_from(&upstream, &pack).expect(0);
    for file in ["rustup.tar.gz", "rustup.tar.gz.romt.json"] {
        from.carry(file, &to);
    }
    let key = TestKey::generate("Ann <ann@example.com>");
    to.write("ann.asc", key.public_armored());
    let unpack = ["--operator-key", "ann.asc", "unpack"];
    assert_eq!(to.rustup(&unpack).code(), Some(3));
    assert!(!to.path("rustup/release-stable.toml").exists());
    let sidecar = fs::read(to.path("rustup.tar.gz.romt.json")).unwrap();
    let signature = key.sign_detached_armored(&sidecar, SigningHash::Sha256);
    to.write("rustup.tar.gz.romt.json.asc", signature);
    to.rustup(&unpack).expect(0);
    assert!(to.path("rustup/release-stable.toml").exists());
    // A toolchain's archive is none of rustup's, whoever signed it.
    let sealed = [
        "-s",
        "stable",
        "-t",
        "linux",
        "--sidecar",
        "download",
        "pack",
    ];
    from.from(&upstream, &sealed).expect(0);
    let archive = from.path("toolchain.tar.gz");
    let other = to.rustup(&["--archive", archive.to_str().unwrap(), "unpack"]);
    assert_eq!(other.code(), Some(1));
    assert!(
        other.stdout.contains("carries toolchain, not rustup"),
        "{other:#?}"
    );
}
