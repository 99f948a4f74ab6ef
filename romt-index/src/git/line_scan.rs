//! Reading index lines as a registry writes them: the fields in their usual order,
//! no blanks, all in ASCII.
//!
//! To parse JSON is most of the work of judging a line, and most of a line is
//! passed over anyway. What is passed over here is checked nevertheless. All that
//! is accepted, `serde_json` accepts and reads alike; whatever is unusual is left
//! to it.

/// How deep values may nest.
const MAX_DEPTH: u32 = 32;

/// The fields of an index line that decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) checksum: &'a str,
}

/// Reads the lines of one file.
///
/// Its versions mostly depend on the same, so what was checked once is recognized.
#[derive(Default)]
pub(super) struct Scanner<'a> {
    /// The last list of dependencies.
    dependencies: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The fields of `line`, or `None` if it is unusual.
    pub(super) fn read(&mut self, line: &'a [u8]) -> Option<Fields<'a>> {
        let mut rest = Rest(line);
        rest.literal(b"{\"name\":\"")?;
        let name = rest.plain()?;
        rest.literal(b",\"vers\":\"")?;
        let version = rest.plain()?;
        rest.literal(b",\"deps\":")?;
        self.dependencies(&mut rest)?;
        rest.literal(b",\"cksum\":\"")?;
        let checksum = rest.plain()?;
        rest.members()?;
        Some(Fields {
            name: std::str::from_utf8(name).ok()?,
            version: std::str::from_utf8(version).ok()?,
            checksum: std::str::from_utf8(checksum).ok()?,
        })
    }

    /// Passes over a list. Where it begins like another, it is the same: a list
    /// says where it ends.
    fn dependencies(&mut self, rest: &mut Rest<'a>) -> Option<()> {
        let begin = rest.0;
        if !self.dependencies.is_empty() && rest.literal(self.dependencies).is_some() {
            return Some(());
        }
        if begin.first() != Some(&b'[') {
            return None;
        }
        rest.value()?;
        self.dependencies = &begin[..begin.len() - rest.0.len()];
        Some(())
    }
}

