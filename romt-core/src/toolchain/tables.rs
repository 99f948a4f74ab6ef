//! Cuts a TOML document into its tables, so that one is parsed at a time.
//!
//! A TOML parser keeps a tree of the whole document, and of a hostile one that
//! is tens of times its size. A channel manifest is thousands of small tables,
//! of which we need little. So they are parsed one by one: each piece has a
//! header like `[pkg.cargo.target.x]` and is a document by itself. This cutting
//! also keeps the limits on nesting and on the number of tables.
//!
//! Only strings, comments and brackets are told apart here, all else is for the
//! parser. Where the cut is wrong, because the text is no TOML, the parser refuses
//! one of the pieces.

/// The deepest that brackets, or the parts of a key, may be nested.
pub(super) const MAX_NESTING: usize = 16;

/// The most tables in a document.
pub(super) const MAX_TABLES: usize = 200_000;

/// The longest piece, in bytes. Upstream's have some hundred.
pub(super) const MAX_PIECE: usize = 128 * 1024;

/// One table with its header, or what comes before the first header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Where it begins in the document, in bytes.
    pub(super) start: usize,
}

/// Why a document is not cut: where, and the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) offset: usize,
    pub(super) reason: String,
}

/// Iterates over the pieces of a document.
pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
    /// How many brackets are open.
    depth: usize,
    /// How many dots the current key has so far.
    dots: usize,
    tables: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            dots: 0,
            tables: 0,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Whether the next line is a header.
    fn is_header(&self) -> bool {
        let rest = &self.bytes()[self.at..];
        let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        first == Some(&b'[')
    }

    /// Passes over a line, and over those that belong to it because a bracket or
    /// a string is open.
    fn pass_line(&mut self) -> Result<(), Excess> {
        self.dots = 0;
        while let Some(&byte) = self.bytes().get(self.at) {
            match byte {
                b'"' | b'\'' => self.pass_string(byte),
                b'#' => self.pass_comment(),
                b'\n' if self.depth == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.pass_byte(byte)?,
            }
        }
        Ok(())
    }

    fn pass_byte(&mut self, byte: u8) -> Result<(), Excess> {
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                self.dots = 0;
                if byte == b'{' {
                    self.count_table()?;
                }
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'=' | b',' | b'\n' => self.dots = 0,
            b'.' => self.dots += 1,
            _ => {}
        }
        // A key with one dot has two parts.
        if self.depth > MAX_NESTING || self.dots >= MAX_NESTING {
            return Err(self.excess(format!("it is nested deeper than {MAX_NESTING}")));
        }
        self.at += 1;
        Ok(())
    }

    fn count_table(&mut self) -> Result<(), Excess> {
        self.tables += 1;
        if self.tables > MAX_TABLES {
            return Err(self.excess(format!("it has more than {MAX_TABLES} tables")));
        }
        Ok(())
    }

    fn pass_comment(&mut self) {
        let rest = &self.bytes()[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        self.at += end.unwrap_or(rest.len());
    }

    fn pass_string(&mut self, quote: u8) {
        let triple = [quote; 3];
        if self.bytes()[self.at..].starts_with(&triple) {
            self.at += 3;
            self.pass_long_string(quote);
            return;
        }
        self.at += 1;
        while let Some(&byte) = self.bytes().get(self.at) {
            match byte {
                // No such string goes on here; the parser will say so.
                b'\n' => return,
                b'\\' if quote == b'"' => self.skip_escape(),
                _ => self.at += 1,
            }
            if byte == quote {
                return;
            }
        }
    }

    /// Passes over the rest of a string that three quotes began. It may end in two
    /// quotes of its own, before the three that end it.
    fn pass_long_string(&mut self, quote: u8) {
        while let Some(&byte) = self.bytes().get(self.at) {
            let rest = &self.bytes()[self.at..];
            if rest.starts_with(&[quote; 3]) {
                let quotes = rest.iter().take(5).take_while(|byte| **byte == quote);
                self.at += quotes.count();
                return;
            }
            if byte == b'\\' && quote == b'"' {
                self.skip_escape();
            } else {
                self.at += 1;
            }
        }
    }

    /// Passes over a backslash and what it escapes, but for the end of a line,
    /// which ends a string of one line whatever comes before.
    fn skip_escape(&mut self) {
        let next = self.bytes().get(self.at + 1);
        let escapes = next.is_some_and(|byte| *byte != b'\n');
        self.at += 1 + usize::from(escapes);
    }

    fn excess(&self, reason: String) -> Excess {
        Excess {
            offset: self.at.min(self.text.len()),
            reason,
        }
    }

    fn next_piece(&mut self) -> Result<Option<Piece<'a>>, Excess> {
        let start = self.at;
        if start == self.text.len() {
            return Ok(None);
        }
        if self.is_header() {
            self.count_table()?;
        }
        loop {
            self.pass_line()?;
            if self.at - start > MAX_PIECE {
                return Err(Excess {
                    offset: start,
                    reason: format!("a table is longer than {MAX_PIECE} bytes"),
                });
            }
            if self.at == self.text.len() || self.is_header() {
                break;
            }
        }
        let text = &self.text[start..self.at];
        Ok(Some(Piece { text, start }))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, Excess>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.next_piece().transpose();
        if matches!(piece, Some(Err(_))) {
            self.at = self.text.len();
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let pieces: Vec<Piece<'_>> = Pieces::of(text).map(Result::unwrap).collect();
        let whole: String = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(whole, text, "nothing is lost");
        for piece in &pieces {
            assert!(text[piece.start..].starts_with(piece.text));
        }
        pieces.iter().map(|piece| piece.text).collect()
    }

    fn excess(text: &str) -> Excess {
        Pieces::of(text).find_map(Result::err).unwrap()
    }

    #[test]
    fn a_document_is_cut_before_each_header() {
        assert_eq!(cut(""), [""; 0]);
        assert_eq!(cut("a = 1\n"), ["a = 1\n"]);
        assert_eq!(
            cut("a = 1\n[b]\nc = 2\n\n  [[d.e]] # f\n[g]"),
            ["a = 1\n", "[b]\nc = 2\n\n", "  [[d.e]] # f\n", "[g]"]
        );
    }

    #[test]
    fn brackets_in_values_strings_and_comments_are_no_headers() {
        for text in [
            "a = [\n[1],\n[2]\n]\n",
            "a = {\n b = [\n[]]}\n",
            "a = \"\"\"\n[x]\n\"\"\"\n",
            "a = '''\n[x]\n'''\n",
            "a = \"\"\"\n\\\"\"\"\n[x]\n\"\"\"\n",
            "a = \"\"\"x\"\"\"\"\"\nb = 1\n",
            "# \"\"\" '''\n",
            "a = 'x\\'\n",
            "a = \"\\\"[\"\n",
            "a = \"\\\\\"\n",
            "a = [ # ]\n[1]]\n",
            "a = '\"\"\"'\n",
            "\"a\\\"[\" = 1\n",
        ] {
            let followed = format!("{text}[y]\n");
            assert_eq!(cut(&followed), [text, "[y]\n"], "{text}");
            toml::de::DeTable::parse(text).unwrap();
        }
    }

    #[test]
    fn text_that_is_no_toml_is_cut_somehow_and_ends() {
        for text in [
            "\"",
            "'",
            "\"\"\"",
            "'''",
            "\"\\",
            "\"\"\"\\",
            "]]]]\n[a",
            "}\n=\n[",
            "\"\n[a]\n",
        ] {
            cut(text);
        }
        assert_eq!(cut("a = \"\\\n[b]\n").len(), 2);
    }

    #[test]
    fn hostile_m01_nesting_tables_and_lengths_have_limits() {
        let deep = format!("a = {}\n", "[".repeat(10_000));
        assert!(excess(&deep).reason.contains("deeper than 16"));
        let deep = format!("a = {}", "{a=".repeat(10_000));
        assert!(excess(&deep).reason.contains("deeper than 16"));
        let dotted = format!("x = 1\n[{}a]\n", "a.".repeat(1_000_000));
        let error = excess(&dotted);
        assert!(error.reason.contains("deeper than 16"));
        assert_eq!(dotted[..error.offset].matches('\n').count(), 1);
        let fits = format!("{}a = 1\n{}1{}", "a.".repeat(15), "b = [", "]\n");
        assert_eq!(cut(&fits).len(), 1);
        let tables = "[a]\n".repeat(MAX_TABLES + 1);
        assert!(excess(&tables).reason.contains("200000 tables"));
        assert_eq!(cut(&tables[4..]).len(), MAX_TABLES);
        let long = format!("[a]\nb = \"{}\"\n", "x".repeat(MAX_PIECE));
        assert!(excess(&long).reason.contains("longer than 131072 bytes"));
        let keys = "a.b = 1\n".repeat(1_000_000);
        assert!(excess(&keys).reason.contains("longer than 131072 bytes"));
    }
}
