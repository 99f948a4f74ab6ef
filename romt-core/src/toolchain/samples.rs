//! Manifests for tests.

use std::fmt::Write as _;

use super::ChannelManifest;
use crate::Sha256Digest;

/// A small manifest of 1.76.0.
pub(crate) fn manifest() -> ChannelManifest {
    ChannelManifest::parse(text().into(), "sample").unwrap()
}

/// Its text.
pub(crate) fn text() -> String {
    let mut text = head("2024-02-08", "1.76.0 (07dca489a 2024-02-04)");
    let (linux, musl) = ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl");
    let mips = "mips-unknown-linux-gnu";
    for component in ["rustc", "rust-std", "clippy-preview"] {
        package(&mut text, component, &[linux], Some(component));
    }
    package(&mut text, "rust-std", &[musl], None);
    package(
        &mut text,
        "rust-docs",
        &[linux, mips],
        Some("rust-docs-shared"),
    );
    package(&mut text, "rust-src", &["*"], Some("rust-src"));
    unavailable(&mut text, "rustc", "wasm32-wasip1");
    text + "\n[renames.clippy]\nto = \"clippy-preview\"\n\n[profiles]\n\
            minimal = [\"rustc\", \"rust-std\"]\n\
            default = [\"rustc\", \"rust-std\", \"rust-docs\", \"clippy\"]\n"
}

/// A manifest of 115 targets, as upstream's are.
pub(crate) fn large() -> String {
    let mut text = head("2024-02-08", "1.76.0 (07dca489a 2024-02-04)");
    let targets: Vec<String> = (0..115).map(|n| format!("arch{n}-unknown-linux")).collect();
    let components = [
        "cargo",
        "clippy-preview",
        "llvm-tools-preview",
        "rust",
        "rust-docs",
    ];
    let more = ["rust-std", "rustc", "rustfmt-preview"];
    for component in components.into_iter().chain(more) {
        for (number, target) in targets.iter().enumerate() {
            if number % 5 == 4 {
                unavailable(&mut text, component, target);
            } else {
                package(&mut text, component, &[target], None);
            }
            if component == "rust" {
                list_components(&mut text, target, &targets);
            }
        }
    }
    package(&mut text, "rust-src", &["*"], None);
    text
}

fn head(date: &str, version: &str) -> String {
    format!(
        "manifest-version = \"2\"\ndate = \"{date}\"\n\
         [pkg.rust]\nversion = \"{version}\"\n[pkg.rust-src]\nversion = \"{version}\"\n"
    )
}

/// Adds a component for targets that have one file together, called `stem`, or
/// one each.
fn package(text: &mut String, component: &str, targets: &[&str], stem: Option<&str>) {
    for target in targets {
        let own = format!("{component}-1.76.0-{}", target.replace('*', "all"));
        let stem = stem.unwrap_or(&own);
        write!(
            text,
            "\n[pkg.{component}.target.\"{target}\"]\navailable = true\n"
        )
        .unwrap();
        for (key, extension) in [("", ".tar.gz"), ("xz_", ".tar.xz"), ("zst_", ".tar.zst")] {
            let file = format!("{stem}{extension}");
            let hash = Sha256Digest::of(&file);
            let base = "https://dist.example.com/dist/2024-02-08";
            write!(
                text,
                "{key}url = \"{base}/{file}\"\n{key}hash = \"{hash}\"\n"
            )
            .unwrap();
        }
    }
}

fn unavailable(text: &mut String, component: &str, target: &str) {
    write!(
        text,
        "\n[pkg.{component}.target.{target}]\navailable = false\n"
    )
    .unwrap();
}

fn list_components(text: &mut String, target: &str, targets: &[String]) {
    for (kind, number) in [("components", 8), ("extensions", targets.len())] {
        for other in &targets[..number] {
            let table = format!("pkg.rust.target.{target}.{kind}");
            write!(
                text,
                "\n[[{table}]]\npkg = \"rust-std\"\ntarget = \"{other}\"\n"
            )
            .unwrap();
        }
    }
}
