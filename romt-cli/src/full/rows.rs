//! Crates as rows, in the formats of romt for Python.

use std::fmt::Write as _;

use romt_core::{
    CrateName, PrefixStyle, Version,
    crates::{Rows, VersionRow},
};

use super::args::RowArgs;

/// How much is written at once.
const PIECE: usize = 1 << 16;

/// What a row says of a crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowFormat {
    path: bool,
    digest: bool,
    style: PrefixStyle,
}

impl RowFormat {
    pub(crate) fn new(args: &RowArgs, style: PrefixStyle) -> Self {
        Self {
            path: args.show_path || args.show_hash,
            digest: args.show_hash,
            style,
        }
    }

    /// One crate, without a line feed.
    pub(crate) fn row(self, name: &CrateName, row: &VersionRow) -> String {
        let mut text = String::new();
        self.push(name, row, &mut text);
        text
    }

    fn push(self, name: &CrateName, row: &VersionRow, text: &mut String) {
        if self.path {
            if self.digest {
                // Writing to a string cannot fail.
                let _ = write!(text, "{} *", row.checksum);
            }
            text.push_str(&path(name, row, self.style));
        } else {
            text.push_str(name.as_str());
            text.push('@');
            push_version(&row.version, text);
        }
    }

    /// Writes all of them to `out`, a line each, `mark` before each.
    pub(crate) fn write_all(
        self,
        rows: &Rows,
        mark: &str,
        out: &mut impl std::io::Write,
    ) -> std::io::Result<()> {
        let mut lines = String::with_capacity(PIECE + 1024);
        for (name, row) in rows.iter() {
            lines.push_str(mark);
            self.push(name, row, &mut lines);
            lines.push('\n');
            if lines.len() > PIECE {
                out.write_all(lines.as_bytes())?;
                lines.clear();
            }
        }
        out.write_all(lines.as_bytes())
    }
}

/// What its `Display` writes, for millions of versions.
fn push_version(version: &Version, text: &mut String) {
    let version = version.semver();
    push_number(version.major, text);
    text.push('.');
    push_number(version.minor, text);
    text.push('.');
    push_number(version.patch, text);
    for (mark, part) in [('-', version.pre.as_str()), ('+', version.build.as_str())] {
        if !part.is_empty() {
            text.push(mark);
            text.push_str(part);
        }
    }
}

fn push_number(number: u64, text: &mut String) {
    match u8::try_from(number) {
        Ok(digit @ 0..10) => text.push(char::from(b'0' + digit)),
        _ => {
            // Writing to a string cannot fail.
            let _ = write!(text, "{number}");
        }
    }
}

/// Where a crate is in the directory of the crates.
pub(crate) fn path(name: &CrateName, row: &VersionRow, style: PrefixStyle) -> String {
    format!("{}/{name}/{name}-{}.crate", name.prefix(style), row.version)
}

#[cfg(test)]
mod tests {
    use romt_core::{Sha256Digest, crates::CrateRows};

    use super::*;

    #[test]
    fn a_version_is_written_as_it_is_displayed() {
        for text in ["0.9.10", "1.0.0-rc.1+b.7", "100.0.18446744073709551615+a-b"] {
            let mut written = String::new();
            push_version(&text.parse().unwrap(), &mut written);
            assert_eq!(written, text);
        }
    }

    #[test]
    fn rows_are_those_of_the_python_tool() {
        let checksum = Sha256Digest::of("");
        let row = VersionRow {
            version: "1.0.0+b.7".parse().unwrap(),
            checksum,
        };
        let rows: Rows = [CrateRows::one(&"MyCrate".parse().unwrap(), &row)]
            .into_iter()
            .collect();
        let text = |path, digest, style| {
            let mut out = Vec::new();
            let format = RowFormat {
                path,
                digest,
                style,
            };
            format.write_all(&rows, "-", &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let lower = PrefixStyle::Lower;
        assert_eq!(text(false, false, lower), "-MyCrate@1.0.0+b.7\n");
        assert_eq!(
            text(true, false, lower),
            "-my/cr/MyCrate/MyCrate-1.0.0+b.7.crate\n"
        );
        assert_eq!(
            text(true, true, PrefixStyle::Mixed),
            format!("-{checksum} *My/Cr/MyCrate/MyCrate-1.0.0+b.7.crate\n")
        );
    }
}
