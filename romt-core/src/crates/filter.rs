//! Which versions somebody wants: `name@version` patterns, as the Python tool has them.

use super::{CrateName, Version};
use crate::{Escaped, InvalidValue};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;

/// The most patterns.
const MAX_PATTERNS: usize = 100_000;

/// Selects versions of crates.
///
/// Made of patterns `NAME@VERSION`, of which either side may be left out. `*`,
/// `?` and `[…]` mean what they mean to a shell, and match whole texts. Names
/// are compared in lower case, versions as they are.
///
/// ```
/// # use romt_core::crates::VersionFilter;
/// let filter = VersionFilter::parse(["serde*@1.*; tokio", "# a comment"])?;
/// assert!(filter.selects(&"serde_json".parse()?, &"1.0.1".parse()?));
/// assert!(!filter.selects(&"serde".parse()?, &"2.0.0".parse()?));
/// assert!(filter.selects(&"Tokio".parse()?, &"0.1.0".parse()?));
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionFilter(Option<Vec<Pattern>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    name: Glob,
    version: Glob,
}

impl VersionFilter {
    /// Selects everything.
    pub fn all() -> Self {
        Self(None)
    }

    /// Selects what any pattern in `lines` does.
    ///
    /// A line has any number of patterns, between commas, semicolons or blanks;
    /// one that begins with `#` has none. No pattern at all selects nothing.
    pub fn parse<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Result<Self, InvalidValue> {
        let mut patterns = Vec::new();
        for line in lines {
            let line = line.as_ref().trim();
            if line.starts_with('#') {
                continue;
            }
            for part in line.split([',', ';', ' ', '\t']).filter(|p| !p.is_empty()) {
                if part.len() > MAX_PATTERN {
                    return Err(InvalidValue::new(
                        "filter",
                        part,
                        "it is longer than 256 bytes",
                    ));
                }
                if patterns.len() == MAX_PATTERNS {
                    return Err(InvalidValue::new("filter", part, "there are over 100,000"));
                }
                let (name, version) = part.split_once('@').unwrap_or((part, ""));
                patterns.push(Pattern {
                    name: Glob::new(&name.to_ascii_lowercase()),
                    version: Glob::new(version),
                });
            }
        }
        Ok(Self(Some(patterns)))
    }

    /// Whether everything is selected.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// The patterns, as messages show them; none if everything is selected.
    pub fn patterns(&self) -> impl Iterator<Item = Escaped> {
        self.0.iter().flatten().map(|pattern| {
            Escaped::new(format!("{}@{}", pattern.name.text(), pattern.version.text()).as_bytes())
        })
    }

    /// Whether any version of this crate can be selected.
    pub fn selects_name(&self, name: &CrateName) -> bool {
        let Some(patterns) = &self.0 else { return true };
        let name = name.to_lowercase();
        patterns.iter().any(|pattern| pattern.name.matches(&name))
    }

    /// Whether this version is selected.
    pub fn selects(&self, name: &CrateName, version: &Version) -> bool {
        let Some(patterns) = &self.0 else { return true };
        let (name, version) = (name.to_lowercase(), version.to_string());
        patterns
            .iter()
            .any(|pattern| pattern.name.matches(&name) && pattern.version.matches(&version))
    }
}

/// A pattern in the way of a shell, for a whole text. There is no escape: `[*]`
/// is a star.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Literal(char),
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
        text: String,
    },
}

impl Glob {
    /// An empty pattern matches everything.
    fn new(pattern: &str) -> Self {
        if pattern.is_empty() {
            return Self(vec![Token::Any]);
        }
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let (token, length) = match first {
                '*' => (Token::Any, 1),
                '?' => (Token::One, 1),
                '[' => parse_set(rest).unwrap_or((Token::Literal('['), 1)),
                other => (Token::Literal(other), other.len_utf8()),
            };
            rest = &rest[length..];
            // Two stars in a row are one.
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Self(tokens)
    }

    /// Goes back to the last star only, so that the cost is at most the product
    /// of the two lengths.
    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        let mut star = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Any) => {
                    star = Some((token, at));
                    token += 1;
                }
                Some(one) if one.matches(text[at]) => {
                    at += 1;
                    token += 1;
                }
                _ => {
                    let Some((star_token, star_at)) = star else {
                        return false;
                    };
                    star = Some((star_token, star_at + 1));
                    at = star_at + 1;
                    token = star_token + 1;
                }
            }
        }
        self.0[token..].iter().all(|rest| *rest == Token::Any)
    }

    fn text(&self) -> String {
        self.0.iter().map(Token::text).collect()
    }
}

