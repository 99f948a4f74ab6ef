//! The targets for which there are installers, and what those are called.

use crate::toolchain::TargetName;

/// The targets that `all` stands for, those of romt for Python. Nothing upstream
/// lists them, so some may have no installer, and others have one.
pub const KNOWN_TARGETS: [&str; 33] = [
    "aarch64-apple-darwin",
    "aarch64-linux-android",
    "aarch64-pc-windows-msvc",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "arm-linux-androideabi",
    "arm-unknown-linux-gnueabi",
    "arm-unknown-linux-gnueabihf",
    "armv7-linux-androideabi",
    "armv7-unknown-linux-gnueabihf",
    "i686-apple-darwin",
    "i686-linux-android",
    "i686-pc-windows-gnu",
    "i686-pc-windows-msvc",
    "i686-unknown-linux-gnu",
    "mips-unknown-linux-gnu",
    "mips64-unknown-linux-gnuabi64",
    "mips64el-unknown-linux-gnuabi64",
    "mipsel-unknown-linux-gnu",
    "powerpc-unknown-linux-gnu",
    "powerpc64-unknown-linux-gnu",
    "powerpc64le-unknown-linux-gnu",
    "riscv64gc-unknown-linux-gnu",
    "s390x-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-linux-android",
    "x86_64-pc-windows-gnu",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-illumos",
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "x86_64-unknown-netbsd",
];

/// What the installer for a target is called: `rustup-init`, and on Windows
/// `rustup-init.exe`.
pub fn installer_name(target: &TargetName) -> &'static str {
    if target.as_str().split('-').any(|part| part == "windows") {
        "rustup-init.exe"
    } else {
        "rustup-init"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_targets_are_sorted_names() {
        assert!(KNOWN_TARGETS.is_sorted_by(|a, b| a < b));
        for target in KNOWN_TARGETS {
            assert_eq!(target.parse::<TargetName>().unwrap().as_str(), target);
        }
    }

    #[test]
    fn statement_55_the_installer_for_windows_ends_in_exe() {
        for (target, name) in [
            ("x86_64-pc-windows-msvc", "rustup-init.exe"),
            ("x86_64-unknown-linux-gnu", "rustup-init"),
            ("x86_64-pc-notwindows", "rustup-init"),
            ("windows", "rustup-init.exe"),
        ] {
            assert_eq!(installer_name(&target.parse().unwrap()), name);
        }
    }
}
