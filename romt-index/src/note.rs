//! What is remembered with a published index file, as one line of text: the sizes
//! of the crate files, `?` for those that are not known, a blank, and upstream's
//! tag or `-`.

use romt_core::ports::{PublishedNote, Tag};

pub(crate) fn render(note: &PublishedNote) -> String {
    let tag = note.upstream.as_ref().map_or("-", Tag::as_str);
    let size = |size: &Option<u64>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let sizes: Vec<String> = note.sizes.iter().map(size).collect();
    format!("{} {tag}", sizes.join(","))
}

/// What cannot be read is not known any more, and found out again.
pub(crate) fn parse(line: &str) -> PublishedNote {
    let (sizes, tag) = line.split_once(' ').unwrap_or_default();
    PublishedNote {
        upstream: Tag::new(tag).filter(|tag| tag.as_str() != "-"),
        sizes: sizes
            .split(',')
            .filter(|size| !size.is_empty())
            .map(|size| size.parse().ok())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_round_trip() {
        for note in [
            PublishedNote::default(),
            PublishedNote {
                upstream: Tag::new("etag: \"a b\""),
                sizes: vec![Some(1), None, Some(u64::MAX)],
            },
        ] {
            assert_eq!(parse(&render(&note)), note);
        }
        for bad in ["", "x", "1,2"] {
            assert_eq!(parse(bad), PublishedNote::default());
        }
    }
}
