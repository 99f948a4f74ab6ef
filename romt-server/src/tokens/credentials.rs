//! The token in a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};

/// The longest credentials that are looked at, in bytes.
const LONGEST: usize = 1024;

/// What a request has for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presented {
    Nothing,
    Token(String),
    /// Something that can be no token.
    Garbage,
}

impl Presented {
    /// What `headers` have: the token bare, as cargo sends it, as a bearer's, or as a
    /// password.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Nothing,
            (Some(value), None) if value.len() <= LONGEST => value,
            _ => return Self::Garbage,
        };
        let Ok(text) = value.to_str() else {
            return Self::Garbage;
        };
        let token = match text.trim().split_once(' ') {
            None => Some(text.trim().to_owned()),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Some(token.trim().to_owned())
            }
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => password(pair.trim()),
            Some(_) => None,
        };
        match token {
            Some(token) if !token.is_empty() => Self::Token(token),
            _ => Self::Garbage,
        }
    }
}

/// The password of a name and a password; the name, if that is all there is.
fn password(pair: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    let token = if password.is_empty() { name } else { password };
    Some(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(values: &[&str]) -> Presented {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        Presented::of(&headers)
    }

    #[test]
    fn a_token_comes_bare_or_as_a_bearers_or_as_a_password() {
        for value in [
            "romt_abc",
            "Bearer romt_abc",
            "bearer  romt_abc",
            "Basic bWU6cm9tdF9hYmM=",
            "basic cm9tdF9hYmM6",
        ] {
            assert_eq!(
                presented(&[value]),
                Presented::Token("romt_abc".into()),
                "{value}"
            );
        }
        assert_eq!(presented(&[]), Presented::Nothing);
        let long = "a".repeat(LONGEST + 1);
        for values in [
            &[""][..],
            &["Basic !!"],
            &["Basic bWU="],
            &["Digest a"],
            &["a", "a"],
            &[&long],
        ] {
            assert_eq!(presented(values), Presented::Garbage, "{values:?}");
        }
    }
}
