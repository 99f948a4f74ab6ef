//! The lines at the beginning of a bundle.

use std::io::{self, BufRead};

use gix::{ObjectId, bstr::ByteSlice as _};
use romt_core::Escaped;

/// The longest header, in bytes, and the most references in it.
const MAX_HEADER: u64 = 1024 * 1024;
const MAX_REFS: usize = 1000;

/// Names that are devices on some systems, whatever follows a dot.
const DEVICES: [&str; 6] = ["aux", "con", "conin$", "conout$", "nul", "prn"];

/// What a bundle says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The commits that the receiver must have.
    pub(super) prerequisites: Vec<ObjectId>,
    /// What it brings, and under which names.
    pub(super) refs: Vec<(ObjectId, String)>,
    /// Where the pack begins.
    pub(super) length: u64,
}

/// Why a header is not one.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),
    Bad(String),
}

fn bad<T>(reason: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable::Bad(reason.into()))
}

/// Reads the header that a file begins with.
pub(super) fn read(file: impl BufRead) -> Result<Header, Unreadable> {
    let mut lines = Lines {
        file: file.take(MAX_HEADER + 1),
        line: Vec::new(),
        read: 0,
    };
    let version_3 = match lines.next()? {
        b"# v2 git bundle" => false,
        b"# v3 git bundle" => true,
        _ => return bad("it is not a bundle"),
    };
    let mut header = Header::default();
    loop {
        let line = lines.next()?;
        match line.first() {
            None => break,
            Some(b'@') if version_3 && line == b"@object-format=sha1" => {}
            Some(b'@') => {
                let line = Escaped::new(line);
                return bad(format!(
                    "it needs the capability `{line}`, which is not known"
                ));
            }
            Some(b'-') => header.prerequisites.push(prerequisite(&line[1..])?),
            Some(_) => header.add(reference(line)?)?,
        }
    }
    header.length = lines.read;
    Ok(header)
}

impl Header {
    fn add(&mut self, (id, name): (ObjectId, String)) -> Result<(), Unreadable> {
        if self.refs.len() == MAX_REFS {
            return bad(format!("it has more than {MAX_REFS} references"));
        }
        if self.refs.iter().any(|it| it.1 == name) {
            return bad(format!("it has the reference {name} twice"));
        }
        self.refs.push((id, name));
        Ok(())
    }
}

/// The lines of a header, as long as it is within its limit.
struct Lines<R> {
    file: io::Take<R>,
    line: Vec<u8>,
    read: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<&[u8], Unreadable> {
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line);
        self.read += read.map_err(Unreadable::Io)? as u64;
        if self.read > MAX_HEADER {
            return bad(format!("its header is over {MAX_HEADER} bytes long"));
        }
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(line),
            None => bad("its header has no end"),
        }
    }
}

/// A commit, and a comment that nobody needs.
fn prerequisite(line: &[u8]) -> Result<ObjectId, Unreadable> {
    let id = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    object_id(id)
}

fn reference(line: &[u8]) -> Result<(ObjectId, String), Unreadable> {
    let Some((id, name)) = line.split_once_str(" ") else {
        let line = Escaped::new(line);
        return bad(format!("its header has the line `{line}`"));
    };
    let id = object_id(id)?;
    if !is_name(name) {
        let name = Escaped::new(name);
        return bad(format!("it has a reference named `{name}`"));
    }
    Ok((id, String::from_utf8_lossy(name).into_owned()))
}

fn object_id(hex: &[u8]) -> Result<ObjectId, Unreadable> {
    match ObjectId::from_hex(hex) {
        Ok(id) if hex.len() == 40 => Ok(id),
        _ => {
            let hex = Escaped::new(hex);
            bad(format!("its header names `{hex}` where an object is due"))
        }
    }
}

