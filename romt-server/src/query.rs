//! The query of a search.

use http::Uri;

/// The longest text that is searched for, in bytes.
const MAX_TEXT: usize = 200;

/// What a search asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The text, without blanks around it.
    pub(crate) text: String,
    /// Which page, from 1.
    pub(crate) page: usize,
    /// How many names a page has, if that is said.
    pub(crate) per_page: Option<usize>,
}

impl Query {
    /// The query of `uri`. What is no number is as if it were not there.
    pub(crate) fn of(uri: &Uri) -> Self {
        let mut query = Self {
            text: String::new(),
            page: 1,
            per_page: None,
        };
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        for (key, value) in pairs {
            match &*key {
                "q" => bounded(value.trim()).clone_into(&mut query.text),
                "page" => query.page = value.parse().unwrap_or(1).max(1),
                "per_page" => query.per_page = value.parse().ok(),
                _ => {}
            }
        }
        query
    }

    /// How many names come before the page, where each has `per_page`.
    pub(crate) fn skip(&self, per_page: usize) -> usize {
        (self.page - 1).saturating_mul(per_page)
    }
}

fn bounded(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/search?{text}").parse().unwrap())
    }

    #[test]
    fn queries_are_read_as_forms_write_them() {
        let all = query("q=+a%2Bb+c%3C&page=3&per_page=7&x=y");
        assert_eq!(
            (all.text.as_str(), all.page, all.per_page),
            ("a+b c<", 3, Some(7))
        );
        assert_eq!(all.skip(7), 14);
        for odd in [
            "",
            "page=0&per_page=x",
            "page=-1",
            "page=99999999999999999999",
            "=&&=",
        ] {
            let odd = query(odd);
            assert_eq!((odd.text.as_str(), odd.page, odd.per_page), ("", 1, None));
        }
        let last = query(&format!("page={}", usize::MAX));
        assert_eq!(last.skip(100), usize::MAX);
    }

    #[test]
    fn hostile_h04_long_queries_are_cut() {
        let long = query(&format!("q={}", "%C3%A9".repeat(500)));
        assert_eq!(long.text, "\u{e9}".repeat(100));
        assert_eq!(query("q=%ff%fe").text, "\u{fffd}\u{fffd}");
    }
}
