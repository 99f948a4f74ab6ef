//! The commands of `romt toolchain` and `romt rustup`.

use romt_core::Escaped;

use crate::error::CliError;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    FetchManifest,
    Download,
    Verify,
    List,
    AllTargets,
    AllComponents,
    Pack,
    Unpack,
    Fixup,
    Prune,
}

use Command::{
    AllComponents, AllTargets, Download, FetchManifest, Fixup, List, Pack, Prune, Unpack, Verify,
};

/// Those of `romt toolchain`.
pub(crate) const TOOLCHAIN: &[(&str, Command)] = &[
    ("fetch-manifest", FetchManifest),
    ("download", Download),
    ("verify", Verify),
    ("list", List),
    ("all-targets", AllTargets),
    ("all-components", AllComponents),
    ("pack", Pack),
    ("unpack", Unpack),
    ("fixup", Fixup),
    ("prune", Prune),
];

/// Those of `romt rustup`.
pub(crate) const RUSTUP: &[(&str, Command)] = &[
    ("download", Download),
    ("verify", Verify),
    ("list", List),
    ("all-targets", AllTargets),
    ("pack", Pack),
    ("unpack", Unpack),
    ("fixup", Fixup),
];

/// All of the commands, or the error of the first that is none of `known`.
pub(crate) fn parse_all(
    words: &[String],
    known: &[(&str, Command)],
) -> Result<Vec<Command>, CliError> {
    let parse = |word: &String| {
        let found = known.iter().find(|(name, _)| name == word);
        found.map(|(_, command)| *command).ok_or_else(|| {
            let word = Escaped::new(word.as_bytes());
            CliError::usage(format!("invalid COMMAND '{word}'"))
        })
    };
    words.iter().map(parse).collect()
}
