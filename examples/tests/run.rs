//! Each program runs, without a network, and says what it should.

use std::process::Command;

fn output_of(program: &str) -> String {
    let output = Command::new(program).output().expect("the program starts");
    let said = String::from_utf8(output.stdout).expect("what it says is text");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}{complained}");
    said
}

#[test]
fn embed_mirror() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_embed_mirror")),
        "fetched 1 crates\nthe mirror shows 1 crates\n"
    );
}

#[test]
fn custom_store() {
    let said = output_of(env!("CARGO_BIN_EXE_custom_store"));
    let (first, second) = said.trim_end().split_once('\n').unwrap();
    assert!(
        first.starts_with("the first run fetched 1 crates"),
        "{first}"
    );
    assert_eq!(
        second,
        "the second run fetched 0 crates and wrote 0 objects"
    );
}

#[test]
fn custom_source() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_custom_source")),
        "mirroring from a bundle of 5 files\nfetched 2 crates, 48 bytes in all\n"
    );
}

#[test]
fn mirror_toolchain() {
    assert_eq!(
        output_of(env!("CARGO_BIN_EXE_mirror_toolchain")),
        "1 components were fetched\nthe mirror shows stable-2026-03-05(1.94.0)\n"
    );
}
