//! The names of all crates, to be searched.

use memchr::memmem;
use romt_core::ports::{Catalog, Position};

/// The names of the crates of one state of the index, in lower case and sorted.
///
/// They lie one after the other in one text, which is searched as a whole: a quarter
/// of a million take some megabytes. In the text `_` is `-`, since few remember which
/// of the two it was; where it was `_` is kept beside it.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) position: Position,
    text: String,
    /// Where each name begins.
    starts: Vec<u32>,
    /// Where a `-` of the text is a `_`.
    underscores: Vec<u32>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many names there are in all.
    pub(crate) total: usize,
    /// Those that were asked for, the likeliest first.
    pub(crate) names: Vec<String>,
}

impl Names {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let length = catalog.names.iter().map(|name| name.len() + 1).sum();
        let mut names = Self {
            position: catalog.position.clone(),
            text: String::with_capacity(length),
            starts: Vec::with_capacity(catalog.names.len()),
            underscores: Vec::new(),
        };
        for name in &catalog.names {
            names.push(name);
        }
        names
    }

    fn push(&mut self, name: &str) {
        // A text that is longer has more names than there are crates.
        let (Ok(start), Ok(_)) = (
            u32::try_from(self.text.len()),
            u32::try_from(self.text.len() + name.len()),
        ) else {
            return;
        };
        self.starts.push(start);
        for (place, letter) in (start..).zip(name.chars()) {
            if letter == '_' {
                self.underscores.push(place);
            }
            self.text.push(folded(letter));
        }
        self.text.push('\n');
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The names that have all words of `query` in them: `count` of them after the
    /// first `skip`. The name that is the query comes first, then those that begin
    /// with it.
    pub(crate) fn search(&self, query: &str, skip: usize, count: usize) -> Found {
        let mut words: Vec<String> = query.split_whitespace().map(fold).collect();
        let Some(first) = words.first().cloned() else {
            let all = 0..self.starts.len();
            return self.found(all.len(), all.skip(skip).take(count));
        };
        // The longest is in the fewest names.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let is_alone = words.len() == 1;
        let (mut exact, mut begins, mut others) = (None, Vec::new(), Vec::new());
        for place in self.having(&words[0]) {
            let name = self.folded_at(place);
            if !words[1..].iter().all(|word| name.contains(word.as_str())) {
                continue;
            }
            if is_alone && name == first {
                exact = Some(place);
            } else if name.starts_with(&first) {
                begins.push(place);
            } else {
                others.push(place);
            }
        }
        let total = usize::from(exact.is_some()) + begins.len() + others.len();
        let all = exact.into_iter().chain(begins).chain(others);
        self.found(total, all.skip(skip).take(count))
    }

    /// The places of the names that have `word` in them, in order.
    fn having(&self, word: &str) -> impl Iterator<Item = usize> {
        let mut before = None;
        memmem::find_iter(self.text.as_bytes(), word)
            .map(|at| self.starts.partition_point(|start| *start as usize <= at) - 1)
            .filter(move |place| before.replace(*place) != Some(*place))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn found(&self, total: usize, places: impl Iterator<Item = usize>) -> Found {
        let names = places.map(|place| self.name_at(place)).collect();
        Found { total, names }
    }

    /// The name at `place`, with its `_` in it.
    fn name_at(&self, place: usize) -> String {
        let start = self.starts[place];
        let first = self.underscores.partition_point(|it| *it < start);
        let mut underscores = self.underscores[first..].iter().peekable();
        (start..)
            .zip(self.folded_at(place).chars())
            .map(|(at, letter)| match underscores.next_if_eq(&&at) {
                Some(_) => '_',
                None => letter,
            })
            .collect()
    }

    fn folded_at(&self, place: usize) -> &str {
        let start = self.starts[place] as usize;
        let end = match self.starts.get(place + 1) {
            Some(next) => *next as usize,
            None => self.text.len(),
        };
        &self.text[start..end - 1]
    }
}

fn folded(letter: char) -> char {
    match letter {
        '_' => '-',
        _ => letter.to_ascii_lowercase(),
    }
}

fn fold(text: &str) -> String {
    text.chars().map(folded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Names {
        let names = of.iter().map(|name| (*name).into()).collect();
        Names::new(&Catalog::new(Position::new("here"), names))
    }

    fn search(names: &Names, query: &str) -> Vec<String> {
        let found = names.search(query, 0, 100);
        assert_eq!(found.total, found.names.len(), "{query}");
        found.names
    }

    #[test]
    fn names_are_found_the_likeliest_first() {
        let names = names(&[
            "a",
            "my-serde",
            "serde",
            "serde-json",
            "serde_derive",
            "serde_yaml_ng",
            "tokio",
            "zz-serde-x",
        ]);
        assert_eq!(names.len(), 8);
        let all = [
            "serde",
            "serde-json",
            "serde_derive",
            "serde_yaml_ng",
            "my-serde",
            "zz-serde-x",
        ];
        assert_eq!(search(&names, "serde"), all);
        assert_eq!(search(&names, " SERDE "), all);
        assert_eq!(search(&names, "serde_json"), ["serde-json"]);
        assert_eq!(search(&names, "serde-yaml"), ["serde_yaml_ng"]);
        assert_eq!(search(&names, "json serde"), ["serde-json"]);
        assert_eq!(search(&names, "a"), ["a", "serde_yaml_ng"]);
        assert_eq!(search(&names, "nothing"), [""; 0]);
        assert_eq!(search(&names, "<script>"), [""; 0]);
        assert_eq!(search(&names, "").len(), 8);
    }

    #[test]
    fn long_answers_come_in_parts() {
        let many: Vec<String> = (0..50_000).map(|n| format!("crate-{n:05}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let names = names(&many);
        for query in ["", "crate", "rate"] {
            let found = names.search(query, 49_998, 10);
            assert_eq!(found.total, 50_000);
            assert_eq!(found.names, ["crate-49998", "crate-49999"], "{query}");
            assert!(names.search(query, 60_000, 10).names.is_empty());
        }
        assert_eq!(names.search("0", usize::MAX, usize::MAX).names, [""; 0]);
    }

    #[test]
    fn an_empty_index_has_no_names() {
        let none = names(&[]);
        assert_eq!(none.search("", 0, 10), Found::default());
        assert_eq!(none.search("a", 0, 10), Found::default());
    }
}
