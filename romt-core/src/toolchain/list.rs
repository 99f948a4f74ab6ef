//! Lists as they are given on the command line.

/// The parts of the values of a list option: what stands between commas and
/// white space, in order. Empty parts are none.
pub(crate) fn parts<S: AsRef<str>>(values: &[S]) -> impl Iterator<Item = &str> {
    values
        .iter()
        .flat_map(|value| {
            value
                .as_ref()
                .split(|c: char| c == ',' || c.is_whitespace())
        })
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn quirk_q13_empty_parts_are_dropped() {
        let values = ["a, b", " c", "", ",,\td\n"];
        assert_eq!(parts(&values).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}
