//! The commands of `romt crate`.

use romt_core::Escaped;

use crate::error::CliError;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Init,
    InitImport,
    Config,
    Pull,
    Prune,
    Download,
    Verify,
    Pack,
    Mark,
    Unpack,
    List,
    Update,
    Export,
    Import,
}

use Command::{
    Config, Download, Export, Import, Init, InitImport, List, Mark, Pack, Prune, Pull, Unpack,
    Update, Verify,
};

const ALL: [(&str, Command); 14] = [
    ("init", Init),
    ("init-import", InitImport),
    ("config", Config),
    ("pull", Pull),
    ("prune", Prune),
    ("download", Download),
    ("verify", Verify),
    ("pack", Pack),
    ("mark", Mark),
    ("unpack", Unpack),
    ("list", List),
    ("update", Update),
    ("export", Export),
    ("import", Import),
];

impl Command {
    /// All of the commands, or the error of the first that is none.
    pub(crate) fn parse_all(words: &[String]) -> Result<Vec<Self>, CliError> {
        let parse = |word: &String| {
            let known = ALL.iter().find(|(name, _)| name == word);
            known.map(|(_, command)| *command).ok_or_else(|| {
                let word = Escaped::new(word.as_bytes());
                CliError::usage(format!("invalid COMMAND '{word}'"))
            })
        };
        words.iter().map(parse).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        let known = ALL.iter().find(|(_, command)| *command == self);
        known.map_or("", |(name, _)| name)
    }

    /// What the command is short for, if it is.
    pub(crate) fn parts(self) -> &'static [Self] {
        match self {
            Update => &[Pull, Prune, Download, Mark],
            Export => &[Pull, Prune, Download, Pack, Mark],
            Import => &[Unpack, Pull, Prune, Verify, Mark],
            _ => &[],
        }
    }
}
