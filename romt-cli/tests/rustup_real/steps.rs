//! What a user does with rustup. Each step only needs a server: whether the tree
//! was put there or came over an air gap is the same to it.

use std::fs;

use crate::{dist_support::SECOND_TARGET, user::User};

/// Installs `toolchain` with what is needed to build.
#[track_caller]
pub(crate) fn install(user: &User<'_>, toolchain: &str) {
    let args = ["toolchain", "install", toolchain, "--profile", "minimal"];
    let args = [&args[..], &["--no-self-update"]].concat();
    let done = user.rustup(&args).expect(0);
    assert!(!done.stderr.contains("warn"), "{}", done.stderr);
    println!("{toolchain} is installed after {:?}", done.elapsed);
    let root = user.toolchain(toolchain);
    for program in ["rustc", "cargo"] {
        assert!(root.join("bin").join(program).is_file(), "{program}");
    }
}

/// Says which manifest the installed `toolchain` is of: its date.
pub(crate) fn date_of(user: &User<'_>, toolchain: &str) -> String {
    let manifest = "lib/rustlib/multirust-channel-manifest.toml";
    let text = fs::read_to_string(user.toolchain(toolchain).join(manifest));
    let text = text.expect("rustup keeps the manifest");
    let dated = text.lines().find_map(|line| line.strip_prefix("date = "));
    dated.expect("it has a date").trim_matches('"').to_owned()
}

/// Builds and runs a program with `toolchain`.
#[track_caller]
pub(crate) fn build_something(user: &User<'_>, toolchain: &str) {
    let package = user.directory().join("greeting");
    fs::create_dir_all(package.join("src")).expect("the directory is the user's");
    let manifest = "[package]\nname = \"greeting\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let program = "fn main() { println!(\"hello from {}\", 6 * 7); }\n";
    fs::write(package.join("Cargo.toml"), manifest).expect("the directory is the user's");
    fs::write(package.join("src/main.rs"), program).expect("the directory is the user's");
    let manifest = package.join("Cargo.toml");
    let manifest = manifest.to_str().expect("temporary directories are UTF-8");
    let cargo = ["run", toolchain, "cargo", "run", "--offline"];
    let done = user.rustup(&[&cargo[..], &["--manifest-path", manifest]].concat());
    assert_eq!(done.expect(0).stdout, "hello from 42\n");
}

/// Adds components and a target to `toolchain`.
#[track_caller]
pub(crate) fn add_parts(user: &User<'_>, toolchain: &str) {
    let root = user.toolchain(toolchain);
    let add = ["component", "add", "--toolchain", toolchain];
    user.rustup(&[&add[..], &["clippy", "rust-src"]].concat())
        .expect(0);
    assert!(root.join("bin/cargo-clippy").is_file());
    assert!(root.join("share/stand-in/rust-src").is_file());

    let add = ["target", "add", "--toolchain", toolchain, SECOND_TARGET];
    user.rustup(&add).expect(0);
    let library = format!("lib/rustlib/{SECOND_TARGET}/lib/libcore.rlib");
    assert!(root.join(library).is_file());

    let absent = ["component", "add", "--toolchain", toolchain, "miri"];
    let refused = user.rustup(&absent).expect(1);
    assert!(refused.stderr.contains("unavailable"), "{}", refused.stderr);
}

/// Asks for news of `toolchain`: whether there is a newer one.
#[track_caller]
pub(crate) fn check(user: &User<'_>, toolchain: &str, has_news: bool) {
    let checked = user.rustup(&["check", "--no-self-update"]);
    let text = format!("{}{}", checked.stdout, checked.stderr);
    let line = text
        .lines()
        .map(str::to_ascii_lowercase)
        .find(|line| line.starts_with(&format!("{toolchain}-")));
    let line = line.unwrap_or_else(|| panic!("nothing of {toolchain} in {checked:#?}"));
    let expected = if has_news {
        "update available"
    } else {
        "up to date"
    };
    assert!(line.contains(expected), "{line}");
    assert_eq!(
        checked.code(),
        Some(if has_news { 100 } else { 0 }),
        "{text}"
    );
}

/// Updates `toolchain` to what came out at `date`.
#[track_caller]
pub(crate) fn update(user: &User<'_>, toolchain: &str, date: &str) {
    let done = user.rustup(&["update", toolchain, "--no-self-update"]);
    println!("{toolchain} is updated after {:?}", done.expect(0).elapsed);
    assert_eq!(date_of(user, toolchain), date);
}

/// What the user cannot have is refused in words, not with a stack trace.
#[track_caller]
pub(crate) fn want_what_is_not_there(user: &User<'_>) {
    for absent in ["1.2.3", "nightly-2001-01-01"] {
        let install = ["toolchain", "install", absent, "--no-self-update"];
        let refused = user.rustup(&install).expect(1);
        assert!(refused.stderr.contains("error: "), "{}", refused.stderr);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    }
}

/// Brings rustup itself up to date: to `version`, whose program has these bytes.
#[track_caller]
pub(crate) fn update_rustup(user: &User<'_>, version: &str, program: &[u8]) {
    let checked = user.rustup(&["check"]);
    let text = format!("{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.code(), Some(100), "{text}");
    assert!(text.contains(version), "{text}");
    // Only its end tells one program from the other.
    assert!(fs::read(user.program()).expect("it is there") != program);
    user.rustup(&["self", "update"]).expect(0);
    assert!(fs::read(user.program()).expect("it is there") == program);
}