/// Whether a name could be that of a reference anywhere.
fn is_name(name: &[u8]) -> bool {
    let part = |part: &[u8]| {
        let stem = part.split(|byte| *byte == b'.').next().unwrap_or_default();
        let stem = String::from_utf8_lossy(stem).to_ascii_lowercase();
        let numbered = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
        let is_port = numbered.is_some_and(|it| it.len() == 1 && it.as_bytes()[0].is_ascii_digit());
        !part.starts_with(b"-") && !is_port && !DEVICES.contains(&stem.as_str())
    };
    name.is_ascii()
        && name != b"@"
        && gix::validate::reference::name_partial(name.as_bstr()).is_ok()
        && name.split(|byte| *byte == b'/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    fn refused(text: &str) -> String {
        match read(text.as_bytes()) {
            Err(Unreadable::Bad(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_versions_are_read() {
        let text =
            format!("# v2 git bundle\n-{ID} a comment\n-{ID}\n{ID} refs/heads/master\n\nPACK");
        let header = read(text.as_bytes()).unwrap();
        assert_eq!(header.prerequisites.len(), 2);
        assert_eq!(header.refs[0].1, "refs/heads/master");
        assert_eq!(&text[usize::try_from(header.length).unwrap()..], "PACK");
        let text = format!("# v3 git bundle\n@object-format=sha1\n{ID} HEAD\n\n");
        assert_eq!(read(text.as_bytes()).unwrap().refs.len(), 1);
    }

    #[test]
    fn hostile_b01_what_is_no_bundle_is_refused() {
        refused("");
        refused("\x1f\0\x08");
        assert!(refused("# v4 git bundle\n\n").contains("not a bundle"));
        assert!(refused("# v2 git bundle\n").contains("no end"));
        assert!(refused(&format!("# v2 git bundle\n{ID} refs/heads/master\n")).contains("no end"));
        assert!(refused("# v3 git bundle\n@object-format=sha256\n\n").contains("sha256"));
        assert!(refused("# v3 git bundle\n@filter=blob:none\n\n").contains("filter"));
        assert!(refused("# v2 git bundle\n@object-format=sha1\n\n").contains("not known"));
        assert!(refused("# v2 git bundle\n0123 refs/heads/master\n\n").contains("0123"));
        assert!(refused("# v2 git bundle\nwords\n\n").contains("words"));
    }

    #[test]
    fn hostile_b01_headers_have_a_length() {
        let endless = format!("# v2 git bundle\n-{ID} {}", "x".repeat(2_000_000));
        assert!(refused(&endless).contains("1048576"));
        let line = |n| format!("{ID} refs/heads/b{n}\n");
        let many: String = (0..1001).map(line).collect();
        assert!(refused(&format!("# v2 git bundle\n{many}\n")).contains("1000"));
        let enough: String = (0..1000).map(line).collect();
        assert!(read(format!("# v2 git bundle\n{enough}\n").as_bytes()).is_ok());
        let twice = format!("# v2 git bundle\n{0}{0}\n", line(1));
        assert!(refused(&twice).contains("twice"));
    }

    #[test]
    fn hostile_b02_names_that_are_no_references_are_refused() {
        for name in [
            "refs/heads/../../x",
            "-x",
            "refs/heads/-x",
            "refs/heads/\u{1b}[31m",
            "refs/heads/a\rb",
            "refs/heads/nul",
            "refs/heads/COM1.txt",
            "refs/heads/master.lock",
            "refs/heads//master",
            "/refs/heads/master",
            "refs/heads/",
            "refs/heads/a b",
            "refs/heads/@{",
            "refs/heads/.x",
            "refs\\heads",
            "",
        ] {
            let text = format!("# v2 git bundle\n{ID} {name}\n\n");
            assert!(refused(&text).contains("named"), "{name}");
            assert!(!refused(&text).contains('\u{1b}'));
        }
        for name in ["HEAD", "refs/heads/bundle/master", "refs/tags/v1.0"] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
    }
}
