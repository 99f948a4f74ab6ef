//! Archives of crates that somebody answers for.

use std::{fs, path::PathBuf};

use romt_store::conformance::signing::{SigningHash, TestKey};

use crate::world::{Mirror, Origin, Tool, carry};

fn beside(mirror: &Mirror, ending: &str) -> PathBuf {
    let name = format!("{}{ending}", mirror.archive().display());
    name.into()
}

#[test]
fn hostile_s17_an_export_that_was_rewritten_is_not_imported() {
    let origin = Origin::varied();
    let from = Mirror::init(Tool::Ours, &origin);
    from.from(&origin, &["--sidecar", "export"]).expect(0);
    let to = Mirror::init_import(Tool::Ours);
    carry(&from, &to);
    let key = TestKey::generate("Ann <ann@example.com>");
    let key_file = to.path().join("ann.asc");
    fs::write(&key_file, key.public_armored()).unwrap();
    let import = ["--operator-key", key_file.to_str().unwrap(), "import"];
    let refused = to.krate(&import);
    assert_eq!(refused.code(), Some(3), "{refused:#?}");
    assert!(
        refused.stdout.contains("romt.json is missing"),
        "{refused:#?}"
    );

    let sidecar = fs::read(beside(&from, ".romt.json")).unwrap();
    fs::write(beside(&to, ".romt.json"), &sidecar).unwrap();
    let signature = key.sign_detached_armored(&sidecar, SigningHash::Sha256);
    fs::write(beside(&to, ".romt.json.asc"), signature).unwrap();
    let honest = fs::read(to.archive()).unwrap();
    let mut rewritten = honest.clone();
    *rewritten.last_mut().unwrap() ^= 1;
    fs::write(to.archive(), rewritten).unwrap();
    let refused = to.krate(&import);
    assert_eq!(refused.code(), Some(3), "{refused:#?}");
    assert!(refused.stdout.contains("not the archive"), "{refused:#?}");
    assert!(to.crate_files().is_empty());

    fs::write(to.archive(), honest).unwrap();
    let imported = to.krate(&import);
    let imported = imported.expect(0);
    let line = format!("signed by {}", key.primary());
    assert!(imported.stdout.contains(&line), "{imported:#?}");
    assert_eq!(to.crate_files(), from.crate_files());
}