impl Token {
    fn matches(&self, one: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Literal(literal) => *literal == one,
            Self::Set {
                negated, ranges, ..
            } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&one)) != *negated,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::One => "?".to_owned(),
            Self::Literal(literal) => literal.to_string(),
            Self::Set { text, .. } => text.clone(),
        }
    }
}

/// A set at the start of `text` and its length, or `None` if it does not end.
/// `]` in the first place is one of the set, and `^` is nothing special.
fn parse_set(text: &str) -> Option<(Token, usize)> {
    let body = &text[1..];
    let negated = body.starts_with('!');
    let skip = usize::from(negated);
    let first = skip + usize::from(body[skip..].starts_with(']'));
    let end = first + body[first..].find(']')?;
    let members: Vec<char> = body[skip..end].chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        if let [from, '-', to, ..] = members[at..] {
            // A range the wrong way round has no members.
            ranges.push((from, to));
            at += 3;
        } else {
            ranges.push((members[at], members[at]));
            at += 1;
        }
    }
    let length = 1 + end + 1;
    let text = text[..length].to_owned();
    Some((
        Token::Set {
            negated,
            ranges,
            text,
        },
        length,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(filter: &str, name: &str, version: &str) -> bool {
        VersionFilter::parse([filter])
            .unwrap()
            .selects(&name.parse().unwrap(), &version.parse().unwrap())
    }

    #[test]
    fn statement_22_filters_select_as_the_python_tool_does() {
        assert!(selects("[ab]*@", "alpha", "1.0.0"));
        assert!(selects("[ab]*@", "b", "1.0.0"));
        assert!(!selects("[ab]*@", "c", "1.0.0"));
        assert!(selects("a;@1.0.?", "zed", "1.0.7"));
        assert!(selects("a;@1.0.?", "a", "9.0.0"));
        assert!(!selects("a;@1.0.?", "zed", "1.0.77"));
        assert!(selects("x,y z", "z", "1.0.0"));
        assert!(!selects("x,y z", "w", "1.0.0"));
        assert!(Glob::new("[^a]").matches("^"));
        assert!(Glob::new("[^a]").matches("a"));
        assert!(!Glob::new("[^a]").matches("b"));
    }

    #[test]
    fn globs_mean_what_fnmatch_means() {
        for (pattern, text, expected) in [
            ("", "anything", true),
            ("a", "ab", false),
            ("a*b", "axxb", true),
            ("a*b*c", "abbbcbc", true),
            ("a?c", "ac", false),
            ("[!a]", "b", true),
            ("[!a]", "a", false),
            ("[a-c]x", "bx", true),
            ("[c-a]", "b", false),
            ("[!c-a]", "b", true),
            ("[]x]", "]", true),
            ("[!]x]", "]", false),
            ("[a", "[a", true),
            ("\\*", "\\anything", true),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("[a-]", "-", true),
            ("1.0.[0-9]", "1.0.5", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern:?} {text:?}"
            );
        }
    }

    #[test]
    fn quirk_q5_empty_parts_select_nothing() {
        let none = VersionFilter::parse(["", "  ", ",;", "# serde"]).unwrap();
        assert!(!none.is_all());
        assert!(!none.selects(&"serde".parse().unwrap(), &"1.0.0".parse().unwrap()));
        assert!(!selects("a,", "b", "1.0.0"));
        assert!(selects("@", "b", "1.0.0"));
    }

    #[test]
    fn quirk_q6_names_are_compared_in_lower_case() {
        assert!(selects("MyCrate@0.1.0", "MyCrate", "0.1.0"));
        assert!(selects("My*", "mycrate", "0.1.0"));
        assert!(!selects("a@1.0.0-RC", "a", "1.0.0-rc"));
    }

    #[test]
    fn hostile_patterns_cost_little() {
        let pattern = "*a".repeat(100);
        let name = "a".repeat(63) + "b";
        let filter = VersionFilter::parse([pattern]).unwrap();
        assert!(!filter.selects(&name.parse().unwrap(), &"1.0.0".parse().unwrap()));
        assert!(VersionFilter::parse(["x".repeat(300)]).is_err());
    }
}
