//! Targets, the platforms that components are for.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use super::parts;
use crate::{InvalidValue, Key};

/// The longest target name, in bytes.
const MAX_LENGTH: usize = 64;

/// The name of a target, as in `x86_64-unknown-linux-gnu`.
///
/// 1 to 64 ASCII letters, digits, `.`, `_`, `-` and `+`, the first a letter or
/// digit; fit to be a segment of a [`Key`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(Arc<str>);

impl TargetName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check_name(text, MAX_LENGTH) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => Err(InvalidValue::new("target name", text, reason)),
        }
    }
}

/// Checks a name that may become a segment of a key.
pub(super) fn check_name(text: &str, longest: usize) -> Result<(), String> {
    let Some(first) = text.bytes().next() else {
        return Err("it is empty".to_owned());
    };
    if text.len() > longest {
        return Err(format!("it is longer than {longest} bytes"));
    }
    if !first.is_ascii_alphanumeric() {
        return Err("its first character must be an ASCII letter or a digit".to_owned());
    }
    if text.contains(['/', '=']) {
        return Err("only ASCII letters, digits, `.`, `_`, `-` and `+` are allowed".to_owned());
    }
    match text.parse::<Key>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.reason().to_owned()),
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for TargetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Which targets somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetChoice {
    /// All targets that a manifest has.
    All,
    /// Those that are on the disk already.
    OnDisk,
    /// These, sorted, each of them once; none if none was given.
    Named(Vec<TargetName>),
}

impl TargetChoice {
    /// Parses the values of a list option.
    ///
    /// `linux`, `windows` and `darwin` stand for the usual targets there. One
    /// `*` among the parts makes the choice [`OnDisk`](Self::OnDisk), else one
    /// `all` makes it [`All`](Self::All).
    ///
    /// ```
    /// # use romt_core::toolchain::TargetChoice;
    /// let choice = TargetChoice::parse_all(&["windows, linux"])?;
    /// let TargetChoice::Named(targets) = choice else { panic!() };
    /// assert_eq!(targets[0].as_str(), "x86_64-pc-windows-msvc");
    /// assert_eq!(TargetChoice::parse_all(&["linux,*"])?, TargetChoice::OnDisk);
    /// # Ok::<(), romt_core::InvalidValue>(())
    /// ```
    pub fn parse_all<S: AsRef<str>>(values: &[S]) -> Result<Self, InvalidValue> {
        let (mut targets, mut all, mut on_disk) = (Vec::new(), false, false);
        for part in parts(values) {
            match part {
                "*" => on_disk = true,
                "all" => all = true,
                name => targets.push(parse_alias(name)?),
            }
        }
        if on_disk {
            return Ok(Self::OnDisk);
        }
        if all {
            return Ok(Self::All);
        }
        targets.sort_unstable();
        targets.dedup();
        Ok(Self::Named(targets))
    }
}

fn parse_alias(name: &str) -> Result<TargetName, InvalidValue> {
    let full = match name {
        "linux" => "x86_64-unknown-linux-gnu",
        "windows" => "x86_64-pc-windows-msvc",
        "darwin" => "aarch64-apple-darwin",
        full => full,
    };
    full.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_targets_are_sorted_and_know_aliases() {
        let choice = TargetChoice::parse_all(&[
            "linux, wasm32-wasip1",
            " windows,,darwin",
            "x86_64-unknown-linux-gnu",
        ]);
        let expected = [
            "aarch64-apple-darwin",
            "wasm32-wasip1",
            "x86_64-pc-windows-msvc",
            "x86_64-unknown-linux-gnu",
        ];
        let expected = expected.map(|target| target.parse().unwrap()).to_vec();
        assert_eq!(choice.unwrap(), TargetChoice::Named(expected));
        let nothing = TargetChoice::parse_all::<&str>(&[]).unwrap();
        assert_eq!(nothing, TargetChoice::Named(Vec::new()));
    }

    #[test]
    fn a_star_outweighs_all_and_all_outweighs_names() {
        for (values, expected) in [
            (&["linux", "*"][..], TargetChoice::OnDisk),
            (&["all *"], TargetChoice::OnDisk),
            (&["linux,all"], TargetChoice::All),
        ] {
            assert_eq!(TargetChoice::parse_all(values).unwrap(), expected);
        }
        assert!(TargetChoice::parse_all(&["*,../x"]).is_err());
    }

    #[test]
    fn hostile_m08_targets_are_fit_for_paths() {
        let longest = "a".repeat(MAX_LENGTH);
        for good in ["i686-pc-windows-msvc", "thumbv8m.main-none-eabi", &longest] {
            assert_eq!(good.parse::<TargetName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "*",
            "-v",
            ".hidden",
            "a.",
            "nul",
            "com1.x",
            "a b",
            "a\0",
            "é",
            "a=b",
            "a%2fb",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad:?}");
        }
    }
}
