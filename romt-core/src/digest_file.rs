//! The `.sha256` files beside manifests, components and installers.

use crate::{InvalidValue, Sha256Digest};

/// The largest `.sha256` file, in bytes.
pub const MAX_SHA256_FILE_SIZE: u64 = 4 * 1024;

const KIND: &str = "SHA-256 file";

/// The digest that a `.sha256` file states.
///
/// The file is one line: 64 lower-case hexadecimal digits, then perhaps a blank,
/// a blank or `*`, and a name, which is ignored: rustup's files have a path there,
/// and those for Windows nothing. White space at the end is ignored too.
///
/// ```
/// # use romt_core::{Sha256Digest, digest_file::parse_sha256_file};
/// let digest = Sha256Digest::of("x");
/// let file = format!("{digest} *channel-rust-stable.toml\n");
/// assert_eq!(parse_sha256_file(file.as_bytes()), Ok(digest));
/// ```
pub fn parse_sha256_file(bytes: &[u8]) -> Result<Sha256Digest, InvalidValue> {
    let invalid = |reason: &str| InvalidValue::new(KIND, bytes, reason);
    if bytes.len() as u64 > MAX_SHA256_FILE_SIZE {
        return Err(invalid("it is larger than 4,096 bytes"));
    }
    let line = bytes.trim_ascii_end();
    let (digest, name) = line
        .split_at_checked(64)
        .ok_or_else(|| invalid("it must begin with 64 hexadecimal digits"))?;
    match name {
        [] | [b' ', b' ' | b'*', _, ..] => {}
        _ => return Err(invalid("a name must follow two blanks, or a blank and `*`")),
    }
    if name.iter().any(u8::is_ascii_control) {
        return Err(invalid("it must be one line without control characters"));
    }
    let digest = std::str::from_utf8(digest).map_err(|_| invalid("it must begin with digits"))?;
    digest
        .parse()
        .map_err(|error: InvalidValue| invalid(error.reason()))
}

/// What a `.sha256` file for the file `basename` has in it.
pub fn sha256_file(digest: Sha256Digest, basename: &str) -> String {
    format!("{digest} *{basename}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_54_honest_forms_are_accepted_and_others_refused() {
        let digest = Sha256Digest::of("x");
        let upper = digest.to_string().to_uppercase();
        let short = &digest.to_string()[1..];
        for good in [
            format!("{digest}"),
            format!("{digest}\n"),
            format!("{digest}\r\n"),
            format!("{digest} \t \n"),
            format!("{digest}  name\n"),
            format!("{digest} *name\n"),
            format!("{digest}  a b c  "),
            format!("{digest}  dist/x86_64-unknown-linux-gnu/rustup-init\n"),
            sha256_file(digest, "channel-rust-stable.toml"),
        ] {
            assert_eq!(parse_sha256_file(good.as_bytes()), Ok(digest), "{good:?}");
        }
        for bad in [
            String::new(),
            "\n".to_owned(),
            format!("{digest} name\n"),
            format!("{digest}\tname\n"),
            format!("{digest} *\n"),
            format!("{digest}name\n"),
            format!("{digest}0\n"),
            format!("{digest}  a\n{digest}  b\n"),
            format!("{digest}\n{digest}\n"),
            format!("# comment\n{digest}  name\n"),
            format!(" {digest}  name\n"),
            format!("\n{digest}  name\n"),
            format!("{upper}  name\n"),
            format!("{short}  name\n"),
            format!("<html>{digest}</html>"),
        ] {
            let error = parse_sha256_file(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), KIND, "{bad:?}");
        }
        let written = sha256_file(digest, "a.tar.xz");
        assert_eq!(written, format!("{digest} *a.tar.xz\n"));
    }

    #[test]
    fn hostile_m10_digest_files_are_one_short_line() {
        let digest = Sha256Digest::of("x");
        let long = format!("{digest}  {}", "a".repeat(4096));
        assert!(parse_sha256_file(long.as_bytes()).is_err());
        let longest = format!("{digest}  {}", "a".repeat(4096 - 66));
        assert_eq!(parse_sha256_file(longest.as_bytes()), Ok(digest));
        let path = format!("{digest} *../../etc/passwd\n");
        assert_eq!(parse_sha256_file(path.as_bytes()), Ok(digest));
        for end in ["\0", "  a\0b", "  a\x1b[2J", "  a\rb"] {
            let file = format!("{digest}{end}");
            assert!(parse_sha256_file(file.as_bytes()).is_err(), "{end:?}");
        }
        assert!(parse_sha256_file(&[0xff; 80]).is_err());
        assert!(parse_sha256_file(&[b"\xc3".repeat(64), b"  x".to_vec()].concat()).is_err());
    }
}
