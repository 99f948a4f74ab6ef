//! What the index says a crate's digest is.

use romt_core::{Sha256Digest, Version};
use serde::Deserialize;

use crate::index_route::IndexFile;

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    vers: std::borrow::Cow<'l, str>,
    cksum: &'l str,
}

/// The digest that `file` gives for `version`.
///
/// Index files have thousands of lines, so only those that have the version in
/// them somewhere are parsed.
pub(crate) fn of(file: Option<&IndexFile>, version: &Version) -> Option<Sha256Digest> {
    let text = std::str::from_utf8(&file?.body).ok()?;
    in_lines(text, &version.to_string())
}

fn in_lines(text: &str, version: &str) -> Option<Sha256Digest> {
    let quoted = format!("\"{version}\"");
    let mut lines = text.lines().filter(|line| line.contains(&quoted));
    lines.find_map(|line| {
        let line: Line = serde_json::from_str(line).ok()?;
        (line.vers == version).then(|| line.cksum.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_whole_version() {
        let (one, two) = (Sha256Digest::of("1"), Sha256Digest::of("2"));
        let text = format!(
            "junk \"1.0.0\"\n\
             {{\"name\":\"a\",\"vers\":\"1.0.0+b\",\"deps\":[{{\"req\":\"1.0.0\"}}],\"cksum\":\"{one}\"}}\n\
             {{\"name\":\"a\",\"vers\":\"1.0.0\",\"cksum\":\"{two}\",\"new\":{{}}}}\n"
        );
        assert_eq!(in_lines(&text, "1.0.0+b"), Some(one));
        assert_eq!(in_lines(&text, "1.0.0"), Some(two));
        assert_eq!(in_lines(&text, "1.0"), None);
    }
}