/// What of a line is yet to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The rest of a string that is plain to its end.
    fn plain(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| !is_plain(*byte))?;
        let text = &self.0[..end];
        self.0 = &self.0[end..];
        (self.next()? == b'"').then_some(text)
    }

    /// Passes over the rest of a string.
    fn string(&mut self) -> Option<()> {
        loop {
            let end = self.0.iter().position(|byte| !is_plain(*byte))?;
            let special = self.0[end];
            self.0 = &self.0[end + 1..];
            match special {
                b'"' => return Some(()),
                b'\\' if matches!(self.next()?, b'"' | b'\\' | b'/') => {}
                _ => return None,
            }
        }
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Option<&'a [u8]> {
        self.literal(b"\"")?;
        let key = self.plain()?;
        self.literal(b":")?;
        Some(key)
    }

    /// Passes over the members behind the usual ones, to the end of the line.
    fn members(&mut self) -> Option<()> {
        let mut has_yanked = false;
        loop {
            match self.next()? {
                b',' => {}
                b'}' => return self.0.is_empty().then_some(()),
                _ => return None,
            }
            match self.key()? {
                b"name" | b"vers" | b"deps" | b"cksum" => return None,
                b"yanked" => {
                    let is_known = matches!(self.0.first()?, b't' | b'f' | b'n');
                    if std::mem::replace(&mut has_yanked, true) || !is_known {
                        return None;
                    }
                    self.value()?;
                }
                _ => self.value()?,
            }
        }
    }

    /// Passes over a value.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0;
        // A bit for each level around what is read: whether it is an object.
        let mut objects = 0_u64;
        loop {
            let opens_object = match self.next()? {
                b'"' => self.string().map(|()| None)?,
                b't' => self.literal(b"rue").map(|()| None)?,
                b'f' => self.literal(b"alse").map(|()| None)?,
                b'n' => self.literal(b"ull").map(|()| None)?,
                first @ b'0'..=b'9' => self.number(first).map(|()| None)?,
                b'{' => self.literal(b"}").map_or(Some(true), |()| None),
                b'[' => self.literal(b"]").map_or(Some(false), |()| None),
                _ => return None,
            };
            if let Some(is_object) = opens_object {
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
                objects = objects << 1 | u64::from(is_object);
                if is_object {
                    self.key()?;
                }
                continue;
            }
            loop {
                if depth == 0 {
                    return Some(());
                }
                match (self.next()?, objects & 1 == 1) {
                    (b',', true) => {
                        self.key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => {
                        depth -= 1;
                        objects >>= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Passes over the rest of a small number without a sign or a fraction.
    fn number(&mut self, first: u8) -> Option<()> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let digits = digits.count();
        if digits > 9 || (first == b'0' && digits > 0) {
            return None;
        }
        self.0 = &self.0[digits..];
        // What else may follow belongs to the number, and is unusual.
        let goes_on = matches!(self.0.first(), Some(b'.' | b'e' | b'E'));
        (!goes_on).then_some(())
    }
}

/// Whether a byte stands for itself in a string, and is no letter of a larger one.
fn is_plain(byte: u8) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = 0x20;
        while byte < 0x7f {
            plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
            byte += 1;
        }
        plain
    };
    PLAIN[byte as usize]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const USUAL: &str = r#"{"name":"x","vers":"1.0.0","deps":[{"name":"y","features":[],"target":"cfg(a = \"b\")"}],"cksum":"00","features":{"a":["b"]},"yanked":false,"v":2}"#;

    #[test]
    fn a_usual_line_is_read() {
        let fields = Scanner::default().read(USUAL.as_bytes()).unwrap();
        let expected = Fields {
            name: "x",
            version: "1.0.0",
            checksum: "00",
        };
        assert_eq!(fields, expected);
    }

    #[test]
    fn the_same_dependencies_are_recognized() {
        let mut scanner = Scanner::default();
        for _ in 0..2 {
            assert!(scanner.read(USUAL.as_bytes()).is_some());
        }
        // Another list that begins alike does not end alike.
        let more = USUAL.replace("}],", "},{}],");
        assert!(scanner.read(more.as_bytes()).is_some());
        let torn = USUAL.replace("}],", "}]],");
        assert!(scanner.read(torn.as_bytes()).is_none());
    }

    #[test]
    fn hostile_i05_what_is_unusual_is_left_to_another() {
        let nested = format!("{}{}", "[".repeat(40), "]".repeat(40));
        for (from, to) in [
            ("\"vers\"", "\"vers \""),
            ("\"yanked\"", "\"name\""),
            ("\"yanked\"", "\"cksum\""),
            ("\"features\":{", "\"yanked\":{"),
            ("\"v\":2", "\"yanked\":true"),
            ("\"v\"", "\"\\u0076\""),
            ("false", "0"),
            ("false", "falsy"),
            ("2}", "02}"),
            ("2}", "2e1}"),
            ("2}", "12345678901}"),
            ("2}", "2,}"),
            ("2}", "2} "),
            ("2}", "2}}"),
            ("2}", "2]"),
            ("2}", "2"),
            ("[\"b\"]", "[\"b\",]"),
            ("[\"b\"]", "[\"b\"}"),
            ("[\"b\"]", "[,]"),
            ("[\"b\"]", "[\"é\"]"),
            ("[\"b\"]", "[\"\t\"]"),
            ("[\"b\"]", &nested),
            ("[{", "{\"a\":{"),
        ] {
            let text = USUAL.replacen(from, to, 1);
            assert_ne!(text, USUAL);
            let read = Scanner::default().read(text.as_bytes());
            assert_eq!(read, None, "{text}");
        }
    }

    /// Whatever is done to a line, if it is read, it is JSON and says the same.
    #[test]
    fn hostile_i05_what_is_read_is_json() {
        let mut seed = 0x726f_6d74_u64;
        let mut below = |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 11).unwrap() % limit
        };
        let (mut read, mut left) = (0, 0);
        for _ in 0..50_000 {
            let mut line = USUAL.as_bytes().to_vec();
            for _ in 0..=below(3) {
                let (at, other) = (below(line.len()), below(line.len()));
                let alphabet = b"\"{}[]:,\\ 0129aetfn\x7f\xff\x1f";
                match below(4) {
                    0 => line[at] = alphabet[below(alphabet.len())],
                    1 => line.insert(at, alphabet[below(alphabet.len())]),
                    2 => line.swap(at, other),
                    _ => drop(line.remove(at)),
                }
            }
            let Some(fields) = Scanner::default().read(&line) else {
                left += 1;
                continue;
            };
            read += 1;
            let value: Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["name"], fields.name);
            assert_eq!(value["vers"], fields.version);
            assert_eq!(value["cksum"], fields.checksum);
            assert!(value["deps"].is_array());
        }
        assert!(read > 1_000 && left > 1_000, "{read} {left}");
    }
}
