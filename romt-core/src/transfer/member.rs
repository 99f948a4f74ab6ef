//! Which members an archive may have, judged by their names.

use super::{ArchiveFormat, BUNDLE_MEMBER, FORMAT_MEMBER};
use crate::{CrateName, Escaped, Version};

/// The longest name, in bytes.
const MAX_NAME: usize = 1024;

/// What a member of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// The index, as a bundle.
    Bundle,
    /// The `.crate` file of a version.
    Crate {
        /// The crate.
        name: CrateName,
        /// The version.
        version: Version,
    },
}

/// A member that may be there, somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Format,
    Member(Member),
}

/// Where an archive of this format has the `.crate` file.
pub(super) fn crate_path(format: ArchiveFormat, name: &CrateName, version: &Version) -> String {
    let prefix = name.prefix(format.prefix_style());
    format!("crates/{prefix}/{name}/{name}-{version}.crate")
}

/// Judges the name of a regular file.
pub(super) fn judge(name: &[u8], format: ArchiveFormat) -> Result<Admitted, String> {
    let path = plain(name)?;
    match path {
        FORMAT_MEMBER => return Ok(Admitted::Format),
        BUNDLE_MEMBER => return Ok(Admitted::Member(Member::Bundle)),
        _ => {}
    }
    let Some(rest) = path.strip_prefix("crates/") else {
        return Err(unexpected(name, "no archive of crates has it"));
    };
    let invalid = |why: &str| format!("Invalid crate {}: {why}", Escaped::new(name));
    let (directory, file) = rest
        .rsplit_once('/')
        .ok_or_else(|| invalid("it lies in no directory"))?;
    let (prefix, directory) = directory
        .rsplit_once('/')
        .ok_or_else(|| invalid("it lies in no directory of its crate"))?;
    let crate_name: CrateName = directory
        .parse()
        .map_err(|error: crate::InvalidValue| invalid(&error.to_string()))?;
    let version = file
        .strip_prefix(directory)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(".crate"))
        .ok_or_else(|| invalid("it does not end in `/NAME/NAME-VERSION.crate`"))?;
    let version: Version = version
        .parse()
        .map_err(|error: crate::InvalidValue| invalid(&error.to_string()))?;
    let expected = crate_name.prefix(format.prefix_style());
    if prefix != expected {
        return Err(format!(
            "Unexpected crate prefix for {}: format {} has `{expected}`",
            Escaped::new(name),
            format.number()
        ));
    }
    Ok(Admitted::Member(Member::Crate {
        name: crate_name,
        version,
    }))
}

/// Judges the name of a directory, of which nothing is made.
pub(super) fn judge_directory(name: &[u8]) -> Result<(), String> {
    plain(name.strip_suffix(b"/").unwrap_or(name)).map(|_| ())
}

/// Judges the name that a header has while another one counts. It is cut off
/// somewhere, but must not lead anywhere either.
pub(super) fn judge_overridden(name: &[u8]) -> Result<(), String> {
    let way_up = name.windows(2).any(|pair| pair == b"..");
    if way_up || name.starts_with(b"/") || name.iter().any(|b| b.is_ascii_control() || *b == b'\\')
    {
        return Err(unexpected(name, "its short name leads elsewhere"));
    }
    Ok(())
}

/// The name, if it is a plain relative path that every reader and every file
/// system takes for the same.
pub(super) fn plain(name: &[u8]) -> Result<&str, String> {
    match fault(name) {
        Some(why) => Err(unexpected(name, why)),
        None => std::str::from_utf8(name).map_err(|_| unexpected(name, "it is not UTF-8")),
    }
}

fn fault(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("its name is empty");
    }
    if name.len() > MAX_NAME {
        return Some("its name is longer than the limit of 1024 bytes");
    }
    if name.contains(&0) {
        return Some("there is a NUL byte in its name");
    }
    if name.iter().any(u8::is_ascii_control) {
        return Some("there is a control byte in its name");
    }
    if !name.is_ascii() {
        return Some("its name is not ASCII");
    }
    if name.starts_with(b"/") {
        return Some("its name is absolute");
    }
    if name.iter().any(|byte| matches!(byte, b'\\' | b':' | b'~')) {
        return Some("there is a `\\`, a `:` or a `~` in its name");
    }
    if name.windows(2).any(|pair| pair == b"..") {
        return Some("there is `..` in its name");
    }
    name.split(|&byte| byte == b'/')
        .find_map(|part| match part {
            b"" => Some("a part of its name is empty"),
            b"." => Some("a part of its name is `.`"),
            [.., b'.' | b' '] => Some("a part of its name ends in a dot or a blank"),
            _ => None,
        })
}

fn unexpected(name: &[u8], why: &str) -> String {
    format!("Unexpected archive member {}: {why}", Escaped::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, format: ArchiveFormat) -> Result<Admitted, String> {
        judge(name.as_bytes(), format)
    }

    #[test]
    fn paths_are_found_again_in_both_formats() {
        let version: Version = "0.1.0-rc.1+b1".parse().unwrap();
        for name in ["a", "Ab", "Abc", "MyCrate", "aux", "nul", "a-_9"] {
            let name: CrateName = name.parse().unwrap();
            for format in [ArchiveFormat::Mixed, ArchiveFormat::Lower] {
                let path = crate_path(format, &name, &version);
                let member = Member::Crate {
                    name: name.clone(),
                    version: version.clone(),
                };
                assert_eq!(judged(&path, format), Ok(Admitted::Member(member)));
            }
        }
    }

    #[test]
    fn hostile_a27_prefixes_follow_from_the_name_and_the_format() {
        for (path, format) in [
            (
                "crates/My/Cr/MyCrate/MyCrate-0.1.0.crate",
                ArchiveFormat::Lower,
            ),
            (
                "crates/my/cr/MyCrate/MyCrate-0.1.0.crate",
                ArchiveFormat::Mixed,
            ),
            (
                "crates/mycr/MyCrate/MyCrate-0.1.0.crate",
                ArchiveFormat::Lower,
            ),
            (
                "crates/my/cr/x/MyCrate/MyCrate-0.1.0.crate",
                ArchiveFormat::Lower,
            ),
            ("crates/3/abc/abc-0.1.0.crate", ArchiveFormat::Lower),
        ] {
            let error = judged(path, format).unwrap_err();
            let start = format!("Unexpected crate prefix for {path}");
            assert!(error.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn hostile_a28_names_and_versions_are_valid() {
        for path in [
            "crates/x",
            "crates/a/b",
            "crates/1/a/b-0.1.0.crate",
            "crates/1/a/a-0.1.0.tar",
            "crates/1/a/a-0.1.crate",
            "crates/1/a/a-.crate",
            "crates/1/a/a.crate",
            "crates/1/a/A-0.1.0.crate",
            "crates/1/9/9-0.1.0.crate",
            "crates/a b/a b-0.1.0.crate",
            "crates/1/a/a-0.1.0 .crate",
        ] {
            let error = judged(path, ArchiveFormat::Lower).unwrap_err();
            assert!(
                error.starts_with(&format!("Invalid crate {path}")),
                "{error}"
            );
        }
    }
}
